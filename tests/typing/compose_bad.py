"""Wrong compositions: what one part gives is not what the next one takes."""

from __future__ import annotations

from pydantic import BaseModel

from stem import Chain, Composable, TaskContext, TaskDefinition, task


class Order(BaseModel):
    number: int


class Receipt(BaseModel):
    number: int


class Signed(Receipt):
    by: str


class Parcel(BaseModel):
    number: int


@task("chain.charge")
async def charge(ctx: TaskContext, args: Order) -> Receipt:
    return Receipt(number=args.number)


@task("chain.pack")
def pack(args: Receipt) -> Parcel:
    return Parcel(number=args.number)


@task("chain.file")
def file(args: Signed) -> None:
    return None


@task("chain.look")
async def look(args: Order) -> Receipt | None:
    return None


@task("chain.list")
async def list_all(args: Order) -> list[Receipt]:
    return []


@task("chain.sweep")
async def sweep() -> None:
    return None


def plain(args: Receipt) -> Parcel:
    return Parcel(number=args.number)


ship = TaskDefinition("chain.ship", args=Parcel, returns=list[int])
ORDER = Order(number=1)

charge.then(ship)  # E: a receipt where a parcel is taken
charge.then(charge)  # E: a receipt where an order is taken
charge.then(file)  # E: a receipt where a signed one is taken
look.then(pack)  # E: a receipt or None where a receipt is taken
list_all.then(pack)  # E: a list where one is taken
file.then(pack)  # E: nothing where a receipt is taken
charge.then(sweep)  # E: a receipt for a task that takes none
ship.then(pack)  # E: numbers where a receipt is taken
charge.then(pack).then(charge)  # E: a parcel where an order is taken, at the third part
charge.then(pack.then(pack))  # E: a parcel where a receipt is taken, inside
charge.build(ORDER).then(ship)  # E: a receipt where a parcel is taken, from a bound call
charge.build(ORDER).priority(3).then(charge)  # E: a receipt where an order is taken, from a bound call
charge.then(plain)  # E: a plain function is no part
charge.then(pack(Receipt(number=1)))  # E: a handler that was run instead of a part
charge.then("chain.pack")  # E: a name is no part
charge.then(Parcel)  # E: a model is no part
charge.then()  # E: no part
charge.then(pack, ship)  # E: two parts at once
charge.then(after=pack)  # E: the part is positional

by_bar = charge | ship  # E: a receipt where a parcel is taken, with a bar
by_bar_long = charge | pack | charge  # E: a parcel where an order is taken, with bars
by_bar_right = charge | (ship | pack)  # E: numbers where a receipt is taken, inside
by_bar_swapped = pack | charge  # E: the wrong way round
by_bar_name = charge | "chain.pack"  # E: a name is no part
by_bar_function = charge | plain  # E: a plain function is no part
by_ampersand = charge & pack  # E: no such operator
by_shift = charge >> pack  # E: an operator of another library

other_output: Chain[Order, Receipt] = charge | pack  # E: a chain with another output
other_input: Chain[Parcel, Parcel] = charge | pack  # E: a chain with another input
needs_input: Chain[object, Parcel] = charge | pack  # E: a chain whose first part wants its input
as_part: Composable[Order, Parcel] = charge  # E: a part with another output
