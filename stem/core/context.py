"""What a handler is given, and what a declaration needs to know of an app: Protocols that shells implement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, TypeAlias, TypeVar

from stem.core.duration import Duration, milliseconds
from stem.core.job import Job
from stem.core.options import retries, text

if TYPE_CHECKING:
    from stem.core.call import TaskEnqueueBuilder

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

#: What an enqueue found: a new job, the same id again, or the unique key held by another job.
Enqueued: TypeAlias = Literal["new", "duplicate", "held"]


class JobHandle(Protocol[R_co]):
    """One enqueued job, to be watched from the outside."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...

    @property
    def enqueued(self) -> Enqueued:
        """What the enqueue found; with "held", `id` is the holder's."""
        ...

    def result(self, timeout: Duration | None = None) -> Coroutine[object, None, R_co]:
        """The value the task returned; waits without polling.

        Raises JobFailed, JobCancelled, ResultTimeout after `timeout`, ResultNotKept, UnknownJobError.
        """
        ...

    def status(self) -> Coroutine[object, None, Job]:
        """The job as it stands; UnknownJobError when it is not known."""
        ...

    def cancel(self, reason: str = "cancelled by the caller") -> Coroutine[object, None, bool]:
        """Ask for the job to end. True: it is cancelled, or its worker was asked to end it; False: it had ended.

        A running job that ends by itself before it hears of it keeps its own end.
        """
        ...

    def watch(self) -> AsyncIterator[Job]:
        """The job now and after every change of state or progress, until it has ended."""
        ...


class SyncJobHandle(Protocol[R_co]):
    """The same for code without an event loop: these methods block."""

    @property
    def id(self) -> str: ...
    @property
    def enqueued(self) -> Enqueued: ...
    def result(self, timeout: Duration | None = None) -> R_co: ...
    def status(self) -> Job: ...
    def cancel(self, reason: str = "cancelled by the caller") -> bool: ...
    def watch(self) -> Iterator[Job]: ...


class SyncEnqueuer(Protocol):
    """What code without an event loop sends calls through: `app.sync` when it is open, and `FakeStem().sync`."""

    def enqueue(self, call: TaskEnqueueBuilder[R], /) -> SyncJobHandle[R]: ...
    def enqueue_many(self, calls: Iterable[TaskEnqueueBuilder[R]], /) -> Sequence[SyncJobHandle[R]]: ...


class Enqueuer(Protocol):
    """Whatever calls can be sent through: `Stem`, `Stem[TaskName]`, `FakeStem`, and a `TaskContext`'s app."""

    def submit(self, call: TaskEnqueueBuilder[R], /) -> Coroutine[object, None, JobHandle[R]]:
        """Enqueue one call."""
        ...

    def enqueue_many(self, calls: Iterable[TaskEnqueueBuilder[R]], /) -> Coroutine[object, None, list[JobHandle[R]]]:
        """Enqueue many calls in as few round trips as the engine needs; handles in the same order."""
        ...


class SyncTaskContext(Protocol):
    """The same for a handler that is a plain `def` and runs in a thread: these calls block."""

    def progress(self, percent: float, message: str = "", data: object = None) -> None: ...
    def extend_lease(self, by: Duration | None = None) -> None: ...
    def enqueue(self, call: TaskEnqueueBuilder[Any], /) -> str:
        """The id of the enqueued job."""
        ...


class TaskContext(Protocol):
    """The attempt that is running: who it is, and what it can ask for."""

    @property
    def id(self) -> str:
        """The job's id; the same in every attempt."""
        ...

    @property
    def task(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def attempt(self) -> int:
        """This attempt's number, from 1. Snoozing, hand-backs and lost leases do not count."""
        ...

    @property
    def max_retries(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def meta(self) -> Mapping[str, object]: ...
    @property
    def worker(self) -> str: ...
    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for this job to end."""
        ...

    @property
    def lease_remaining(self) -> timedelta:
        """How long this attempt may go on without a renewal; the worker renews by itself."""
        ...

    @property
    def sync(self) -> SyncTaskContext:
        """The blocking twin of the coroutines below, for handlers that run in a thread."""
        ...

    def heartbeat(self) -> None:
        """Stop here if the job was cancelled (JobCancelled) or its lease was lost (LeaseLost). Cheap."""
        ...

    def extend_lease(self, by: Duration | None = None) -> Coroutine[object, None, None]:
        """Hold the job for `by` from now, at least for its visibility timeout; LeaseLost when it is gone."""
        ...

    def progress(self, percent: float, message: str = "", data: object = None) -> Coroutine[object, None, None]:
        """Store how far the job is (0 to 100), visible to `status()`, `watch()` and the CLI. Also a heartbeat.

        A store that is away loses the note, and the job goes on.
        """
        ...

    def idempotency_key(self, scope: str = "") -> str:
        """A key that is the same in every attempt of this job, for receivers that remember keys."""
        ...

    def enqueue(self, call: TaskEnqueueBuilder[R], /) -> Coroutine[object, None, JobHandle[R]]:
        """Enqueue another call from here."""
        ...

    def retry(
        self, delay: Duration | None = None, *, max_retries: int | None = None, reason: str = "asked by the task"
    ) -> NoReturn:
        """End this attempt as failed and try again after `delay` (the policy's own wait when omitted)."""
        ...

    def snooze(self, delay: Duration) -> NoReturn:
        """End this attempt and run again after `delay`, without using up a retry."""
        ...


class RetryRequested(BaseException):
    """How `ctx.retry` leaves the handler; a BaseException, so that `except Exception` does not swallow it."""

    def __init__(self, delay: Duration | None, max_retries: int | None, reason: str) -> None:
        self.delay_ms = None if delay is None else milliseconds(delay, what="retry delay")
        self.max_retries = None if max_retries is None else retries(max_retries)
        self.reason = text(reason, "the reason of a retry")
        super().__init__(reason)


class SnoozeRequested(BaseException):
    """How `ctx.snooze` leaves the handler."""

    def __init__(self, delay: Duration) -> None:
        self.delay_ms = milliseconds(delay, what="snooze")
        super().__init__(f"snoozed for {self.delay_ms} ms")
