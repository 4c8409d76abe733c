"""What a workflow is given, and what a declaration needs to know of an app: Protocols that the runtime implements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, Protocol, TypeVar, overload

from typing_extensions import ParamSpec

from stem.core.call import TaskEnqueueBuilder
from stem.core.duration import Duration
from stem.core.events import Mailbox, Timeout, Topic
from stem.core.retry import RetryPolicy
from stem.core.run import Event, Message, OnParentEnd

if TYPE_CHECKING:
    from stem.core.run_view import Run
    from stem.core.workflow import WorkflowCall

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
R_contra = TypeVar("R_contra", contravariant=True)
E = TypeVar("E")


class RunHandle(Protocol[R_co]):
    """One workflow run, to be watched from the outside."""

    @property
    def id(self) -> str:
        """The run's id."""
        ...

    @property
    def started(self) -> Literal["new", "exists", "restarted"]:
        """What the start found: no such run, one that is there and was left alone, or one that had ended."""
        ...

    def result(self, timeout: Duration | None = None) -> Coroutine[object, None, R_co]:
        """What the workflow returned; waits without polling.

        Raises RunFailed, RunCancelled, RunTimeout after `timeout`, UnknownRunError.
        """
        ...

    def status(self) -> Coroutine[object, None, Run]:
        """The run as it stands; UnknownRunError when it is not known."""
        ...

    def cancel(
        self, reason: str = "cancelled by the caller", *, terminate: bool = False
    ) -> Coroutine[object, None, bool]:
        """Ask for the run to end; False: it had ended, or has failed and is being undone. `terminate`: at once, without that."""
        ...

    def watch(self) -> AsyncIterator[Run]:
        """The run now and after every change, until it has ended."""
        ...


class WorkflowClient(Protocol):
    """Whatever runs can be started and events emitted through: `Stem`, `FakeStem`."""

    def start_run(self, call: WorkflowCall[R], /) -> Coroutine[object, None, RunHandle[R]]:
        """Start one run; what `call.start(app)` does."""
        ...

    def emit_event(self, event: Event, /) -> Coroutine[object, None, bool]:
        """Emit; what `topic.emit(app, ...)` does."""
        ...

    def send_message(
        self, message: Message, start: WorkflowCall[Any] | None = None, /
    ) -> Coroutine[object, None, bool]:
        """Send; what `mailbox.send(app, ...)` does."""
        ...


class Pending(Awaitable[R_co], Protocol[R_co]):
    """A branch whose value can be awaited."""

    @property
    def key(self) -> str:
        """The name of its checkpoint."""
        ...


class Child(Protocol[R_co]):
    """A child that was started: await its `result()`, durably."""

    @property
    def id(self) -> str: ...
    def result(self) -> Coroutine[object, None, R_co]:
        """What the child returned. Raises RunFailed, RunCancelled."""
        ...


class StepContext(Protocol):
    """What a function called by `ctx.step_in` is given: one step of one run."""

    @property
    def run_id(self) -> str: ...
    @property
    def workflow(self) -> str: ...
    @property
    def step(self) -> str:
        """The step's name."""
        ...

    @property
    def step_index(self) -> int:
        """The step's place in the run, from 0."""
        ...

    @property
    def iteration(self) -> int:
        """How often a step of this name came before in this run (with `auto_version`), from 0."""
        ...

    @property
    def attempt(self) -> int:
        """This attempt's number, from 1."""
        ...

    @property
    def params(self) -> Any:
        """What the run was started with."""
        ...

    @property
    def previous_result(self) -> Any:
        """What the step before gave; None for the first."""
        ...

    def idempotency_key(self, scope: str = "") -> str:
        """A key that is the same in every attempt and replay of this step, for receivers that remember keys."""
        ...

    def take_resume_data(self) -> Any:
        """What the last sleep or wait of this step gave, once; None before.

        The sleep's `data`, the event's payload as plain JSON values, or `Timeout` when the deadline passed first. Raises
        WorkflowError for a payload of None.
        """
        ...

    def sleep(self, duration: Duration, *, data: object = True) -> Coroutine[object, None, None]:
        """Leave the step, and come back to its beginning after `duration`: see `take_resume_data`.

        A sleep that is over is passed: without `take_resume_data` the code simply goes on behind it.
        """
        ...

    @overload
    def wait_event(self, event: Topic[E], *, key: str = ..., deadline: None = None) -> Coroutine[object, None, E]: ...
    @overload
    def wait_event(
        self, event: Topic[E], *, key: str = ..., deadline: datetime | Duration | None
    ) -> Coroutine[object, None, E | Timeout]: ...
    @overload
    def wait_event(self, event: Mailbox[E], *, deadline: None = None) -> Coroutine[object, None, E]: ...
    @overload
    def wait_event(
        self, event: Mailbox[E], *, deadline: datetime | Duration | None
    ) -> Coroutine[object, None, E | Timeout]: ...
    def wait_event(
        self, event: Topic[Any] | Mailbox[Any], *, key: str = "", deadline: datetime | Duration | None = None
    ) -> Coroutine[object, None, Any]:
        """Leave the step, and come back to its beginning when the event has come or the deadline passed.

        A wait that is over is passed, and gives the payload, or Timeout.
        """
        ...

    def enqueue(self, call: TaskEnqueueBuilder[Any], /) -> str:
        """Enqueue a job together with this step's checkpoint: both or neither. Gives the job's id."""
        ...


