"""Enqueueing without the handler: a definition names the task, its model and its result; the worker lives elsewhere."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from stem import Enqueuer, Stem, TaskDefinition, task


class Order(BaseModel):
    id: str
    total: int


#: All that a web service needs to know of the billing service.
bill = TaskDefinition("billing.bill", args=Order, returns=str, queue="billing")


async def checkout(app: Enqueuer, order: Order) -> str:
    """A request handler: `app` may be a Stem or, in a test, a FakeStem."""
    handle = await bill.build(order).id(f"bill:{order.id}").header("x-source", "web").enqueue(app)
    return handle.id


@task("billing.bill", queue="billing")
async def bill_order(order: Order) -> str:
    """The handler, which would live in the billing service."""
    return f"invoice for {order.id} over {order.total}"


async def main() -> None:
    # one app in memory stands for the database that both services share
    app = Stem.in_memory(tasks=[bill_order])
    async with app:
        job_id = await checkout(app, Order(id="A-1", total=500))
        again = await checkout(app, Order(id="A-1", total=500))
        print(f"enqueued {job_id}, once: {job_id == again}")
        async with app.worker(queues=["billing"]):
            print(await app.handle(job_id).result("5s"))


if __name__ == "__main__":
    asyncio.run(main())
