"""Compensations, clean-ups and waits that do not fit, each flagged on its own line."""

from __future__ import annotations

from pydantic import BaseModel

from stem import Mailbox, NoArgs, Topic, WorkflowContext, workflow


class Order(BaseModel):
    id: str


class Other(BaseModel):
    number: int


class Receipt(BaseModel):
    total: int


shipped = Topic("order.shipped", payload=Receipt)
approval = Mailbox("approval", payload=bool)


async def charge(order: str) -> Receipt:
    return Receipt(total=len(order))


def count(order: str) -> int:
    return len(order)


async def refund(receipt: Receipt) -> None: ...


def say(text: str) -> None: ...


async def clean(ctx: WorkflowContext, params: Order) -> None: ...


async def clean_other(ctx: WorkflowContext, params: Other) -> None: ...


def clean_plainly(ctx: WorkflowContext, params: Order) -> None: ...


async def clean_alone(ctx: WorkflowContext) -> None: ...


@workflow("undoing.misspelt", on_chnage="warn")  # E: no such option
async def misspelt(ctx: WorkflowContext, order: Order) -> None: ...


@workflow("undoing.when", cancel_after=[5])  # E: a list is no duration
async def when(ctx: WorkflowContext, order: Order) -> None: ...


@workflow("undoing.change", on_change="wran")  # E: no such way
async def change(ctx: WorkflowContext, order: Order) -> None: ...


@workflow("undoing.other", on_cancel=clean_other)  # E: it takes other parameters
async def other(ctx: WorkflowContext, order: Order) -> None: ...


@workflow("undoing.none", on_cancel=clean)  # E: the workflow has no parameters
async def none(ctx: WorkflowContext) -> None: ...


@workflow("undoing.plain", on_cancel=clean_plainly)  # E: a clean-up is an async def
async def plain(ctx: WorkflowContext, order: Order) -> None: ...


@workflow("undoing.alone", on_cancel=clean_alone)  # E: a clean-up takes the parameters too
async def alone(ctx: WorkflowContext, order: Order) -> None: ...


@workflow("undoing.flow")
async def flow(ctx: WorkflowContext, order: Order) -> int:
    await ctx.options(compensate=refund).step("a", count, order.id)  # E: refund takes a receipt, the step gives a number
    await ctx.options(compensate=say).step("b", count, order.id)  # E: say takes a text
    await ctx.options(compensate=say).step("c", charge, order.id)  # E: say takes a text
    await ctx.options(compensate=refund).step("d", charge, 5)  # E: charge takes a text
    await ctx.options(compensate="refund").step("e", charge, order.id)  # E: a name is no function
    async with ctx.gather() as g:
        g.options(compensate=refund).step("f", count, order.id)  # E: refund takes a receipt
        g.options(compensate=say).step("g", charge, order.id)  # E: say takes a text
        g.options(compensat=refund).step("h", charge, order.id)  # E: no such option
        g.wait(approval, key="x")  # E: a mailbox has no keys
        g.wait(approval, key="x", timeout="1h")  # E: a mailbox has no keys
    await ctx.wait(approval, key=order.id)  # E: a mailbox has no keys
    await ctx.wait(approval, key=order.id, timeout="1h")  # E: a mailbox has no keys
    event = await ctx.wait(shipped, timeout="1h")
    return event.total  # E: nothing may have come in time


@workflow("undoing.bare")
async def bare(ctx: WorkflowContext) -> None:
    await ctx.options(compensate=refund).step("a", count, NoArgs)  # E: neither the argument nor the compensation fits
