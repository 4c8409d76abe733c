"""An app that only remembers what was enqueued."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel

from stem.core.call import TaskEnqueueBuilder
from stem.core.context import Enqueued, JobHandle
from stem.core.duration import Duration
from stem.core.job import Job
from stem.core.task import TaskDefinition

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R")


class FakeStem:
    """Takes the place of `Stem` where code under test enqueues: nothing runs, everything is remembered.

    `fake.calls` are all calls in order; `fake.enqueued(charge)` the arguments given to one task; `fake.answer(charge,
    receipt)` is what `result()` of its jobs will return.
    """

    def __init__(self) -> None:
        self.calls: list[TaskEnqueueBuilder[Any]] = []
        self._answers: dict[str, object] = {}

    async def submit(self, call: TaskEnqueueBuilder[R], /) -> FakeHandle[R]:
        """Remember one call. Its arguments are encoded, so what could not be sent is refused here too."""
        request = call.request
        request.task.arguments.encode(request.args)
        self.calls.append(call)
        return FakeHandle(request.id or f"fake-{len(self.calls)}", request.task.name, self._answers)

    async def enqueue_many(self, calls: Iterable[TaskEnqueueBuilder[R]], /) -> list[JobHandle[R]]:
        """Remember many."""
        return [await self.submit(call) for call in calls]

    def enqueued(self, task: TaskDefinition[A, Any]) -> list[A]:
        """The arguments of every call of this task, in order."""
        found: list[Any] = [call.request.args for call in self.calls if call.request.task.name == task.name]
        return found

    def answer(self, task: TaskDefinition[Any, R], value: R) -> None:
        """Let `result()` of this task's jobs return `value`."""
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
        if self._task not in self._answers:
            raise AssertionError(f"no answer for task {self._task!r}: call fake.answer(task, value) first")
        value: R = cast("R", self._answers[self._task])
        return value

    async def status(self) -> Job:
        """Queued, for ever."""
        return Job(id=self._id, task=self._task, queue="default", state="queued")

    async def cancel(self, reason: str = "") -> bool:  # noqa: ARG002 - as JobHandle has it
        """Agree."""
        return True

    async def watch(self) -> AsyncIterator[Job]:
        """One look."""
        yield await self.status()
