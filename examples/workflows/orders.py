"""An order: checkout, a step that polls and sleeps in between, and a message to the customer.

The poll is done again from its beginning after each sleep, and `take_resume_data()` tells it so; with `auto_version` every
round has a checkpoint of its own. A minute of it takes no time here, for the clock is moved by hand.

    python examples/workflows/orders.py
"""

import asyncio

from pydantic import BaseModel

from stem import Stem, StepContext, WorkflowContext, workflow
from stem.testing import FakeClock


class Order(BaseModel):
    id: str
    total: int


clock = FakeClock()


async def checkout(step: StepContext, order: Order) -> str:
    return f"charge of {order.total} with key {step.idempotency_key()}"


async def poll_shipment(step: StepContext) -> str:
    if step.take_resume_data() is None:
        await step.sleep("1m", data="slept")
    return "delivered" if step.iteration == 2 else "on its way"


def notify(step: StepContext, order: Order) -> str:
    return f"order {order.id} is {step.previous_result}"


@workflow("orders.ship")
async def ship(ctx: WorkflowContext, order: Order) -> str:
    charge = await ctx.step_in("checkout", checkout, order)
    if not ctx.is_replaying:
        print(charge)
    while await ctx.options(auto_version=True).step_in("poll-shipment", poll_shipment) != "delivered":
        pass
    return await ctx.step_in("notify", notify, order)


async def main() -> None:
    async with Stem.in_memory(workflows=[ship], clock=clock) as app, app.worker():
        run = await ship.start(app, Order(id="A-1", total=500), id="order-A-1")
        async for seen in run.watch():
            if seen.state == "suspended":
                clock.advance("1m")
        print(await run.result())
        print(", ".join(step.key for step in (await run.status()).steps))


if __name__ == "__main__":
    asyncio.run(main())
