"""Tests of code that enqueues, and of handlers, without an engine or a worker. Run it with pytest, or as it is."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from stem import Enqueuer, TaskContext, task
from stem.testing import FakeStem, task_context


class Order(BaseModel):
    id: str
    total: int


@task("orders.charge")
async def charge(ctx: TaskContext, order: Order) -> str:
    """Charge an order, telling how far it is."""
    await ctx.progress(50, "asked the bank")
    return f"{ctx.idempotency_key('charge')}: {order.total}"


async def checkout(app: Enqueuer, order: Order) -> str:
    """Code under test: large orders go first."""
    handle = await charge.build(order).priority(9 if order.total > 1000 else 0).enqueue(app)
    return await handle.result("10s")


def test_checkout_enqueues_the_order() -> None:
    fake = FakeStem()
    fake.answer(charge, "receipt 1")
    order = Order(id="A-1", total=5000)
    assert asyncio.run(checkout(fake, order)) == "receipt 1"
    assert fake.enqueued(charge) == [order]
    assert fake.calls[0].request.options.priority == 9


def test_the_handler_tells_its_progress() -> None:
    ctx = task_context(id="job-1")
    assert asyncio.run(charge(ctx, Order(id="A-1", total=500))) == "job-1/charge: 500"
    assert ctx.notes == [(50, "asked the bank", None)]


if __name__ == "__main__":
    test_checkout_enqueues_the_order()
    test_the_handler_tells_its_progress()
    print("2 tests passed")
