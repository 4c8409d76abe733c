"""Right apps, workers, middleware and signals that are less usual."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, assert_type

from pydantic import BaseModel
from typing_extensions import override

from stem import (
    AnyCall,
    ConsumeNext,
    DeadLetter,
    Delivery,
    Enqueuer,
    ExecuteNext,
    Job,
    JobHandle,
    Middleware,
    Queue,
    QueueStats,
    RetryPolicy,
    SendNext,
    Signal,
    Stem,
    TaskContext,
    TaskDefinition,
    Worker,
    WorkflowContext,
    WorkflowDefinition,
    task,
    workflow,
)
from stem.testing import FakeClock

TENANT = contextvars.ContextVar("TENANT", default="acme")
SEEN: Counter[str] = Counter()


class Order(BaseModel):
    id: str


@task("okapp.charge")
async def charge(order: Order) -> int:
    return len(order.id)


@task("okapp.sweep")
def sweep() -> None: ...


@workflow("okapp.fulfil")
async def fulfil(ctx: WorkflowContext, order: Order) -> str:
    return order.id


class Traced(Middleware):
    """All four methods."""

    @override
    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> JobHandle[Any]:
        return await proceed(call.header("tenant", TENANT.get()).priority(3))

    @override
    async def on_consume(self, delivery: Delivery, proceed: ConsumeNext) -> None:
        if not delivery.redelivered:
            await proceed(delivery)

    @override
    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
        token = TENANT.set(ctx.headers.get("tenant", "acme"))
        began = time.monotonic()
        try:
            return await proceed()
        finally:
            TENANT.reset(token)
            SEEN[f"{ctx.task} {time.monotonic() - began:.0f}"] += 1

    @override
    async def on_error(self, ctx: TaskContext, error: BaseException) -> None:
        SEEN[type(error).__name__] += 1


class Wider(Middleware):
    """Parameters may be wider, and results narrower."""

    async def on_error(self, ctx: object, error: object) -> None: ...

    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext, retries: int = 0) -> int:
        await proceed()
        return retries


def on_failure(signal: Signal) -> None:
    if signal.error is not None:
        SEEN[signal.error.type] += assert_type(signal.attempt, int)


async def on_success(signal: Signal) -> None:
    await asyncio.sleep(signal.run_ms / 1000)


app = Stem(
    "memory://",
    tasks={charge, sweep},
    workflows=(fulfil, WorkflowDefinition("okapp.far", returns=int)),
    queues=[Queue("mail", max_retries=2, retry=RetryPolicy.fixed("1s"), soft_time_limit=None), Queue(name="slow")],
    middleware=(Traced(), Wider()),
    max_payload=1_000_000,
    max_result=2**20,
    namespace="shop",
)
assert_type(app.signals.job_failed.connect(on_failure, task="okapp.*", queue="mail").cancel(), None)
app.signals.job_succeeded.connect(on_success)
app.signals.job_started.connect(lambda event: SEEN.update([event.task]))
app.signals.worker_started.connect(lambda event: print(event.worker, event.queue))
app.signals.run_failed.connect(lambda event: print(event.run_id, event.version))
typed = Stem[Literal["okapp.charge", "okapp.sweep"]]("memory://", tasks=[charge, sweep])
few_names: Stem[Literal["okapp.charge"]] = typed
as_enqueuer: Enqueuer = typed
clocked = Stem.in_memory(tasks=[charge, TaskDefinition("okapp.far", returns=int)], clock=FakeClock())
if False:
    assert_type(Stem.from_env(tasks=[charge], max_payload=5, middleware=[Traced()]), Stem)


@asynccontextmanager
async def lifespan(web: object) -> AsyncGenerator[dict[str, Worker], None]:
    """A host's lifespan."""
    async with app, app.worker(concurrency=20, queues=["mail"], unknown_for=timedelta(minutes=1)) as worker:
        yield {"worker": worker}


async def work() -> None:
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(app)
        assert_type(opened.namespace, str)
        worker = await stack.enter_async_context(opened.worker(workflows=[fulfil.name], name="w", strict=True))
        assert_type(worker, Worker)
        assert_type(worker.counts["succeeded"], int)
        assert_type(worker.running, int)
        worker.ask_to_stop("soft")
        await worker.stop("hard")
    async with asyncio.TaskGroup() as group:
        group.create_task(app.worker(burst=True, workflows=()).run())


async def views() -> None:
    assert_type(await app.jobs.get("x"), Job)
    jobs, _cursor = await app.jobs.list(states=("failed", "cancelled"), task=charge.name)
    assert_type(jobs, list[Job])
    assert_type([one.id async for one in app.jobs.all(queue="mail")], list[str])
    assert_type(await app.jobs.cancel("x", "no use"), bool)
    assert_type(await app.queues.stats("mail"), QueueStats)
    assert_type({one.name: one.waiting for one in await app.queues.list()}, dict[str, int])
    letters, _ = await app.dead_letters.list(since=datetime.now(UTC) - timedelta(days=1), reason="exhausted")
    assert_type(letters, list[DeadLetter])
    replayed = await app.dead_letters.replay([one.id for one in letters], delay="5s")
    assert_type([one.holder for one in replayed if one.status == "held"], list[str])
    assert_type(await app.dead_letters.purge(task="okapp.charge"), int)
    assert_type(await typed.enqueue("okapp.charge", {"id": "1"}), JobHandle[Any])
    handle = await typed.submit(charge.build(Order(id="1")))
    assert_type(await handle.result(), int)
    sent = await app.enqueue_many([charge.build(Order(id=str(n))).delay(n) for n in range(3)])
    assert_type(await asyncio.gather(*(one.result() for one in sent)), list[int])
    async for job in sent[0].watch():
        assert_type(job.progress.percent if job.progress else 0.0, float)


def without_a_loop() -> None:
    with app.sync as sync:
        assert_type(sync.enqueue(charge.build(Order(id="1"))).result("5s"), int)
        assert_type([one.id for one in sync.enqueue_many([sweep.build()])], list[str])
        assert_type(sync.run(sync.queues.stats("mail")).queued, int)
        for job in sync.handle("x").watch():
            assert_type(job.finished, bool)
