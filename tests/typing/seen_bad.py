"""Misuses that checkers did not see, until the signatures said more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import BaseModel

from stem import (
    AnyCall,
    ConsumeNext,
    DeadLetter,
    Delivery,
    ExecuteNext,
    JobHandle,
    Mailbox,
    Middleware,
    SendNext,
    Stem,
    StepContext,
    TaskContext,
    Timeout,
    Topic,
    Transaction,
    WorkflowContext,
    task,
    workflow,
)
from stem.testing import FakeStem, simulate


class Order(BaseModel):
    id: str


class Receipt(BaseModel):
    total: int


shipped = Topic("seen.shipped", payload=Receipt)
approval = Mailbox("seen.approval", payload=bool)


@task("seen.charge")
async def charge(order: Order) -> Receipt:
    return Receipt(total=len(order.id))


@workflow("seen.flow")
async def flow(ctx: WorkflowContext, order: Order) -> Receipt:
    return Receipt(total=len(order.id))


@task("seen.lines")
def lines(order: Order) -> Iterator[str]:
    yield order.id


@task("seen.stream")
async def stream(order: Order) -> AsyncIterator[str]:
    yield order.id


@task("seen.twice")
@task("seen.once")
async def twice(order: Order) -> str:
    return order.id


@workflow("seen.again")
@workflow("seen.before")
async def again(ctx: WorkflowContext, order: Order) -> str:
    return order.id


Stem("memory://", tasks=[lines])  # E: a generator is no handler
Stem("memory://", tasks=[stream])  # E: nor is an asynchronous one
Stem("memory://", tasks=[twice])  # E: a task is declared once
Stem("memory://", workflows=[again])  # E: so is a workflow
task("seen.made")(charge).build(Order(id="1"))  # E: a task as another task's handler


async def told(app: Stem) -> None:
    await app.workflows.emit(shipped, {"total": 1})  # E: a dict for the payload
    await app.workflows.emit(shipped, Order(id="1"))  # E: another model than the payload
    await app.workflows.emit_or_start(approval, "run", "yes", flow.build(Order(id="1")))  # E: text for a bool
    await app.workflows.start("seen.flow", {"id": "1"}, idd="x")  # E: an option is misspelt
    await app.workflows.start("seen.flow", {"id": "1"}, delay=None)  # E: no delay is said by leaving it out
    await app.workflows.start("seen.flow", {"id": "1"}, if_exists="ignore")  # E: no such answer
    await app.workflows.wait("run", timeout=[5])  # E: a list is no time
    await app.workflows.runs_waiting_on(approval, key="42")  # E: a mailbox has no keys
    await app.workflows.watchers(approval, key="42")  # E: nor has it here


async def looked(app: Stem, letter: DeadLetter) -> None:
    await app.dead_letters.list(reason="exhaused")  # E: a reason is misspelt
    await app.dead_letters.replay(reason="timeout")  # E: no such reason
    await app.dead_letters.purge(reason="failed")  # E: nor this one
    if letter.reason == "expried":  # E: a reason is misspelt in a comparison
        return


async def polled(step: StepContext) -> bool:
    await step.wait_event(approval, key="1")  # E: a mailbox has no keys
    heard = await step.wait_event(shipped, deadline="1h")
    return heard.total > 1  # E: it may be a Timeout


async def written(tx: Transaction, order: Order) -> int:
    return len(order.id)


@workflow("seen.store")
async def store(ctx: WorkflowContext, order: Order) -> int:
    await ctx.transaction("write", written, order)  # E: a transaction calls a plain function
    return ctx.version


async def tested(fake: FakeStem) -> None:
    fake.started(charge)  # E: a task is not started
    fake.enqueued(flow)  # E: a workflow is not enqueued
    await simulate(flow)  # E: the parameters are missing
    await simulate(flow, Receipt(total=1))  # E: other parameters
    await simulate(flow, Order(id="1"), pair=3)  # E: an option is misspelt


class Forgets(Middleware):
    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> JobHandle[Any]:
        proceed(call)  # E: a send is awaited
        return await proceed(call)

    async def on_consume(self, delivery: Delivery, proceed: ConsumeNext) -> None:
        proceed(delivery)  # E: so is a delivery

    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
        proceed()  # E: and an execution
        return None


def spelled(late: Timeout) -> None:
    late.seconds()  # E: a Timeout holds nothing
