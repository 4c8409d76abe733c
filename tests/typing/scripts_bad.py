"""Wrong workflows in script style: declared, stepped, gathered, called and undone the wrong way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Protocol

from pydantic import BaseModel

from stem import RetryPolicy, StepContext, TaskContext, Topic, Transaction, WorkflowContext, task, workflow
from stem import Mailbox, RunFailed, StepFailed


class Order(BaseModel):
    id: str
    total: int


class Receipt(BaseModel):
    total: int


class Signed(Receipt):
    by: str


class Other(BaseModel):
    id: str


class Bank(Protocol):
    async def charge(self, order: Order) -> Receipt: ...


ORDER = Order(id="1", total=5)
NOW = datetime.now(timezone.utc)
shipped = Topic("order.shipped", payload=Receipt)
approval = Mailbox("approval", payload=bool)


async def charge(order: Order) -> Receipt:
    return Receipt(total=order.total)


async def sign(order: Order) -> Signed:
    return Signed(total=order.total, by="ann")


async def maybe(order: Order) -> Receipt | None:
    return None


def many(order: Order) -> list[Receipt]:
    return []


def nothing(order: Order) -> None:
    return None


async def stream(order: Order) -> AsyncIterator[Receipt]:
    yield Receipt(total=order.total)


async def keyword(*, order: Order) -> Receipt:
    return Receipt(total=order.total)


async def refund(receipt: Receipt) -> None: ...


async def refund_signed(receipt: Signed) -> None: ...


async def refund_because(receipt: Receipt, why: str) -> None: ...


async def refund_order(order: Order) -> None: ...


async def refund_in(ctx: WorkflowContext, receipt: Receipt) -> None: ...


async def refund_all() -> None: ...


async def poll(step: StepContext, order: Order) -> str:
    return order.id


async def with_run(ctx: WorkflowContext, order: Order) -> str:
    return order.id


def book(tx: Transaction, total: int) -> int:
    tx.commit()  # E: a transaction ends by itself
    tx.rollback()  # E: a transaction is broken off by an error
    with tx:  # E: a transaction is open already
        pass
    tx.execute(total)  # E: SQL is text
    tx.execute("DELETE FROM bookings", params=())  # E: parameters are given by position
    tx.executemany("INSERT INTO bookings VALUES (?)")  # E: the rows are missing
    tx.executescript("DELETE FROM bookings")  # E: a script would end the transaction
    return total


@task("scripts.invoice")
async def invoice(order: Order) -> int:
    return order.total


@task("scripts.sweep")
def sweep() -> None: ...


@workflow("scripts.small")
async def small(ctx: WorkflowContext) -> str:
    return ctx.run_id


# ---------------------------------------------------------------- declared


@workflow  # E: a workflow's name is missing
async def bare(ctx: WorkflowContext) -> str:
    return ctx.run_id


@workflow.defn("bad.defn")  # E: an attribute of another library
class Defined:
    async def run(self, order: Order) -> str:
        return order.id


@workflow("bad.class")  # E: a class is no workflow
class Fulfil:
    async def run(self, ctx: WorkflowContext, order: Order) -> str:
        return order.id


class Shop:
    @workflow("bad.method")  # E: a method takes itself first
    async def run(self, ctx: WorkflowContext, order: Order) -> str:
        return order.id


@workflow("bad.task_context")  # E: a job's context in a workflow
async def of_task(ctx: TaskContext, order: Order) -> str:
    return order.id


@workflow("bad.step_context")  # E: a step's context in a workflow
async def of_step(step: StepContext) -> str:
    return step.run_id


@workflow("bad.swapped")  # E: the parameters before the context
async def swapped(order: Order, ctx: WorkflowContext) -> str:
    return order.id


@workflow("bad.three")  # E: parameters are one model
async def three(ctx: WorkflowContext, order: Order, other: Other) -> str:
    return order.id


@workflow("bad.bank")  # E: a dependency is no parameter
async def of_bank(ctx: WorkflowContext, order: Order, bank: Bank) -> str:
    return order.id


@workflow("bad.dict")  # E: parameters are no dict
async def of_dict(ctx: WorkflowContext, params: dict[str, str]) -> str:
    return params["id"]


@workflow("bad.list")  # E: parameters are no list of models
async def of_list(ctx: WorkflowContext, orders: list[Order]) -> int:
    return len(orders)


@workflow("bad.keyword")  # E: parameters are not given by keyword
async def of_keyword(ctx: WorkflowContext, *, order: Order) -> str:
    return order.id


@workflow("bad.nothing")  # E: a workflow without a context
async def of_nothing() -> str:
    return "done"


@workflow("bad.generator")  # E: a workflow gives one result and does not yield
async def generator(ctx: WorkflowContext, order: Order) -> AsyncIterator[str]:
    yield order.id


@workflow("bad.unannotated")
async def unannotated(ctx, order: Order) -> str:  # E: the run's context is not annotated
    return order.id


# ---------------------------------------------------------------- options

workflow("option.retries", max_retries=3)  # E: steps have retries, a run has none
workflow("option.timeout", timeout="5m")  # E: a run's limit is cancel_after
workflow("option.queue", queue="mail")  # E: runs wait in no queue
workflow("option.version", version="2")  # E: a version is a number
workflow("option.version_next", version=1.1)  # E: a version is a whole number
workflow("option.params", params=Order)  # E: the parameters are read from the function
workflow("option.unique", id="order-{id}")  # E: the start gives the id
workflow("option.priority", priority=5)  # E: a run has no priority
workflow("option.hook", on_failure=refund_in)  # E: clean-up belongs to a cancel
workflow("option.policy", on_cancel="abandon")  # E: the word for children
workflow("option.called", on_cancel=refund_in(None, None))  # E: the clean-up was called
workflow("option.change", on_change=lambda change: "warn")  # E: a change is answered by a word
workflow("option.changes", on_change=["warn", "block"])  # E: a change is answered by one word
workflow("option.keep", keep=None)  # E: runs are not kept for ever
workflow("option.budget", cancel_budget=None)  # E: a clean-up has its time
workflow("option.lease", visibility_timeout=None)  # E: a run has a lease
workflow("option.at", cancel_after=NOW)  # E: an end is a span from the start
workflow("option.positional", 2)  # E: the version is given by name


@workflow("scripts.steps")
async def steps(ctx: WorkflowContext, order: Order) -> Receipt:
    await ctx.step("a", charge(order))  # E: the function was called
    await ctx.step("b", charge)(order)  # E: the arguments stand beside the function
    await ctx.step("c", charge, args=(order,))  # E: arguments are given as they are
    await ctx.step("d", charge, [order])  # E: arguments are no list
    await ctx.step(name="h", fn=charge, order=order)  # E: name and function are positional
    await ctx.step(charge, "i", order)  # E: the name comes first
    await ctx.step("j")  # E: the function is missing
    await ctx.step("k", "charge", order)  # E: a function is not named by text
    await ctx.step(("l", order.id), charge, order)  # E: a name with a key is one text
    await ctx.step("m", keyword, order)  # E: the argument is a keyword
    await ctx.step("n", small.build())  # E: a run is no function
    await ctx.step("o", invoice.build(order))  # E: a job is no function
    await ctx.step("p", charge, Other(id="1"))  # E: another argument
    await ctx.step("q", charge, order.model_dump())  # E: a dumped argument
    await ctx.step("r", nothing, order).total  # E: an await before the result's field
    for receipt in await ctx.step("s", stream, order):  # E: a stream is not looped over plainly
        pass
    sure: Receipt = await ctx.step("t", maybe, order)  # E: a step may give None
    one: Receipt = await ctx.step("u", many, order)  # E: a step gives a list
    later: Receipt = ctx.step("v", charge, order)  # E: an await is missing where a step is assigned
    total = (await ctx.step("w", charge, order)).amount  # E: a result has no such field
    with ctx.step("y", charge, order):  # E: a step is no block
        pass
    async with ctx.step("z", charge, order) as receipt:  # E: a step is no block, awaited or not
        pass
    await ctx.step_in("a1", poll)  # E: the argument behind the context is missing
    await ctx.step_in("a2", with_run, order)  # E: a run's context is not a step's
    await ctx.step_in("a3", poll(order))  # E: the function of a step was called
    await ctx.step_in("a4", poll, ctx, order)  # E: the context is given by stem
    await ctx.step("a5", poll, ctx, order)  # E: a run's context for a step's
    return await ctx.step("a6", sign, order.id)  # E: an order is wanted, not its id


@workflow("scripts.options")
async def options(ctx: WorkflowContext, order: Order) -> Receipt:
    ctx.options(retry=3)  # E: a number is no policy of a step
    ctx.options(max_retries=RetryPolicy.fixed("5s"))  # E: the policy where the number of retries belongs
    ctx.options("charge", max_retries=3)  # E: the name belongs to the step
    ctx.options(timeout=NOW)  # E: a timeout is a span
    ctx.options(auto_version="item")  # E: numbering is a switch
    ctx.options(auto_version=1.0, max_retries=2)  # E: numbering is True or False
    ctx.options(upcast=Receipt(total=1))  # E: an upcast is a function
    ctx.options(upcast=(Receipt, Signed))  # E: types are no upcast
    ctx.options(upcast=refund_because)  # E: an upcast takes the old value alone
    ctx.options(compensate=refund_because)  # E: what undoes takes the result alone
    ctx.options(compensate=refund_all)  # E: what undoes is given the result
    ctx.options(compensate=refund_in)  # E: what undoes is given no context
    ctx.options(compensate=[refund])  # E: one function undoes a step
    ctx.options(compensate=refund(Receipt(total=1)))  # E: what undoes was called already
    ctx.options(compensate=("refund", refund))  # E: what undoes has no name
    ctx.options(compensate=invoice.build(order))  # E: a job is no function that undoes
    await ctx.options(compensate=refund).step("a", maybe, order)  # E: there may be nothing to undo
    await ctx.options(compensate=refund).step("b", many, order)  # E: many to undo, and one is taken
    await ctx.options(compensate=refund).step("c", nothing, order)  # E: a step that gives nothing to undo
    await ctx.options(compensate=refund_signed).step("d", charge, order)  # E: a narrower result is undone
    await ctx.options(compensate=refund_order).step("e", charge, order)  # E: the argument is undone, not the result
    await ctx.options(compensate=refund).step(charge, order)  # E: the name of a step that is undone is missing
    await ctx.options(compensate=refund).call(invoice.build(order))  # E: jobs are not undone
    await ctx.options(compensate=refund).run(small.build())  # E: children are not undone
    await ctx.options(compensate=refund).sleep("f", "1h")  # E: a sleep is not undone
    await ctx.options(max_retries=3)  # E: options alone do nothing
    await ctx.options(max_retries=3)("h", charge, order)  # E: options are not called
    ctx.options(max_retries=3).step("i", charge, order)  # E: an await is missing behind options
    ctx.options(compensate=refund).step("j", charge, order)  # E: an await is missing behind what undoes
    text: str = await ctx.options(compensate=refund).step("k", charge, order)  # E: what is undone is the result all the same
    @ctx.step("l")  # E: a step is no decorator
    async def inner() -> str:
        return "a"
    return Receipt(amount=1)  # E: the result has no such field


@workflow("scripts.around")
async def around(ctx: WorkflowContext, order: Order) -> str:
    ctx.run_id()  # E: the run's id is a property
    ctx.run_id = order.id  # E: the run's id cannot be changed
    if ctx.is_replaying():  # E: replaying is a property
        return "again"
    if ctx.version == "2":  # E: a version is never text
        return "new"
    age = datetime.now(timezone.utc) - ctx.created_at()  # E: the start is a property
    if ctx.lease_remaining > 5:  # E: the lease is a span
        return "long"
    await ctx.sleep(timedelta(hours=1))  # E: a sleep has a name
    await ctx.sleep(5, "nap")  # E: the name of a sleep comes first
    await ctx.sleep("nap", NOW)  # E: a sleep is for a span
    await ctx.patched()  # E: a patch has a name
    await ctx.patched  # E: a patch is asked for by a call
    await ctx.call(invoice, order)  # E: a job to call is built
    await ctx.call(invoice(order))  # E: the handler of a job was called
    await ctx.call(charge, order)  # E: a function is a step
    await ctx.call("scripts.invoice", {"id": "1"})  # E: a job is not called by name
    await ctx.call(invoice.enqueue)  # E: a job's method is not called by the run
    await ctx.call([invoice.build(order)])  # E: one job at a time
    ctx.call(invoice.build(order))  # E: an await is missing before a job
    gone: str = await ctx.call(sweep.build())  # E: the job gives nothing
    await invoice.build(order).enqueue(ctx)  # E: a run enqueues by itself
    await ctx.run(small)  # E: a child is built
    await ctx.run(small, order)  # E: parameters belong into the call of a child
    await ctx.run(small(ctx))  # E: the child was called
    await ctx.run(small.build(), "abandon")  # E: what becomes of a child is given by name
    await ctx.run(small.build(), on_cancel=None)  # E: what becomes of a child is a word
    await ctx.run(small.build(), on_cancel=refund_in)  # E: what becomes of a child is no function
    await ctx.run("scripts.small")  # E: a child is not named by text
    await small.start(ctx)  # E: a run's context starts nothing as an app
    child = await ctx.start(small.build())
    await child  # E: a child's result is awaited
    await child.result  # E: a child's result is called
    job = await ctx.enqueue(invoice.build(order))
    await ctx.enqueue(small.build())  # E: a run is not enqueued
    await ctx.enqueue(invoice, order)  # E: a job to enqueue is built
    await ctx.transaction(book, 5)  # E: a transaction has a name
    await ctx.transaction("t", book)  # E: an argument of the transaction is missing
    await ctx.transaction("t", book, 5, 6)  # E: an argument too many for the transaction
    async with ctx.transaction("t") as tx:  # E: a transaction is no block
        pass
    ctx.transaction("t", book, 5)  # E: an await is missing before a transaction
    words: str = await ctx.transaction("t", book, 5)  # E: a transaction gives what its function gives
    try:
        await ctx.step("a", charge, order)
    except StepFailed as fault:
        if fault.attempts == "1":  # E: attempts are a number
            return fault.message  # E: the message is error_message
        return fault.cause  # E: the cause is not kept as an error
    except RunFailed as fault:
        return fault.run.id  # E: the run is known by run_id
    raise StepFailed("a")  # E: a step's failure is not made by hand


@workflow("scripts.gathers")
async def gathers(ctx: WorkflowContext, order: Order, /) -> int:
    await ctx.gather(ctx.step("a", charge, order))  # E: a gather is a block
    await ctx.gather()  # E: a block is not awaited
    async with ctx.gather as block:  # E: a gather is made by a call
        pass
    async with ctx.gather(limit=3) as limited:  # E: branches are not counted
        pass
    async with ctx.gather() as g:
        charged = g.step("b", charge, order)
        g.step("c", charge(order))  # E: the branch's function was called
        g.step(charge, order)  # E: a branch has a name
        g.step_in("e", charge, order)  # E: a branch's function takes no StepContext
        g.step("f", poll, order)  # E: a branch's function takes a StepContext
        g.sleep("1h")  # E: a branch that sleeps has a name
        g.sleep("nap", NOW)  # E: a branch sleeps for a span
        g.call(invoice(order))  # E: the handler of a branch was called
        g.call(small.build())  # E: a child is no job, in a branch
        g.run(invoice.build(order))  # E: a job is no child, in a branch
        g.run(small.build(), on_cancel="ignore")  # E: no such word for a branch's child
        g.wait("order.shipped")  # E: a branch waits for a topic
        g.options(compensate=refund).step("k", maybe, order)  # E: there may be nothing to undo in a branch
        now: Receipt = g.step("l", charge, order)  # E: a branch is awaited
        asyncio.create_task(g.step("m", charge, order))  # E: a branch is no coroutine
        async with g.gather() as nested:  # E: branches do not gather
            pass
    if charged.done():  # E: a branch is done when the block is
        return 0
    for branch in g:  # E: branches are kept by who makes them
        pass
    results = await g  # E: the block is no awaitable
    first = g[0]  # E: branches have no numbers
    texts: list[str] = [await charged, await charged]  # E: what branches give
    return await charged  # E: a receipt instead of a number
