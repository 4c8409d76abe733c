"""A test that kills the worker at every point at which it can die, in virtual time.

`simulate` is also a pytest fixture, `stem_simulate`.

    python examples/workflows/survives_every_crash.py
"""

import asyncio

from pydantic import BaseModel

from stem import Topic, WorkflowContext, workflow
from stem.testing import simulate


class Order(BaseModel):
    id: str


class Gateway:
    async def charge(self, order: str, key: str) -> str:
        return f"charge of {order} ({key})"


gateway = Gateway()
shipped = Topic("order.shipped", payload=str)


async def charge(order: str, key: str) -> str:
    return await gateway.charge(order, key)


@workflow("orders.fulfil")
async def fulfil(ctx: WorkflowContext, order: Order) -> str:
    charged = await ctx.step("charge", charge, order.id, ctx.idempotency_key("charge"))
    await ctx.sleep("cool-off", "10m")
    return charged + " " + await ctx.wait(shipped, key=order.id)


async def test_an_order_survives_every_crash() -> None:
    report = await simulate(
        fulfil,
        Order(id="42"),
        events=[shipped.event("by ship", key="42")],
        effects={"charge": (gateway, "charge")},  # calls of it are counted, and the worker may die around each
    )
    assert report.result == "charge of 42 (orders.fulfil/run/charge) by ship"
    assert report.effects["charge"] == 1  # whatever died, the gateway was never asked for a second charge
    print(f"{report.points} points, {report.schedules} lives, all ended {report.state}")


if __name__ == "__main__":
    asyncio.run(test_an_order_survives_every_crash())
