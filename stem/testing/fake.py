"""An app that only remembers what was enqueued."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar, cast

from pydantic import BaseModel

from stem.core.call import TaskEnqueueBuilder
from stem.core.context import Enqueued, JobHandle
from stem.core.duration import Duration
from stem.core.job import Job
from stem.core.registry import Registry
from stem.core.task import AnyTask, TaskDefinition

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R")


class FakeStem:
    """Takes the place of `Stem` where code under test enqueues: nothing runs, everything is remembered.

    `fake.calls` are all calls in order; `fake.enqueued(charge)` the arguments given to one task; `fake.answer(charge,
    receipt)` is what `result()` of its jobs will return, or raise when it is an exception. `fake.sync` takes the place
    of `app.sync`. `tasks` are those that can be enqueued by name.
    """

    def __init__(self, tasks: Iterable[AnyTask] = ()) -> None:
        self.calls: list[TaskEnqueueBuilder[Any]] = []
        self._registry = Registry(tasks)
        self._answers: dict[str, object] = {}

    @property
    def sync(self) -> SyncFake:
        """The same for code without an event loop."""
        return SyncFake(self)

    async def submit(self, call: TaskEnqueueBuilder[R], /) -> FakeHandle[R]:
        """Remember one call. Its arguments are encoded, so what could not be sent is refused here too."""
        return self.remember(call)

    async def enqueue_many(self, calls: Iterable[TaskEnqueueBuilder[R]], /) -> list[JobHandle[R]]:
        """Remember many."""
        return [self.remember(call) for call in calls]

    async def enqueue(self, name: str, args: Mapping[str, object] | None = None) -> FakeHandle[Any]:
        """Remember a call by name."""
        return self.remember(self.call(name, args))

    def call(self, name: str, args: Mapping[str, object] | None = None) -> TaskEnqueueBuilder[Any]:
        """A call by name, not yet sent; UnknownTaskError, InvalidArgumentsError as of `Stem`."""
        return self._registry.call(name, args)

    def remember(self, call: TaskEnqueueBuilder[R]) -> FakeHandle[R]:
        """Remember one call; a handle on the job that it would be."""
        request = call.request
        request.task.arguments.encode(request.args)
        self.calls.append(call)
        return FakeHandle(request.id or f"fake-{len(self.calls)}", request.task.name, self._answers)

    def enqueued(self, task: TaskDefinition[A, Any]) -> list[A]:
        """The arguments of every call of this task, in order."""
        found: list[Any] = [call.request.args for call in self.calls if call.request.task.name == task.name]
        return found

    def answer(self, task: TaskDefinition[Any, R], value: R | BaseException) -> None:
        """Let `result()` of this task's jobs return `value`, or raise it, as JobFailed(...)."""
        self._answers[task.name] = value

    def reset(self) -> None:
        """Forget everything."""
        self.calls.clear()
        self._answers.clear()


class FakeHandle(Generic[R]):
    """A handle on a job that will never run."""

    def __init__(self, job_id: str, task: str, answers: dict[str, object]) -> None:
        self._id, self._task, self._answers = job_id, task, answers

    @property
    def id(self) -> str:
        return self._id

    @property
    def enqueued(self) -> Enqueued:
        return "new"

    async def result(self, timeout: Duration | None = None) -> R:  # noqa: ARG002, ASYNC109 - as JobHandle has it
        """What `FakeStem.answer` was told; AssertionError when it was told nothing."""
        return self.answered()

    async def status(self) -> Job:
        """Queued, for ever."""
        return self.queued()

    async def cancel(self, reason: str = "") -> bool:  # noqa: ARG002 - as JobHandle has it
        """Agree."""
        return True

    async def watch(self) -> AsyncIterator[Job]:
        """One look."""
        yield self.queued()

    def answered(self) -> R:
        """The answer of this job's task."""
        if self._task not in self._answers:
            raise AssertionError(f"no answer for task {self._task!r}: call fake.answer(task, value) first")
        value = self._answers[self._task]
        if isinstance(value, BaseException):
            raise value
        return cast("R", value)

    def queued(self) -> Job:
        """The job, as it stays."""
        return Job(id=self._id, task=self._task, queue="default", state="queued")


class SyncFake:
    """A FakeStem in the place of `app.sync`."""

    def __init__(self, fake: FakeStem) -> None:
        self._fake = fake

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def open(self) -> None:
        """Nothing to connect to."""

    def close(self) -> None:
        """Nothing to let go of."""

    def enqueue(self, call: TaskEnqueueBuilder[R], /) -> SyncFakeHandle[R]:
        """Remember one call."""
        return SyncFakeHandle(self._fake.remember(call))

    def enqueue_many(self, calls: Iterable[TaskEnqueueBuilder[R]], /) -> list[SyncFakeHandle[R]]:
        """Remember many."""
        return [self.enqueue(call) for call in calls]


class SyncFakeHandle(Generic[R]):
    """A FakeHandle whose methods are plain."""

    def __init__(self, handle: FakeHandle[R]) -> None:
        self._handle = handle

    @property
    def id(self) -> str:
        return self._handle.id

    @property
    def enqueued(self) -> Enqueued:
        return "new"

    def result(self, timeout: Duration | None = None) -> R:  # noqa: ARG002 - as SyncJobHandle has it
        return self._handle.answered()

    def status(self) -> Job:
        return self._handle.queued()

    def cancel(self, reason: str = "") -> bool:  # noqa: ARG002 - as SyncJobHandle has it
        return True

    def watch(self) -> Iterator[Job]:
        yield self._handle.queued()
