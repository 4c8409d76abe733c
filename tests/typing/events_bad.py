"""Topics, mailboxes and their payloads: declared, annotated, emitted, sent and waited for the wrong way."""

from __future__ import annotations

from typing import TypedDict

from pydantic import BaseModel

from stem import Mailbox, RunHandle, Stem, StepContext, Timeout, Topic, WorkflowContext, task, workflow
from stem.testing import simulate


class Shipment(BaseModel):
    carrier: str


class Tracked(Shipment):
    number: str


class Refusal(BaseModel):
    why: str


class Line(TypedDict):
    sku: str
    count: int


SHIPMENT = Shipment(carrier="Post")

# ---------------------------------------------------------------- declared

Topic("order.shipped")  # E: the payload's type is missing
Topic("order.shipped", Shipment)  # E: the payload's type is given by name
Topic(payload=Shipment)  # E: the name is missing
Topic(Shipment, payload=Shipment)  # E: the name is text, not the model
Topic[Shipment]("order.shipped")  # E: the type argument does not travel
Topic("order.shipped", payload=SHIPMENT)  # E: an instance instead of its type
Topic("order.shipped", payload={"carrier": str})  # E: a dict of fields is no type
Topic("order.shipped", payload=[Shipment])  # E: a list of a type is no type
Topic("order.shipped", payload=3)  # E: a value is no type
Topic("order.shipped", payload=(Shipment, Refusal))  # E: two types are joined by a bar
Topic("order.shipped", payload=lambda raw: Shipment(carrier=raw))  # E: a function is no type
Topic("order.shipped", payload=Shipment, key="id")  # E: the key belongs to the emit
Topic("order.shipped", payload=Shipment, ttl=None)  # E: an event is not kept for ever
Topic("order.shipped", payload=Shipment, retain=True)  # E: a topic has no such switch
Topic("order.shipped", payload=Shipment, stub=None)  # E: no stub is said by leaving it out
Mailbox("approval", payload=bool, ttl="1d")  # E: a message is kept with its run
Mailbox("approval", payload=bool, maxsize=10)  # E: a mailbox has no bound
Mailbox("approval", bool)  # E: a mailbox's type is given by name
Mailbox("approval", payload=True)  # E: True is not its type
Mailbox(approval=bool)  # E: the name is no keyword

# ---------------------------------------------------------------- annotated

as_other: Topic[Refusal] = Topic("order.shipped", payload=Shipment)  # E: another payload
as_narrower: Topic[Tracked] = Topic("order.shipped", payload=Shipment)  # E: a payload that is too wide
as_number: Topic[int] = Topic("order.count", payload=str)  # E: text is no number
as_item: Topic[Shipment] = Topic("order.shipped", payload=list[Shipment])  # E: a list of payloads
as_sure: Topic[Shipment] = Topic("order.shipped", payload=Shipment | None)  # E: a payload that may be None
as_type: Topic[type[Shipment]] = Topic("order.shipped", payload=Shipment)  # E: the class of the payload
as_box: Mailbox[bool] = Topic("approval", payload=bool)  # E: a topic is no mailbox
as_topic: Topic[bool] = Mailbox("approval", payload=bool)  # E: a mailbox is no topic
as_bare: Topic = Topic("order.shipped", payload=Shipment)  # E: a topic of nobody knows what
as_pair: Topic[str, Shipment] = Topic("order.shipped", payload=Shipment)  # E: a topic has one type
as_message: Mailbox[Refusal] = Mailbox("refusal", payload=str)  # E: text is no refusal
as_line: Topic[Line] = Topic("order.line", payload=dict[str, object])  # E: a dict is no typed dict

shipped = Topic("order.shipped", payload=Shipment)
tracked = Topic("order.tracked", payload=Tracked)
approval = Mailbox("approval", payload=bool)
refusal = Mailbox("refusal", payload=Refusal)
lines = Topic("order.lines", payload=list[Line])
maybe = Topic("order.maybe", payload=Shipment | None)

