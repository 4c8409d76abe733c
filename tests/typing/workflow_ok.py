"""Right workflows: declared, started, stepped, waited for, gathered."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import assert_type

from pydantic import BaseModel

from stem import (
    Flow,
    Mailbox,
    NoArgs,
    RunHandle,
    Stem,
    StepContext,
    Timeout,
    Topic,
    Transaction,
    WorkflowCall,
    WorkflowClient,
    WorkflowContext,
    WorkflowDefinition,
    task,
    workflow,
)


class Order(BaseModel):
    """A parameter model."""

    id: str


class Receipt(BaseModel):
    """A result model."""

    total: int


shipped = Topic("order.shipped", payload=Receipt)
approval = Mailbox("approval", payload=bool)
counts = Topic("counts", payload=list[int])


async def charge(order_id: str, total: int, *, fast: bool = False) -> Receipt:
    """An async step."""
    return Receipt(total=total if fast else len(order_id))


def count(numbers: list[int]) -> int:
    """A plain step."""
    return len(numbers)


async def poll(step: StepContext, order: Order) -> str:
    """A step with a context."""
    assert_type(step.iteration, int)
    await step.sleep("5m", data="x")
    assert_type(await step.wait_event(shipped, key=order.id, deadline="1h"), Receipt | Timeout)
    return step.idempotency_key()


def book(tx: Transaction, total: int) -> int:
    """A step whose SQL is part of the checkpoint."""
    tx.execute("INSERT INTO booking VALUES (?)", (total,))
    return total


async def refund(receipt: Receipt) -> None:
    """A compensation."""


@task("invoices.make")
async def invoice(order: Order) -> int:
    """A task."""
    return len(order.id)


@workflow("orders.small")
async def small(ctx: WorkflowContext) -> str:
    """Without parameters."""
    return ctx.run_id


@workflow("orders.fulfil", version=2, cancel_after="2h", max_suspend="3d", on_change="warn")
async def fulfil(ctx: WorkflowContext, order: Order) -> Receipt:
    """With parameters."""
    assert_type(await ctx.step("charge", charge, order.id, 5, fast=True), Receipt)
    assert_type(await ctx.step("count", count, [1, 2]), int)
    assert_type(await ctx.step_in("poll", poll, order), str)
    assert_type(await ctx.options(max_retries=3, timeout="5s").step("again", charge, order.id, 5), Receipt)
    assert_type(await ctx.options(compensate=refund).step("undoable", charge, order.id, 5), Receipt)
    assert_type(await ctx.options(auto_version=True).step_in("polls", poll, order), str)
    await ctx.sleep("nap", "10m")
    assert_type(await ctx.wait(shipped, key=order.id), Receipt)
    assert_type(await ctx.wait(shipped, key=order.id, timeout="2d"), Receipt | Timeout)
    assert_type(await ctx.wait(approval), bool)
    assert_type(await ctx.wait(counts), list[int])
    assert_type(await ctx.call(invoice.build(order)), int)
    assert_type(await ctx.run(small.build()), str)
    child = await ctx.start(small.build().id("child"), on_cancel="abandon")
    assert_type(await child.result(), str)
    assert_type(await ctx.transaction("book", book, 5), int)
    assert_type(await ctx.patched("new"), bool)
    await ctx.emit(shipped, Receipt(total=1), key="42")
    await ctx.send(approval, "run", True)
    assert_type(await ctx.enqueue(invoice.build(order)), str)
    async with ctx.gather() as g:
        charged = g.step("a", charge, order.id, 5)
        counted = g.step("b", count, [1])
        invoiced = g.call(invoice.build(order))
        ran = g.run(small.build())
        waited = g.wait(shipped, timeout="1h")
    assert_type(await charged, Receipt)
    assert_type(await counted, int)
    assert_type(await invoiced, int)
    assert_type(await ran, str)
    assert_type(await waited, Receipt | Timeout)
    return await charged


async def greet(step: StepContext) -> str:
    """A flow's step."""
    return step.workflow


def measure(step: StepContext) -> int:
    """A plain one."""
    return len(str(step.previous_result))


flow = Flow("demo.flow", params=Order).step("greet", greet).step("measure", measure, auto_version=True)
bare = Flow("demo.bare").step("greet", greet)
remote = WorkflowDefinition("orders.remote", params=Order, returns=Receipt)


async def use(app: Stem, client: WorkflowClient) -> None:
    """Starting, waiting, telling."""
    order = Order(id="1")
    assert_type(fulfil.build(order).id("x").if_exists("restart").delay("1h"), WorkflowCall[Receipt])
    starting = fulfil.start(app, order, id="x")
    _ = assert_type(starting, Coroutine[object, None, RunHandle[Receipt]])
    await starting
    assert_type(await (await fulfil.start(client, order)).result(timeout="5s"), Receipt)
    assert_type(await (await small.start(app)).result(), str)
    assert_type(await (await flow.start(app, order)).result(), int)
    assert_type(await (await bare.start(app)).result(), str)
    assert_type(await (await remote.start(app, order)).result(), Receipt)
    assert_type(await shipped.emit(app, Receipt(total=1), key="42", id="1"), bool)
    assert_type(await approval.send(client, "run", True, id="1", start=small.build()), bool)
    assert_type(await counts.emit(app, [1, 2]), bool)
    await app.workflows.cancel("run", "reason", terminate=True)


async def direct(ctx: WorkflowContext) -> None:
    """A workflow is a function still."""
    assert_type(await fulfil(ctx, Order(id="1")), Receipt)
    assert_type(await small(ctx), str)


assert_type(small.params_model, type[BaseModel])
assert NoArgs() is not None
