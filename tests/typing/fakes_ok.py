"""Right tests: fakes, clocks, contexts, simulations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from pydantic import BaseModel
from warehouse_client import orders, reports

from stem import (
    Enqueuer,
    JobCancelled,
    JobFailed,
    NoArgs,
    Stem,
    TaskContext,
    TaskDefinition,
    TaskEnqueueBuilder,
    Topic,
    WorkflowCall,
    WorkflowContext,
    task,
    workflow,
)
from stem.testing import FakeClock, FakeStem, Report, simulate, task_context


class Order(BaseModel):
    id: str


class Receipt(BaseModel):
    total: int


class Gateway:
    async def charge(self, order_id: str) -> Receipt:
        return Receipt(total=len(order_id))


gateway = Gateway()


async def charge_card(order_id: str) -> Receipt:
    return await gateway.charge(order_id)


shipped = Topic("tests.shipped", payload=Receipt)


@task("tests.charge")
async def charge(ctx: TaskContext, order: Order) -> Receipt:
    await ctx.progress(50, "half", {"rows": 1})
    await ctx.enqueue(bill.build(order))
    return Receipt(total=ctx.attempt)


@task("tests.count")
def count(ctx: TaskContext, order: Order) -> int:
    ctx.sync.progress(10)
    return len(order.id)


@workflow("tests.flow")
async def flow(ctx: WorkflowContext, order: Order) -> int:
    receipt = await ctx.step("charge", charge_card, order.id)
    return receipt.total


bill = TaskDefinition("tests.bill", args=Order, returns=list[Receipt])
ORDER = Order(id="1")


async def code_under_test(app: Enqueuer) -> int:
    handle = await orders.charge(id="1", customer="a", cents=2).delay("5s").enqueue(app)
    return (await handle.result("10s")).cents


async def main() -> None:
    fake = FakeStem(tasks=[charge, count])
    fake.answer(orders.charge, orders.Receipt(order_id="1", cents=7))
    assert await code_under_test(fake) == 7
    assert_type(fake.enqueued(orders.charge), list[orders.Order])
    assert_type(fake.enqueued(orders.charge)[0].cents, int)
    assert_type(fake.enqueued(reports.stock), list[NoArgs])
    assert_type(fake.enqueued(bill), list[Order])
    assert_type(fake.calls, list[TaskEnqueueBuilder[Any]])
    assert_type(fake.runs, list[WorkflowCall[Any]])
    fake.answer(bill, [])
    fake.answer(bill, [Receipt(total=1)])
    fake.answer(reports.stock, None)
    fake.answer(reports.stock, ["a"])
    fake.answer(orders.fulfil, JobCancelled("run-1", reason="no"))
    fake.answer(charge, JobFailed("job-1", reason="exhausted", error_type="ValueError", error_message="no"))
    handle = await fake.submit(bill.build(ORDER))
    assert_type(await handle.result(), list[Receipt])
    assert_type((await handle.status()).finished, bool)
    assert_type(await shipped.emit(fake, Receipt(total=1), key="a"), bool)
    fake.reset()

    inner = FakeStem()
    ctx = task_context(
        id="job-1", attempt=2, app=inner, headers={"a": "b"}, meta={"n": 1}, lease_remaining=timedelta(seconds=5)
    )
    assert_type(await charge(ctx, ORDER), Receipt)
    assert_type(count(ctx, ORDER), int)
    assert_type(ctx.notes, list[tuple[float, str, object]])
    assert_type(ctx.notes[0][0], float)
    assert inner.enqueued(bill) == [ORDER]

    clock = FakeClock()
    assert_type(clock.now, datetime)
    clock.advance("1h")
    clock.advance(timedelta(days=1))
    clock.advance(5)
    start = FakeClock(int(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1000))
    assert start.now == datetime(2030, 1, 1, tzinfo=UTC)
    app = Stem.in_memory(tasks=[charge, count], workflows=[flow], clock=clock)
    assert_type(app, Stem[str])
    async with app:
        await count.build(ORDER).delay("1h").enqueue(app)
        clock.advance("1h")
        worker = app.worker(burst=True, concurrency=2, unknown_for="0s")
        await worker.run()

    report = await simulate(flow, ORDER, effects={"charge": (gateway, "charge")}, pairs=5, events=[])
    assert_type(report, Report)
    assert_type(report.effects["charge"], int)


asyncio.run(main())
