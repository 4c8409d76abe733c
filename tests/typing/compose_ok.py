"""Right compositions: what one part gives, the next one takes."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from stem import Chain, Composable, NoArgs, TaskContext, TaskDefinition, task


class Order(BaseModel):
    """What a chain starts with."""

    number: int


class Receipt(BaseModel):
    """What stands between."""

    number: int


class Signed(Receipt):
    """A receipt and more."""

    by: str = "till"


class Parcel(BaseModel):
    """What a chain ends with."""

    number: int


@task("chain.charge")
async def charge(ctx: TaskContext, args: Order) -> Receipt:
    """Take an order, give a receipt."""
    return Receipt(number=args.number)


@task("chain.sign")
def sign(args: Order) -> Signed:
    """Take an order, give more than a receipt."""
    return Signed(number=args.number)


@task("chain.pack")
def pack(args: Receipt) -> Parcel:
    """Take a receipt, give a parcel."""
    return Parcel(number=args.number)


@task("chain.open")
async def open_shop() -> Order:
    """Take nothing, give an order."""
    return Order(number=1)


@task("chain.look")
async def look(args: Order) -> Receipt | None:
    """Give a receipt or None."""
    return None


ship = TaskDefinition("chain.ship", args=Parcel, returns=list[int])
ORDER = Order(number=1)

# two parts
assert_type(charge.then(pack), Chain[Order, Parcel])
assert_type(charge | pack, Chain[Order, Parcel])
assert_type(open_shop | charge, Chain[NoArgs, Receipt])
assert_type(pack | ship, Chain[Receipt, list[int]])

# longer ones, in any grouping
assert_type(charge.then(pack).then(ship), Chain[Order, list[int]])
assert_type(charge | pack | ship, Chain[Order, list[int]])
assert_type(charge | (pack | ship), Chain[Order, list[int]])
assert_type(open_shop | charge | pack | ship, Chain[NoArgs, list[int]])

# a subclass will do for its base
assert_type(sign | pack, Chain[Order, Parcel])

# a call with its arguments bound takes anything, so it can stand anywhere
assert_type(charge.build(ORDER) | pack, Chain[object, Parcel])
assert_type(charge.build(ORDER).priority(5).then(pack).then(ship), Chain[object, list[int]])
assert_type(ship | charge.build(ORDER), Chain[Parcel, Receipt])
assert_type(look | open_shop.build() | charge, Chain[Order, Receipt])

# the parts have one type in common
parts: list[Composable[Order, Receipt]] = [charge, sign, charge.build(ORDER), charge.build(ORDER) | sign.build(ORDER)]
to_anything: Composable[Order, object] = charge | pack
