"""Chains and groups as other libraries build and start them."""

from __future__ import annotations

from pydantic import BaseModel
from warehouse_client import orders, reports

from stem import Chain, Composable, Enqueuer, Group, TaskContext, TaskDefinition, TaskEnqueueBuilder, group, task
from stem import chain  # E: chains are made by then and the bar
from stem import chord  # E: a chord is a group and what follows
from stem import signature  # E: a call is made by its task


class Order(BaseModel):
    number: int


class Receipt(BaseModel):
    number: int


class Parcel(BaseModel):
    number: int


@task("chains.charge")
async def charge(ctx: TaskContext, args: Order) -> Receipt:
    return Receipt(number=args.number)


@task("chains.pack")
def pack(args: Receipt) -> Parcel:
    return Parcel(number=args.number)


@task("chains.open")
async def open_shop() -> Order:
    return Order(number=1)


@task("chains.sweep")
async def sweep() -> None: ...


@task("chains.either")
async def either(args: Order) -> Receipt | Parcel:
    return Receipt(number=1)


ship = TaskDefinition("chains.ship", args=Parcel, returns=list[int])
ORDER = Order(number=1)
CALL = charge.build(ORDER)
ADDRESS = orders.Address(street="s", city="c")
RECEIPT = orders.Receipt(order_id="1", cents=2)
STUB = orders.charge(id="1", customer="a", cents=2)
SHIP_TO = orders.dispatch.take("receipt", to=ADDRESS)
FIELD = "receipt" if ADDRESS.city else "to"
both = group(CALL, ship.build(Parcel(number=1)))
alike = group(charge.build(Order(number=n)) for n in range(3))

# ---------------------------------------------------------------- putting together

Chain(charge, pack)  # E: parts one by one
Chain([charge, pack])  # E: a list for a tuple
Chain()  # E: no parts
Chain((charge, pack), (ship,))  # E: tuples one by one
Group(charge, charge)  # E: members one by one
Composable(charge)  # E: nothing is wrapped
Chain[Order]((charge, pack))  # E: what a chain gives is not said
charge.then(lambda receipt: pack.build(receipt))  # E: a function for a part
charge.then(pack.build)  # E: a method for a part
charge.then([pack, ship])  # E: a list of parts
charge.then((pack, ship))  # E: a tuple of parts
charge.then(None)  # E: nothing for a part
charge.then(pack).then  (charge.build)  # E: a method for the third part
charge.then(TaskDefinition)  # E: the class for a part
charge.then(Chain)  # E: the class for a part, of chains
charge.then(pack.name)  # E: a name for a part
charge.then(after=SHIP_TO)  # E: the part is positional, also a taken one
charge.then(pack.take("number"))  # E: only generated tasks take
charge.then(on_error=sweep)  # E: there is no other way
charge.pipe(pack)  # E: it is called then
charge.link(pack)  # E: a word of another library
charge + pack  # E: parts are not added
charge >= pack  # E: one key beside the bar
charge @ pack  # E: not an operator of parts
charge | pack()  # E: the handler was run, and without its argument
charge | pack.build()  # E: a call without its arguments
charge | pack.build(ORDER)  # E: a call with another's arguments
charge | None  # E: nothing behind the bar
None | charge  # E: nothing before the bar
charge | ORDER  # E: a value behind the bar
ORDER | charge  # E: a value before the bar
charge | [pack, ship]  # E: a list behind the bar
charge | group  # E: the function was not called
first_of: Chain[Order, Parcel] = charge or pack  # E: the word for the sign
also_of: Chain[Order, Parcel] = charge and pack  # E: the other word for the sign
either | pack  # E: a receipt or a parcel where a receipt is taken
sweep | pack  # E: nothing where a receipt is taken
open_shop | pack  # E: an order where a receipt is taken
charge | open_shop  # E: a receipt for a task that takes nothing
CALL | CALL | ship  # E: a receipt where a parcel is taken, behind bound calls
parts: list[Composable[Order, Parcel]] = [charge, pack]  # E: no part of them does it all
a_call: TaskEnqueueBuilder[Parcel] = CALL | pack  # E: a chain is no call
a_definition: TaskDefinition[Order, Parcel] = charge | pack  # E: a chain is no definition
as_group: Group[Order, Parcel] = charge | pack  # E: a chain is no group
charge |= ship  # E: a receipt where a parcel is taken, in place

# ---------------------------------------------------------------- groups

