"""What takes longer than one job."""

from __future__ import annotations

from pydantic import BaseModel

from stem import Topic, WorkflowContext, workflow
from warehouse.tasks import Address, Dispatch, Order, Parcel, charge, dispatch


class Packed(BaseModel):
    """Somebody has packed an order."""

    by: str
    boxes: int = 1


order_packed = Topic("order.packed", payload=Packed, ttl="2d")


class Fulfilment(BaseModel):
    """An order, and where it goes."""

    order: Order
    to: Address


@workflow("orders.fulfil", cancel_after="30d")
async def fulfil(ctx: WorkflowContext, what: Fulfilment) -> Parcel:
    """Charge an order, wait until it is packed, and send it."""
    receipt = await ctx.call(charge.build(what.order))
    packed = await ctx.wait(order_packed, key=what.order.id)
    note = await ctx.step("note", note_of, packed)
    return await ctx.call(dispatch.build(Dispatch(receipt=receipt, to=what.to, notes=[note])))


def note_of(packed: Packed) -> str:
    """What is written on the parcel."""
    return f"packed by {packed.by}, {packed.boxes} in all"
