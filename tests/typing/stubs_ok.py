"""Right uses of a generated package beyond the plain call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, assert_type, get_args

from warehouse_client import EventName, TaskName, WorkflowName, all_tasks, all_workflows, events, orders, reports

from stem import Enqueuer, JobHandle, Stem, StubTask, TaskDefinition, TaskEnqueueBuilder, Topic, default
from stem.errors import JobError
from stem.testing import FakeStem

app = Stem[TaskName]("memory://", tasks=all_tasks(), workflows=all_workflows(), namespace="client")
ADDRESS = orders.Address(street="s", city="c")
RECEIPT = orders.Receipt(order_id="1", cents=2)

assert_type(app, Stem[TaskName])
assert_type(all_tasks(), list[TaskDefinition[Any, Any]])
assert_type(app.call("orders.charge", {"id": "1", "customer": "a", "cents": 2}), TaskEnqueueBuilder[Any])
assert_type(orders.dispatch(receipt=RECEIPT, to=ADDRESS, notes=[]), TaskEnqueueBuilder[orders.Parcel])
assert_type(
    orders.dispatch(to=ADDRESS, receipt=RECEIPT, carrier=orders.Carrier("bike")), TaskEnqueueBuilder[orders.Parcel]
)
assert_type(
    orders.charge.build(orders.Order.model_validate({"id": "1", "customer": "a", "cents": 2})),
    TaskEnqueueBuilder[orders.Receipt],
)
assert_type(
    [orders.charge(id=str(n), customer="a", cents=n).id(f"charge-{n}") for n in (1, 2)],
    list[TaskEnqueueBuilder[orders.Receipt]],
)
assert_type(orders.charge.name, str)
carrier: str = orders.Carrier.POST.value
as_stub: StubTask[orders.Order, orders.Receipt] = orders.charge
as_definition: TaskDefinition[orders.Order, orders.Receipt] = orders.charge
names: Sequence[TaskName] = ("orders.charge", "orders.dispatch", "reports.day")
assert "orders.charge" in get_args(TaskName)
workflow: WorkflowName = "orders.fulfil"
event: EventName = "order.packed"
topics: dict[EventName, Topic[events.Packed]] = {"order.packed": events.order_packed}
Shipper = Callable[[orders.Receipt], orders.DispatchEnqueueBuilder]


def shipper(speedy: bool) -> Shipper:
    if speedy:
        return lambda receipt: orders.dispatch(receipt=receipt, to=ADDRESS, speed="fast")
    return lambda receipt: orders.dispatch(receipt=receipt, to=ADDRESS)


assert_type(shipper(True)(RECEIPT).priority(9), TaskEnqueueBuilder[orders.Parcel])


async def pay_and_ship(enqueuer: Enqueuer, order: orders.Order) -> orders.Parcel | None:
    paid = await orders.charge.enqueue(enqueuer, order)
    try:
        receipt = await paid.result("1m")
    except JobError as fault:
        assert_type(fault.job_id, str)
        return None
    handle = await orders.dispatch(receipt=receipt, to=ADDRESS).enqueue(enqueuer)
    assert_type(handle, JobHandle[orders.Parcel])
    return await handle.result(timeout="1m")


async def send() -> None:
    assert_type(await pay_and_ship(app, orders.Order(id="1", customer="a", cents=2)), orders.Parcel | None)
    for name in names:
        assert_type(await app.enqueue(name, {}), JobHandle[Any])
    day = await (await reports.day(receipts=[RECEIPT], title="t").enqueue(app)).result()
    assert_type(sum(day.values()), int)
    assert_type(
        await app.enqueue_many([reports.stock(), reports.stock().delay("5s")]), list[JobHandle[list[str] | None]]
    )
    stock = await (await reports.stock().enqueue(app)).result()
    assert_type(stock or [], list[str])


fake: Enqueuer = FakeStem(tasks=all_tasks())
shown: int = default(5)
