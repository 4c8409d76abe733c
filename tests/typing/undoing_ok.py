"""Right compensations, clean-ups and waits."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from stem import Mailbox, Timeout, Topic, WorkflowContext, group, task, workflow


class Order(BaseModel):
    id: str


class Receipt(BaseModel):
    total: int


shipped = Topic("order.shipped", payload=Receipt)
approval = Mailbox("approval", payload=bool)


async def charge(order: str) -> Receipt:
    return Receipt(total=len(order))


def count(order: str) -> int:
    return len(order)


async def refund(receipt: Receipt) -> None: ...


async def refund_maybe(receipt: Receipt | None) -> None: ...


def forget(what: object) -> None: ...


async def clean(ctx: WorkflowContext, params: Order) -> None: ...


async def clean_any(ctx: WorkflowContext, params: BaseModel) -> None: ...


@workflow("undoing.own", on_cancel=clean, on_change="warn", keep="30d")
async def own(ctx: WorkflowContext, order: Order) -> None: ...


@workflow("undoing.any", on_cancel=clean_any)
async def whatever(ctx: WorkflowContext, order: Order) -> None: ...


@workflow("undoing.no-params", on_cancel=clean_any)
async def no_params(ctx: WorkflowContext) -> None: ...


@workflow("undoing.nothing", on_cancel=None)
async def nothing(ctx: WorkflowContext, order: Order) -> int:
    return len(order.id)


@workflow("undoing.flow")
async def flow(ctx: WorkflowContext, order: Order) -> int:
    assert_type(await ctx.options(compensate=refund).step("a", charge, order.id), Receipt)
    await ctx.options(compensate=refund_maybe).step("b", charge, order.id)  # of which mypy says Receipt | None
    assert_type(await ctx.options(compensate=forget).step("c", charge, order.id), Receipt)
    assert_type(await ctx.options(compensate=forget, max_retries=2).step("d", count, order.id), int)
    assert_type(await ctx.options(max_retries=2).step("e", count, order.id), int)
    async with ctx.gather() as g:
        first = g.options(compensate=refund).step("f", charge, order.id)
        second = g.options(compensate=forget).step("g", count, order.id)
        third = g.wait(approval, timeout="1h")
        fourth = g.wait(shipped, key=order.id)
    assert_type(await first, Receipt)
    assert_type(await second, int)
    assert_type(await third, bool | Timeout)
    assert_type(await fourth, Receipt)
    assert_type(await ctx.wait(approval), bool)
    event = await ctx.wait(shipped, key=order.id, timeout="1h")
    if not event:
        return 0
    assert_type(event, Receipt)
    return event.total


@task("undoing.size")
async def size(order: Order) -> int:
    return len(order.id)


call = size.build(Order(id="1"))
one = group(call)
six = group(call, call, call, call, call, call)
