"""A generated package, used as the worker's own code or another library would be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import warehouse_client
import warehouse_client.order  # E: the namespace is called orders
from pydantic import BaseModel
from warehouse_client import EventName, TaskName, WorkflowName, all_tasks, all_workflows, events, orders, reports
from warehouse_client import charge  # E: tasks stand in their namespaces
from warehouse_client.orders import Charge  # E: no class of this name
from warehouse_client.reports import Stock  # E: a task without arguments has no model

from stem import Enqueuer, JobHandle, Stem, TaskDefinition, TaskEnqueueBuilder, WorkflowCall

app = Stem[TaskName]("memory://", tasks=all_tasks())
RECEIPT = orders.Receipt(order_id="1", cents=2)
ADDRESS = orders.Address(street="s", city="c")
ORDER = orders.Order(id="1", customer="a", cents=2)
CALL = orders.charge(id="1", customer="a", cents=2)


class Address(BaseModel):
    """As the package has it, but the producer's own."""

    street: str
    city: str


# ------------------------------------------------------------ names
Stem[EventName]("memory://").call("orders.charge")  # E: the names of events for those of tasks
Stem[int]("memory://")  # E: names are text
Stem[orders]("memory://")  # E: a module is no type
Stem[orders.charge]("memory://")  # E: a task is no type
Stem[TaskName, WorkflowName]("memory://")  # E: names of tasks alone
Stem("memory://", tasks=all_tasks)  # E: the function was not called
Stem("memory://", tasks=orders)  # E: a module for its tasks
Stem("memory://", tasks=all_workflows())  # E: workflows for tasks
Stem("memory://", workflows=all_tasks())  # E: tasks for workflows
warehouse_client.TASKS  # E: no such list
said = "".join(["orders", ".", "charge"])
from_outside: TaskName = said  # E: any text for a name
names: list[TaskName] = ["orders.charge", "reports.dya"]  # E: one of the names is misspelt
by_name: dict[TaskName, int] = {"orders.dispatch": 1, "orders.fulfil": 2}  # E: a workflow among the tasks
a_member: TaskName = TaskName.orders_charge  # E: the names are no enum
any_name: Stem = app  # E: an app of some names for one of all
all_names: Stem[TaskName | WorkflowName] = app  # E: an app of fewer names


def any_app(app: Stem) -> None: ...


def is_known(name: TaskName) -> bool:
    return name == "orders.ship"  # E: no task of this name to compare with


any_app(app)  # E: an app of some names where all are taken; Enqueuer would do

# ------------------------------------------------------------ arguments
ORDER_LIKE = {"id": "1", "customer": 5, "cents": "2"}
orders.charge(**ORDER_LIKE)  # E: a dict of mixed values, spread
orders.charge(**ORDER)  # E: a model is no mapping to spread
orders.charge(ORDER.id, customer="a", cents=2)  # E: one of the keywords by position
orders.charge(id="1", customer="a", cents=2.5)  # E: a fraction of a cent
orders.charge(id="1", customer=b"a", cents=2)  # E: bytes for text
orders.charge(ID="1", customer="a", cents=2)  # E: the argument's name in another case
orders.charge(order=ORDER)  # E: the model as one keyword
orders.charge(args=["1", "a", 2])  # E: arguments as another library takes them
orders.charge(id="1", customer="a", cents=2, priority=5)  # E: an option among the arguments
orders.charge(id="1", customer="a", cents=2, app=app)  # E: the app among the arguments
orders.dispatch(receipt=CALL, to=ADDRESS)  # E: a call for what it gives
orders.dispatch(receipt=orders.Receipt, to=ADDRESS)  # E: the class for an instance
orders.dispatch(receipt=None, to=ADDRESS)  # E: nothing for a model
orders.dispatch(receipt=RECEIPT, to=Address(street="s", city="c"))  # E: a model of the same fields, but another
orders.dispatch(receipt=RECEIPT, to=("s", "c"))  # E: a tuple for a model
orders.dispatch(receipt=RECEIPT.model_dump(), to=ADDRESS)  # E: the dump of a model
orders.dispatch(receipt=RECEIPT.model_dump_json(), to=ADDRESS)  # E: the JSON of a model
orders.dispatch(receipt=RECEIPT, to=ADDRESS, carrier=orders.Carrier)  # E: the enum for a member
orders.dispatch(receipt=RECEIPT, to=ADDRESS, carrier=orders.Carrier.POST.value)  # E: the value of a member
orders.dispatch(receipt=RECEIPT, to=ADDRESS, carrier=0)  # E: the number of a member
orders.dispatch(receipt=RECEIPT, to=ADDRESS, speed="FAST")  # E: the literal in another case
orders.dispatch(receipt=RECEIPT, to=ADDRESS, notes=("soon",))  # E: a tuple for a list
orders.dispatch(receipt=RECEIPT, to=ADDRESS, notes=["soon", None])  # E: a hole among the notes
orders.dispatch(receipt=RECEIPT, to=ADDRESS, notes={"soon"})  # E: a set for a list
orders.dispatch(receipt=RECEIPT, to=ADDRESS, notes=(note for note in "ab"))  # E: a generator for a list
orders.dispatch(receipt=RECEIPT, address=ADDRESS)  # E: the model's name for the field's
orders.dispatch(RECEIPT, to=ADDRESS)  # E: the first argument by position
reports.day(receipts=[RECEIPT, None], title="t")  # E: a hole among the receipts
reports.day(receipts={"1": RECEIPT}, title="t")  # E: a dict for a list
reports.day(receipts=[[RECEIPT]], title="t")  # E: a list too deep
reports.day(receipts=[RECEIPT])  # E: a default that the worker does not have
reports.stock({})  # E: an empty dict for no arguments
reports.stock.build(reports.stock)  # E: a task for no arguments
orders.Address("s", "c")  # E: fields are given by name
orders.Address(street="s", city="c", zip="1")  # E: a field that the copy lacks
orders.Carrier("post").POSTS  # E: no such member
RECEIPT.order_id = 5  # E: a number for text, assigned
RECEIPT.cents += 0.5  # E: a fraction of a cent, added
ORDER.charge()  # E: a model has no tasks
orders.Order.charge  # E: a model has no tasks, also its class

