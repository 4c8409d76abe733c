"""Right uses of a generated package: calls, options, results, names, compositions."""

from __future__ import annotations

from typing import assert_type

from warehouse_client import EventName, TaskName, WorkflowName, all_tasks, all_workflows, events, orders, reports

from stem import (
    Chain,
    Composable,
    Group,
    JobHandle,
    Run,
    RunHandle,
    Stem,
    TaskEnqueueBuilder,
    Topic,
    WorkflowCall,
    WorkflowDefinition,
    group,
)

app = Stem[TaskName]("memory://", tasks=all_tasks(), workflows=all_workflows())
RECEIPT = orders.Receipt(order_id="1", cents=2)
ADDRESS = orders.Address(street="s", city="c")

# calls: keywords, and what has a default may be left out
assert_type(orders.charge(id="1", customer="a", cents=2), TaskEnqueueBuilder[orders.Receipt])
assert_type(orders.dispatch(receipt=RECEIPT, to=ADDRESS), TaskEnqueueBuilder[orders.Parcel])
assert_type(
    orders.dispatch(receipt=RECEIPT, to=ADDRESS, carrier=orders.Carrier.BIKE, speed="fast", notes=["soon"]),
    TaskEnqueueBuilder[orders.Parcel],
)
assert_type(reports.stock(), TaskEnqueueBuilder[list[str] | None])

# a call as a hand-written definition makes it, and the name of its type
assert_type(orders.charge.build(orders.Order(id="1", customer="a", cents=2)), TaskEnqueueBuilder[orders.Receipt])
half: orders.ChargeEnqueueBuilder = orders.charge(id="1", customer="a", cents=2).priority(5)

# options keep the type
assert_type(half.delay("30s").header("k", "v").expires("1h").queue("q"), TaskEnqueueBuilder[orders.Receipt])


async def results() -> None:
    """Handles and results are typed."""
    handle = await half.enqueue(app)
    assert_type(handle, JobHandle[orders.Receipt])
    assert_type(await handle.result(), orders.Receipt)
    assert_type((await (await reports.day(receipts=[RECEIPT], title="t").enqueue(app)).result()), dict[str, int])
    many = await app.enqueue_many(orders.charge(id=str(n), customer="a", cents=n) for n in range(1, 3))
    assert_type(many, list[JobHandle[orders.Receipt]])
    await app.enqueue("orders.charge", {"id": "1", "customer": "a", "cents": 2})


def say(name: TaskName) -> None:
    """A name of a task."""


say("reports.day")

# chains: a task takes the whole result, `take` a field of it
assert_type(orders.charge | reports.day.take("title", receipts=[]) if False else None, None)
assert_type(orders.charge.then(orders.dispatch.take("receipt", to=ADDRESS)), Chain[orders.Order, orders.Parcel])
assert_type(
    orders.charge(id="1", customer="a", cents=2) | orders.dispatch.take("receipt", to=ADDRESS, speed="fast"),
    Chain[object, orders.Parcel],
)
assert_type(reports.day.take("receipts", title="t"), Composable[list[orders.Receipt], dict[str, int]])

# groups: of some kinds, or of any number of one
both = group(orders.charge(id="1", customer="a", cents=2), reports.stock())
assert_type(both, Group[object, tuple[orders.Receipt, list[str] | None]])
all_of = group(orders.charge(id=str(n), customer="a", cents=n) for n in range(1, 4))
assert_type(all_of, Group[object, list[orders.Receipt]])
assert_type(all_of.then(reports.day.take("receipts", title="today")), Chain[object, dict[str, int]])
assert_type(group([orders.charge(id="1", customer="a", cents=2)]) | reports.stock(), Chain[object, list[str] | None])
assert_type(group(orders.charge, orders.charge), Group[orders.Order, tuple[orders.Receipt, orders.Receipt]])

# workflows: called with keywords, started, and awaited by their handles
ORDER = orders.Order(id="1", customer="a", cents=2)
assert_type(orders.fulfil(order=ORDER, to=ADDRESS), WorkflowCall[orders.Parcel])
assert_type(orders.fulfil.build(orders.Fulfilment(order=ORDER, to=ADDRESS)), WorkflowCall[orders.Parcel])
later: orders.FulfilWorkflowCall = orders.fulfil(order=ORDER, to=ADDRESS).id("x").if_exists("restart").delay("1h")
defined: WorkflowDefinition[orders.Fulfilment, orders.Parcel] = orders.fulfil
assert_type(events.order_packed, Topic[events.Packed])


async def runs() -> None:
    """Handles of runs and payloads of events are typed."""
    run = await later.cancel_after("2d").start(app)
    assert_type(run, RunHandle[orders.Parcel])
    assert_type(await run.result(timeout="20s"), orders.Parcel)
    assert_type(await run.status(), Run)
    assert_type(
        await (await orders.fulfil.start(app, orders.Fulfilment(order=ORDER, to=ADDRESS))).result(), orders.Parcel
    )
    assert_type(await events.order_packed.emit(app, events.Packed(by="a"), key="1"), bool)


def say_more(workflow: WorkflowName, event: EventName) -> None:
    """Names of a workflow and an event."""


say_more("orders.fulfil", "order.packed")
