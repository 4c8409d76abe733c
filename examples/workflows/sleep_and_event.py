"""Waiting durably: for time, for an event, and for whichever comes first. A waiting run holds no worker.

python examples/workflows/sleep_and_event.py
"""

import asyncio

from pydantic import BaseModel

from stem import Stem, Timeout, Topic, WorkflowContext, workflow
from stem.testing import FakeClock


class Order(BaseModel):
    id: str


class Payment(BaseModel):
    amount: int


paid = Topic("order.paid", payload=Payment)


@workflow("orders.await-payment")
async def await_payment(ctx: WorkflowContext, order: Order) -> str:
    await ctx.sleep("let the bank work", "1h")
    payment = await ctx.wait(paid, key=order.id, timeout="3d")  # Payment | Timeout, for the type checker too
    if isinstance(payment, Timeout):
        return f"{order.id}: nobody paid"
    return f"{order.id}: {payment.amount} paid"


async def main() -> None:
    clock = FakeClock()
    async with Stem.in_memory(workflows=[await_payment], clock=clock) as app, app.worker():
        await paid.emit(app, Payment(amount=7), key="early")  # before anybody waits: it is kept
        for name in ("early", "late", "never"):
            run = await await_payment.start(app, Order(id=name), id=name)
            async for seen in run.watch():
                waits = [wait.kind for wait in seen.waits]
                if waits == ["sleep"]:
                    clock.advance("1h")
                elif waits == ["wait"] and name == "late":
                    await paid.emit(app, Payment(amount=9), key="late")
                elif waits == ["wait"]:
                    clock.advance("3d")
            print(await run.result())


if __name__ == "__main__":
    asyncio.run(main())
