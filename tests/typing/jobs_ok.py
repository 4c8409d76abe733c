"""Right looks at jobs, dead letters and queues; right errors, time-outs and apps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from pydantic import BaseModel

from stem import (
    AnyCall,
    Chain,
    Composable,
    ConfigError,
    DeadLetter,
    ExecuteNext,
    Group,
    InvalidArgumentsError,
    Job,
    JobCancelled,
    JobFailed,
    JobHandle,
    Middleware,
    NoArgs,
    Queue,
    QueueStats,
    ResultTimeout,
    RetryPolicy,
    SendNext,
    Signal,
    SoftTimeLimit,
    Stem,
    StemError,
    TaskContext,
    Timeout,
    UniqueConflictError,
    UnknownTaskError,
    Worker,
    group,
    task,
)


class Order(BaseModel):
    number: int


class Receipt(BaseModel):
    total: int


@task("jobs.charge")
async def charge(order: Order) -> Receipt:
    try:
        return Receipt(total=order.number)
    except SoftTimeLimit:
        return Receipt(total=0)


@task("jobs.open")
async def open_shop() -> Order:
    return Order(number=1)


class Log(Middleware):
    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> JobHandle[Any]:
        return await proceed(call.header("x-trace", "1"))

    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
        assert_type(ctx.headers.get("x-trace"), str | None)
        return await proceed()


queues = [Queue("mail", priority=5, retry=RetryPolicy.fixed("5s"), expires=None), Queue("bulk")]
app = Stem(
    "memory://", tasks=(charge, open_shop), queues=queues, middleware=[Log()], include=["json"], max_payload=2**21
)
assert_type(app, Stem[str])
assert_type(Stem.in_memory(tasks={charge, open_shop}), Stem[str])
assert_type(Stem(tasks=(one for one in [charge])), Stem[str])


async def looking() -> None:
    jobs, cursor = await app.jobs.list(states=("failed",), limit=10)
    assert_type(jobs, list[Job])
    while cursor:
        jobs, cursor = await app.jobs.list(cursor=cursor)
    page = await app.jobs.page(queue="mail")
    assert_type([job.id for job in page.jobs], list[str])
    assert_type(page.back_to, datetime | None)
    assert_type(app.jobs.all(states=("running", "queued")), AsyncIterator[Job])
    assert_type([job.id async for job in app.jobs.all()], list[str])
    job = await app.jobs.get("job-1")
    assert_type(json.loads(job.result or "null"), Any)
    assert_type(job.error.type if job.error else "", str)
    assert_type(job.progress.percent if job.progress else 0.0, float)
    assert_type(await app.jobs.cancel(job.id, "not wanted"), bool)


async def burying(ids: Iterable[str]) -> None:
    letters, _cursor = await app.dead_letters.list(since=datetime.now(UTC) - timedelta(days=1), queue="mail")
    assert_type(letters, list[DeadLetter])
    assert_type(letters[0].died_at + timedelta(days=30), datetime)
    assert_type(letters[0].envelope, bytes)
    answers = await app.dead_letters.replay(ids, delay="1h")
    assert_type({one.id for one in answers if one.status == "held"}, set[str])
    assert_type(await app.dead_letters.purge(before=datetime(2026, 1, 1, tzinfo=UTC), task="jobs.charge"), int)
    for stats in await app.queues.list():
        assert_type(stats, QueueStats)
        if stats.paused and stats.waiting > 100:
            await app.queues.resume(stats.name)
    assert_type(await app.queues.purge("bulk"), int)


async def working() -> None:
    async with app, app.worker(queues=["mail"], concurrency=4, strict=True, name="w", workflows=[]) as worker:
        assert_type(worker, Worker)
        assert_type(worker.running, int)
        assert_type(worker.queues, tuple[str, ...])
        worker.ask_to_stop("soft")
        await worker.stop("hard")
    async with app as opened:
        assert_type(opened, Stem[str])


async def catching(handle: JobHandle[Receipt]) -> int | None:
    try:
        return (await handle.result("5s")).total
    except (JobFailed, JobCancelled) as ended:
        assert_type(ended.reason, str)
        if isinstance(ended, JobFailed):
            assert_type(ended.error_type, str)
    except ResultTimeout as late:
        assert_type(late.seconds, float)
        await handle.cancel(late.why)
    except UniqueConflictError as held:
        assert_type(app.handle(held.holder), JobHandle[Any])
    except InvalidArgumentsError as wrong:
        assert_type(wrong.details, tuple[str, ...])
    except UnknownTaskError as unknown:
        assert_type(unknown.nearest or "", str)
    except ConfigError as fault:
        assert_type([line.upper() for line in fault.problems], list[str])
    except StemError as any_fault:
        assert_type(any_fault.exit_code, int)
    return None


def in_time(event: Receipt | Timeout, answer: bool | Timeout | None) -> int:
    if isinstance(answer, Timeout):
        return 0
    assert_type(answer, bool | None)
    if not event:
        return 0
    return event.total


def when_late(event: Receipt | Timeout) -> int:
    if isinstance(event, Timeout):
        assert_type(event, Timeout)
        return 0
    assert_type(event, Receipt)
    return event.total


def on_failure(signal: Signal) -> None:
    assert_type(signal.error.message if signal.error else "", str)


async def on_failure_later(signal: Signal) -> None: ...


app.signals.job_failed.connect(on_failure, task="jobs.*").cancel()
app.signals.job_failed.connect(on_failure_later)

assert_type(open_shop | charge, Chain[NoArgs, Receipt])
assert_type(group([charge, charge]), Group[Order, list[Receipt]])
assert_type(group((charge.build(Order(number=1)),)), Group[object, list[Receipt]])
assert_type(group(charge, open_shop.build()), Group[Order, tuple[Receipt, Order]])
step: Composable[Order, object] = charge
assert_type(group(charge.build(Order(number=1))), Group[object, tuple[Receipt]])