class Steps(Protocol):
    """How steps are made: the context itself, or what `ctx.options(...)` gives."""

    @overload
    def step(
        self, name: str, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step(
        self, name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, R]: ...
    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine[object, None, Any]:
        """Call `fn`, once and for ever: its result is stored, and every replay gets it from there.

        `fn` may be a plain function; it runs in a thread then. Raises StepFailed after all attempts.
        """
        ...

    @overload
    def step_in(
        self,
        name: str,
        fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step_in(
        self, name: str, fn: Callable[Concatenate[StepContext, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, R]: ...
    def step_in(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine[object, None, Any]:
        """The same for a function that takes a StepContext first."""
        ...


class Branches(Protocol):
    """How steps are made beside others: `g` itself, or what `g.options(...)` gives."""

    @overload
    def step(
        self, name: str, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Pending[R]: ...
    @overload
    def step(self, name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Pending[R]: ...
    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Pending[Any]:
        """A step beside others."""
        ...

    @overload
    def step_in(
        self,
        name: str,
        fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Pending[R]: ...
    @overload
    def step_in(
        self, name: str, fn: Callable[Concatenate[StepContext, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Pending[R]: ...
    def step_in(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Pending[Any]:
        """The same for a function that takes a StepContext first."""
        ...


class Gather(Branches, Protocol):
    """Several things at once: `async with ctx.gather() as g`. The block ends when all of them have."""

    @overload
    def options(
        self,
        *,
        compensate: Callable[[R], object],
        auto_version: bool = ...,
        max_retries: int = ...,
        retry: RetryPolicy = ...,
        timeout: Duration | None = ...,
        upcast: Callable[[Any], Any] | None = ...,
    ) -> CompensatedBranches[R]: ...
    @overload
    def options(
        self,
        *,
        compensate: None = None,
        auto_version: bool = ...,
        max_retries: int = ...,
        retry: RetryPolicy = ...,
        timeout: Duration | None = ...,
        upcast: Callable[[Any], Any] | None = ...,
    ) -> Branches: ...
    def options(self, **said: Any) -> Any:
        """As `ctx.options`."""
        ...

    def call(self, call: TaskEnqueueBuilder[R], /) -> Pending[R]:
        """A job beside others."""
        ...

    def run(self, call: WorkflowCall[R], /, *, on_cancel: OnParentEnd = "cancel") -> Pending[R]:
        """A child beside others."""
        ...

    @overload
    def wait(self, event: Topic[E], /, *, key: str = ..., timeout: None = None) -> Pending[E]: ...
    @overload
    def wait(self, event: Topic[E], /, *, key: str = ..., timeout: Duration | None) -> Pending[E | Timeout]: ...
    @overload
    def wait(self, event: Mailbox[E], /, *, timeout: None = None) -> Pending[E]: ...
    @overload
    def wait(self, event: Mailbox[E], /, *, timeout: Duration | None) -> Pending[E | Timeout]: ...
    def wait(self, event: Topic[Any] | Mailbox[Any], /, *, key: str = "", timeout: Duration | None = None) -> Any:
        """A wait beside others."""
        ...

    def sleep(self, name: str, duration: Duration, /) -> Pending[None]:
        """A sleep beside others."""
        ...


class WorkflowContext(Steps, Protocol):
    """The run, as its workflow sees it. All it does is recorded, and done again from the record in every replay."""

    @property
    def run_id(self) -> str: ...
    @property
    def workflow(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def created_at(self) -> datetime:
        """When the run was started: the same in every replay."""
        ...

    @property
    def lease_remaining(self) -> timedelta:
        """How long this worker may go on without a renewal; it renews by itself."""
        ...

    @property
    def is_replaying(self) -> bool:
        """Whether what comes next was done before: for logs that shall not repeat themselves."""
        ...

    def idempotency_key(self, scope: str = "") -> str:
        """A key that is the same in every replay of this run."""
        ...

    @overload
    def options(
        self,
        *,
        compensate: Callable[[R], object],
        auto_version: bool = ...,
        max_retries: int = ...,
        retry: RetryPolicy = ...,
        timeout: Duration | None = ...,
        upcast: Callable[[Any], Any] | None = ...,
    ) -> Compensated[R]: ...
    @overload
    def options(
        self,
        *,
        compensate: None = None,
        auto_version: bool = ...,
        max_retries: int = ...,
        retry: RetryPolicy = ...,
        timeout: Duration | None = ...,
        upcast: Callable[[Any], Any] | None = ...,
    ) -> Steps: ...
    def options(self, **said: Any) -> Any:
        """How the next step is done: `ctx.options(max_retries=5).step("charge", charge, order)`.

        `compensate` is called with the step's result when the run fails or is cancelled later. `auto_version` numbers
        the steps of a loop that have one name. `timeout` is for each attempt. `upcast` makes today's result from one that
        was recorded before its type changed, given as plain JSON.
        """
        ...

    def sleep(self, name: str, duration: Duration, /) -> Coroutine[object, None, None]:
        """Wait durably: the worker, its slot and its memory are let go."""
        ...

    @overload
    def wait(self, event: Topic[E], /, *, key: str = ..., timeout: None = None) -> Coroutine[object, None, E]: ...
    @overload
    def wait(
        self, event: Topic[E], /, *, key: str = ..., timeout: Duration | None
    ) -> Coroutine[object, None, E | Timeout]: ...
    @overload
    def wait(self, event: Mailbox[E], /, *, timeout: None = None) -> Coroutine[object, None, E]: ...
    @overload
    def wait(self, event: Mailbox[E], /, *, timeout: Duration | None) -> Coroutine[object, None, E | Timeout]: ...
    def wait(self, event: Topic[Any] | Mailbox[Any], /, *, key: str = "", timeout: Duration | None = None) -> Any:
        """The payload of the event, emitted before, now or later; `Timeout` when `timeout` has passed without it."""
        ...

    def call(self, call: TaskEnqueueBuilder[R], /) -> Coroutine[object, None, R]:
        """Run a job on any worker and wait for its result, durably. Raises JobFailed, JobCancelled."""
        ...

    def run(self, call: WorkflowCall[R], /, *, on_cancel: OnParentEnd = "cancel") -> Coroutine[object, None, R]:
        """Run a child and wait for its result. Raises RunFailed, RunCancelled.

        `on_cancel`: what becomes of the child when this run fails or is cancelled: it is cancelled too, left alone
        ("abandon"), or cancelled and waited for ("wait").
        """
        ...

    def start(
        self, call: WorkflowCall[R], /, *, on_cancel: OnParentEnd = "cancel"
    ) -> Coroutine[object, None, Child[R]]:
        """Start a child and go on."""
        ...

    def enqueue(self, call: TaskEnqueueBuilder[Any], /) -> Coroutine[object, None, str]:
        """Enqueue a job, once, and go on; its id."""
        ...

    def emit(self, topic: Topic[E], value: E, /, *, key: str = "") -> Coroutine[object, None, None]:
        """Emit an event, once."""
        ...

    def send(self, mailbox: Mailbox[E], run_id: str, value: E, /) -> Coroutine[object, None, None]:
        """Send a message to another run, once; one that has ended does not read it."""
        ...

    def gather(self) -> AbstractAsyncContextManager[Gather]:
        """Several things at once. All of them come to their end; then the failures are raised, one as itself, more as
        an ExceptionGroup.
        """
        ...

    @overload
    def transaction(  # type: ignore[overload-overlap]  # an async def is refused: a checker says so where it is awaited
        self,
        name: str,
        fn: Callable[Concatenate[Transaction, P], Coroutine[Any, Any, object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    @overload
    def transaction(
        self, name: str, fn: Callable[Concatenate[Transaction, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, R]: ...
    def transaction(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """A step whose SQL and checkpoint are one transaction of the store: done exactly once, whatever crashes.

        SQLite: `fn` is a plain function that is given the file's connection; it must be brief, for it holds the write
        lock. WorkflowError on a store without transactions of its own.
        """
        ...

    def patched(self, name: str) -> Coroutine[object, None, bool]:
        """Whether the new code is for this run: True for runs that come here for the first time, False for those that
        have gone on beyond this place with the old code. The answer is recorded.
        """
        ...


class Compensated(Generic[R_contra]):
    """Steps that can be undone by a function of their result, or of anything wider."""

    @overload
    def step(
        self: Compensated[object],
        name: str,
        fn: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step(
        self: Compensated[object], name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step(
        self: Compensated[R | None],
        name: str,
        fn: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step(
        self: Compensated[R | None], name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step(
        self: Compensated[R], name: str, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step(
        self: Compensated[R], name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, R]: ...
    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine[object, None, Any]:
        """As `ctx.step`; when the run fails or is cancelled later, what was done is undone, the last first."""
        raise NotImplementedError

    @overload
    def step_in(
        self: Compensated[object],
        name: str,
        fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step_in(
        self: Compensated[object],
        name: str,
        fn: Callable[Concatenate[StepContext, P], R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step_in(
        self: Compensated[R],
        name: str,
        fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[object, None, R]: ...
    @overload
    def step_in(
        self: Compensated[R],
        name: str,
        fn: Callable[Concatenate[StepContext, P], R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[object, None, R]: ...
    def step_in(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine[object, None, Any]:
        """The same for a function that takes a StepContext first."""
        raise NotImplementedError


class CompensatedBranches(Generic[R_contra]):
    """The same beside others."""

    @overload
    def step(
        self: CompensatedBranches[object],
        name: str,
        fn: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Pending[R]: ...
    @overload
    def step(
        self: CompensatedBranches[object], name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Pending[R]: ...
    @overload
    def step(
        self: CompensatedBranches[R | None],
        name: str,
        fn: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Pending[R]: ...
    @overload
    def step(
        self: CompensatedBranches[R | None], name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Pending[R]: ...
    @overload
    def step(
        self: CompensatedBranches[R],
        name: str,
        fn: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Pending[R]: ...
    @overload
    def step(
        self: CompensatedBranches[R], name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Pending[R]: ...
    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Pending[Any]:
        """As `g.step`."""
        raise NotImplementedError

    @overload
    def step_in(
        self: CompensatedBranches[object],
        name: str,
        fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Pending[R]: ...
    @overload
    def step_in(
        self: CompensatedBranches[object],
        name: str,
        fn: Callable[Concatenate[StepContext, P], R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Pending[R]: ...
    @overload
    def step_in(
        self: CompensatedBranches[R],
        name: str,
        fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Pending[R]: ...
    @overload
    def step_in(
        self: CompensatedBranches[R],
        name: str,
        fn: Callable[Concatenate[StepContext, P], R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Pending[R]: ...
    def step_in(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Pending[Any]:
        """The same for a function that takes a StepContext first."""
        raise NotImplementedError


class Transaction(Protocol):
    """The store's own transaction, without the right to end it."""

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """A cursor of the statement, to be fetched from."""
        ...

    def executemany(self, sql: str, parameters: Any, /) -> Any: ...
