"""Signals: telling observers in this process what happened. An observer's error is logged and harms nobody."""

from __future__ import annotations

import asyncio
import fnmatch
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeAlias, TypeVar

import msgspec

from stem.core.settle import Signal

log = logging.getLogger("stem.signals")


class Named(Protocol):
    """What every signal says of its job."""

    @property
    def task(self) -> str: ...
    @property
    def queue(self) -> str: ...


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A job that was enqueued or has started."""

    job_id: str
    task: str
    queue: str
    attempt: int = 0


class RunEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow run that has left a worker; `task` is the workflow's name, `queue` is always empty."""

    run_id: str
    task: str
    version: int
    queue: str = ""


class WorkerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that started or stopped; `task` is always empty, `queue` the queues joined by commas."""

    worker: str
    queue: str
    task: str = ""


T = TypeVar("T", bound=Named)
Observer: TypeAlias = Callable[[T], Awaitable[None] | None]


class Subscription(Generic[T]):
    """One observer's place; `cancel()` ends it."""

    def __init__(self, source: Source[T], observer: Observer[T], task: str, queue: str) -> None:
        self._source, self.observer, self._task, self._queue = source, observer, task, queue

    def wants(self, event: T) -> bool:
        """Whether the event passes the filters."""
        return fnmatch.fnmatchcase(event.task, self._task) and fnmatch.fnmatchcase(event.queue, self._queue)

    def cancel(self) -> None:
        """Hear nothing more."""
        self._source.disconnect(self)


class Source(Generic[T]):
    """One kind of signal."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._subscriptions: tuple[Subscription[T], ...] = ()
        self._running: set[asyncio.Future[None]] = set()

    def __bool__(self) -> bool:
        """Whether anybody listens: a signal nobody hears need not be made."""
        return bool(self._subscriptions)

    def connect(self, observer: Observer[T], *, task: str = "*", queue: str = "*") -> Subscription[T]:
        """Call `observer` with every signal whose task and queue match these patterns ("orders.*").

        A coroutine function is started and not waited for; a plain function runs in the event loop: be brief.
        """
        subscription = Subscription(self, observer, task, queue)
        self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def disconnect(self, subscription: Subscription[T]) -> None:
        """Forget one."""
        self._subscriptions = tuple(one for one in self._subscriptions if one is not subscription)

    def emit(self, event: T) -> None:
        """Tell all who want to know."""
        for subscription in self._subscriptions:
            if subscription.wants(event):
                self._tell(subscription, event)

    def _tell(self, subscription: Subscription[T], event: T) -> None:
        try:
            answer = subscription.observer(event)
            if inspect.isawaitable(answer):
                future = asyncio.ensure_future(answer)
                self._running.add(future)
                future.add_done_callback(self._ended)
        except Exception:
            log.exception("observer %r of %s failed", subscription.observer, self.name)

    def _ended(self, future: asyncio.Future[None]) -> None:
        self._running.discard(future)
        if not future.cancelled() and future.exception() is not None:
            log.error("an observer of %s failed", self.name, exc_info=future.exception())


class Signals:
    """All signals of one app. What has ended is told once it is stored, not before."""

    def __init__(self) -> None:
        self.job_enqueued: Source[JobEvent] = Source("job_enqueued")
        self.job_started: Source[JobEvent] = Source("job_started")
        self.job_succeeded: Source[Signal] = Source("job_succeeded")
        self.job_failed: Source[Signal] = Source("job_failed")
        self.job_retried: Source[Signal] = Source("job_retried")
        self.job_snoozed: Source[Signal] = Source("job_snoozed")
        self.job_cancelled: Source[Signal] = Source("job_cancelled")
        self.run_succeeded: Source[RunEvent] = Source("run_succeeded")
        self.run_failed: Source[RunEvent] = Source("run_failed")
        self.run_cancelled: Source[RunEvent] = Source("run_cancelled")
        self.run_suspended: Source[RunEvent] = Source("run_suspended")
        self.run_blocked: Source[RunEvent] = Source("run_blocked")
        self.run_quarantined: Source[RunEvent] = Source("run_quarantined")
        self.worker_started: Source[WorkerEvent] = Source("worker_started")
        self.worker_stopping: Source[WorkerEvent] = Source("worker_stopping")
        self.worker_stopped: Source[WorkerEvent] = Source("worker_stopped")
        self.settled = {
            source.name: source
            for source in (
                self.job_succeeded,
                self.job_failed,
                self.job_retried,
                self.job_snoozed,
                self.job_cancelled,
            )
        }
        self.runs = {
            source.name: source
            for source in (
                self.run_succeeded,
                self.run_failed,
                self.run_cancelled,
                self.run_suspended,
                self.run_blocked,
                self.run_quarantined,
            )
        }
