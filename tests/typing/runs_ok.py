"""Right workflows, flows, events and runs that are less usual."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar, assert_type

from pydantic import BaseModel
from typing_extensions import TypedDict

from stem import (
    Child,
    Flow,
    Gather,
    JobFailed,
    Mailbox,
    NoArgs,
    RetryPolicy,
    Run,
    RunCancelled,
    RunFailed,
    RunHandle,
    Stem,
    StepContext,
    StepFailed,
    Timeout,
    Topic,
    Transaction,
    WorkflowCall,
    WorkflowClient,
    WorkflowContext,
    WorkflowDefinition,
    task,
    workflow,
)
from stem.testing import FakeClock, FakeStem

T = TypeVar("T")


class Order(BaseModel):
    id: str
    total: int = 0


class Receipt(BaseModel):
    total: int


class Signed(Receipt):
    by: str = "ann"


class Approved(BaseModel):
    kind: Literal["approved"] = "approved"
    by: str


class Refused(BaseModel):
    kind: Literal["refused"] = "refused"
    why: str


class Line(TypedDict):
    sku: str
    count: int


ORDER = Order(id="1")
shipped = Topic("ok.shipped", payload=Receipt, ttl=timedelta(days=2))
decided = Mailbox("ok.decided", payload=Approved | Refused)
nothing = Topic("ok.nothing", payload=None)
pair = Topic(name="ok.pair", payload=tuple[str, int], stub="a_pair")
line = Mailbox("ok.line", payload=Line)
words = Mailbox("ok.words", payload=Literal["yes", "no"])
maybe_text = Topic("ok.maybe", payload=str | None)

assert_type(shipped, Topic[Receipt])
assert_type(decided, Mailbox[Approved | Refused])
assert_type(nothing, Topic[None])
assert_type(pair, Topic[tuple[str, int]])
assert_type(line, Mailbox[Line])
assert_type(words, Mailbox[Literal["yes", "no"]])
assert_type(maybe_text, Topic[str | None])
declared: Topic[Receipt] = Topic("ok.declared", payload=Receipt)
events: dict[str, Topic[Any] | Mailbox[Any]] = {one.name: one for one in (shipped, pair)}
assert_type(shipped.event(Signed(total=1), key="1").topic, str)


class Bank:
    """Steps that are methods."""

    async def charge(self, order: Order, /, *, fast: bool = False) -> Receipt:
        return Receipt(total=order.total)

    async def refund(self, receipt: Receipt) -> None: ...

    @staticmethod
    def fee(total: int) -> float:
        return total / 100

    @classmethod
    def named(cls, name: str) -> str:
        return name


BANK = Bank()


async def charge(order: Order, times: int = 1) -> Receipt:
    return Receipt(total=order.total * times)


async def sign(order: Order) -> Signed:
    return Signed(total=order.total)


async def look_up(order: Order) -> Receipt | None:
    return None


def numbers(*values: int, scale: float = 1.0) -> list[float]:
    return [value * scale for value in values]


def undo(receipt: Receipt) -> int:
    return receipt.total


async def undo_maybe(receipt: Receipt | None) -> None: ...


def undo_because(receipt: Receipt, why: str = "cancelled") -> None: ...


def later(order: Order) -> Awaitable[Receipt]:
    return charge(order)


async def first_of(items: Sequence[T]) -> T:
    return items[0]


def twice(fn: Callable[[int], int], value: int) -> int:
    return fn(fn(value))


def book(tx: Transaction, sku: str, *, count: int = 1) -> str:
    tx.execute("INSERT INTO booking VALUES (?, ?)", (sku, count))
    tx.executemany("INSERT INTO booking VALUES (?, ?)", [(sku, count)])
    return sku


async def poll(step: StepContext, order: Order, *, every: str = "5m") -> str:
    data = step.take_resume_data()
    if data is None:
        await step.sleep(every, data={"tried": step.attempt})
    heard = await step.wait_event(shipped, key=order.id, deadline=datetime.now(UTC) + timedelta(hours=1))
    assert_type(heard, Receipt | Timeout)
    assert_type(await step.wait_event(decided), Approved | Refused)
    assert_type(step.enqueue(invoice.build(order)), str)
    return step.idempotency_key(scope=step.step)


def tick(step: StepContext) -> int:
    return step.iteration


@task("ok.invoice")
async def invoice(order: Order) -> int:
    return order.total


@workflow(name="ok.child", keep=timedelta(days=1), description="A child.", stub="child_flow")
async def child(ctx: WorkflowContext) -> None: ...


async def clean(ctx: WorkflowContext, params: Order) -> str:
    await ctx.step("clean", charge, params)
    return "cleaned"


async def one_branch(g: Gather, order: Order) -> None:
    """A gather is passed on."""
    assert_type(await g.step("helped", charge, order), Receipt)


async def helped(ctx: WorkflowContext, order: Order) -> Receipt:
    """A context is passed on."""
    return await ctx.step("helped", charge, order)


@workflow("ok.main", version=3, cancel_after=3600, max_suspend=None, on_cancel=clean, cancel_budget="1m", keep="2d")
async def main(ctx: WorkflowContext, order: Order) -> Receipt | None:
    assert_type(await ctx.step("method", BANK.charge, order, fast=True), Receipt)
    assert_type(await ctx.step("static", Bank.fee, 5), float)
    assert_type(await ctx.step("class", Bank.named, name="a"), str)
    assert_type(await ctx.step("default", charge, order), Receipt)
    assert_type(await ctx.step("keyword", charge, order=order, times=2), Receipt)
    assert_type(await ctx.step("varargs", numbers, 1, 2, 3, scale=0.5), list[float])
    assert_type(await ctx.step("lambda", lambda: order.total), int)
    assert_type(await ctx.step("generic", first_of, [1, 2]), int)
    assert_type(await ctx.step("callable", twice, abs, -1), int)
    assert_type(await ctx.step("class_as_fn", Receipt, total=1), Receipt)
    for item in ("a", "b"):
        await ctx.step(f"charge[{item}]", charge, Order(id=item))
    numbered = ctx.options(auto_version=True)
    while not (found := await numbered.step("poll", look_up, order)):
        await ctx.sleep("nap", timedelta(minutes=5))
    assert_type(found, Receipt)
    assert_type(await numbered.step_in("tick", tick), int)
    assert_type(await ctx.step_in("every", poll, order, every="1m"), str)
    careful = ctx.options(max_retries=0, retry=RetryPolicy.fixed("1s"), timeout=None, upcast=None)
    assert_type(await careful.step("careful", charge, order), Receipt)
    assert_type(await ctx.options(upcast=lambda raw: raw["total"]).step("up", Bank.fee, 5), float)
    assert_type(await ctx.options(compensate=BANK.refund).step("by_method", BANK.charge, order), Receipt)
    await ctx.options(compensate=undo_maybe).step("optional", look_up, order)
    assert_type(await ctx.options(compensate=undo_because).step("why", charge, order), Receipt)
    assert_type(await ctx.options(compensate=print).step("printed", charge, order), Receipt)
    assert_type(await ctx.transaction("book", book, "a", count=2), str)
    assert_type(await ctx.wait(decided), Approved | Refused)
    verdict = await ctx.wait(decided, timeout=timedelta(hours=1))
    match verdict:
        case Timeout():
            return None
        case Approved(by=by):
            assert_type(by, str)
        case Refused(why=why):
            assert_type(why, str)
    assert_type(await ctx.wait(words) == "yes", bool)
    assert_type(await ctx.wait(nothing, key=order.id), None)
    assert_type(await ctx.wait(maybe_text), str | None)
    assert_type((await ctx.wait(pair))[1], int)
    assert_type((await ctx.wait(line))["count"], int)
    got = await ctx.wait(shipped, key=order.id, timeout=5) or Receipt(total=0)
    assert_type(got, Receipt)
    try:
        assert_type(await ctx.call(invoice.build(order).priority(5).retries(2)), int)
    except JobFailed as fault:
        assert_type(fault.reason, str)
    except StepFailed as fault:
        assert_type(fault.attempts, int)
    started = await ctx.start(child.build().id(f"{ctx.run_id}/child"), on_cancel="wait")
    assert_type(started, Child[None])
    await started.result()
    await ctx.emit(shipped, Signed(total=1), key=order.id)
    await ctx.emit(nothing, None)
    await ctx.send(words, "run", "no")
    if await ctx.patched("new") and ctx.version >= 2 and not ctx.is_replaying:
        await helped(ctx, order)
    async with ctx.gather() as g:
        branches = [g.step(f"part[{number}]", Bank.fee, number) for number in range(3)]
        named = {number: g.run(child.build(), on_cancel="abandon") for number in range(2)}
        both = g.wait(decided), g.wait(shipped, timeout="1h")
        _ = g.sleep("pause", 5)
        inside = g.step_in("ticked", tick)
        optional = g.options(max_retries=1).step("look", look_up, order)
        undone = g.options(compensate=undo).step("signed", charge, order)
        await one_branch(g, order)
    assert_type([await one for one in branches], list[float])
    for one_child in named.values():
        await one_child
    assert_type(await both[0], Approved | Refused)
    assert_type(await both[1], Receipt | Timeout)
    assert_type(await inside, int)
    assert_type(await optional, Receipt | None)
    assert_type(inside.key, str)
    assert_type(ctx.created_at + timedelta(days=1), datetime)
    return await undone


@workflow("ok.any_cleanup", on_cancel=clean)
async def positional(ctx: WorkflowContext, order: Order, /) -> dict[str, list[Line]]:
    return {}


# ---------------------------------------------------------------- flows


def first(step: StepContext) -> Receipt:
    return Receipt(total=0)


async def second(step: StepContext) -> Signed:
    return Signed(total=step.step_index)


base = Flow("ok.flow", params=Order, version=2, cancel_after="1h", on_change="rerun", keep="1d", description="A flow.")
assert_type(base, Flow[Order, None])
assert_type(base.step("first", first), Flow[Order, Receipt])
assert_type(base.step("first", first).step("second", second), Flow[Order, Signed])
assert_type(base.step("lambda", lambda step: len(step.run_id)), Flow[Order, int])
assert_type(Flow("ok.bare").step("second", second, auto_version=True), Flow[NoArgs, Signed])
flow = functools.reduce(lambda made, number: made.step(f"step-{number}", first), range(3), base.step("zero", first))
assert_type(flow, Flow[Order, Receipt])
covariant: WorkflowDefinition[Order, Receipt] = base.step("second", second)
remote = WorkflowDefinition("ok.remote", params=Order, returns=Signed | None, version=3, max_suspend="1d")
as_wide: WorkflowDefinition[Order, Receipt | None] = remote
everything: list[WorkflowDefinition[Any, Any]] = [main, positional, child, flow, remote]


# ---------------------------------------------------------------- runs


async def start(app: Stem, client: WorkflowClient, fake: FakeStem) -> None:
    call = main.build(ORDER).id("x").if_exists("raise").at(datetime.now(UTC)).cancel_after(60).max_suspend("1d").keep(5)
    assert_type(call, WorkflowCall[Receipt | None])
    assert_type(await call.start(client), RunHandle[Receipt | None])
    by_app: RunHandle[Receipt | None] = await app.start_run(call.delay(timedelta(hours=1)))
    assert_type(await by_app.result(), Receipt | None)
    handles = await asyncio.gather(*(main.start(app, Order(id=str(n)), id=f"order-{n}") for n in range(3)))
    assert_type(handles, list[RunHandle[Receipt | None]])
    assert_type(await asyncio.gather(*(one.result() for one in handles)), list[Receipt | None])
    handle = await remote.start(app, ORDER, id="x", if_exists="restart", delay="5s", at=datetime.now(UTC))
    assert_type(handle.started, Literal["new", "exists", "restarted"])
    wide: RunHandle[Receipt | None] = handle
    assert_type(await wide.cancel("no use", terminate=True), bool)
    try:
        async with asyncio.timeout(5):
            result = await handle.result(timeout="1h")
        assert_type(result, Signed | None)
    except (RunFailed, RunCancelled) as fault:
        assert_type(fault.run_id, str)
    async for seen in handle.watch():
        assert_type(seen, Run)
        if seen.finished and seen.error is not None:
            assert_type(seen.error.message, str)
    run = await handle.status()
    if run.finished_at and run.created_at:
        assert_type(run.finished_at - run.created_at, timedelta)
    assert_type([step.key for step in run.steps if step.outcome == "failed"], list[str])
    page, cursor = await app.workflows.list(states=("failed", "blocked"), workflow=main.name, limit=10, cursor="")
    assert_type(page, list[Run])
    assert_type(cursor, str)
    assert_type([one async for one in app.workflows.all(parent="x")], list[Run])
    async for one, difference in app.workflows.check(workflow="ok.main"):
        assert_type((one.id, difference), tuple[str, str])
    async for finding in app.workflows.doctor():
        assert_type(finding.cure, str)
    await app.workflows.rewind("x", step="charge[a]")
    assert_type(await app.workflows.resume("x"), bool)
    assert_type(await app.workflows.runs_waiting_on(shipped, key="1"), Sequence[str])
    assert_type(await app.workflows.explain("x"), Sequence[str])
    assert_type(await shipped.emit(fake, Signed(total=1), key="1", id="e"), bool)
    assert_type(await decided.send(client, handle.id, Approved(by="ann"), id="click", start=call), bool)
    assert_type(await line.send(app, "x", {"sku": "a", "count": 1}), bool)
    assert_type(await nothing.emit(app, None), bool)
    assert_type(await app.workflows.emit_or_start(words, "x", "yes", child.build()), bool)
    assert_type(fake.started(main), list[Order])


async def wait_any(ctx: WorkflowContext, event: Topic[T] | Mailbox[T]) -> T | Timeout:
    """A wait for whatever is given."""
    return await ctx.wait(event, timeout="1h")


async def wait_list(ctx: WorkflowContext, topics: Sequence[Topic[T]]) -> list[T]:
    """Waits for many of one kind."""
    async with ctx.gather() as g:
        waits = [g.wait(one) for one in topics]
    return [await one for one in waits]


async def emit_all(app: WorkflowClient, topic: Topic[T], values: Sequence[T]) -> list[bool]:
    """A topic of anybody."""
    return [await topic.emit(app, value, key=str(number)) for number, value in enumerate(values)]


def start_any(client: WorkflowClient, call: WorkflowCall[T]) -> Coroutine[Any, Any, RunHandle[T]]:
    """A call of anybody."""
    return call.start(client)


def without_a_loop(app: Stem) -> Receipt | None:
    with app.sync as sync:
        assert_type(sync.emit(shipped.event(Receipt(total=1), key="1")), bool)
        assert_type(sync.send(words.message("x", "yes"), start=child.build()), bool)
        assert_type(sync.run(sync.workflows.get("x")), Run)
        page, _ = sync.run(sync.workflows.list(workflow="ok.main"))
        assert_type(page, list[Run])
        run = sync.start(main.build(ORDER))
        assert_type(run.status().state == "failed", bool)
        return run.result(timeout=5)


APP = Stem.in_memory(workflows=[main, positional, child, flow], tasks=[invoice], clock=FakeClock())
