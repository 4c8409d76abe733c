"""Several things at the same time, each with its place in the record, all ended when the block ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from stem.core.call import TaskEnqueueBuilder
from stem.core.duration import Duration
from stem.core.events import Mailbox, Topic
from stem.core.run import OnParentEnd
from stem.core.step import DEFAULT_OPTIONS, StepOptions, step_name
from stem.core.workflow import WorkflowCall
from stem.durable.answers import call_value, child_value, event_value
from stem.durable.leaving import Recalled
from stem.durable.pending import Pending
from stem.durable.stepping import begin_step, finish_step
from stem.errors import WorkflowError

if TYPE_CHECKING:
    from stem.durable.context import Context
    from stem.durable.execution import Execution


B = TypeVar("B", bound="Working | Answered")


class Gathering:
    """`async with ctx.gather() as g`."""

    def __init__(self, context: Context, execution: Execution) -> None:
        self._context, self._x = context, execution
        self._branches: list[Working | Answered] = []
        self._closed = False

    async def __aenter__(self) -> Gathering:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: object) -> None:
        self._closed = True
        working = [one for one in self._branches if isinstance(one, Working)]
        if fault is not None:
            await self._end(working, interrupt=not isinstance(fault, Exception))
            for one in self._branches:
                if isinstance(one, Answered):
                    self._x.waiting.drop(one.key)
            return
        try:
            if self._x.recalling and not all(one.is_over for one in self._branches if isinstance(one, Answered)):
                raise Recalled(at_wait=not working)
            await self._x.waiting.park(lambda: all(one.is_over for one in self._branches))
        except BaseException:
            await self._end(working, interrupt=True)
            raise
        faults = [found for one in self._branches if (found := one.fault()) is not None]
        if len(faults) == 1:
            raise faults[0]
        if faults:
            raise ExceptionGroup(f"{len(faults)} of {len(self._branches)} branches failed", faults)

    async def _end(self, working: list[Working], *, interrupt: bool) -> None:
        """Wait until nothing works any more; what is interrupted is not recorded and will be done again.

        What is recorded comes to its end by itself, for it has to be known whether it can be undone; along the record
        nothing else is done anyway.
        """
        for one in working:
            if interrupt and not one.recorded and not self._x.recalling:
                one.task.cancel()
        self._x.waiting.close()
        try:
            await asyncio.gather(*(one.task for one in working), return_exceptions=True)
        finally:
            self._x.waiting.closed = False

    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Working:
        """See Gather."""
        return self.step_with(DEFAULT_OPTIONS, name, fn, args, kwargs, inside=False)

    def step_in(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Working:
        """See Gather."""
        return self.step_with(DEFAULT_OPTIONS, name, fn, args, kwargs, inside=True)

    def options(self, **said: Any) -> Any:
        """See Gather."""
        return OptionedBranches(self, self._context.options(**said).options)

    def step_with(
        self,
        options: StepOptions,
        name: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        inside: bool,
    ) -> Working:
        """A step beside others, with options of its own."""
        self._enter()
        begun = begin_step(self._x, self._context.prefix + step_name(name), options, fn, args, kwargs, plain_name=True)
        make = self._context.inside_branch if inside else None
        work = finish_step(self._x, begun, options, fn, args, kwargs, inside=make, branch=True)
        recorded = begun.reached.step is not None and self._x.workflow.options.on_change != "rerun"
        return self._add(Working(self._context, self._x, begun.reached.key, work, recorded=recorded))

    def call(self, call: TaskEnqueueBuilder[Any], /) -> Answered:
        """See Gather."""
        self._enter()
        pending = self._context.calling(call)
        return self._add(Answered(self._context, pending, lambda step: call_value(call, pending, step)))

    def run(self, call: WorkflowCall[Any], /, *, on_cancel: OnParentEnd = "cancel") -> Answered:
        """See Gather."""
        self._enter()
        pending = self._context.running(call, on_cancel)
        return self._add(Answered(self._context, pending, lambda step: child_value(call, pending, step)))

    def wait(self, event: Topic[Any] | Mailbox[Any], /, *, key: str = "", timeout: Duration | None = None) -> Answered:
        """See Gather."""
        self._enter()
        pending = self._context.waiting_for(event, key, timeout)
        return self._add(Answered(self._context, pending, lambda step: event_value(event, step)))

    def sleep(self, name: str, duration: Duration, /) -> Answered:
        """See Gather."""
        self._enter()
        return self._add(Answered(self._context, self._context.sleeping(name, duration), lambda _: None))

    def _enter(self) -> None:
        if self._closed:
            raise WorkflowError(
                "the block of this gather has ended: begin its branches inside `async with ctx.gather() as g`"
            )
        self._context.enter()

    def _add(self, branch: B) -> B:
        self._branches.append(branch)
        return branch


class OptionedBranches:
    """Steps beside others, with options."""

    def __init__(self, gathering: Gathering, options: StepOptions) -> None:
        self._gathering, self._options = gathering, options

    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Working:
        return self._gathering.step_with(self._options, name, fn, args, kwargs, inside=False)

    def step_in(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Working:
        return self._gathering.step_with(self._options, name, fn, args, kwargs, inside=True)


class Working:
    """A step that is done in a task of its own."""

    def __init__(
        self, context: Context, execution: Execution, key: str, work: Coroutine[Any, Any, Any], *, recorded: bool
    ) -> None:
        self._context, self._x, self.key, self.recorded = context, execution, key, recorded
        execution.waiting.begin_branch()
        self.task: asyncio.Task[Any] = asyncio.create_task(work)
        self.task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # looked at: where the block ends one of all is raised, and asyncio need not log the others
        self._x.waiting.end_branch()

    @property
    def is_over(self) -> bool:
        return self.task.done()

    def fault(self) -> Exception | None:
        """What it raised; a reason to leave is raised at once."""
        found = asyncio.CancelledError() if self.task.cancelled() else self.task.exception()
        if found is not None and not isinstance(found, Exception):
            raise found
        return found

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._value().__await__()

    async def _value(self) -> Any:
        await self._x.waiting.park(self.task.done)
        found = self.fault()
        if found is not None:
            raise found
        return self.task.result()


class Answered:
    """Something that is answered by the store."""

    def __init__(self, context: Context, pending: Pending, value: Callable[[Any], Any]) -> None:
        self._context, self._pending, self._read = context, pending, value
        self._found: Any = None
        self._fault: Exception | None = None
        self._looked = False

    @property
    def key(self) -> str:
        return self._pending.key

    @property
    def is_over(self) -> bool:
        return self._pending.is_over

    def fault(self) -> Exception | None:
        """What it came to, when that is a failure."""
        self._look()
        return self._fault

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._value().__await__()

    async def _value(self) -> Any:
        await self._context.answer(self._pending)
        self._look()
        if self._fault is not None:
            raise self._fault
        return self._found

    def _look(self) -> None:
        if self._looked:
            return
        self._looked = True
        try:
            self._found = self._read(self._pending.step)
        except Exception as fault:
            self._fault = fault
