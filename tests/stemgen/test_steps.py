"""The steps that are read from a workflow's source: what they are called, and in which order they come."""

from __future__ import annotations

from typing import Any, Final

import pytest
from pydantic import BaseModel

from stem import Flow, Mailbox, StepContext, Topic, WorkflowContext, task, workflow
from stem.core.workflow import AnyDeclaredWorkflow
from stemgen.steps import Steps, steps_of


class Order(BaseModel):
    id: str


class Events:
    """Names below a name."""

    paid = Topic("order.paid", payload=int)


approval = Mailbox("approval", payload=bool)
LAST: Final = "last"


@task("orders.charge")
async def charge(order: Order) -> int:
    return len(order.id)


def work(*_: object) -> int:
    return 1


def inside(ctx: StepContext) -> int:
    return ctx.step_index


@workflow("t.child")
async def child(ctx: WorkflowContext, order: Order) -> None:
    """Does nothing."""


@workflow("t.everything")
async def everything(ctx: WorkflowContext, order: Order) -> None:
    await ctx.step("first", work)
    await ctx.step_in("second", inside)
    await ctx.options(max_retries=1).step("third", work)
    careful = ctx.options(timeout="1m")
    await careful.step("fourth", work)
    for item in order.id:
        await ctx.step(f"item[{item}]", work, item)
        await ctx.step(f"part-{item}-end", work, item)
    await ctx.sleep("pause", "1h")
    await ctx.wait(approval)
    await ctx.wait(Events.paid, key=order.id)
    await ctx.wait(Events.paid, key="always")
    await ctx.wait(Events.paid)
    async with ctx.gather() as g:
        branches = [g.step("left", work), g.sleep("right", "1s"), g.wait(approval), g.call(charge.build(order))]
    await ctx.step("beside", work, branches)
    await ctx.call(charge.build(order).priority(3))
    await ctx.run(child.build(order))
    await ctx.enqueue(charge.build(order))
    await ctx.emit(Events.paid, 1, key=order.id)
    await ctx.send(approval, "other", True)
    await ctx.transaction("rows", lambda connection: None)
    await ctx.step("outer", work, await ctx.step("inner", work))
    await ctx.step(LAST, work)


@workflow("t.patched")
async def patched(context: WorkflowContext) -> None:
    await context.step("a", work)
    if await context.patched("one"):
        await context.step("new", work)
    else:
        await context.step("old", work)
    other = await context.patched("two")
    if not other:
        await context.step("older", work)
    elif other:
        await context.step("newer", work)
    await context.step("b", work)


@workflow("t.unknown")
async def unknown(ctx: WorkflowContext, order: Order) -> None:
    """What is only known when it runs stays out, and so does what is no context's."""
    await ctx.step(order.id, work)
    await ctx.step(f"{order.id}!", work)
    other: Any = order
    other.step("not one", work)
    await ctx.step("known", work)


def nested() -> AnyDeclaredWorkflow:
    topic = Topic("nested.topic", payload=int)

    @workflow("t.nested")
    async def inner(ctx: WorkflowContext) -> None:
        await ctx.step("a", work)
        await ctx.wait(topic)

    return inner


CASES: Final[dict[str, tuple[AnyDeclaredWorkflow, Steps]]] = {
    "everything": (
        everything,
        Steps(
            (
                *("first", "second", "third", "fourth", "item[...]", "part-[...]", "pause", "approval"),
                *(
                    "order.paid[...]",
                    "order.paid[always]",
                    "order.paid",
                    "left",
                    "right",
                    "approval",
                    "orders.charge",
                    "beside",
                ),
                *("orders.charge", "t.child", "enqueue:orders.charge", "emit:order.paid[...]", "send:approval[...]"),
                *("rows", "inner", "outer", "last"),
            )
        ),
    ),
    "patched": (patched, Steps(("a", "new", "old", "older", "newer", "b"), (1, 4))),
    "unknown": (unknown, Steps(("[...]", "known"))),
    "nested": (nested(), Steps(("a", "nested.topic"))),
    "a flow": (Flow("t.flow").step("a", inside).step("b", inside), Steps(("a", "b"))),
    "no step": (child, Steps()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_steps_are_named_in_order(case: str) -> None:
    one, steps = CASES[case]
    assert steps_of(one) == steps


def test_without_a_source_no_step_is_known() -> None:
    names: dict[str, Any] = {}
    exec(
        "from stem import WorkflowContext, workflow\n@workflow('t.f')\nasync def f(ctx: WorkflowContext) -> None: ...",
        names,
    )
    assert steps_of(names["f"]) == Steps()
