"""Wrong uses of a task's context: what other libraries' contexts have, and what this one has differently."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

from pydantic import BaseModel

from stem import JobHandle, LeaseLost, StepContext, TaskContext, WorkflowContext, task

log = logging.getLogger(__name__)


class Order(BaseModel):
    id: str


class Progress(BaseModel):
    done: int


ORDER = Order(id="1")


@task("context.inner")
async def inner(order: Order) -> int:
    return len(order.id)


async def needs_workflow(ctx: WorkflowContext) -> None: ...


def needs_step(step: StepContext) -> None: ...


def needs_context(ctx: TaskContext) -> None: ...


@task("context.looking")
async def looking(ctx: TaskContext, order: Order) -> int:
    ctx.logger.info("begun")  # E: a context has no logger
    ctx.log("begun")  # E: a context does not log
    ctx.request.retries  # E: the attempt is ctx.attempt
    ctx.retry_count  # E: the attempt counts from one, and is ctx.attempt
    ctx.info.attempt  # E: facts are on the context itself
    ctx.args  # E: the arguments are the second parameter
    ctx.previous_result  # E: only steps have one before them
    ctx.workflow_run_id  # E: a job knows of no run
    if ctx.lease_remaining < 5:  # E: a span is not compared with a number
        return 0
    if ctx.lease_remaining() < timedelta(seconds=5):  # E: the lease is a property
        return 0
    if ctx.attempt() > 1:  # E: the attempt is a property
        return 0
    if ctx.attempt >= "2":  # E: a number is not compared with text
        return 0
    pid: int = ctx.worker  # E: a worker is known by its name
    mail: dict[str, object] = ctx.meta  # E: the metadata is read only
    total: int = ctx.meta["total"]  # E: metadata may be anything
    for item in ctx.meta["items"]:  # E: metadata is looked at before it is looped over
        return 0
    ctx.meta["seen"] = True  # E: metadata cannot be set
    size: str = ctx.headers.get("size")  # E: a header may be missing
    key: str = ctx.idempotency_key  # E: the key is made by a call
    tried: str = ctx.idempotency_key("charge", order.id)  # E: one scope
    unique = ctx.idempotency_key(scope=order)  # E: a scope is text, not a model
    left: float = ctx.lease_remaining  # E: a span is no number of seconds
    ctx.max_retries = 5  # E: the number of retries cannot be changed
    TaskContext()  # E: contexts are given, not made
    needs_step(ctx)  # E: a job is no step
    await needs_workflow(ctx)  # E: a job is no run
    needs_context(order)  # E: the arguments in place of the context
    return order  # E: the arguments instead of the number


@task("context.telling")
async def telling(ctx: TaskContext, order: Order) -> int:
    await ctx.progress(Progress(done=3))  # E: progress is a percentage
    await ctx.progress({"done": 3, "total": 10})  # E: a dict belongs into data
    await ctx.progress(50, {"done": 3})  # E: data is given by name
    await ctx.progress(current=3, total=10)  # E: progress is one number
    await ctx.progress(None, "half")  # E: a message needs a percentage
    await ctx.progress(50, message=["half", "way"])  # E: one message
    with ctx.progress(50):  # E: progress is no block
        pass
    async with ctx.extend_lease("5m"):  # E: a longer lease is no block
        pass
    ctx.heartbeat("reading page 3")  # E: a heartbeat carries nothing
    ctx.heartbeat(details=3)  # E: a heartbeat carries no details
    await ctx.extend_lease(seconds=30)  # E: the span is one value
    await ctx.extend_lease(until=datetime.now(timezone.utc))  # E: a lease is extended by a span
    await ctx.extend_lease(datetime.now(timezone.utc))  # E: an instant is no span
    await ctx.cancelled  # E: the flag is no awaitable
    ctx.cancelled = True  # E: the flag cannot be set
    ctx.sync.progress(50).result()  # E: the blocking twin gives nothing
    await ctx.sync.progress(50)  # E: the blocking twin is not awaited
    ctx.sync().progress(50)  # E: the twin is a property
    with ctx.sync as blocking:  # E: the twin is no block
        pass
    await ctx.enqueue(inner.build(order), delay="5s")  # E: options belong to the call
    await ctx.enqueue([inner.build(order)])  # E: one call at a time
    await ctx.enqueue(inner(order))  # E: the handler was called, not built
    await ctx.enqueue("context.inner", {"id": "1"})  # E: a context enqueues no names
    number: int = await ctx.enqueue(inner.build(order))  # E: the handle is not the result
    job: JobHandle[int] = ctx.sync.enqueue(inner.build(order))  # E: the blocking twin gives the id
    await inner.enqueue(ctx, order)  # E: a context is no app
    async with ctx.gather() as g:  # E: only runs gather
        pass
    return 1


@task("context.leaving")
def leaving(ctx: TaskContext, order: Order) -> int:
    if order.id == "1":
        ctx.retry(ValueError("away"))  # E: an error is no delay
    if order.id == "2":
        ctx.retry(countdown=60)  # E: the delay comes first
    if order.id == "3":
        ctx.retry(eta=datetime.now(timezone.utc))  # E: a retry has no instant
    if order.id == "4":
        ctx.retry("5s", args=order)  # E: a retry has the same arguments
    if order.id == "5":
        ctx.retry("5s", reason=ValueError("away"))  # E: a reason is text
    if order.id == "6":
        ctx.snooze(datetime.now(timezone.utc))  # E: an instant is no span to snooze
    if order.id == "7":
        ctx.snooze(until="tomorrow")  # E: there is no instant to snooze to
    if order.id == "8":
        ctx.snooze("5m", reason="closed")  # E: a snooze has no reason
    if order.id == "9":
        ctx.reject(requeue=True)  # E: a job is not rejected
    if order.id == "10":
        ctx.fail("no use")  # E: a job fails by an error
    if order.id == "11":
        ctx.sync.snooze("5m")  # E: the snooze is the context's own
    if order.id == "12":
        raise LeaseLost  # E: the error wants the job
    if order.id == "13":
        raise ctx.heartbeat()  # E: a heartbeat is no error
    return None  # E: a number is promised
