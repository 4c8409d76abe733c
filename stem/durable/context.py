"""The WorkflowContext: what a workflow asks for, found in the record or done now."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from stem.contracts.workflows import WorkError
from stem.core.call import TaskEnqueueBuilder
from stem.core.duration import Duration, instant, milliseconds
from stem.core.events import Mailbox, Topic
from stem.core.options import text
from stem.core.retry import DEFAULT_POLICY, RetryPolicy
from stem.core.run import (
    Call,
    OnParentEnd,
    Parent,
    RunEffect,
    Say,
    Spawn,
    Step,
    Tell,
    Wait,
)
from stem.core.step import (
    DEFAULT_OPTIONS,
    STEP_RETRIES,
    StepMeta,
    StepOptions,
    decode_meta,
    encode_meta,
    fingerprint,
    qualified,
    step_name,
    step_options,
)
from stem.core.workflow import WorkflowCall
from stem.durable.answers import call_value, check_begun, child_value, event_value, wait_names
from stem.durable.gathering import Gathering
from stem.durable.inside import Inside
from stem.durable.leaving import Recalled
from stem.durable.pending import Pending
from stem.durable.stepping import Doing, begin_step, check_size, do_step, finish_step, record_failure
from stem.errors import (
    ConfigError,
    WorkflowError,
)

if TYPE_CHECKING:
    from stem.durable.execution import Execution

_POLICIES: Final = ("cancel", "abandon", "wait")


class Context:
    """One run, as its workflow sees it."""

    def __init__(self, execution: Execution, *, prefix: str = "") -> None:
        self._x, self.prefix = execution, prefix

    # ---------------------------------------------------------------- facts

    @property
    def run_id(self) -> str:
        return self._x.claimed.id

    @property
    def workflow(self) -> str:
        return self._x.claimed.workflow

    @property
    def version(self) -> int:
        return self._x.claimed.version

    @property
    def created_at(self) -> datetime:
        return instant(self._x.claimed.created_at)

    @property
    def lease_remaining(self) -> timedelta:
        return timedelta(seconds=max(0.0, self._x.journal.stop_by - time.monotonic()))

    @property
    def is_replaying(self) -> bool:
        return self._x.replay.is_behind

    def idempotency_key(self, scope: str = "") -> str:
        made = f"{self.workflow}/{self.run_id}"
        return f"{made}/{scope}" if scope else made

    # ---------------------------------------------------------------- steps

    async def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.enter()
        return await do_step(self._x, self.prefix + step_name(name), DEFAULT_OPTIONS, fn, args, kwargs, plain_name=True)

    async def step_in(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return await self.step_with(DEFAULT_OPTIONS, name, fn, args, kwargs, inside=True)

    def options(
        self,
        *,
        compensate: Callable[..., Any] | None = None,
        auto_version: bool = False,
        max_retries: int = STEP_RETRIES,
        retry: RetryPolicy = DEFAULT_POLICY,
        timeout: Duration | None = None,
        upcast: Callable[[Any], Any] | None = None,
    ) -> Any:
        said = step_options(
            compensate=compensate,
            auto_version=auto_version,
            max_retries=max_retries,
            retry=retry,
            timeout_ms=None if timeout is None else milliseconds(timeout, what="timeout", minimum=1),
            upcast=upcast,
        )
        return Optioned(self, said)

    async def step_with(
        self,
        options: StepOptions,
        name: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        inside: bool,
    ) -> Any:
        """A step with options of its own."""
        self.enter()
        full = self.prefix + step_name(name)
        return await do_step(
            self._x, full, options, fn, args, kwargs, inside=self.inside if inside else None, plain_name=True
        )

    def inside(self, doing: Doing) -> Inside:
        """The StepContext of a step."""
        return Inside(self._x, doing, branch=False)

    def inside_branch(self, doing: Doing) -> Inside:
        """The same, of a step that is done beside others."""
        return Inside(self._x, doing, branch=True)

    def transaction(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._transact(name, fn, args, kwargs)

    async def _transact(self, name: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.enter()
        if inspect.iscoroutinefunction(fn):
            raise ConfigError(f"ctx.transaction calls a plain function, found the async {qualified(fn)}")
        x, full = self._x, self.prefix + step_name(name)
        begun = begin_step(x, full, DEFAULT_OPTIONS, fn, args, kwargs, kind="transaction", plain_name=True)
        if begun.reached.step is not None or x.recalling:

            def never() -> Any:
                raise Recalled

            return await finish_step(x, begun, DEFAULT_OPTIONS, never, (), {})
        if begun.reached.change:
            x.differs(begun.reached.change)
        began, values = time.time_ns() // 1_000_000, []

        def work(connection: Any) -> Step:
            data, value = begun.codec.carried(fn(connection, *args, **kwargs))
            check_size(x, begun.reached.key, data)
            values.append(value)
            meta = encode_meta(begun.meta)
            return Step(key=begun.reached.key, pos=begun.reached.pos, value=data, meta=meta, started_at=began)

        try:
            await x.journal.transact(work)
        except WorkError as told:
            await record_failure(x, begun, told.fault, began)
        x.previous = values[-1]
        return values[-1]

    # ---------------------------------------------------------------- waits

    async def sleep(self, name: str, duration: Duration, /) -> None:
        self.enter()
        await self.answer(self.sleeping(name, duration))

    def sleeping(self, name: str, duration: Duration) -> Pending:
        """A sleep, begun."""
        ms = milliseconds(duration, what="sleep")
        key = self._x.replay.name(self.prefix + step_name(name), auto_version=False)
        return self.begin(key, StepMeta("sleep"), after_ms=ms)

    async def wait(
        self,
        event: Topic[Any] | Mailbox[Any],
        /,
        *,
        key: str = "",
        timeout: Duration | None = None,  # noqa: ASYNC109
    ) -> Any:
        self.enter()
        step = await self.answer(self.waiting_for(event, key, timeout))
        return event_value(event, step)

    def waiting_for(self, event: Topic[Any] | Mailbox[Any], key: str, timeout: Duration | None) -> Pending:
        """A wait, begun."""
        topic, name = wait_names(event, key)
        after_ms = None if timeout is None else milliseconds(timeout, what="timeout")
        numbered = self._x.replay.numbered(self.prefix + name)
        return self.begin(numbered, StepMeta("wait", inputs=topic), topic=topic, after_ms=after_ms, on_time="timeout")

    async def call(self, call: TaskEnqueueBuilder[Any], /) -> Any:
        self.enter()
        step = await self.answer(pending := self.calling(call))
        return call_value(call, pending, step)

    def calling(self, call: TaskEnqueueBuilder[Any]) -> Pending:
        """A job that is waited for, begun."""
        if not isinstance(call, TaskEnqueueBuilder):
            raise ConfigError(f"expected a call of a task, as ctx.call(charge.build(order)), found {call!r}")
        request = call.request
        key = self._x.replay.numbered(self.prefix + request.task.name)
        job_id = request.id or self._made_id(key)
        meta = StepMeta("call", fn=request.task.name, inputs=fingerprint((request.args,), {}), source=job_id)
        made = self._x.means.submission(call, job_id, self.run_id, key)
        return self.begin(key, meta, effects=(Call(key, made),))

    async def run(self, call: WorkflowCall[Any], /, *, on_cancel: OnParentEnd = "cancel") -> Any:
        self.enter()
        step = await self.answer(pending := self.running(call, on_cancel))
        return child_value(call, pending, step)

    async def start(self, call: WorkflowCall[Any], /, *, on_cancel: OnParentEnd = "cancel") -> StartedChild:
        self.enter()
        pending = self.running(call, on_cancel)
        if not pending.is_over:
            await self._x.waiting.flush()
            self._x.waiting.check()
        if pending.step is not None:
            check_begun(pending.step)
        return StartedChild(self, call, pending)

    def running(self, call: WorkflowCall[Any], on_cancel: OnParentEnd) -> Pending:
        """A child that is waited for, begun."""
        if not isinstance(call, WorkflowCall):
            raise ConfigError(f"expected a call of a workflow, as ctx.run(ship.build(order)), found {call!r}")
        if on_cancel not in _POLICIES:
            raise ConfigError(f"on_cancel must be 'cancel', 'abandon' or 'wait', found {on_cancel!r}")
        request = call.request
        key = self._x.replay.numbered(self.prefix + request.workflow.name)
        child = request.id or self._made_id(key)
        new = self._x.means.new_run(call, child, Parent(self.run_id, key, on_cancel))
        inputs = fingerprint((request.params,), {})
        meta = StepMeta("child", fn=request.workflow.name, inputs=inputs, policy=on_cancel, source=child)
        pending = self.begin(key, meta, effects=(Spawn(key, new),))
        if on_cancel == "wait" and not pending.is_over:
            self._x.undo.note_child(key, pending.source, self._x.replay.next_pos - 1)
        return pending

    def _made_id(self, key: str) -> str:
        """An id of what this step brings about: the same in every replay, another after a rewind."""
        x = self._x
        made = f"{self.run_id}{f'~{x.claimed.generation}' if x.claimed.generation else ''}/{key}"
        return made if len(made) <= 200 else f"{made[:170]}-{fingerprint((made,), {})}"

    # ---------------------------------------------------------------- things done once

    async def enqueue(self, call: TaskEnqueueBuilder[Any], /) -> str:
        self.enter()
        if not isinstance(call, TaskEnqueueBuilder):
            raise ConfigError(f"expected a call of a task, as ctx.enqueue(charge.build(order)), found {call!r}")
        key = self._x.replay.numbered(f"{self.prefix}enqueue:{call.request.task.name}")
        made = self._x.means.submission(call, call.request.id or self._made_id(key), "", "")
        inputs = fingerprint((call.request.args,), {})
        meta = StepMeta("enqueue", fn=call.request.task.name, inputs=inputs, source=made.id)
        return (await self._once(key, meta, Call(key, made))).source

    async def emit(self, topic: Topic[Any], value: Any, /, *, key: str = "") -> None:
        self.enter()
        event = topic.event(value, key=key)
        name = self._x.replay.numbered(f"{self.prefix}emit:{topic.name}{f'[{key}]' if key else ''}")
        await self._once(name, StepMeta("emit", inputs=fingerprint((event.payload,), {})), Say(event))

    async def send(self, mailbox: Mailbox[Any], run_id: str, value: Any, /) -> None:
        self.enter()
        name = self._x.replay.numbered(f"{self.prefix}send:{mailbox.name}[{text(run_id, 'the id of a run')}]")
        message = mailbox.message(run_id, value, id=self._made_id(name))
        await self._once(name, StepMeta("send", inputs=fingerprint((message.payload,), {})), Tell(message))

    async def _once(self, key: str, meta: StepMeta, effect: RunEffect) -> StepMeta:
        """What is recorded of it."""
        x = self._x
        reached = x.replay.reach(key, meta)
        if reached.change:
            x.differs(reached.change)
        if reached.step is not None:
            check_begun(reached.step)
            return decode_meta(reached.step.meta)
        if x.recalling:
            raise Recalled
        step = Step(key=key, pos=reached.pos, meta=encode_meta(meta), started_at=time.time_ns() // 1_000_000)
        said = await x.journal.commit(steps=(step,), effects=(effect,), pending=(key,))
        check_begun(said.answers[0])
        return meta

    async def patched(self, name: str) -> bool:
        self.enter()
        x, key = self._x, f"patch/{step_name(name)}"
        reached = x.replay.part(key, x.replay.next_pos, StepMeta("patch"))
        if reached.step is not None:
            return True
        if x.replay.is_behind or x.recalling:
            return False
        await x.journal.commit(steps=(Step(key=key, pos=reached.pos, meta=encode_meta(StepMeta("patch"))),))
        return True

    # ---------------------------------------------------------------- at the same time

    def gather(self) -> Gathering:
        self.enter()
        return Gathering(self, self._x)

    # ---------------------------------------------------------------- inside

    def enter(self) -> None:
        """Refuse what cannot be replayed, and whatever comes after the run has left."""
        x = self._x
        if x.waiting.left:
            raise WorkflowError(
                f"run {self.run_id} has been suspended, and its code went on: something swallowed the exception; "
                "catch Exception, not BaseException, and use nothing of ctx in a `finally`"
            )
        if asyncio.current_task() is not x.main:
            raise WorkflowError(
                "ctx is used from another task than the workflow's own: what runs at the same time must be started "
                "with `async with ctx.gather() as g`, and a time limit be given as ctx.options(timeout=...)"
            )
        x.check()
        x.refuse_cut()

    def begin(
        self,
        key: str,
        meta: StepMeta,
        *,
        topic: str = "",
        after_ms: int | None = None,
        on_time: Any = "done",
        effects: tuple[RunEffect, ...] = (),
    ) -> Pending:
        """Take the next place for something that is waited for."""
        x = self._x
        reached = x.replay.reach(key, meta)
        if reached.change:
            x.differs(reached.change)
        if reached.step is not None:
            done = Pending(key, None, source=decode_meta(reached.step.meta).source)
            done.step = reached.step
            return done
        if reached.wait is not None:
            pending = Pending(key, None, source=reached.wait.source)
            pending.deadline = reached.wait.deadline
            return x.waiting.add(pending)
        if x.recalling:
            raise Recalled
        wait = Wait(
            key=key,
            pos=reached.pos,
            topic=topic,
            source=meta.source,
            after_ms=after_ms,
            on_time=on_time,
            meta=encode_meta(meta),
        )
        return x.waiting.add(Pending(key, wait, *effects, source=meta.source))

    async def answer(self, pending: Pending) -> Step:
        """What it came to."""
        if not pending.is_over and self._x.recalling:
            raise Recalled(at_wait=True)
        try:
            await self._x.waiting.park(lambda: pending.is_over)
        except asyncio.CancelledError as fault:
            self._x.leave_if_cancelled(fault)
            raise
        assert pending.step is not None
        return pending.step


class Optioned:
    """Steps with options."""

    def __init__(self, context: Context, options: StepOptions) -> None:
        self._context, self.options = context, options

    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine[object, None, Any]:
        return self._context.step_with(self.options, name, fn, args, kwargs, inside=False)

    def step_in(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine[object, None, Any]:
        return self._context.step_with(self.options, name, fn, args, kwargs, inside=True)


class StartedChild:
    """A child that goes on by itself until somebody waits for it."""

    def __init__(self, context: Context, call: WorkflowCall[Any], pending: Pending) -> None:
        self._context, self._call, self._pending = context, call, pending

    @property
    def id(self) -> str:
        return self._pending.source

    async def result(self) -> Any:
        self._context.enter()
        step = await self._context.answer(self._pending)
        return child_value(self._call, self._pending, step)
