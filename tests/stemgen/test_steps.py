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


def several(*_: Any) -> list[int]:
    return []


@workflow("t.comprehended")
async def comprehended(ctx: WorkflowContext) -> object:
    made = {
        await ctx.step("key", work): [await ctx.step("value", work, two) for two in await ctx.step("inner", several)]
        for one in await ctx.step("outer", several)
        if await ctx.step("condition", work, one)
    }
    return made, {await ctx.step("element", work) for one in await ctx.step("set", several)}


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


@workflow("t.conditions")
async def conditions(ctx: WorkflowContext, order: Order) -> int:
    """Steps stand wherever an expression may."""
    if await ctx.step("if", work):
        await ctx.step("then", work)
    elif not await ctx.step("elif", work) or await ctx.step("or", work) > 1:
        await ctx.step("otherwise", work)
    while await ctx.step("while", work) < 0:
        await ctx.step("body", work)
    for _ in range(await ctx.step("for", work)):
        await ctx.step("each", work)
    match await ctx.step("match", work):
        case 1 if await ctx.step("guard", work):
            await ctx.step("case", work)
        case _:
            pass
    try:
        assert await ctx.step("assert", work)
    except ValueError:
        await ctx.step("except", work)
    finally:
        await ctx.step("finally", work)
    made = [await ctx.step("in a list", work) for _ in range(2)]
    total = sum(made) if await ctx.step("ternary", work) else await ctx.step("its other side", work)
    total += await ctx.step("added", work)
    if walrus := await ctx.step("walrus", work):
        raise LookupError(await ctx.step("raised", work))
    return walrus + total + await ctx.step("returned", work)


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
    "comprehended": (
        comprehended,
        Steps(("outer", "condition", "key", "inner", "value", "set", "element")),
    ),
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
    "conditions": (
        conditions,
        Steps(
            (
                *("if", "then", "elif", "or", "otherwise", "while", "body", "for", "each", "match", "guard", "case"),
                *("assert", "except", "finally", "in a list"),
                *("ternary", "its other side", "added", "walrus", "raised", "returned"),
            )
        ),
    ),
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
