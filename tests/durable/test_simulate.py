"""The simulator: every example survives every crash, and what does not is found."""

from __future__ import annotations

import asyncio
import importlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from examples.workflows import (
    cancellation_policy,
    fan_out_files,
    hello_flow,
    human_approval,
    orders,
    several_workers,
    sleep_and_event,
    survives_every_crash,
    travel_saga,
    versioned_rewind,
)
from stem import RetryPolicy, StepContext, StepFailed, Topic, WorkflowContext, workflow
from stem.testing import Report, simulate
from stem.testing.simulate import Broken, Life

pytestmark = pytest.mark.anyio


class Order(BaseModel):
    id: str = "42"


async def nothing() -> str:
    return "nothing"


paid = Topic("paid", payload=int)

#: Every example workflow, with what it needs to come to its end.
EXAMPLES: dict[str, Callable[[], dict[str, Any]]] = {
    "hello_flow": lambda: {"workflow": hello_flow.hello, "params": hello_flow.Guest(name="Ada")},
    "orders": lambda: {"workflow": orders.ship, "params": orders.Order(id="1", total=5)},
    "sleep_and_event": lambda: {
        "workflow": sleep_and_event.await_payment,
        "params": sleep_and_event.Order(id="1"),
        "events": [sleep_and_event.paid.event(sleep_and_event.Payment(amount=1), key="1")],
    },
    "sleep_and_event, never": lambda: {
        "workflow": sleep_and_event.await_payment,
        "params": sleep_and_event.Order(id="1"),
    },
    "cancellation_policy": lambda: {"workflow": cancellation_policy.ask},
    "travel_saga": lambda: {"workflow": travel_saga.book_trip, "params": travel_saga.Trip(to="Rome")},
    "fan_out_files": lambda: {
        "workflow": fan_out_files.count_all,
        "params": fan_out_files.Folder(path=str(importlib.import_module("json").__path__[0])),
        "tasks": [fan_out_files.count],
    },
    "human_approval": lambda: {
        "workflow": human_approval.approve,
        "params": human_approval.Expense(who="Ada", amount=1),
        "events": [
            human_approval.decision.message("run", human_approval.Decision(by="Grace", granted=True), id=str(n))
            for n in (1, 1)
        ],
    },
    "survives_every_crash": lambda: {
        "workflow": survives_every_crash.fulfil,
        "params": survives_every_crash.Order(id="42"),
        "events": [survives_every_crash.shipped.event("by ship", key="42")],
        "effects": {"charge": (survives_every_crash.gateway, "charge")},
    },
}


async def live(name: str, pairs: int) -> Report:
    given = EXAMPLES[name]()
    return await simulate(given.pop("workflow"), given.pop("params", None), pairs=pairs, **given)


def test_every_example_workflow_is_here() -> None:
    """But for the one whose steps are about processes, the one whose steps differ on purpose, and the one about a store."""
    apart = {"several_workers", "versioned_rewind", "custom_store"}
    assert {several_workers.add.name, versioned_rewind.best.name} == {"numbers.add", "prices.best"}
    files = {path.stem for path in (Path(__file__).resolve().parents[2] / "examples/workflows").glob("*.py")}
    assert {name.partition(",")[0] for name in EXAMPLES} == files - apart


