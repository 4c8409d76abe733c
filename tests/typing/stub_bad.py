"""Misuses of a generated package."""

from __future__ import annotations

import warehouse_client
from warehouse_client import EventName, TaskName, WorkflowName, all_tasks, events, orders, reports

from stem import Group, Stem, TaskEnqueueBuilder, group

app = Stem[TaskName]("memory://", tasks=all_tasks())
RECEIPT = orders.Receipt(order_id="1", cents=2)
ADDRESS = orders.Address(street="s", city="c")
CALL = orders.charge(id="1", customer="a", cents=2)
FAST = "fast" if ADDRESS.city else "quick"

# ------------------------------------------------------------ names of tasks and namespaces
orders.chrage(id="1", customer="a", cents=2)  # E: the task's name is misspelt
warehouse_client.ordres  # E: the namespace's name is misspelt
reports.charge(id="1", customer="a", cents=2)  # E: the task is of another namespace
orders.Recipt  # E: the model's name is misspelt
orders.ChrageEnqueueBuilder  # E: the alias's name is misspelt
wrong_name: TaskName = "orders.chrage"  # E: no task of this name
another_name: TaskName = "charge"  # E: a name without its namespace

# ------------------------------------------------------------ arguments
orders.charge()  # E: all arguments are missing
orders.charge(id="1", customer="a")  # E: one argument is missing
orders.charge("1", "a", 2)  # E: arguments are keywords
orders.charge(orders.Order(id="1", customer="a", cents=2))  # E: a model in the place of keywords
orders.charge(id="1", customer="a", cents="2")  # E: text for a number
orders.charge(id=1, customer="a", cents=2)  # E: a number for text
orders.charge(id="1", customer=None, cents=2)  # E: None for text
orders.charge(id="1", customer="a", cent=2)  # E: a misspelt argument
orders.charge(id="1", customer="a", cents=2, tip=1)  # E: an argument too many
orders.dispatch(receipt=RECEIPT, to=RECEIPT)  # E: another model
orders.dispatch(receipt={"order_id": "1"}, to=ADDRESS)  # E: a dict for a model
orders.dispatch(receipt=RECEIPT, to=ADDRESS, carrier="post")  # E: text for a member of an enum
orders.dispatch(receipt=RECEIPT, to=ADDRESS, carrier=orders.Carrier.TRAIN)  # E: no such member
orders.dispatch(receipt=RECEIPT, to=ADDRESS, speed="quick")  # E: no such literal
orders.dispatch(receipt=RECEIPT, to=ADDRESS, speed=FAST)  # E: text that may be another literal
orders.dispatch(receipt=RECEIPT, to=ADDRESS, notes="soon")  # E: text for a list
orders.dispatch(receipt=RECEIPT, to=ADDRESS, notes=[1])  # E: a list of numbers for one of text
reports.stock(all=True)  # E: an argument for a task without
reports.day(receipts=RECEIPT, title="t")  # E: one for many
orders.Address(street="s")  # E: a field of a model is missing
orders.Receipt(order_id="1", cents="2")  # E: text for a number in a model
orders.charge.build(RECEIPT)  # E: another model for a call

# ------------------------------------------------------------ options
CALL.priority("high")  # E: text for a number
CALL.prioritty(5)  # E: a misspelt option
CALL.delay(None)  # E: None for a span
CALL.header("k", 1)  # E: a number for text
CALL.retries("3")  # E: text for a number
of_other: orders.DispatchEnqueueBuilder = CALL  # E: a call of another task
of_text: TaskEnqueueBuilder[str] = CALL.priority(3)  # E: another result, also after an option


# ------------------------------------------------------------ results and sending
async def send() -> None:
    await CALL  # E: a call is not awaitable
    await CALL.enqueue()  # E: no app
    await CALL.enqueue("memory://")  # E: text for an app
    handle = await CALL.enqueue(app)
    number: int = await handle.result()  # E: the result is a receipt
    (await handle.result()).total  # E: no such field of the result
    parcel: orders.Parcel = await handle.result()  # E: the result of another task
    CALL.enqueue(app).result()  # E: a forgotten await
    await app.enqueue("orders.chrage", {})  # E: no task of this name
    await app.enqueue("orders.charge", [1])  # E: a list for a mapping
    await app.enqueue(CALL)  # E: a call for a name
    stock = await (await reports.stock().enqueue(app)).result()
    len(stock)  # E: it may be None
    await app.enqueue_many([orders.charge])  # E: a task for a call of it


