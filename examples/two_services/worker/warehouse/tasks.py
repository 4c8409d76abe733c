"""What the warehouse does."""

from __future__ import annotations

import enum
from typing import Literal

from pydantic import BaseModel, Field

from stem import Limit, Rate, Unique, task


class Carrier(enum.StrEnum):
    """Who brings a parcel."""

    POST = "post"
    BIKE = "bike"


class Address(BaseModel):
    """Where a parcel goes."""

    street: str = Field(min_length=1)
    city: str
    country: str = Field(default="FR", pattern="^[A-Z]{2}$")


class Order(BaseModel):
    """What somebody bought."""

    id: str = Field(description="The number on the bill.")
    customer: str
    cents: int = Field(gt=0, description="The price of it all.")


class Receipt(BaseModel):
    """Proof that an order was paid."""

    order_id: str
    cents: int


class Dispatch(BaseModel):
    """What is needed to send an order."""

    receipt: Receipt
    to: Address
    carrier: Carrier = Carrier.POST
    speed: Literal["slow", "fast"] = "slow"
    notes: list[str] = []


class Parcel(BaseModel):
    """An order on its way."""

    order_id: str
    carrier: Carrier
    label: str


class Day(BaseModel):
    """The receipts of one day."""

    receipts: list[Receipt]
    title: str


@task(
    "orders.charge",
    queue="payments",
    priority=5,
    rate_limit=Rate("100/s", key="customer"),
    concurrency=Limit(3, key="customer"),
    unique=Unique(key="id"),
)
async def charge(order: Order) -> Receipt:
    """Charge the customer of an order.

    An order is charged once, however often it is asked for while it is under way.
    """
    return Receipt(order_id=order.id, cents=order.cents)


@task("orders.dispatch", visibility_timeout="1m")
def dispatch(what: Dispatch) -> Parcel:
    """Pack a paid order and give it to a carrier."""
    label = f"{what.to.street}, {what.to.city} ({what.to.country})"
    return Parcel(order_id=what.receipt.order_id, carrier=what.carrier, label=label)


@task("reports.day")
def day(args: Day) -> dict[str, int]:
    """Add up what was paid, by order."""
    return {receipt.order_id: receipt.cents for receipt in args.receipts}


@task("reports.stock")
async def stock() -> list[str] | None:
    """What is in the warehouse; None while somebody counts it."""
    return ["book", "lamp"]