wider: Topic[Shipment] = tracked  # E: a topic of a narrower payload refuses what a wider one takes
narrower: Topic[Tracked] = shipped  # E: a topic of a wider payload gives what a narrower one does not
any_of: list[Topic[Shipment]] = [shipped, tracked]  # E: topics of two payloads in one list
class_of: type[Topic[Shipment]] = shipped  # E: a topic is no class
shipped.payload = Refusal  # E: a payload is not changed
shipped.codec()  # E: the codec is a property


@task("events.inner")
async def inner(order: Shipment) -> int:
    return len(order.carrier)


@workflow("events.flow")
async def flow(ctx: WorkflowContext, order: Shipment) -> str:
    return order.carrier


async def poll(step: StepContext) -> str:
    await step.wait_event("order.shipped")  # E: an event is a topic or a mailbox
    await step.wait_event(shipped, timeout="1h")  # E: a step's wait has a deadline
    await step.wait_event(shipped, "42")  # E: a step's key is given by name
    await step.wait_event(Shipment)  # E: a payload's type is no event
    step.wait_event(shipped, key="42")  # E: a step's wait is awaited
    await step.wait_event(shipped, deadline=[60])  # E: a list is no deadline
    return (await step.wait_event(shipped, key="42", deadline="1h")).carrier  # E: a step's wait may be a Timeout


async def tell(app: Stem, handle: RunHandle[str]) -> None:
    await shipped.emit(app)  # E: the payload is missing
    await shipped.emit(app, key="42")  # E: a key without the payload
    await shipped.emit(app, Shipment, key="42")  # E: the class of the payload
    await shipped.emit(app, carrier="Post")  # E: the fields of the payload
    await shipped.emit(app, "42", SHIPMENT)  # E: the key is given by name
    await shipped.emit(app, SHIPMENT, "42")  # E: the key stands behind the payload, unnamed
    await shipped.emit(app, SHIPMENT, key=None)  # E: no key is said by leaving it out
    await shipped.emit(app, SHIPMENT, ttl="1d")  # E: the topic says how long
    await shipped.emit(app, SHIPMENT.model_dump(), key="42")  # E: a dumped model
    await shipped.emit(app, SHIPMENT.model_dump_json(), key="42")  # E: a model as JSON
    await shipped.emit(app, [SHIPMENT, SHIPMENT])  # E: one payload at a time
    await shipped.emit("redis://localhost", SHIPMENT)  # E: a URL is no app
    await shipped.emit(handle, SHIPMENT)  # E: a handle is no app
    await shipped.emit(app, None)  # E: None is no payload
    await shipped.publish(app, SHIPMENT)  # E: an event is emitted
    await shipped.subscribe(print)  # E: only runs wait for events
    await shipped.wait(app, key="42")  # E: the context waits
    await tracked.emit(app, SHIPMENT)  # E: a payload without the narrower fields
    await lines.emit(app, [{"sku": "a"}])  # E: an entry without its count
    await lines.emit(app, [{"sku": "a", "count": "2"}])  # E: an entry with a wrong count
    await lines.emit(app, {"sku": "a", "count": 2})  # E: one entry instead of a list
    fresh: str = await shipped.emit(app, SHIPMENT)  # E: an emit says whether it is new
    shipped(SHIPMENT)  # E: a topic is not called
    await app.emit(shipped, SHIPMENT)  # E: the topic emits
    await app.emit_event(shipped)  # E: a topic is not yet an event
    await app.emit_event(shipped.event)  # E: the event is made by a call
    await app.emit_event("order.shipped", SHIPMENT)  # E: an event is not a name with a payload
    await app.emit_event(approval.message("run", True))  # E: a message is no event
    await app.send_message(shipped.event(SHIPMENT))  # E: an event is no message
    shipped.event(Refusal(why="late"), key="42")  # E: an event of another payload
    await approval.emit(app, True)  # E: a message is sent
    await approval.send(app, handle, True)  # E: a run is named by its id
    await approval.send(app, flow, True)  # E: a workflow is no run
    await approval.send(app, True, "order-42")  # E: run and payload the wrong way round
    await approval.send(app, "order-42")  # E: a message without payload
    await approval.send(app, "order-42", True, "click-1")  # E: the message's id is given by name
    await approval.send(app, ["order-42", "order-43"], True)  # E: one run at a time
    await approval.send("order-42", True)  # E: the app of a message is missing
    await approval.send(app, "order-42", True, start=flow.start(app, SHIPMENT))  # E: a run that was started already
    await approval.send(app, "order-42", True, start=inner.build(SHIPMENT))  # E: a job is no run to start
    await approval.send(app, "order-42", True, start=True)  # E: what is started is a call
    await refusal.send(app, "order-42", "too late")  # E: text for a model
    approval.message(True)  # E: a message has a run
    approval.message("order-42", Refusal(why="late"))  # E: a message of another payload
    sent = approval.message("order-42", True).sent  # E: a message knows nothing of its arrival
    await simulate(flow, SHIPMENT, events=[shipped])  # E: a topic is no event
    await simulate(flow, SHIPMENT, events=shipped.event(SHIPMENT))  # E: one event instead of a list
    with app.sync as sync:
        sync.emit(shipped, SHIPMENT)  # E: code without a loop emits an event
        sync.emit(approval.message("order-42", True))  # E: code without a loop sends a message
        sync.send(approval, "order-42", True)  # E: code without a loop sends what a mailbox made
        sync.send(shipped.event(SHIPMENT))  # E: code without a loop emits, not sends, an event


