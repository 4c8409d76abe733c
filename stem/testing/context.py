"""A TaskContext for calling a handler directly in a test."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn, TypedDict, TypeVar

from typing_extensions import Unpack

from stem.core.call import TaskEnqueueBuilder
from stem.core.context import Enqueuer, JobHandle, RetryRequested, SnoozeRequested
from stem.core.duration import Duration
from stem.errors import JobCancelled
from stem.testing.fake import FakeStem

R = TypeVar("R")


@dataclass(kw_only=True)
class RecordedContext:
    """What a handler did with its context lies in `notes`, `calls` and `extended`."""

    id: str = "test-job"
    task: str = "test.task"
    queue: str = "default"
    attempt: int = 1
    max_retries: int = 3
    worker: str = "test-worker"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    meta: Mapping[str, object] = field(default_factory=dict[str, object])
    cancelled: bool = False
    lease_remaining: timedelta = timedelta(seconds=30)
    app: Enqueuer = field(default_factory=FakeStem)
    notes: list[tuple[float, str, object]] = field(default_factory=list[tuple[float, str, object]])
    extended: list[Duration | None] = field(default_factory=list[Duration | None])

    @property
    def calls(self) -> list[TaskEnqueueBuilder[Any]]:
        """What the handler has enqueued, where its app is a FakeStem, as it is unless `task_context(app=...)` says another."""
        if not isinstance(self.app, FakeStem):
            raise TypeError(f"this context enqueues through {self.app!r}, which keeps no list of calls")
        return self.app.calls

    @property
    def sync(self) -> RecordedSyncContext:
        return RecordedSyncContext(self)

    def heartbeat(self) -> None:
        if self.cancelled:
            raise JobCancelled(self.id, reason="cancelled in the test")

    async def extend_lease(self, by: Duration | None = None) -> None:
        self.extended.append(by)

    async def progress(self, percent: float, message: str = "", data: object = None) -> None:
        self.heartbeat()
        self.notes.append((percent, message, data))

    def idempotency_key(self, scope: str = "") -> str:
        return f"{self.id}/{scope}" if scope else self.id

    def enqueue(self, call: TaskEnqueueBuilder[R], /) -> Coroutine[object, None, JobHandle[R]]:
        return self.app.submit(call)

    def retry(
        self, delay: Duration | None = None, *, max_retries: int | None = None, reason: str = "asked by the task"
    ) -> NoReturn:
        raise RetryRequested(delay, max_retries, reason)

    def snooze(self, delay: Duration) -> NoReturn:
        raise SnoozeRequested(delay)


class RecordedSyncContext:
    """The blocking twin."""

    def __init__(self, context: RecordedContext) -> None:
        self._context = context

    def progress(self, percent: float, message: str = "", data: object = None) -> None:
        self._context.heartbeat()
        self._context.notes.append((percent, message, data))

    def extend_lease(self, by: Duration | None = None) -> None:
        self._context.extended.append(by)

    def enqueue(self, call: TaskEnqueueBuilder[R], /) -> str:
        submitted = self._context.enqueue(call)
        try:
            submitted.send(None)
        except StopIteration as end:
            handle: JobHandle[R] = end.value
            return handle.id
        raise RuntimeError("a test context enqueues into a FakeStem; give it nothing that waits")


class ContextFacts(TypedDict, total=False):
    """The fields of a RecordedContext that a test may set."""

    id: str
    task: str
    queue: str
    attempt: int
    max_retries: int
    worker: str
    headers: Mapping[str, str]
    meta: Mapping[str, object]
    cancelled: bool
    lease_remaining: timedelta
    app: Enqueuer


def task_context(**facts: Unpack[ContextFacts]) -> RecordedContext:
    """A context for `await charge(task_context(attempt=2), order)`; keywords are the fields of RecordedContext."""
    return RecordedContext(**facts)