# ------------------------------------------------------------ calls
orders.charge.delay(id="1", customer="a", cents=2)  # E: another library's way to send
orders.charge.build(id="1", customer="a", cents=2)  # E: build takes the model
orders.charge.build(orders.Order)  # E: the model's class
orders.charge.enqueue(app, id="1", customer="a", cents=2)  # E: enqueue takes the model
orders.charge.enqueue(app, CALL)  # E: a call for the arguments
orders.charge.id("order-1")  # E: options are for calls
orders.charge.priority(5)(id="1", customer="a", cents=2)  # E: options come after the arguments
CALL(app)  # E: a call is not called again
CALL.cents  # E: arguments lie deeper
CALL.take("id")  # E: only tasks take
CALL.header("customer", ORDER)  # E: a model for text
CALL.queue(orders)  # E: a namespace for a queue
CALL.priority(orders.charge.options.layer)  # E: all options for one
an_alias = orders.ChargeEnqueueBuilder(CALL)  # E: an alias is for annotations
wrong_alias: reports.StockEnqueueBuilder = reports.day(receipts=[], title="t")  # E: the alias of another task
half: TaskEnqueueBuilder = CALL  # E: the result is not said
calls: list[orders.ChargeEnqueueBuilder] = [CALL, reports.stock()]  # E: a call of another task among them
a_task: orders.charge = orders.charge  # E: a task is no type
as_definition: TaskDefinition[orders.Order, orders.Parcel] = orders.charge  # E: the task gives a receipt
by_dict = {"charge": orders.charge, "day": reports.day}
by_dict["charge"](id="1", customer="a", cents=2)  # E: tasks of one dict have no common call


# ------------------------------------------------------------ sending
async def send(enqueuer: Enqueuer, verb: str, rows: Iterable[orders.Order]) -> None:
    await orders.charge(id="1", customer="a", cents=2).enqueue  # E: the method was not called
    await orders.charge.enqueue(app)  # E: no arguments
    await orders.charge(app, id="1", customer="a", cents=2)  # E: the app belongs to enqueue
    await app.enqueue(f"orders.{verb}", {})  # E: text that is made
    await app.enqueue("orders.charge", id="1")  # E: arguments are a mapping
    await app.enqueue("orders.charge", ORDER)  # E: a model for a mapping
    await app.enqueue("orders.fulfil", {})  # E: a workflow is no task
    await app.enqueue(orders.charge, {})  # E: the task for its name
    await app.enqueue(task="orders.charge")  # E: it is called name
    await enqueuer.enqueue("orders.charge", {})  # E: the protocol has no names
    app.call("orders.chrage", {})  # E: no task of this name to call
    await app.call("orders.charge", {}).enqueue()  # E: sent to nowhere, by name
    await app.enqueue_many([orders.charge.build, orders.charge.build])  # E: methods for calls
    await app.enqueue_many(orders.charge(row) for row in rows)  # E: rows for keywords
    await app.enqueue_many(rows)  # E: arguments for calls
    await app.enqueue_many({"orders.charge": [ORDER]})  # E: names for calls
    handle = await CALL.enqueue(app)
    orders.dispatch(receipt=handle, to=ADDRESS)  # E: a handle for a result
    orders.dispatch(receipt=handle.result(), to=ADDRESS)  # E: a coroutine for a result
    orders.dispatch(receipt=await handle.status(), to=ADDRESS)  # E: a job for a result
    receipt, parcel = await asyncio.gather(handle.result(), handle.result())
    parcel.number  # E: the field of another result
    (await handle.result()).cents.quantize  # E: cents are a plain number
    day = await (await reports.day(receipts=[RECEIPT], title="t").enqueue(app)).result()
    day["1"] + "2"  # E: a number and text
    day[1]  # E: keys are text
    for item in await (await reports.stock().enqueue(app)).result():  # E: nothing comes while somebody counts
        return
    of_parcel: JobHandle[orders.Parcel] = handle  # E: the handle of another task
    untyped: JobHandle = handle  # E: the result is not said, of a handle


# ------------------------------------------------------------ workflows, where jobs are meant
async def start(run: WorkflowCall[orders.Parcel]) -> None:
    await run.enqueue(app)  # E: runs are started
    await CALL.start(app)  # E: jobs are enqueued
    await app.enqueue_many([run])  # E: runs are no jobs
    await run.at("tomorrow").start(app)  # E: text for an instant
    await run.eta(None).start(app)  # E: that is the word of a job's call
    await run.header("a", "b").start(app)  # E: a run has no headers
    await run.expires("1h").start(app)  # E: a run is cancelled, it does not expire
    await orders.fulfil(order=ORDER, to=ADDRESS).start(app, id="x")  # E: options come before the start
    await orders.fulfil.start(app, order=ORDER, to=ADDRESS)  # E: start takes the model
    await events.order_packed.emit(app, by="a", key="1")  # E: the payload is one model
    await events.order_packed(by="a").emit(app)  # E: a topic is not called
    await orders.fulfil.build(orders.Fulfilment(order=ORDER, to=ADDRESS)).priority(5)  # E: a run has no priority
