"""The app for code without an event loop: Django, Flask, notebooks. The same types, blocking."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any, Generic, Self, TypeVar

from stem.client.dead_letters import DeadLettersView
from stem.client.enqueue import Sender
from stem.client.jobs import JobsView
from stem.client.queues import QueuesView
from stem.clock import Clock
from stem.contracts.engine import Engine
from stem.core.call import TaskEnqueueBuilder
from stem.core.context import Enqueued, JobHandle
from stem.core.duration import Duration
from stem.core.job import Job
from stem.errors import ConfigError, EngineRefusedError

R = TypeVar("R")


class SyncClient:
    """An event loop in a thread of its own, with its own engine; `with app.sync as sync:`. Usable from any thread."""

    def __init__(
        self, make_engine: Callable[[], Engine], make_sender: Callable[[Engine], Sender], *, clock: Clock
    ) -> None:
        self._make_engine, self._make_sender = make_engine, make_sender
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._sender: Sender | None = None
        self._clock = clock
        self._pid = 0

    def __repr__(self) -> str:
        return f"<sync client, {'closed' if self._loop is None else 'open'}>"

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def open(self) -> None:
        """Connect; twice is fine. In a server that forks, each of its processes opens one of its own."""
        if self._loop is not None:
            self._not_forked()
            return
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stem-sync", daemon=True)
        self._thread.start()
        try:
            self.run(self._connect())
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """Let go; twice is fine. Whoever waits in another thread gets a CancelledError."""
        if self._loop is None:
            return
        if self._pid != os.getpid():
            self._loop = self._thread = self._engine = self._sender = None  # they are the parent's, and live there
            return
        if self._engine is not None:
            self.run(self._engine.close())
        self._end()

    def enqueue(self, call: TaskEnqueueBuilder[R], /) -> SyncHandle[R]:
        """Enqueue one call."""
        return SyncHandle(self.run(self._open_sender().send(call)), self.run)

    def enqueue_many(self, calls: Iterable[TaskEnqueueBuilder[R]], /) -> list[SyncHandle[R]]:
        """Enqueue many; handles in the same order."""
        return [SyncHandle(one, self.run) for one in self.run(self._open_sender().send_many(calls))]

    def handle(self, job_id: str) -> SyncHandle[Any]:
        """A handle on a job enqueued elsewhere; its result comes as plain JSON values."""
        return SyncHandle(self._open_sender().handle(job_id), self.run)

    @property
    def jobs(self) -> JobsView:
        """As `app.jobs`; its methods are coroutines for `run`: `sync.run(sync.jobs.list())`."""
        return JobsView(self._opened, self._clock)

    @property
    def queues(self) -> QueuesView:
        """As `app.queues`, for `run`."""
        return QueuesView(self._opened)

    @property
    def dead_letters(self) -> DeadLettersView:
        """As `app.dead_letters`, for `run`."""
        return DeadLettersView(self._opened)

    def run(self, coro: Coroutine[Any, Any, R]) -> R:
        """What the coroutine gives, run in this client's event loop."""
        if self._loop is None:
            coro.close()
            raise ConfigError("the app is closed: use it inside `with app.sync as sync:`")
        try:
            self._not_forked()
        except BaseException:
            coro.close()
            raise
        return asyncio.run_coroutine_threadsafe(coro, self._loop).result()

    def _not_forked(self) -> None:
        """A thread does not live on in a forked process: whoever waited for it there would wait for ever."""
        if self._pid != os.getpid():
            raise EngineRefusedError(
                f"this sync client was opened in process {self._pid} and carried over a fork into {os.getpid()}; "
                "open another one after the fork: `with app.sync as sync:`"
            )

    def _opened(self) -> Engine:
        if self._engine is None:
            raise ConfigError("the app is not open: use it inside `with app.sync as sync:`")
        return self._engine

    async def _connect(self) -> None:
        engine = self._make_engine()
        await engine.open()
        self._engine, self._sender = engine, self._make_sender(engine)

    def _open_sender(self) -> Sender:
        if self._sender is None:
            raise ConfigError("the app is not open: use it inside `with app.sync as sync:`")
        return self._sender

    def _end(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = self._engine = self._sender = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class SyncHandle(Generic[R]):
    """A JobHandle whose methods block."""

    def __init__(self, handle: JobHandle[R], run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._handle, self._run = handle, run

    def __repr__(self) -> str:
        return repr(self._handle)

    @property
    def id(self) -> str:
        return self._handle.id

    @property
    def enqueued(self) -> Enqueued:
        return self._handle.enqueued

    def result(self, timeout: Duration | None = None) -> R:
        """The value the task returned; raises as JobHandle.result does."""
        value: R = self._run(self._handle.result(timeout))
        return value

    def status(self) -> Job:
        """The job as it stands."""
        seen: Job = self._run(self._handle.status())
        return seen

    def watch(self) -> Iterator[Job]:
        """The job now and after every change of state or progress, until it has ended."""
        seen = self._handle.watch()
        while True:
            try:
                job: Job = self._run(_next(seen))
            except StopAsyncIteration:
                return
            yield job

    def cancel(self, reason: str = "cancelled by the caller") -> bool:
        """Ask for the job to end."""
        done: bool = self._run(self._handle.cancel(reason))
        return done


async def _next(seen: AsyncIterator[Job]) -> Job:
    return await anext(seen)
