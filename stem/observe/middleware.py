"""Middleware: code around enqueue, consume and execute, in the order in which it was given to the app."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from stem.contracts.broker import Delivery
from stem.core.call import TaskEnqueueBuilder
from stem.core.context import JobHandle, TaskContext

AnyCall: TypeAlias = TaskEnqueueBuilder[Any]
SendNext: TypeAlias = Callable[[AnyCall], Coroutine[Any, Any, JobHandle[Any]]]
ConsumeNext: TypeAlias = Callable[[Delivery], Coroutine[Any, Any, None]]
ExecuteNext: TypeAlias = Callable[[], Coroutine[Any, Any, object]]


class Middleware:
    """Override what you need; each method must call and await `proceed`, once, or the job goes no further.

    What `on_consume` raises is a failed attempt, and so is a delivery that it does not pass on.
    """

    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> JobHandle[Any]:
        """Around sending one call; pass on a changed call to change it: `proceed(call.header("x", "y"))`."""
        return await proceed(call)

    async def on_consume(self, delivery: Delivery, proceed: ConsumeNext) -> None:
        """Around everything a worker does with one delivery, settlement decided included."""
        await proceed(delivery)

    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:  # noqa: ARG002 - for those who override
        """Around the handler; what it returns is the result, what it raises the error."""
        return await proceed()

    async def on_error(self, ctx: TaskContext, error: BaseException) -> None:
        """After the handler raised, before anything is decided."""


def overriding(middleware: Sequence[Middleware], method: str) -> tuple[Middleware, ...]:
    """Those that override this method: what nobody overrides costs nothing."""
    plain = getattr(Middleware, method)
    return tuple(one for one in middleware if getattr(type(one), method) is not plain)


def enqueue_chain(middleware: Sequence[Middleware], send: SendNext) -> SendNext:
    """`send` inside all `on_enqueue`, the first middleware outermost."""
    for one in reversed(overriding(middleware, "on_enqueue")):
        send = _enqueue_link(one, send)
    return send


def consume_chain(middleware: Sequence[Middleware], consume: ConsumeNext) -> ConsumeNext:
    """`consume` inside all `on_consume`."""
    for one in reversed(overriding(middleware, "on_consume")):
        consume = _consume_link(one, consume)
    return consume


def execute_chain(middleware: Sequence[Middleware], ctx: TaskContext, run: ExecuteNext) -> ExecuteNext:
    """`run` inside all `on_execute`; `middleware` are those that override it."""
    for one in reversed(middleware):
        run = _execute_link(one, ctx, run)
    return run


def _enqueue_link(one: Middleware, proceed: SendNext) -> SendNext:
    return lambda call: one.on_enqueue(call, proceed)


def _consume_link(one: Middleware, proceed: ConsumeNext) -> ConsumeNext:
    return lambda delivery: one.on_consume(delivery, proceed)


def _execute_link(one: Middleware, ctx: TaskContext, proceed: ExecuteNext) -> ExecuteNext:
    return lambda: one.on_execute(ctx, proceed)