# ------------------------------------------------------------ composition
orders.charge | orders.dispatch  # E: a receipt for a dispatch
CALL.then(reports.day)  # E: a receipt for a day
orders.charge | reports.day.take("receipts", title="t")  # E: one receipt for a list of them
orders.charge | orders.dispatch.take("recepit", to=ADDRESS)  # E: a misspelt field
orders.dispatch.take("receipt")  # E: the other argument is missing
orders.dispatch.take("receipt", receipt=RECEIPT, to=ADDRESS)  # E: the field that comes from the part before
orders.dispatch.take("receipt", to=RECEIPT)  # E: another model
orders.dispatch.take(receipt=RECEIPT)  # E: a field is named by text
reports.stock.take("all")  # E: a task without arguments takes nothing
group(CALL, CALL).then(reports.day.take("receipts", title="t"))  # E: a tuple for a list
group(CALL for _ in "ab") | reports.day  # E: a list for a day
group(CALL, "text")  # E: text for a call
group(reports.stock() for _ in "ab").then(reports.day.take("receipts", title="t"))  # E: lists of other things
pair: Group[object, tuple[orders.Receipt, orders.Parcel]] = group(CALL, reports.stock())  # E: another pair

# ------------------------------------------------------------ workflows
ORDER = orders.Order(id="1", customer="a", cents=2)
RUN = orders.fulfil(order=ORDER, to=ADDRESS)
orders.fulfill(order=ORDER, to=ADDRESS)  # E: the workflow's name is misspelt
orders.fulfil()  # E: all parameters are missing
orders.fulfil(order=ORDER)  # E: one parameter is missing
orders.fulfil(ORDER, ADDRESS)  # E: parameters are keywords
orders.fulfil(order=ORDER, to=RECEIPT)  # E: another model
orders.fulfil(order={"id": "1"}, to=ADDRESS)  # E: a dict for a model
orders.fulfil(order=ORDER, to=ADDRESS, speed="fast")  # E: a parameter too many
orders.fulfil.build(ORDER)  # E: another model for a run
orders.fulfil.enqueue(app, ORDER)  # E: a workflow is started, not enqueued
RUN.priority(3)  # E: a run has no priority
RUN.if_exists("replace")  # E: no such choice
RUN.id(7)  # E: a number for text
RUN.delay(None)  # E: None for a span
parcel_run: orders.ChargeEnqueueBuilder = RUN  # E: a run for a job
wrong_workflow: WorkflowName = "orders.fulfill"  # E: no workflow of this name
a_task: WorkflowName = "orders.charge"  # E: a task is no workflow
group(RUN, RUN)  # E: runs are no parts of a group


async def start() -> None:
    await RUN  # E: a run that is not started is not awaitable
    await RUN.start()  # E: no app
    await app.submit(RUN)  # E: a run for a job
    run = await RUN.start(app)
    number: int = await run.result()  # E: the result is a parcel
    (await run.result()).cents  # E: no such field of the result
    await orders.fulfil.start(app, ORDER)  # E: another model to start with
    await orders.fulfil.start(app, orders.Fulfilment(order=ORDER, to=ADDRESS), ids="x")  # E: a misspelt option


# ------------------------------------------------------------ events
wrong_event: EventName = "order.paked"  # E: no event of this name
events.order_paked  # E: the event's name is misspelt
events.Paked  # E: the payload's name is misspelt
orders.order_packed  # E: events stand in a namespace of their own


async def tell() -> None:
    await events.order_packed.emit(app, events.Packed())  # E: a field of the payload is missing
    await events.order_packed.emit(app, ORDER, key="1")  # E: another payload
    await events.order_packed.emit(app, {"by": "a"}, key="1")  # E: a dict for a payload
    await events.order_packed.emit(events.Packed(by="a"), key="1")  # E: no app
    await events.order_packed.emit(app, events.Packed(by="a"), key=1)  # E: a number for a key
    await events.order_packed.send(app, "run", events.Packed(by="a"))  # E: a topic is emitted, a mailbox is sent to