@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_example_survives_every_crash(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = await live(name, pairs=150)
    capsys.readouterr()
    assert report.state in {"succeeded", "failed", "cancelled"}
    assert report.schedules == 2 * report.points + 151


@pytest.mark.soak
async def test_ten_thousand_pairs_of_crashes(capsys: pytest.CaptureFixture[str]) -> None:
    reports = {name: await live(name, pairs=-(-10_000 // len(EXAMPLES))) for name in EXAMPLES}
    capsys.readouterr()
    lives, seconds = sum(one.schedules for one in reports.values()), sum(one.seconds for one in reports.values())
    pairs = sum(one.schedules - 2 * one.points - 1 for one in reports.values())
    with capsys.disabled():
        print(f"\n{lives:,} lives, {pairs:,} of them with two crashes: {lives / seconds:,.0f} a second")
    assert pairs >= 10_000


async def test_the_same_seed_lives_the_same_lives() -> None:
    first, second = [await live("survives_every_crash", pairs=50) for _ in range(2)]
    assert (first.points, first.schedules, first.calls) == (second.points, second.schedules, second.calls)


async def test_an_effect_that_is_not_idempotent_is_reported() -> None:
    class Counter:
        def __init__(self) -> None:
            self.numbers = itertools.count()

        async def take(self, number: int) -> int:
            return number

    counter = Counter()

    async def draw() -> str:
        await counter.take(next(counter.numbers))
        return "drawn"

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        return await ctx.step("draw", draw)

    report = await simulate(w, effects={"take": (counter, "take")}, pairs=0)
    assert report.effects["take"] == 2
    assert "take" in report.repeated


class Receipt(BaseModel):
    total: int


async def test_an_effect_may_be_the_function_of_a_step() -> None:
    """Its result is read back as what it says that it gives."""

    class Gateway:
        async def charge(self) -> Receipt:
            return Receipt(total=1)

        def note(self) -> Receipt:
            return Receipt(total=2)

    gateway = Gateway()

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        paid, noted = await ctx.step("charge", gateway.charge), await ctx.step("note", gateway.note)
        await ctx.sleep("rest", "1h")
        return paid.total + noted.total

    effects = {"charge": (gateway, "charge"), "note": (gateway, "note")}
    report = await simulate(w, effects=effects, pairs=0)
    assert (report.state, report.result, report.effects) == ("succeeded", 3, {"charge": 1, "note": 1})


async def test_an_idempotent_effect_is_not_reported() -> None:
    report = await live("survives_every_crash", pairs=200)
    assert report.effects == {"charge": 1}
    assert report.calls["charge"] > 1
    assert report.repeated == {}


async def test_a_workflow_that_ends_differently_after_a_crash_is_found() -> None:
    rounds = itertools.count()

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        await ctx.step("a", nothing)
        return next(rounds)

    with pytest.raises(Broken, match="with crashes at before point 0 the run ended succeeded with"):
        await simulate(w)


async def test_a_workflow_whose_steps_depend_on_chance_is_found() -> None:
    rounds = itertools.count()

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        await ctx.step("a", nothing)
        await ctx.step("even" if next(rounds) % 2 else "odd", nothing)
        return await ctx.step("b", nothing)

    with pytest.raises(Broken, match=r"the run is blocked: the code has changed: step '(odd|even)' is new at place 1"):
        await simulate(w)


async def test_a_run_that_nobody_wakes_is_stranded() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.wait(paid, key="1")

    with pytest.raises(Broken, match=r"stranded: it is suspended, and waits for paid\[1\] for paid\[1\]"):
        await simulate(w)


async def test_retries_undoing_and_nested_sleeps_survive_every_crash() -> None:
    done: list[str] = []

    async def flaky(step: StepContext) -> str:
        await step.sleep("1h")
        if step.attempt < 3:
            raise OSError("away")
        return "here"

    async def undo(value: str) -> None:
        done.append(value)

    async def fails() -> None:
        raise ValueError("no")

    @workflow("w")
    async def w(ctx: WorkflowContext, order: Order) -> str:
        await ctx.options(compensate=undo, retry=RetryPolicy.fixed("10m")).step_in("flaky", flaky)
        async with ctx.gather() as g:
            a = g.step("a", nothing)
            _ = g.sleep("s", "2h")
        try:
            await ctx.options(max_retries=0).step("fails", fails)
        except StepFailed:
            raise LookupError(await a) from None
        return "?"

    report = await simulate(w, Order(), pairs=300)
    assert report.state == "failed"
    assert "undo:flaky" in report.steps
    assert set(done) == {"here"}


async def test_checks_of_ones_own_are_asked_of_every_life() -> None:
    lives: list[int] = []

    def check(life: Life) -> None:
        lives.append(life.points)
        assert list(life.steps) == ["a"]

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        return await ctx.step("a", nothing)

    report = await simulate(w, pairs=5, check=check)
    assert len(lives) == report.schedules


def test_the_fixture_is_there_for_users(stem_simulate: Any) -> None:
    report = asyncio.run(stem_simulate(hello_flow.hello, hello_flow.Guest(name="Ada"), pairs=3))
    assert report.result == "HELLO, ADA!"


async def test_a_workflow_that_is_started_has_to_be_given() -> None:
    @workflow("small")
    async def small(ctx: WorkflowContext) -> int:
        return 1

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.run(small.build())

    with pytest.raises(Broken, match=r"it starts small; give it to simulate as workflows=\[...\]"):
        await simulate(w)
