"""Right calls: options, batches, and what users write around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar, assert_never, assert_type

from pydantic import BaseModel

from stem import Enqueuer, Job, JobHandle, RetryPolicy, Stem, TaskDefinition, TaskEnqueueBuilder, Unique, task


class Order(BaseModel):
    number: int


class Gift(Order):
    note: str = ""


@task("calls.count", unique=Unique(key="number"))
async def count(args: Order) -> int:
    return args.number


@task("calls.find")
async def find(args: Order) -> str | None:
    return None


@task("calls.sweep")
def sweep() -> None:
    return None


charge = TaskDefinition("calls.charge", args=Order, returns=dict[str, list[int]], queue="bill", priority=5)
ORDER = Order(number=1)
call = count.build(ORDER)

# a half-built call is shared, and options may come from a dict or a branch
shared = call.queue("bulk").header("x-tenant", "acme")
assert_type(shared, TaskEnqueueBuilder[int])
assert_type([shared.id(f"order-{n}") for n in range(3)], list[TaskEnqueueBuilder[int]])
assert_type(shared.priority(9) if ORDER.number else shared, TaskEnqueueBuilder[int])
for key, value in {"x-trace": "1", "x-user": "ada"}.items():
    shared = shared.header(key, value)
assert_type(shared.eta(datetime.now(UTC) + timedelta(hours=3)), TaskEnqueueBuilder[int])
assert_type(shared.eta(datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=2)))), TaskEnqueueBuilder[int])
assert_type(shared.delay(0), TaskEnqueueBuilder[int])
assert_type(shared.expires(timedelta(minutes=5)).time_limit(soft="5s"), TaskEnqueueBuilder[int])
assert_type(
    shared.retries(3, RetryPolicy.exponential(base=1, longest="1m", give_up_on=[ValueError, "http.Error"])),
    TaskEnqueueBuilder[int],
)
assert_type(shared.unique(Unique(for_="1h", conflict="raise"), key="a"), TaskEnqueueBuilder[int])
assert_type(shared.meta("campaign", {"id": 7, "tags": ["a"], "off": None}), TaskEnqueueBuilder[int])
assert_type(charge.build(ORDER), TaskEnqueueBuilder[dict[str, list[int]]])
assert_type(charge.name, str)
assert_type(charge.signature, str)
maker: Callable[[Order], TaskEnqueueBuilder[int]] = count.build
assert_type(list(map(maker, [ORDER])), list[TaskEnqueueBuilder[int]])
by_kind: dict[str, TaskDefinition[Order, Any]] = {"count": count, "charge": charge}
assert_type(by_kind["count"].build(ORDER), TaskEnqueueBuilder[Any])
anything: TaskEnqueueBuilder[object] = call


def numbered(orders: Iterable[Order]) -> Iterator[TaskEnqueueBuilder[int]]:
    for order in orders:
        yield count.build(order).id(f"order-{order.number}")


T = TypeVar("T")


async def generic(app: Enqueuer, call: TaskEnqueueBuilder[T]) -> T:
    """A helper keeps the type of the result."""
    return await (await call.enqueue(app)).result("5s")


async def send(app: Enqueuer, whole: Stem) -> None:
    assert_type(await app.enqueue_many(numbered([ORDER])), list[JobHandle[int]])
    assert_type(await app.enqueue_many((call, shared)), list[JobHandle[int]])
    assert_type(await generic(app, find.build(ORDER)), str | None)
    assert_type(await generic(whole, charge.build(ORDER)), dict[str, list[int]])
    sending = asyncio.create_task(call.enqueue(app))
    _ = assert_type(sending, asyncio.Task[JobHandle[int]])
    first, second = await call.enqueue(app), await find.build(ORDER).enqueue(app)
    assert_type(first, JobHandle[int])
    assert_type(second, JobHandle[str | None])
    assert_type(await asyncio.wait_for(first.result(), 5), int)
    async with asyncio.TaskGroup() as together:
        waiting = together.create_task(first.result())
    assert_type(waiting.result(), int)
    assert_type(await asyncio.gather(*(one.result() for one in (first, first))), list[int])
    later: Coroutine[Any, Any, JobHandle[int]] = count.enqueue(app, ORDER)
    assert_type(await later, JobHandle[int])
    assert_type(await whole.enqueue("calls.count", {"number": 1}), JobHandle[Any])
    assert_type(await whole.enqueue("calls.sweep"), JobHandle[Any])
    assert_type(whole.call("calls.count", {"number": 1}).priority(3), TaskEnqueueBuilder[Any])
    assert_type(whole.handle("job-1"), JobHandle[Any])
    count_of: dict[str, JobHandle[int]] = {one.id: one for one in await app.enqueue_many(numbered([ORDER]))}
    assert_type(await count_of["order-1"].cancel("not wanted"), bool)


def told(handle: JobHandle[object]) -> str:
    match handle.enqueued:
        case "new" | "duplicate":
            return handle.id
        case "held":
            return f"held by {handle.id}"
        case _:
            assert_never(handle.enqueued)


async def look(handle: JobHandle[int]) -> str:
    job = await handle.status()
    assert_type(job, Job)
    if job.started_at and job.finished_at:
        assert_type(job.finished_at - job.started_at, timedelta)
    if job.error is not None:
        assert_type(job.error.message, str)
    match job.state:
        case "queued" | "delayed" | "parked":
            return "waits"
        case "running":
            return f"{job.progress.percent if job.progress else 0} %"
        case "succeeded" | "failed" | "cancelled":
            return "over"
        case _:
            assert_never(job.state)
