"""Right uses that checkers flagged, until the signatures said more."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

from pydantic import BaseModel

from stem import JobHandle, Mailbox, Stem, StepContext, Timeout, Topic, WorkflowContext, task, workflow
from stem.testing import task_context


class Order(BaseModel):
    id: str


class Receipt(BaseModel):
    total: int


SHARED: dict[str, Any] = {}
shipped = Topic("seen.shipped", payload=Receipt)
approval = Mailbox("seen.approval", payload=bool)


@task("seen.shared", **SHARED)
async def shared(order: Order) -> int:
    return len(order.id)


@workflow("seen.flow", **SHARED)
async def flow(ctx: WorkflowContext, order: Order) -> int:
    return len(order.id)


@workflow("seen.bare", on_cancel=None)
async def bare(ctx: WorkflowContext) -> int:
    return ctx.version


class Earlier(BaseModel):
    name: str

    def upgrade(self) -> Order:
        return Order(id=self.name)


@task("seen.upgrades", accepts=[Earlier])
def upgrades(order: Order) -> str:
    return order.id


assert_type(upgrades(Order(id="1")), str)


async def charge(order: Order) -> Receipt:
    return Receipt(total=len(order.id))


async def poll(step: StepContext) -> Receipt:
    assert_type(await step.wait_event(approval), bool)
    assert_type(await step.wait_event(approval, deadline="1h"), bool | Timeout)
    return await step.wait_event(shipped, key="1")


async def refund(receipt: Receipt) -> None:
    await asyncio.sleep(receipt.total)


@workflow("seen.undone")
async def undone(ctx: WorkflowContext, order: Order) -> int:
    careful = len(order.id) > 3
    await ctx.options(compensate=refund).step("charge", charge, order)
    await ctx.options(compensate=refund).step_in("poll", poll)
    await ctx.options(compensate=None).step("again", charge, order)
    async with ctx.gather() as g:
        _ = g.options(compensate=refund).step_in("poll beside", poll)
        _ = g.options(compensate=None).step("charge beside", charge, order)
        _ = g.wait(shipped, timeout=None)
    limit: str | None = "1h" if careful else None
    heard = await ctx.wait(shipped, timeout=limit)
    assert_type(heard, Receipt | Timeout)
    return heard.total if heard else 0


async def looked(app: Stem, number: JobHandle[int], word: JobHandle[str]) -> None:
    both = await asyncio.gather(number.result(), word.result())
    assert_type(both, tuple[int, str])
    sent = await asyncio.gather(shared.enqueue(app, Order(id="1")), flow.start(app, Order(id="1")))
    assert_type(await sent[0].result(), int)
    await app.jobs.list(states=["failed", "cancelled"])
    await app.jobs.list(states={"failed"})
    await app.jobs.page(states=("failed",))
    await app.workflows.list(states=["failed"])
    await app.workflows.emit(shipped, Receipt(total=1), key="1")
    await app.workflows.runs_waiting_on("seen.shipped", key="1")
    await app.workflows.runs_waiting_on(approval)
    app.worker(queues={"mail", "default"})


assert_type(len(task_context().calls), int)