group()  # E: no members
group(charge, None)  # E: a hole among the members
group([charge, charge], [charge])  # E: two lists
group([CALL], CALL)  # E: a list and a member
group((CALL, 5))  # E: a number among the members
group(a=CALL)  # E: members have no names
group({"a": CALL})  # E: names for members
group(charge.build)  # E: a method for a member
group(CALL.enqueue)  # E: a method for a member, of a call
group([ORDER, ORDER])  # E: arguments for members
group("charge", "pack")  # E: names one by one
group(charge)([ORDER])  # E: a group is not called
group(CALL, CALL)[0]  # E: a group is no list
len(both)  # E: a group has no length
group(charge for _ in "ab") | pack  # E: a list where one receipt is taken
both.then(pack)  # E: a tuple where one receipt is taken
both | reports.day  # E: a tuple for a day
alike.then(reports.day.take("receipts", title="t"))  # E: receipts of another package
group(STUB, STUB) | reports.day.take("receipts", title="t")  # E: a tuple for a list of them
wrong_pair: Group[object, tuple[Receipt, Receipt]] = both  # E: the second gives numbers
as_list: Group[object, list[Receipt]] = group(CALL, CALL)  # E: some members give a tuple
as_tuple: Group[object, tuple[Receipt, Receipt]] = group([CALL, CALL])  # E: an iterable gives a list
unbound: Group[object, list[Receipt]] = group([charge, charge])  # E: members that want an order
bound: Group[object, tuple[Receipt, Receipt]] = group(CALL, charge)  # E: one of the members wants an order
both.members = both  # E: a group for its members
both.join()  # E: a method of another library

# ---------------------------------------------------------------- taking one field

orders.charge.take()  # E: which field?
orders.charge.take("id")  # E: the other arguments are missing
orders.charge.take("id", "customer", cents=2)  # E: one field comes from before
orders.charge.take("id", customer="a", cents="2")  # E: text for a number beside a field
orders.charge.take("id", customer="a", cents=2, speed="fast")  # E: an argument of another task
orders.charge.take(orders.Order.id, customer="a", cents=2)  # E: an attribute for a field's name
orders.charge.take(["id", "customer"], cents=2)  # E: two fields
orders.dispatch.take(FIELD, to=ADDRESS)  # E: text that may be another field
orders.dispatch.take("receipt", to=ADDRESS, speed="quick")  # E: no such literal beside a field
orders.dispatch.take("receipt", to=ADDRESS, carrier=None)  # E: None for "as the worker has it"
orders.dispatch.take("receipts", to=ADDRESS)  # E: one letter too many
orders.dispatch.take("address", receipt=RECEIPT)  # E: the model's name for the field's
STUB.take("id", customer="a", cents=2)  # E: its arguments are bound already
orders.fulfil.take("order", to=ADDRESS)  # E: workflows are no parts
orders.charge | orders.fulfil  # E: a workflow behind the bar
orders.fulfil | orders.charge  # E: a workflow before the bar
orders.charge | orders.dispatch.take("to", receipt=RECEIPT)  # E: a receipt for an address
orders.charge | orders.charge.take("cents", id="1", customer="a")  # E: a receipt for its cents
reports.stock | reports.day.take("receipts", title="t")  # E: names, or nothing, for receipts
reports.stock | orders.dispatch.take("notes", receipt=RECEIPT, to=ADDRESS)  # E: notes that may be missing
SHIP_TO.then(SHIP_TO)  # E: a parcel where a receipt is taken
SHIP_TO | reports.day.take("title", receipts=[])  # E: a parcel for a title
SHIP_TO(RECEIPT)  # E: a part is not called
SHIP_TO.build(RECEIPT)  # E: a part makes no calls
SHIP_TO.priority(5)  # E: a part has no options
SHIP_TO.field  # E: what it takes is its own affair


# ---------------------------------------------------------------- starting them


async def start(app: Enqueuer) -> None:
    await (charge | pack)  # E: a chain is no awaitable
    await (charge | pack).enqueue(app)  # E: chains do not run yet
    await (CALL | pack).enqueue(app)  # E: chains do not run yet, also bound ones
    await app.submit(CALL | pack)  # E: a chain for a call
    await app.submit(both)  # E: a group for a call
    await app.enqueue_many(both)  # E: a group for calls
    await app.enqueue_many([CALL, alike])  # E: a group among the calls
    await SHIP_TO.enqueue(app, RECEIPT)  # E: a part is not sent
    (CALL | pack).delay("5s")  # E: options are for calls
    (charge | pack)(ORDER)  # E: a chain is not called
    (charge | pack).build(ORDER)  # E: a chain makes no calls
    charge(ORDER) | pack  # E: the handler was run
    (CALL | pack).links.append(ship)  # E: a chain cannot grow
    (await CALL.enqueue(app)) | pack  # E: a handle before the bar
    (await CALL.enqueue(app)).then(pack)  # E: a handle is no part
    CALL.enqueue(app) | pack.build(Receipt(number=1))  # E: a coroutine before the bar
