"""The app for code without an event loop: Django, Flask, notebooks. The same types, blocking."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Self, TypeVar

from stem.client.enqueue import Sender
from stem.contracts.engine import Engine
from stem.core.call import TaskEnqueueBuilder
from stem.core.context import Enqueued, JobHandle
from stem.core.duration import Duration
from stem.core.job import Job
from stem.errors import ConfigError

R = TypeVar("R")


class SyncClient:
    """An event loop in a thread of its own, with its own engine; `with app.sync as sync:`. Usable from any thread."""

    def __init__(self, make_engine: Callable[[], Engine], make_sender: Callable[[Engine], Sender]) -> None:
        self._make_engine, self._make_sender = make_engine, make_sender
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._sender: Sender | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def open(self) -> None:
        """Connect; twice is fine."""
        if self._loop is not None:
            return
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stem-sync", daemon=True)
        self._thread.start()
        try:
            self._run(self._connect())
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """Let go; twice is fine."""
        if self._loop is None:
            return
        if self._engine is not None:
            self._run(self._engine.close())
        self._end()

    def enqueue(self, call: TaskEnqueueBuilder[R]) -> SyncHandle[R]:
        """Enqueue one call."""
        return SyncHandle(self._run(self._open_sender().send(call)), self._run)

    def enqueue_many(self, calls: Iterable[TaskEnqueueBuilder[R]]) -> list[SyncHandle[R]]:
        """Enqueue many; handles in the same order."""
        return [SyncHandle(one, self._run) for one in self._run(self._open_sender().send_many(calls))]

    def handle(self, job_id: str) -> SyncHandle[Any]:
        """A handle on a job enqueued elsewhere; its result comes as plain JSON values."""
        return SyncHandle(self._open_sender().handle(job_id), self._run)

    async def _connect(self) -> None:
        engine = self._make_engine()
        await engine.open()
        self._engine, self._sender = engine, self._make_sender(engine)

    def _open_sender(self) -> Sender:
        if self._sender is None:
            raise ConfigError("the app is not open: use it inside `with app.sync as sync:`")
        return self._sender

    def _run(self, coro: Coroutine[Any, Any, R]) -> R:
        if self._loop is None:
            coro.close()
            raise ConfigError("the app is closed: use it inside `with app.sync as sync:`")
        return asyncio.run_coroutine_threadsafe(coro, self._loop).result()

    def _end(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = self._engine = self._sender = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


class SyncHandle(Generic[R]):
    """A JobHandle whose methods block."""

    def __init__(self, handle: JobHandle[R], run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._handle, self._run = handle, run

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

    def cancel(self, reason: str = "cancelled by the caller") -> bool:
        """Ask for the job to end."""
        done: bool = self._run(self._handle.cancel(reason))
        return done
