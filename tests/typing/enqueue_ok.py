"""Right calls: built, sent, watched, and sent from inside a handler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import assert_type

from pydantic import BaseModel

from stem import (
    Enqueuer,
    Job,
    JobHandle,
    NoArgs,
    RetryPolicy,
    TaskContext,
    TaskDefinition,
    TaskEnqueueBuilder,
    Unique,
    task,
)


class Order(BaseModel):
    """An argument model."""

    number: int


class Rush(Order):
    """A model that extends another."""

    courier: str = "van"


class Receipt(BaseModel):
    """A result model."""

    number: int


ORDER = Order(number=1)


@task("shop.count")
async def count(args: Order) -> int:
    """Return a number."""
    return args.number


@task("shop.find")
def find(args: Order) -> int | None:
    """Return a number or None."""
    return args.number or None


@task("shop.sweep")
async def sweep() -> None:
    """Take and return nothing."""


@task("shop.days")
def days() -> list[int]:
    """Take nothing."""
    return []


charge = TaskDefinition("shop.charge", args=Order, returns=Receipt)
ping = TaskDefinition("shop.ping", returns=None)


# ---------------------------------------------------------------- a call, not yet sent

assert_type(count.build(ORDER), TaskEnqueueBuilder[int])
assert_type(count.build(Rush(number=2)), TaskEnqueueBuilder[int])
assert_type(find.build(ORDER), TaskEnqueueBuilder[int | None])
assert_type(sweep.build(), TaskEnqueueBuilder[None])
assert_type(sweep.build(NoArgs()), TaskEnqueueBuilder[None])
assert_type(days.build(), TaskEnqueueBuilder[list[int]])
assert_type(charge.build(ORDER), TaskEnqueueBuilder[Receipt])
assert_type(ping.build(), TaskEnqueueBuilder[None])

call = find.build(ORDER)
assert_type(call.id("order-1"), TaskEnqueueBuilder[int | None])
assert_type(call.header("x-tenant", "acme"), TaskEnqueueBuilder[int | None])
assert_type(call.meta("trace", {"depth": 1, "path": ["a"]}), TaskEnqueueBuilder[int | None])
assert_type(call.queue("mail"), TaskEnqueueBuilder[int | None])
assert_type(call.priority(9), TaskEnqueueBuilder[int | None])
assert_type(call.delay(30), TaskEnqueueBuilder[int | None])
assert_type(call.delay(0.5), TaskEnqueueBuilder[int | None])
assert_type(call.delay("1h30m"), TaskEnqueueBuilder[int | None])
assert_type(call.delay(timedelta(days=1)), TaskEnqueueBuilder[int | None])
assert_type(call.eta(datetime(2030, 1, 1, tzinfo=UTC)), TaskEnqueueBuilder[int | None])
assert_type(call.expires("1h"), TaskEnqueueBuilder[int | None])
assert_type(call.expires(None), TaskEnqueueBuilder[int | None])
assert_type(call.retries(0), TaskEnqueueBuilder[int | None])
assert_type(call.retries(5, RetryPolicy.fixed("5s")), TaskEnqueueBuilder[int | None])
assert_type(count.build(ORDER).time_limit("60s"), TaskEnqueueBuilder[int])
assert_type(count.build(ORDER).time_limit(60, soft=50), TaskEnqueueBuilder[int])
assert_type(call.time_limit(), TaskEnqueueBuilder[int | None])
assert_type(call.unique(Unique(until="start")), TaskEnqueueBuilder[int | None])
assert_type(call.unique(Unique(), key="order-1"), TaskEnqueueBuilder[int | None])
assert_type(call.unique(None), TaskEnqueueBuilder[int | None])
assert_type(call.limit_key("acme"), TaskEnqueueBuilder[int | None])
assert_type(call.queue("mail").priority(5).delay("5s").header("a", "b"), TaskEnqueueBuilder[int | None])

wider: TaskEnqueueBuilder[int | str | None] = call


# ---------------------------------------------------------------- sent, and watched


async def send(app: Enqueuer) -> None:
    """Send each kind of call."""
    sending = assert_type(call.enqueue(app), Coroutine[object, None, JobHandle[int | None]])
    assert_type(await sending, JobHandle[int | None])
    assert_type(await count.build(ORDER).priority(5).enqueue(app), JobHandle[int])
    assert_type(await sweep.build().enqueue(app), JobHandle[None])
    assert_type(await charge.build(ORDER).enqueue(app), JobHandle[Receipt])

    assert_type(await count.enqueue(app, ORDER), JobHandle[int])
    assert_type(await charge.enqueue(app, Rush(number=2)), JobHandle[Receipt])
    assert_type(await sweep.enqueue(app), JobHandle[None])
    assert_type(await days.enqueue(app), JobHandle[list[int]])
    assert_type(await ping.enqueue(app), JobHandle[None])
    assert_type(await app.submit(call), JobHandle[int | None])


async def send_many(app: Enqueuer) -> None:
    """Send calls together."""
    calls = [count.build(Order(number=n)) for n in range(3)]
    assert_type(await app.enqueue_many(calls), list[JobHandle[int]])
    assert_type(await app.enqueue_many(count.build(Order(number=n)) for n in range(3)), list[JobHandle[int]])
    assert_type([await handle.result() for handle in await app.enqueue_many(calls)], list[int])
    mixed: list[TaskEnqueueBuilder[int | Receipt | None]] = [call, count.build(ORDER), charge.build(ORDER)]
    assert_type(await app.enqueue_many(mixed), list[JobHandle[int | Receipt | None]])


async def watch(app: Enqueuer) -> None:
    """Use the handle."""
    handle = await count.enqueue(app, ORDER)
    assert_type(handle.id, str)
    if handle.enqueued == "held":
        return
    assert_type(await handle.result(), int)
    assert_type(await handle.result(5), int)
    assert_type(await handle.result(timeout="5s"), int)
    assert_type(await handle.status(), Job)
    assert_type((await handle.status()).finished, bool)
    assert_type(await handle.cancel(), bool)
    assert_type(await handle.cancel("not wanted any more"), bool)
    assert_type(handle.watch(), AsyncIterator[Job])
    async for job in handle.watch():
        assert_type(job, Job)
        if job.state == "running" and job.progress is not None:
            assert_type(job.progress.percent, float)

    assert_type(await (await find.enqueue(app, ORDER)).result(), int | None)
    assert_type(await (await days.enqueue(app)).result(), list[int])
    assert_type(await (await charge.enqueue(app, ORDER)).result(), Receipt)
    await (await sweep.enqueue(app)).result()
    wide: list[JobHandle[int | str]] = [handle]
    assert_type(await wide[0].result(), int | str)


# ---------------------------------------------------------------- in a handler


@task("shop.context")
async def use_context(ctx: TaskContext, args: Order) -> int:
    """Ask the context for everything it has."""
    assert_type(ctx.id, str)
    assert_type(ctx.task, str)
    assert_type(ctx.queue, str)
    assert_type(ctx.attempt, int)
    assert_type(ctx.max_retries, int)
    assert_type(ctx.headers, Mapping[str, str])
    assert_type(ctx.headers.get("x-tenant"), str | None)
    assert_type(ctx.meta, Mapping[str, object])
    assert_type(ctx.worker, str)
    assert_type(ctx.cancelled, bool)
    assert_type(ctx.lease_remaining, timedelta)
    assert_type(ctx.idempotency_key(), str)
    assert_type(ctx.idempotency_key("charge"), str)
    ctx.heartbeat()
    await ctx.extend_lease()
    await ctx.extend_lease("5m")
    await ctx.progress(12.5)
    await ctx.progress(50, "half", {"rows": 10})
    assert_type(await ctx.enqueue(find.build(ORDER).delay("5s")), JobHandle[int | None])
    assert_type(await (await ctx.enqueue(charge.build(args))).result("1m"), Receipt)
    if args.number > 3:
        ctx.retry()
    if args.number > 2:
        ctx.retry("5s", max_retries=10, reason="busy")
    if args.number > 1:
        ctx.snooze(timedelta(minutes=5))
    return args.number


@task("shop.thread")
def use_context_in_a_thread(ctx: TaskContext) -> str:
    """Ask the context without awaiting."""
    ctx.heartbeat()
    ctx.sync.extend_lease()
    ctx.sync.extend_lease(30)
    ctx.sync.progress(50)
    ctx.sync.progress(75.5, "nearly", ["a"])
    assert_type(ctx.sync.enqueue(count.build(ORDER)), str)
    return ctx.sync.enqueue(sweep.build())


def always_leaves(ctx: TaskContext) -> int:
    """Need no return after `retry` and `snooze`."""
    if ctx.attempt > 1:
        ctx.snooze(5)
    ctx.retry(reason="not yet")
