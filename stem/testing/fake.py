"""An app that only remembers what was enqueued."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, Self, TypeVar, cast

from pydantic import BaseModel

from stem.core.call import TaskEnqueueBuilder
from stem.core.context import Enqueued, JobHandle
from stem.core.duration import Duration
from stem.core.exactly import Gives, TakesArgs, TakesParams
from stem.core.job import Job
from stem.core.registry import Registry
from stem.core.run import Event, Message
from stem.core.run_view import Run
from stem.core.sizes import MAX_PAYLOAD
from stem.core.task import AnyTask, TaskDefinition
from stem.core.workflow import WorkflowCall, WorkflowDefinition
from stem.durable.client import new_run
from stem.errors import ConfigError

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R")


class FakeStem:
    """Takes the place of `Stem` where code under test enqueues: nothing runs, everything is remembered.

    `fake.runs`, `fake.events` and `fake.messages` are the runs started, events emitted and messages sent; `fake.started(
    fulfil)` the parameters of one workflow's runs. `fake.calls` are all calls in order; `fake.enqueued(charge)` the arguments given to one task; `fake.answer(charge,
    receipt)` is what `result()` of its jobs will return, or raise when it is an exception. `fake.sync` takes the place
    of `app.sync`. `tasks` are those that can be enqueued by name.
    """

    def __init__(self, tasks: Iterable[AnyTask] = ()) -> None:
        self.calls: list[TaskEnqueueBuilder[Any]] = []
        self.runs: list[WorkflowCall[Any]] = []
        self.events: list[Event] = []
        self.messages: list[Message] = []
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

    def enqueued(self, task: TakesArgs[A]) -> list[A]:
        """The arguments of every call of this task, in order. ConfigError for a workflow: see `started`."""
        if not isinstance(task, TaskDefinition):
            raise ConfigError(f"enqueued() takes a task, found {task!r}; fake.started(...) is for workflows")
        found: list[Any] = [call.request.args for call in self.calls if call.request.task.name == task.name]
        return found

    async def start_run(self, call: WorkflowCall[R], /) -> FakeRun[R]:
        """Remember a run; its parameters are encoded, so what could not be stored is refused here too."""
        new_run(call, "fake", None, max_payload=MAX_PAYLOAD)
        self.runs.append(call)
        return FakeRun(call.request.id or f"fake-run-{len(self.runs)}", call.request.workflow.name, self._answers)

    async def emit_event(self, event: Event, /) -> bool:
        """Remember an event; as if nobody had emitted it before."""
        self.events.append(event)
        return True

    async def send_message(self, message: Message, start: WorkflowCall[Any] | None = None, /) -> bool:
        """Remember a message, and the run that it may start."""
        self.messages.append(message)
        if start is not None:
            await self.start_run(start.id(message.run))
        return True

    def started(self, workflow: TakesParams[A]) -> list[A]:
        """The parameters of every run of this workflow, in order. ConfigError for a task: see `enqueued`."""
        if not isinstance(workflow, WorkflowDefinition):
            raise ConfigError(f"started() takes a workflow, found {workflow!r}; fake.enqueued(...) is for tasks")
        found: list[Any] = [call.request.params for call in self.runs if call.request.workflow.name == workflow.name]
        return found

    def answer(self, task: Gives[R], value: R | BaseException) -> None:
        """Let `result()` of this task's jobs or workflow's runs return `value`, or raise it, as JobFailed(...)."""
        self._answers[task.name] = value

    def reset(self) -> None:
        """Forget everything."""
        for remembered in (self.calls, self.runs, self.events, self.messages):
            remembered.clear()
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


class FakeRun(Generic[R]):
    """A handle on a run that will never go on."""

    def __init__(self, run: str, workflow: str, answers: dict[str, object]) -> None:
        self._id, self._workflow, self._answers = run, workflow, answers

    @property
    def id(self) -> str:
        return self._id

    @property
    def started(self) -> Literal["new", "exists", "restarted"]:
        return "new"

    async def result(self, timeout: Duration | None = None) -> R:  # noqa: ARG002, ASYNC109 - as RunHandle has it
        """What `FakeStem.answer` was told; AssertionError when it was told nothing."""
        return FakeHandle[R](self._id, self._workflow, self._answers).answered()

    async def status(self) -> Run:
        """Queued, for ever."""
        return Run(id=self._id, workflow=self._workflow, version=1, state="queued")

    async def cancel(self, reason: str = "", *, terminate: bool = False) -> bool:  # noqa: ARG002 - as RunHandle has it
        """Agree."""
        return True

    async def watch(self) -> AsyncIterator[Run]:
        """One look."""
        yield await self.status()


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