async def hear_late(ctx: WorkflowContext) -> str:
    late = await ctx.wait(shipped, timeout="1h")
    if not late:
        return late.carrier  # E: nothing has come here
    return late.carrier


async def hear(ctx: WorkflowContext) -> str:
    one: Tracked = await ctx.wait(shipped)  # E: a payload without the narrower fields comes
    none: Shipment = await ctx.wait(maybe)  # E: a payload may be None
    both: Shipment | None = await ctx.wait(shipped, timeout="1h")  # E: what did not come is a Timeout, not None
    granted: bool = await ctx.wait(approval, timeout="1h")  # E: an answer may not have come
    await ctx.wait(shipped, approval)  # E: one event at a time
    await ctx.wait([shipped, tracked])  # E: a list of events
    await ctx.wait(shipped | approval)  # E: events are not joined
    await ctx.wait(shipped.name)  # E: an event is not waited for by name
    await ctx.wait(Topic)  # E: the class of topics
    await ctx.wait(shipped.event(SHIPMENT))  # E: an event that was made, not its topic
    await ctx.wait(shipped, "42")  # E: a key is given by name
    await ctx.wait(shipped, key=42, timeout="1h")  # E: a key is text
    await ctx.wait(shipped, timeout=["1h"])  # E: a list is no span
    await ctx.wait(shipped, lambda event: event.carrier == "Post")  # E: events are chosen by key
    await ctx.emit(shipped)  # E: an emit without payload
    await ctx.emit(approval, True)  # E: to a mailbox is sent
    await ctx.emit(shipped, SHIPMENT, "42")  # E: the emit's key is given by name
    await ctx.emit(shipped.event(SHIPMENT))  # E: topic and payload are given, not an event
    await ctx.emit("order.shipped", SHIPMENT)  # E: an event is not emitted by name
    await ctx.send(shipped, "order-42", SHIPMENT)  # E: a topic is not sent to a run
    await ctx.send(approval, True)  # E: a message to nobody
    await ctx.send(approval, True, "order-42")  # E: payload before the run
    await ctx.send(approval.message("order-42", True))  # E: mailbox, run and payload are given, not a message
    await ctx.send("order-42", approval, True)  # E: the mailbox comes first
    await shipped.emit(ctx, SHIPMENT)  # E: a run's context is no app
    await approval.send(ctx, "order-42", True)  # E: a run's context is no app to send through
    late = await ctx.wait(shipped, key="42", timeout="1h")
    if late is Timeout:  # E: a Timeout is an instance, not its class
        return "late"
    if late == "timeout":  # E: a Timeout is no word
        return "late"
    if late.timed_out:  # E: neither a payload nor a Timeout says so
        return "late"
    carrier: str = late.carrier if late is not None else "none"  # E: what did not come is not None
    if isinstance(late, Timeout):
        return late.carrier  # E: the branches the wrong way round
    return late  # E: the payload instead of its text
