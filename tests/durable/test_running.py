"""Workflows as they are run: replay, retries, waits, branches, undoing, cancelling, children, changed code."""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, cast

import pytest
from pydantic import BaseModel, Field, field_validator

from stem import (
    ConfigError,
    Flow,
    JobFailed,
    Mailbox,
    NoArgs,
    RetryPolicy,
    RunCancelled,
    RunError,
    RunExistsError,
    RunFailed,
    Stem,
    StepContext,
    StepFailed,
    StubWorkflow,
    TaskDefinition,
    Timeout,
    Topic,
    UniqueConflictError,
    WorkflowContext,
    WorkflowDefinition,
    WorkflowError,
    task,
    workflow,
)
from stem.core.ledger.asked import end
from stem.core.run import CancelRequest, Event, NewRun, event_topic
from stem.core.step import DEFAULT_OPTIONS
from stem.core.unique import Unique
from stem.core.workflow import AnyDeclaredWorkflow
from stem.durable.context import Context
from stem.durable.lane import RunLane
from stem.memory.run_rows import MemoryRows
from stem.testing import FakeClock, FakeStem

pytestmark = pytest.mark.anyio
SOON = RetryPolicy.fixed(0)
BIG = 1 << 21


class Number(BaseModel):
    n: int = 1


paid = Topic("paid", payload=Number)
approval = Mailbox("approval", payload=str)
#: What steps have done, in order.
did: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    did.clear()


async def double(n: int) -> int:
    did.append(("double", n))
    return 2 * n


async def undo(value: int) -> None:
    did.append(("undo", value))


def plain(n: int) -> int:
    did.append(("plain", n))
    return n + 1


async def fails(n: int = 0) -> int:
    did.append(("fails", n))
    raise ValueError(f"no {n}")


class Old(BaseModel):
    total: int


class New(BaseModel):
    total: int
    currency: str


class World:
    """An app in memory whose time is moved by hand, with a worker."""

    def __init__(self, *workflows: AnyDeclaredWorkflow, tasks: tuple[Any, ...] = (), **more: Any) -> None:
        self.clock = FakeClock()
        self.app = Stem.in_memory(workflows=workflows, tasks=tasks, clock=self.clock, **more)

    async def __aenter__(self) -> World:
        await self.app.open()
        self.worker = self.app.worker()
        await self.worker.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.worker.stop("soft")
        await self.app.close()

    async def until(self, run: str, *states: str) -> Any:
        """The run once it is in one of these states."""
        version = -1
        async with asyncio.timeout(5):
            while True:
                version = await self.app.engine.workflows.changed(run, version, None)
                seen = await self.app.workflows.get(run)
                if seen.state in states:
                    return seen

    async def pass_time(self, run: str, by: str) -> None:
        """Once the run sleeps, let time go by."""
        await self.until(run, "suspended")
        self.clock.advance(by)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "stem")
    return caplog


# ---------------------------------------------------------------- steps


async def test_a_step_is_done_once_and_read_from_then_on() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext, p: Number) -> list[int]:
        a = await ctx.step("a", double, p.n)
        b = await ctx.step("b", plain, a)
        await ctx.sleep("s", "1h")
        return [a, b, await ctx.step("c", double, b)]

    async with World(w) as world:
        run = await w.start(world.app, Number(n=5), id="r")
        await world.pass_time("r", "1h")
        assert await run.result("5s") == [10, 11, 22]
    assert did == [("double", 5), ("plain", 10), ("double", 11)]


async def test_none_is_a_result_like_others() -> None:
    async def nothing() -> None:
        did.append("nothing")

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.step("a", nothing)
        await ctx.sleep("s", "1h")

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        await run.result("5s")
        assert (await run.status()).result == "null"
    assert did == ["nothing"]


async def test_every_replay_gives_what_the_first_call_gave() -> None:
    """Whatever JSON makes of a value, the workflow sees it so the first time too."""
    seen: list[Any] = []

    async def pair(n: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a function without a declared result
        return (n, {"big": 2**53 + 1, "empty": []})

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        seen.append(await ctx.step("a", pair, 1))
        await ctx.sleep("s", "1h")

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        await run.result("5s")
    assert seen == [[1, {"big": 2**53 + 1, "empty": []}]] * 2


async def test_a_failing_step_is_tried_again_and_then_raises_the_same_in_every_replay() -> None:
    seen: list[str] = []

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        try:
            await ctx.options(max_retries=2, retry=SOON).step("a", fails, 3)
        except StepFailed as fault:
            seen.append(f"{fault.step} {fault.error_type} {fault.error_message} {fault.attempts}")
        await ctx.sleep("s", "1h")
        return seen[-1]

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        assert await run.result("5s") == "a ValueError no 3 3"
    assert did == [("fails", 3)] * 3
    assert seen == ["a ValueError no 3 3"] * 2


async def test_a_back_off_lets_the_worker_go_and_its_count_survives() -> None:
    attempts: list[int] = []

    async def flaky(step: StepContext) -> int:
        attempts.append(step.attempt)
        if step.attempt < 3:
            raise OSError("away")
        return step.attempt

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.options(retry=RetryPolicy.fixed("10m")).step_in("a", flaky)

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        for attempt in (1, 2):
            while [(one.step, one.attempts) for one in (await run.status()).tries] != [("a", attempt)]:
                await asyncio.sleep(0)
            await world.until("r", "suspended")
            assert world.worker.running == 0
            world.clock.advance("10m")
        assert await run.result("5s") == 3
    assert attempts == [1, 2, 3]


async def test_a_run_fails_with_what_its_code_raises() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.options(max_retries=0).step("a", fails)

    @workflow("v")
    async def v(ctx: WorkflowContext) -> None:
        raise KeyError("x")

    async with World(w, v) as world:
        with pytest.raises(RunFailed, match="StepFailed: step 'a' failed: ValueError: no 0"):
            await (await w.start(world.app)).result("5s")
        with pytest.raises(RunFailed, match="KeyError") as caught:
            await (await v.start(world.app)).result("5s")
        assert 'raise KeyError("x")' in caught.value.traceback
        assert "stem/durable" not in caught.value.traceback


async def test_the_same_name_twice_is_an_error_and_numbered_with_auto_version() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.step("a", double, 1)
        await ctx.step("a", double, 2)

    @workflow("v")
    async def v(ctx: WorkflowContext) -> list[int]:
        return [await ctx.options(auto_version=True).step("a", double, n) for n in range(3)]

    async with World(w, v) as world:
        with pytest.raises(RunFailed, match="the step 'a' comes twice"):
            await (await w.start(world.app)).result("5s")
        run = await v.start(world.app)
        assert await run.result("5s") == [0, 2, 4]
        assert [one.key for one in (await run.status()).steps] == ["a#0", "a#1", "a#2"]


async def test_a_result_over_the_limit_names_the_step_and_its_bytes() -> None:
    async def large() -> str:
        return "x" * BIG

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.step("big", large)

    async with World(w) as world:
        with pytest.raises(RunFailed, match=r"the result of step 'big' takes 2,097,154 bytes"):
            await (await w.start(world.app)).result("5s")


async def test_a_step_has_a_time_limit_for_each_attempt() -> None:
    async def slow() -> None:
        await asyncio.sleep(30)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.options(timeout=0.02, max_retries=0).step("a", slow)

    app = Stem.in_memory(workflows=[w])
    async with app, app.worker():
        with pytest.raises(RunFailed, match="TimeoutError: it took longer than 20 ms"):
            await (await w.start(app)).result("5s")


async def test_ctx_belongs_to_the_workflows_own_task() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await asyncio.gather(ctx.step("a", double, 1), ctx.step("b", double, 2))

    async with World(w) as world:
        with pytest.raises(RunFailed, match=r"ctx\.gather"):
            await (await w.start(world.app)).result("5s")
    assert did == []


# ---------------------------------------------------------------- waits


async def test_an_event_is_waited_for_by_key_and_typed() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext, p: Number) -> int:
        return (await ctx.wait(paid, key=str(p.n))).n

    async with World(w) as world:
        runs = [await w.start(world.app, Number(n=n)) for n in (1, 2)]
        await world.until(runs[1].id, "suspended")
        assert await paid.emit(world.app, Number(n=10), key="1")
        assert not await paid.emit(world.app, Number(n=11), key="1")
        assert await world.app.workflows.runs_waiting_on(paid) == [runs[1].id]
        with pytest.raises(ConfigError, match="the mailbox 'approval' has no keys: leave key='x' away"):
            await world.app.workflows.runs_waiting_on(approval, key="x")  # type: ignore[call-overload]
        assert await paid.emit(world.app, Number(n=20), key="2")
        assert [await run.result("5s") for run in runs] == [10, 20]


async def test_a_time_out_is_no_payload_and_no_error() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        got = await ctx.wait(paid, timeout="1h")
        return "late" if isinstance(got, Timeout) else str(got.n)

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        assert await run.result("5s") == "late"


async def test_messages_are_read_one_after_another() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[str]:
        return [await ctx.wait(approval) for _ in range(3)]

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await approval.send(world.app, "r", "a")
        await world.until("r", "suspended")
        await approval.send(world.app, "r", "b", id="1")
        await approval.send(world.app, "r", "b", id="1")
        await approval.send(world.app, "r", "c")
        assert await run.result("5s") == ["a", "b", "c"]


async def test_a_message_can_start_its_run() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext, p: Number) -> str:
        return await ctx.wait(approval) + str(p.n)

    async with World(w) as world:
        await world.app.workflows.emit_or_start(approval, "r", "a", w.build(Number(n=7)))
        assert await world.app.workflows.wait("r", "5s") == "a7"


async def test_sleeping_runs_hold_no_slot() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        await ctx.sleep("s", timedelta(hours=1))
        return 1

    async with World(w) as world:
        runs = [await w.start(world.app, id=f"r{n}") for n in range(300)]
        for run in runs:
            await world.until(run.id, "suspended")
        assert world.worker.running == 0
        world.clock.advance("1h")
        assert [await run.result("5s") for run in runs] == [1] * 300


# ---------------------------------------------------------------- at the same time


async def test_branches_run_at_the_same_time_and_are_awaited_anywhere() -> None:
    both = asyncio.Event()

    async def first() -> int:
        await asyncio.wait_for(both.wait(), 5)
        return 1

    async def second() -> int:
        both.set()
        return 2

    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[int]:
        async with ctx.gather() as g:
            a, b = g.step("a", first), g.step("b", second)
            c = await a
        return [c, await b, await a]

    async with World(w) as world:
        assert await (await w.start(world.app)).result("5s") == [1, 2, 1]


async def test_branches_of_every_kind_end_before_their_block() -> None:
    @task("job")
    async def job(p: Number) -> int:
        return p.n * 100

    @workflow("small")
    async def small(ctx: WorkflowContext, p: Number) -> int:
        await ctx.sleep("s", "1m")
        return p.n * 10

    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[Any]:
        async with ctx.gather() as g:
            found: list[Any] = [
                g.step("step", double, 1),
                g.call(job.build(Number(n=2))),
                g.run(small.build(Number(n=3))),
                g.wait(paid, timeout="1h"),
            ]
            _ = g.sleep("nap", "2h")
        return [await one for one in found[:3]] + [isinstance(await found[3], Timeout)]

    async with World(w, small, tasks=(job,)) as world:
        run = await w.start(world.app, id="r")
        for by in ("1m", "1h", "1h"):
            await world.until("r", "suspended")
            await world.until("r/small", "suspended", "succeeded")
            await asyncio.sleep(0.05)
            world.clock.advance(by)
        assert await run.result("5s") == [2, 200, 30, True]


async def test_failures_of_branches_are_raised_when_all_have_ended() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        async with ctx.gather() as g:
            _ = g.call(broken.build(Number()))
            _ = g.step("b", double, 2)

    @task("broken", max_retries=0)
    async def broken(p: Number) -> None:
        raise ValueError("no")

    @workflow("two")
    async def two(ctx: WorkflowContext) -> str:
        failed = 0
        try:
            async with ctx.gather() as g:
                _ = g.call(broken.build(Number(n=1)))
                _ = g.call(broken.build(Number(n=2)))
        except* JobFailed as faults:
            failed = len(faults.exceptions)
        return str(failed)

    async with World(w, two, tasks=(broken,)) as world:
        with pytest.raises(RunFailed, match="JobFailed"):
            await (await w.start(world.app)).result("5s")
        assert did == [("double", 2)]
        assert await (await two.start(world.app)).result("5s") == "2"


async def test_a_branch_in_back_off_sleeps_with_the_others() -> None:
    attempts: list[int] = []

    async def flaky() -> int:
        attempts.append(1)
        if len(attempts) < 2:
            raise OSError("away")
        return 5

    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[int]:
        async with ctx.gather() as g:
            a = g.step("a", flaky)
            b = g.step("b", double, 1)
        return [await a, await b]

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        assert await run.result("5s") == [5, 2]
    assert did == [("double", 1)]


# ---------------------------------------------------------------- step contexts and flows


async def test_the_reference_script_polls_sleeps_and_goes_on() -> None:
    """A step that sleeps begins anew and finds what the sleep gave; every iteration has a checkpoint of its own."""
    polls: list[int] = []

    async def poll(step: StepContext) -> str:
        if step.take_resume_data() is None:
            await step.sleep("5m", data={"since": step.iteration})
        polls.append(step.iteration)
        return "delivered" if step.iteration == 2 else "on its way"

    async def notify(step: StepContext, who: str) -> str:
        return f"{who}: {step.previous_result} ({step.step_index}, {step.idempotency_key()})"

    @workflow("orders")
    async def orders(ctx: WorkflowContext) -> str:
        while await ctx.options(auto_version=True).step_in("poll", poll) != "delivered":
            pass
        return await ctx.step_in("notify", notify, "you")

    async with World(orders) as world:
        run = await orders.start(world.app, id="o")
        for _ in range(3):
            await world.pass_time("o", "5m")
            await asyncio.sleep(0.05)
        assert await run.result("5s") == "you: delivered (3, orders/o/notify)"
        steps = [one.key for one in (await run.status()).steps]
    assert polls == [0, 1, 2]
    parts = [f"poll#{n}{part}" for n in range(3) for part in ("", "/sleep#0")]
    assert sorted(steps) == sorted([*parts, "notify"])


async def test_two_sleeps_in_one_step_are_two() -> None:
    async def twice(step: StepContext) -> str:
        await step.sleep("1h")
        await step.sleep("1h")
        return "awake"

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        return await ctx.step_in("a", twice)

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        for _ in range(2):
            await world.pass_time("r", "1h")
            await asyncio.sleep(0.05)
        assert await run.result("5s") == "awake"
        assert {one.key for one in (await run.status()).steps} == {"a", "a/sleep#0", "a/sleep#1"}


async def test_a_step_waits_for_an_event_with_a_deadline() -> None:
    async def until_paid(step: StepContext) -> int:
        got = await step.wait_event(paid, key="k", deadline="1h")
        return -1 if isinstance(got, Timeout) else got.n

    flow = Flow("f").step("a", until_paid)
    async with World(flow) as world:
        late, paid_run = await flow.start(world.app, id="late"), await flow.start(world.app, id="paid")
        await world.until("paid", "suspended")
        await world.pass_time("late", "1h")
        assert await late.result("5s") == -1
        assert await paid_run.result("5s") == -1
        await paid.emit(world.app, Number(n=3), key="k")
        assert await (await flow.start(world.app)).result("5s") == 3


async def test_a_flow_gives_the_result_of_its_last_step_and_hands_on() -> None:
    async def hello(step: StepContext) -> str:
        return f"hello {step.params.n}"

    def shout(step: StepContext) -> str:
        return str(step.previous_result).upper()

    flow = Flow("demo.hello", params=Number).step("hello", hello).step("shout", shout)
    async with World(flow) as world:
        assert await (await flow.start(world.app, Number(n=3))).result("5s") == "HELLO 3"


async def test_jobs_of_a_step_are_enqueued_with_its_checkpoint() -> None:
    seen: list[int] = []
    done = asyncio.Event()

    @task("job")
    async def job(p: Number) -> None:
        seen.append(p.n)
        done.set()

    async def work(step: StepContext) -> str:
        if step.attempt == 1:
            step.enqueue(job.build(Number(n=1)))
            raise OSError("away")
        return step.enqueue(job.build(Number(n=2)))

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        return await ctx.options(retry=SOON).step_in("a", work)

    async with World(w, tasks=(job,)) as world:
        assert "r" in await (await w.start(world.app, id="r")).result("5s")
        await asyncio.wait_for(done.wait(), 5)
    assert seen == [2]


# ---------------------------------------------------------------- jobs and children


async def test_a_called_job_gives_its_result_or_its_error() -> None:
    @task("good")
    async def good(p: Number) -> Number:
        return Number(n=p.n + 1)

    @task("bad", max_retries=0)
    async def bad(p: Number) -> Number:
        raise ValueError("never")

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        first = await ctx.call(good.build(Number(n=1)))
        second = await ctx.call(good.build(first))
        try:
            await ctx.call(bad.build(Number()))
        except JobFailed as fault:
            return f"{second.n} {fault.reason} {fault.error_type}"
        return "?"

    async with World(w, tasks=(good, bad)) as world:
        assert await (await w.start(world.app)).result("5s") == "3 exhausted ValueError"


async def test_a_held_unique_key_is_an_error_of_the_call() -> None:
    @task("one", unique=Unique(key="n"))
    async def one(p: Number) -> int:
        return p.n

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        try:
            await ctx.call(one.build(Number()))
        except UniqueConflictError as fault:
            return fault.holder
        return "?"

    async with World(w, tasks=(one,)) as world:
        await one.build(Number()).id("holder").delay("1h").enqueue(world.app)
        assert await (await w.start(world.app)).result("5s") == "holder"


async def test_every_step_that_came_to_nothing_shows_why() -> None:
    """Failed, cancelled and refused; jobs, children and functions."""

    @task("bad", max_retries=0)
    async def bad(p: Number) -> None:
        raise LookupError("no such order")

    @task("late")
    async def late(p: Number) -> None: ...

    @task("one", unique=Unique(key="n"))
    async def one(p: Number) -> None: ...

    @workflow("bad.child")
    async def bad_child(ctx: WorkflowContext) -> None:
        raise KeyError("no such item")

    @workflow("late.child")
    async def late_child(ctx: WorkflowContext) -> None:
        await ctx.sleep("long", "1h")

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: ctx.options(max_retries=0).step("fails", fails, 3),
            lambda: ctx.call(bad.build(Number())),
            lambda: ctx.call(late.build(Number()).id("late-job").delay("1h")),
            lambda: ctx.call(one.build(Number())),
            lambda: ctx.call(late.build(Number()).id("taken-job")),
            lambda: ctx.run(bad_child.build().id("bad-run")),
            lambda: ctx.run(late_child.build().id("late-run")),
            lambda: ctx.run(bad_child.build().id("taken-run")),
        ]
        faults = 0
        for call in calls:
            try:
                await call()
            except Exception:
                faults += 1
        return faults

    async with World(w, bad_child, late_child, tasks=(bad, late, one)) as world:
        app = world.app
        await one.build(Number()).id("holder").delay("1h").enqueue(app)
        await late.build(Number()).id("taken-job").delay("1h").enqueue(app)
        await late_child.start(app, id="taken-run")
        run = await w.start(app, id="r")
        async for seen in run.watch():
            if [wait.key for wait in seen.waits] == ["late"]:
                break
        assert await app.handle("late-job").cancel("no longer wanted")
        await world.until("late-run", "suspended")
        assert await app.workflows.cancel("late-run", "given up")
        assert await run.result("5s") == 8
        steps = (await run.status()).steps
    assert {step.key: (step.outcome, step.error and f"{step.error.type}: {step.error.message}") for step in steps} == {
        "fails": ("failed", "ValueError: no 3"),
        "bad": ("failed", "LookupError: no such order"),
        "late": ("cancelled", "Cancelled: no longer wanted"),
        "one": ("failed", "Refused: its unique key is held by job holder"),
        "late#1": ("failed", "Refused: there is already a job taken-job"),
        "bad.child": ("failed", "KeyError: 'no such item'"),
        "late.child": ("cancelled", "Cancelled: given up"),
        "bad.child#1": ("failed", "Refused: there is already a run taken-run"),
    }
    assert {step.value for step in steps} == {""}


async def test_a_check_stops_at_its_limit_and_takes_the_newest_first() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.wait(paid)

    @workflow("v")
    async def v(ctx: WorkflowContext) -> None:
        await ctx.wait(paid)

    async with World(w, v) as world:
        for name in ("w1", "v1", "w2", "v2", "w3"):
            await (w if name[0] == "w" else v).start(world.app, id=name)
            await world.until(name, "suspended")

        async def checked(**which: Any) -> list[str]:
            return [seen.id async for seen, told in world.app.workflows.check(**which) if told == ""]

        assert [await checked(limit=most) for most in (0, 1, 2)] == [[], ["w3"], ["w3", "v2"]]
        assert await checked(limit=5) == await checked(limit=6) == await checked() == ["w3", "v2", "w2", "v1", "w1"]
        assert await checked(workflow="w", limit=2) == ["w3", "w2"]


async def test_a_child_can_be_started_and_awaited_later() -> None:
    @workflow("small")
    async def small(ctx: WorkflowContext, p: Number) -> int:
        if p.n < 0:
            raise ValueError("negative")
        return await ctx.step("a", double, p.n)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[Any]:
        child = await ctx.start(small.build(Number(n=4)).id("the-child"))
        await ctx.sleep("s", "1h")
        try:
            await ctx.run(small.build(Number(n=-1)))
        except RunFailed as fault:
            return [child.id, await child.result(), fault.error_message]
        return []

    async with World(w, small) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        assert await run.result("5s") == ["the-child", 8, "negative"]
        assert (await world.app.workflows.get("the-child")).parent == "r"


# ---------------------------------------------------------------- cancelling and undoing


async def test_what_was_done_is_undone_the_last_first_when_the_run_fails() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.options(compensate=undo).step("a", double, 1)
        await ctx.options(compensate=undo).step("b", double, 2)
        await ctx.options(compensate=undo, max_retries=0).step("c", fails)

    async with World(w) as world:
        run = await w.start(world.app)
        with pytest.raises(RunFailed, match="no 0"):
            await run.result("5s")
        keys = [one.key for one in (await run.status()).steps]
    assert did == [("double", 1), ("double", 2), ("fails", 0), ("undo", 4), ("undo", 2)]
    assert keys == ["a", "b", "c", "undo:b", "undo:a"]


async def test_a_cancelled_run_hears_of_it_undoes_and_cleans_up() -> None:
    async def clean(ctx: WorkflowContext, p: Number) -> None:
        did.append(("clean", await ctx.step("tidy", plain, p.n)))

    @workflow("w", on_cancel=clean)
    async def w(ctx: WorkflowContext, p: Number) -> None:
        await ctx.options(compensate=undo).step("a", double, p.n)
        try:
            await ctx.wait(paid)
        finally:
            did.append("finally")

    async with World(w) as world:
        run = await w.start(world.app, Number(n=3), id="r")
        await world.until("r", "suspended")
        assert await run.cancel("enough")
        with pytest.raises(RunCancelled, match="enough"):
            await run.result("5s")
        assert not await run.cancel()
    assert [one for one in did if one != "finally"] == [("double", 3), ("undo", 6), ("plain", 3), ("clean", 4)]


async def test_a_running_step_is_cancelled_at_its_await() -> None:
    begun = asyncio.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            did.append("cancelled")
            raise

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.step("a", endless)

    async with World(w) as world:
        run = await w.start(world.app)
        await begun.wait()
        assert await run.cancel("stop")
        with pytest.raises(RunCancelled):
            await run.result("5s")
    assert did == ["cancelled"]


async def test_children_are_cancelled_with_their_parent_and_waited_for_when_asked() -> None:
    async def clean(ctx: WorkflowContext, p: Number) -> None:
        did.append("child cleaned")

    @workflow("small", on_cancel=clean)
    async def small(ctx: WorkflowContext, p: Number) -> None:
        await ctx.wait(paid)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.step("a", double, 1)
        await ctx.run(small.build(Number()).id("c"), on_cancel="wait")

    async def no_op(ctx: WorkflowContext, p: Any) -> None: ...

    @workflow("v", on_cancel=no_op)
    async def v(ctx: WorkflowContext) -> None:
        await ctx.run(small.build(Number()).id("d"), on_cancel="wait")

    async with World(w, v, small) as world:
        run = await v.start(world.app, id="r")
        await world.until("r", "suspended")
        await world.until("d", "suspended")
        await run.cancel("all of it")
        with pytest.raises(RunCancelled):
            await run.result("5s")
        assert (await world.app.workflows.get("d")).state == "cancelled"
    assert did == ["child cleaned"]


async def test_policies_cancel_with_their_reason() -> None:
    @workflow("w", cancel_after="1h")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.wait(paid)

    @workflow("v", max_suspend="1m")
    async def v(ctx: WorkflowContext) -> None:
        await ctx.wait(paid)

    async with World(w, v) as world:
        long, short = await w.start(world.app, id="w"), await v.start(world.app, id="v")
        await world.until("w", "suspended")
        await world.pass_time("v", "1m")
        with pytest.raises(RunCancelled, match="max_suspend"):
            await short.result("5s")
        world.clock.advance("1h")
        with pytest.raises(RunCancelled, match="cancel_after"):
            await long.result("5s")


# ---------------------------------------------------------------- what must not be done


async def test_code_that_swallows_its_suspension_and_returns_is_reported_too(logged: pytest.LogCaptureFixture) -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        try:
            await ctx.sleep("s", "1h")
        except BaseException:
            return "too early"
        return "in time"

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        assert await run.result("5s") == "in time"
    assert "swallowed the exception that suspends run r" in logged.text


async def test_a_swallowed_suspension_is_reported_and_nothing_is_done_after_it(
    logged: pytest.LogCaptureFixture,
) -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        try:
            await ctx.sleep("s", "1h")
        except BaseException:
            did.append("swallowed")
        return await ctx.step("a", double, 1)

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        assert await run.result("5s") == 2
    assert did == ["swallowed", ("double", 1)]
    assert "swallowed the exception that suspends run r" in logged.text


# ---------------------------------------------------------------- changed code


def version_of(*names: str, on_change: Any = "block", item: int = 1) -> AnyDeclaredWorkflow:
    """A workflow with steps of these names, and a sleep behind the first two."""

    @workflow("w", on_change=on_change)
    async def w(ctx: WorkflowContext) -> list[int]:
        found = []
        for place, name in enumerate(names):
            if place == 2:
                await ctx.sleep("s", "1h")
            found.append(await ctx.step(name, double, item))
        return found

    return w


async def deploy(first: AnyDeclaredWorkflow, second: AnyDeclaredWorkflow, states: tuple[str, ...]) -> Any:
    """The run that was begun by the first code and goes on with the second."""
    clock = FakeClock()
    app = Stem.in_memory(workflows=[first], clock=clock)
    old = World(first)
    old.app, old.clock = app, clock
    async with old:
        await first.start(app, id="r")
        await old.until("r", "suspended")
    new = World(second)
    new.app = Stem.in_memory(workflows=[second], clock=clock)
    new.app._store, new.clock = app._store, clock
    async with new:
        clock.advance("1h")
        return await new.until("r", *states)


async def test_a_renamed_step_stands_still_instead_of_being_done_twice() -> None:
    seen = await deploy(version_of("a", "b", "c"), version_of("a", "bb", "c"), ("blocked",))
    assert "'bb' is new at place 1, where this run has recorded 'b'" in seen.reason
    assert did == [("double", 1), ("double", 1)]


async def test_a_removed_step_is_noticed() -> None:
    seen = await deploy(version_of("a", "b", "c"), version_of("b", "c", "d"), ("blocked",))
    assert "'c' is new at place 1, where this run has recorded 'a'" in seen.reason


async def test_a_step_that_was_removed_and_has_nothing_new_in_its_place_is_noticed_at_the_end() -> None:
    def with_steps(*names: str) -> AnyDeclaredWorkflow:
        @workflow("w")
        async def w(ctx: WorkflowContext) -> None:
            for name in names:
                await ctx.step(name, double, 1)
            await ctx.sleep("s", "1h")

        return w

    seen = await deploy(with_steps("a", "b"), with_steps("a"), ("blocked",))
    assert "recorded and never reached by the code of today: 'b'" in seen.reason


async def test_other_inputs_are_noticed_and_follow_on_change(logged: pytest.LogCaptureFixture) -> None:
    seen = await deploy(version_of("a", "b", "c"), version_of("a", "b", "c", item=7), ("blocked",))
    assert "'a' was given other inputs when it was recorded" in seen.reason
    did.clear()
    seen = await deploy(version_of("a", "b", "c"), version_of("a", "b", "c", on_change="warn", item=7), ("succeeded",))
    assert seen.result == "[2,2,14]"
    assert "'a' was given other inputs" in logged.text
    seen = await deploy(version_of("a", "b", "c"), version_of("a", "b", "c", on_change="rerun", item=7), ("succeeded",))
    assert seen.result == "[14,14,14]"
    assert [(one.key, one.aside) for one in seen.steps if one.aside] == [("a", True), ("b", True)]


async def test_steps_of_a_loop_may_come_in_another_order() -> None:
    seen = await deploy(version_of("a[1]", "a[2]", "c"), version_of("a[2]", "a[1]", "c"), ("succeeded",))
    assert seen.result == "[2,2,2]"
    assert len(did) == 3


async def test_a_numbered_loop_whose_items_move_is_noticed() -> None:
    def numbered(*items: int) -> AnyDeclaredWorkflow:
        @workflow("w")
        async def w(ctx: WorkflowContext) -> list[int]:
            found = [await ctx.options(auto_version=True).step("a", double, item) for item in items]
            await ctx.sleep("s", "1h")
            return found

        return w

    seen = await deploy(numbered(1, 2), numbered(2, 1), ("blocked",))
    assert "'a#0' was given other inputs" in seen.reason


async def test_a_result_that_does_not_fit_any_more_is_upcast_or_stands_still() -> None:
    async def old() -> Old:
        return Old(total=5)

    async def new() -> New:
        raise AssertionError("must not run again")

    def first() -> AnyDeclaredWorkflow:
        @workflow("w")
        async def w(ctx: WorkflowContext) -> int:
            await ctx.step("a", old)
            await ctx.sleep("s", "1h")
            return 0

        return w

    def second(upcast: Any) -> AnyDeclaredWorkflow:
        @workflow("w")
        async def w(ctx: WorkflowContext) -> str:
            found = await ctx.options(upcast=upcast).step("a", new)
            await ctx.sleep("s", "1h")
            return found.currency

        return w

    seen = await deploy(first(), second(None), ("blocked",))
    assert "the result of step 'a', stored by version 1 of the workflow, does not fit" in seen.reason
    assert "currency: Field required" in seen.reason
    seen = await deploy(first(), second(lambda value: New(**value, currency="EUR")), ("succeeded",))
    assert seen.result == '"EUR"'


async def test_patched_is_true_for_new_runs_and_false_for_those_beyond_it() -> None:
    def before() -> AnyDeclaredWorkflow:
        @workflow("w")
        async def w(ctx: WorkflowContext) -> list[int]:
            a = await ctx.step("a", double, 1)
            await ctx.sleep("s", "1h")
            return [a]

        return w

    def after() -> AnyDeclaredWorkflow:
        @workflow("w")
        async def w(ctx: WorkflowContext) -> list[int]:
            found = []
            if await ctx.patched("with-b"):
                found.append(await ctx.step("b", double, 5))
            found.append(await ctx.step("a", double, 1))
            await ctx.sleep("s", "1h")
            return found

        return w

    assert (await deploy(before(), after(), ("succeeded",))).result == "[2]"
    assert (await deploy(after(), after(), ("succeeded",))).result == "[10,2]"


async def test_two_versions_run_side_by_side() -> None:
    @workflow("w", version=1)
    async def one(ctx: WorkflowContext) -> int:
        return 1

    @workflow("w", version=2)
    async def two(ctx: WorkflowContext) -> int:
        return 2

    async with World(one, two) as world:
        assert await (await one.start(world.app)).result("5s") == 1
        assert await (await world.app.workflows.start("w")).result("5s") == 2
        assert await (await world.app.workflows.start("w@1")).result("5s") == 1


async def test_parameters_that_do_not_fit_block_the_run() -> None:
    class More(BaseModel):
        n: int = 1
        needed: str

    @workflow("w")
    async def first(ctx: WorkflowContext, p: Number) -> None:
        await ctx.sleep("s", "1h")

    @workflow("w")
    async def second(ctx: WorkflowContext, p: More) -> None:
        await ctx.sleep("s", "1h")

    seen = await deploy_with_params(first, second)
    assert "its parameters do not fit More -> None: needed: Field required" in seen.reason


async def deploy_with_params(first: Any, second: Any) -> Any:
    clock = FakeClock()
    old = World(first)
    old.app, old.clock = Stem.in_memory(workflows=[first], clock=clock), clock
    async with old:
        await first.start(old.app, Number(), id="r")
        await old.until("r", "suspended")
    new = World(second)
    new.app, new.clock = Stem.in_memory(workflows=[second], clock=clock), clock
    new.app._store = old.app._store
    async with new:
        clock.advance("1h")
        return await new.until("r", "blocked")


# ---------------------------------------------------------------- rewinding, resuming, losing


async def test_a_rewind_does_the_steps_again() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[int]:
        a = await ctx.step("a", double, 1)
        b = await ctx.step("b", double, a)
        return [a, b]

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        assert await run.result("5s") == [2, 4]
        await world.app.workflows.rewind("r", "b")
        assert await run.result("5s") == [2, 4]
        seen = await run.status()
    assert did == [("double", 1), ("double", 2), ("double", 2)]
    assert [(one.key, one.aside) for one in seen.steps] == [("a", False), ("b", False), ("b", True)]


async def test_a_rewound_call_is_a_new_job() -> None:
    @task("job")
    async def job(p: Number) -> int:
        did.append("job")
        return 1

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.call(job.build(Number()))

    async with World(w, tasks=(job,)) as world:
        run = await w.start(world.app, id="r")
        assert await run.result("5s") == 1
        await world.app.workflows.rewind("r", "job")
        assert await run.result("5s") == 1
    assert did == ["job", "job"]


async def test_a_worker_that_stops_hands_its_runs_back_at_the_next_step() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        begun.set()
        await go.wait()
        return 1

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.step("a", slow) + await ctx.step("b", double, 1)

    app = Stem.in_memory(workflows=[w])
    async with app:
        first = app.worker()
        await first.start()
        run = await w.start(app)
        await begun.wait()
        stopping = asyncio.create_task(first.stop("warm"))
        await asyncio.sleep(0.05)
        go.set()
        await stopping
        seen = await run.status()
        assert (seen.state, [one.key for one in seen.steps]) == ("queued", ["a"])
        async with app.worker():
            assert await run.result("5s") == 3
        assert (await run.status()).takeovers == 0


async def test_who_sleeps_looks_within_the_shortest_lease() -> None:
    @task("t", visibility_timeout="6s")
    async def t() -> None: ...

    @workflow("w", visibility_timeout="3s")
    async def w(ctx: WorkflowContext) -> None: ...

    async with World(w, tasks=(t,)) as world:
        assert world.worker._claimer._look_ms == 5_000
        (lane,) = world.worker._lanes
        claimer = cast("RunLane", lane)._claimer
        assert claimer is not None
        assert claimer._look_ms == 2_500


async def test_defaults_of_the_day_a_run_began_stay_with_it() -> None:
    """A generated package sends what it was given; a later deploy has another default."""

    class Left(BaseModel):
        a: int
        b: int = 1
        drawn: float = Field(default_factory=time.monotonic)

    class Right(BaseModel):
        a: int
        b: int = 2
        drawn: float = 0.0

    async def note(p: tuple[int, int, float]) -> None:
        did.append(p)

    @workflow("w")
    async def left(ctx: WorkflowContext, p: Left) -> list[float]:
        await ctx.step("a", note, (p.a, p.b, p.drawn))
        await ctx.sleep("s", "1h")
        return [p.a, p.b, p.drawn]

    @workflow("w")
    async def right(ctx: WorkflowContext, p: Right) -> list[float]:
        await ctx.step("a", note, (p.a, p.b, p.drawn))
        await ctx.sleep("s", "1h")
        return [p.a, p.b, p.drawn]

    class Sent(BaseModel):
        a: int
        b: int = 7
        drawn: float = 7.0

    stub = StubWorkflow("w", params=Sent, returns=list[float], schema="x")
    clock = FakeClock()
    old = World(left)
    old.app, old.clock = Stem.in_memory(workflows=[left], clock=clock), clock
    async with old:
        await stub._bind(a=5).id("r").start(old.app)
        await old.until("r", "suspended")
    new = World(right)
    new.app._store, new.clock = old.app._store, clock
    async with new:
        clock.advance("1h")
        assert json.loads((await new.until("r", "succeeded")).result) == [5, 1, did[0][2]]
    assert len(did) == 1


class Rude(BaseException):
    pass


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt, GeneratorExit, Rude])
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_whatever_a_step_raises_is_a_failed_attempt(kind: str, error: type[BaseException]) -> None:
    async def rude() -> None:
        did.append(1)
        raise error("no")

    def rude_too() -> None:
        did.append(1)
        raise error("no")

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        step = ctx.options(retry=RetryPolicy.fixed(0), max_retries=2)
        try:
            if kind == "async":
                await step.step("a", rude)
            else:
                await step.step("a", rude_too)
        except StepFailed as fault:
            return fault.error_type
        return "?"

    async with World(w) as world:
        run = await w.start(world.app)
        assert await run.result("5s") == ("RuntimeError" if error is GeneratorExit else error.__name__)
    assert len(did) == 3


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt, GeneratorExit, Rude])
async def test_whatever_a_workflow_raises_is_its_failure(error: type[BaseException]) -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.step("a", double, 1)
        raise error("no")

    async with World(w) as world:
        run = await w.start(world.app)
        with pytest.raises(RunFailed, match="RuntimeError" if error is GeneratorExit else error.__name__):
            await run.result("5s")
        assert (await (await w.start(world.app, id="after")).status()).id == "after"
    assert did[0] == ("double", 1)


async def test_a_branch_that_is_rude_fails_alone() -> None:
    async def rude() -> None:
        task = asyncio.ensure_future(asyncio.sleep(10))
        task.cancel()
        await task

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        try:
            async with ctx.gather() as g:
                _ = g.step("one", double, 1)
                _ = g.options(max_retries=0).step("two", rude)
        except StepFailed:
            return await ctx.step("after", double, 1)
        return 0

    async with World(w) as world:
        assert await (await w.start(world.app)).result("5s") == 2


async def test_what_a_branch_stores_while_the_run_is_cancelled_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = asyncio.Event()

    async def undo(value: int) -> None:
        did.append(("undone", value))

    async def slow() -> None:
        await asyncio.sleep(60)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        async with ctx.gather() as g:
            _ = g.options(compensate=undo).step("a", double, 1)
            _ = g.step("slow", slow)

    async with World(w) as world:
        store = world.app.engine.workflows
        real = store.commit

        async def commit(receipt: Any, change: Any) -> Any:
            said = await real(receipt, change)
            if [one.key for one in change.steps] == ["a"]:
                stored.set()
                await asyncio.sleep(0.3)  # the answer is long on its way
            return said

        monkeypatch.setattr(store, "commit", commit)
        run = await w.start(world.app, id="r")
        await stored.wait()
        await run.cancel("enough")
        await world.until("r", "cancelled")
    assert did == [("double", 1), ("undone", 2)]


async def test_a_branch_that_stores_keeps_no_cancel_from_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workflow's own code stands in a step meanwhile, and is told there."""
    stored, slow_began, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        slow_began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.set()
            raise

    async def late() -> int:
        await slow_began.wait()
        return 1

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        async with ctx.gather() as g:
            _ = g.step("a", late)
            await ctx.step("slow", slow)

    async with World(w) as world:
        store = world.app.engine.workflows
        real = store.commit

        async def commit(receipt: Any, change: Any) -> Any:
            said = await real(receipt, change)
            if [one.key for one in change.steps] == ["a"]:
                stored.set()
                await told.wait()  # the answer is on its way until then
            return said

        monkeypatch.setattr(store, "commit", commit)
        run = await w.start(world.app, id="r")
        await stored.wait()
        await run.cancel("enough")
        seen = await world.until("r", "cancelled")
        assert (told.is_set(), seen.reason, [step.key for step in seen.steps]) == (True, "enough", ["a"])


@pytest.mark.parametrize("open_by", ["sleep", "rerun", "wait", "timeout", "child", "awaited", "nothing"])
async def test_branches_are_undone_when_the_run_is_cancelled_beside_them(open_by: str) -> None:
    async def undo(value: int) -> None:
        did.append(value)

    async def same(value: int) -> int:
        return value

    @workflow("child")
    async def child(ctx: WorkflowContext) -> None:
        await ctx.sleep("s", "1d")

    @workflow("w", on_change="rerun" if open_by == "rerun" else "block")
    async def w(ctx: WorkflowContext) -> None:
        careful = ctx.options(compensate=undo)
        await careful.step("pre", same, 0)
        async with ctx.gather() as g:
            for n in range(1, 4):
                _ = g.options(compensate=undo).step(f"a{n}", same, n)
            match open_by:
                case "sleep" | "rerun":
                    _ = g.sleep("z", "1d")
                case "wait":
                    _ = g.wait(paid, key="never")
                case "timeout":
                    _ = g.wait(paid, key="never", timeout="1d")
                case "child":
                    _ = g.run(child.build())
                case "awaited":
                    await g.sleep("z", "1d")
                case _:
                    pass
        await ctx.sleep("after", "1d")

    async with World(w, child) as world:
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        await run.cancel("enough")
        await world.until("r", "cancelled")
    assert did == [3, 2, 1, 0]


async def test_a_run_that_raises_while_it_is_cancelled_is_cancelled() -> None:
    begun = asyncio.Event()

    async def clean(ctx: WorkflowContext, p: BaseModel) -> None:
        did.append("cleaned")

    async def slow() -> None:
        begun.set()
        await asyncio.sleep(60)

    @workflow("w", on_cancel=clean)
    async def w(ctx: WorkflowContext) -> None:
        try:
            await ctx.step("slow", slow)
        finally:
            raise ValueError("a bug in a finally")

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await begun.wait()
        await run.cancel("enough")
        await world.until("r", "cancelled")
    assert did == ["cleaned"]


async def test_code_that_raises_before_what_was_done_blocks_its_run_and_loses_no_undoing() -> None:
    broken = False

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        if broken:
            raise ValueError("a bug of the new code")
        await ctx.options(compensate=undo).step("charge", double, 1)
        await ctx.sleep("s", "1h")
        raise ValueError("not delivered")

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        broken = True
        world.clock.advance("1h")
        await world.until("r", "blocked")
        assert "ValueError is raised" in (await run.status()).reason
        assert "'charge'" in (await run.status()).reason
        broken = False
        assert await world.app.workflows.resume("r")
        with pytest.raises(RunFailed, match="not delivered"):
            await run.result("5s")
    assert did == [("double", 1), ("undo", 2)]


async def test_a_cancelled_run_whose_code_raises_too_early_keeps_what_is_to_be_undone() -> None:
    broken = False

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        if broken:
            raise KeyError("PAYMENT_URL")
        await ctx.options(compensate=undo).step("charge", double, 1)
        await ctx.sleep("s", "1h")

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        broken = True
        await run.cancel("not wanted")
        seen = await world.until("r", "blocked")
        assert seen.reason.startswith(
            "it is to be undone, and the code of today does not undo 'charge' (KeyError is raised"
        )
        assert "stem wf cancel r --terminate" in seen.reason
        world.clock.advance("1d")
        assert (await run.status()).state == "blocked"
        broken = False
        assert await world.app.workflows.resume("r")
        with pytest.raises(RunCancelled, match="not wanted"):
            await run.result("5s")
    assert did == [("double", 1), ("undo", 2)]


async def test_a_compensation_taken_out_of_the_code_is_missed() -> None:
    async def undo(value: int) -> None: ...

    compensates = True

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        if compensates:
            await ctx.options(compensate=undo).step("charge", double, 1)
        else:
            await ctx.step("charge", double, 1)
        await ctx.wait(paid)
        raise ValueError("not delivered")

    async with World(w) as world:
        runs = [await w.start(world.app, id=f"r{n}") for n in range(2)]
        for n in range(2):
            await world.until(f"r{n}", "suspended")
        compensates = False
        found = {seen.id: told async for seen, told in world.app.workflows.check()}
        assert set(found.values()) == {"if it fails or is cancelled, the code of today does not undo 'charge'"}
        await runs[0].cancel()
        await paid.emit(world.app, Number())
        for n in range(2):
            seen = await world.until(f"r{n}", "blocked")
            assert "the code of today does not undo 'charge'. Deploy" in seen.reason
            assert await world.app.workflows.cancel(f"r{n}", "given up", terminate=True)
            told = await world.app.workflows.explain(f"r{n}")
            assert told[-1] == (
                "charge has no record of being undone: its compensation was at work when the run ended, or was never called"
            )


async def test_a_blocked_run_that_has_nothing_to_undo_can_be_cancelled() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        value = await ctx.wait(paid)
        await ctx.step("s", double, value.n)
        return 1

    async def clean(ctx: WorkflowContext, p: Number) -> None:
        did.append("clean")

    @workflow("v", on_cancel=clean)
    async def v(ctx: WorkflowContext, p: Number) -> int:
        return p.n

    async with World(w, v) as world:
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        await world.app.engine.workflows.emit(Event(topic=event_topic("paid", ""), payload=b'"nonsense"'))
        assert "does not fit the payload" in (await world.until("r", "blocked")).reason
        await run.cancel("give it up")
        with pytest.raises(RunCancelled, match="give it up"):
            await run.result("5s")
        await world.app.engine.workflows.start(
            [NewRun(id="x", workflow="v", version=1, params=b'{"n":"x"}', cleans_up=True)]
        )
        assert "its parameters do not fit" in (await world.until("x", "blocked")).reason
        await world.app.workflows.cancel("x", "never mind")
        await world.until("x", "cancelled")
        told = await world.app.workflows.explain("x")
        assert told[1] == "never mind"
        assert told[2].startswith("on_cancel failed: ValidationError: it was not called: its parameters do not fit")
    assert did == []


async def test_a_clean_up_that_cannot_be_given_its_parameters_is_not_left_out() -> None:
    picky = False

    class Picky(BaseModel):
        n: int

        @field_validator("n")
        @classmethod
        def check(cls, n: int) -> int:
            if picky:
                raise ValueError("too small")
            return n

    async def clean(ctx: WorkflowContext, p: Picky) -> None:
        did.append(("clean", p.n))

    @workflow("w", on_cancel=clean)
    async def w(ctx: WorkflowContext, p: Picky) -> None:
        await ctx.wait(paid)

    async with World(w) as world:
        run = await w.start(world.app, Picky(n=1), id="r")
        await world.until("r", "suspended")
        picky = True
        await run.cancel()
        seen = await world.until("r", "blocked")
        assert seen.reason.startswith("it is cancelled, and its on_cancel cannot be called: its parameters do not fit")
        picky = False
        await world.app.workflows.resume("r")
        with pytest.raises(RunCancelled):
            await run.result("5s")
    assert did == [("clean", 1)]


async def test_children_are_waited_for_also_when_the_code_does_not_come_to_them() -> None:
    async def clean(ctx: WorkflowContext, p: Number) -> None:
        await ctx.sleep("s", "1h")
        did.append("child cleaned")

    @workflow("small", on_cancel=clean)
    async def small(ctx: WorkflowContext, p: Number) -> None:
        await ctx.wait(paid)

    broken = False

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        if broken:
            raise ValueError("a bug")
        await ctx.run(small.build(Number()), on_cancel="wait")

    async with World(w, small) as world:
        run = await w.start(world.app, id="r")
        await world.until("r/small", "suspended")
        await world.until("r", "suspended")
        broken = True
        await run.cancel()
        while not (await world.app.workflows.get("r/small")).cleaning_up:
            await asyncio.sleep(0.01)
        await world.until("r/small", "suspended")
        assert (await run.status()).state == "suspended"
        world.clock.advance("1h")
        with pytest.raises(RunCancelled):
            await run.result("5s")
        assert (await world.app.workflows.get("r/small")).state == "cancelled"
    assert did == ["child cleaned"]


async def test_a_cancel_that_comes_while_the_record_is_walked_along_undoes_all_of_it() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        for n in range(3):
            await ctx.options(compensate=undo).step(f"s{n}", double, n)
            if n == 0 and ctx.is_replaying:
                await world.app.workflows.cancel("r", "in the middle")
                lane = cast("RunLane", world.worker._lanes[0])
                next(iter(lane.held())).cancel("in the middle")  # as the renewal of its lease would
        await ctx.wait(paid)

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        await paid.emit(world.app, Number())
        with pytest.raises(RunCancelled, match="in the middle"):
            await run.result("5s")
    assert [one for one in did if one[0] == "undo"] == [("undo", 4), ("undo", 2), ("undo", 0)]


@pytest.mark.parametrize("way", ["rewind", "restart"])
@pytest.mark.parametrize("policy", ["abandon", "wait"])
async def test_a_child_of_an_earlier_life_answers_nothing_in_the_next(way: str, policy: Any) -> None:
    @workflow("small")
    async def small(ctx: WorkflowContext, p: Number) -> int:
        await ctx.wait(paid, key=str(p.n))
        return p.n

    life = 0

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.run(small.build(Number(n=life)), on_cancel=policy)

    async with World(w, small) as world:
        run = await w.start(world.app, id="r")
        await world.until("r/small", "suspended")
        await world.until("r", "suspended")
        life = 1
        if way == "rewind":
            await world.app.workflows.rewind("r", "small")
        else:
            await run.cancel(terminate=True)
            run = await w.start(world.app, id="r", if_exists="restart")
        await world.until("r~1/small", "suspended")
        await paid.emit(world.app, Number(), key="0")
        assert (await world.until("r/small", "succeeded", "cancelled")).state == (
            "succeeded" if policy == "abandon" else "cancelled"
        )
        assert (await world.app.workflows.get("r")).state == "suspended"
        await paid.emit(world.app, Number(), key="1")
        assert await run.result("5s") == 1


async def test_a_job_of_an_earlier_life_answers_nothing_in_the_next() -> None:
    @task("square")
    async def square(p: Number) -> int:
        return p.n * p.n

    life = 2

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.call(square.build(Number(n=life)).delay("1h" if life == 2 else "2h"))

    async with World(w, tasks=(square,)) as world:
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        life = 3
        await world.app.workflows.rewind("r", "square")
        await world.until("r", "suspended")
        world.clock.advance("1h")
        assert await world.app.handle("r/square").result("5s") == 4
        assert (await world.app.workflows.get("r")).state == "suspended"
        world.clock.advance("1h")
        assert await run.result("5s") == 9


async def test_a_child_that_is_waited_for_ends_with_a_parent_that_has_no_clean_up() -> None:
    async def clean(ctx: WorkflowContext, p: Number) -> None:
        did.append("child cleaned")

    @workflow("small", on_cancel=clean)
    async def small(ctx: WorkflowContext, p: Number) -> None:
        await ctx.wait(paid)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.run(small.build(Number()), on_cancel="wait")

    async with World(w, small) as world:
        run = await w.start(world.app, id="r")
        await world.until("r/small", "suspended")
        await world.until("r", "suspended")
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result("5s")
        assert (await world.app.workflows.get("r/small")).state == "cancelled"
    assert did == ["child cleaned"]


@pytest.mark.parametrize("policy", ["wait", "cancel", "abandon"])
async def test_a_run_that_fails_ends_its_children(policy: Any) -> None:
    async def clean(ctx: WorkflowContext, p: Number) -> None:
        await ctx.sleep("s", "1h")
        did.append("child cleaned")

    @workflow("small", on_cancel=clean)
    async def small(ctx: WorkflowContext, p: Number) -> None:
        await ctx.wait(paid)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.start(small.build(Number()), on_cancel=policy)
        await ctx.sleep("s", "1h")
        raise ValueError("a bug")

    async with World(w, small) as world:
        run = await w.start(world.app, id="r")
        await world.until("r/small", "suspended")
        await world.until("r", "suspended")
        world.clock.advance("1h")
        if policy == "wait":
            while not (await world.app.workflows.get("r/small")).cleaning_up:
                await asyncio.sleep(0.01)
            assert not (await run.status()).finished
            await world.until("r/small", "suspended")
            world.clock.advance("1h")
        with pytest.raises(RunFailed, match="a bug"):
            await run.result("5s")
        child = await world.app.workflows.get("r/small")
        assert (child.state == "cancelled") == (policy == "wait")
        assert bool(child.cancel_reason) == (policy != "abandon")


async def test_a_rewind_to_behind_what_was_undone_is_refused() -> None:
    good = False

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        await ctx.step("look", double, 5)
        await ctx.options(compensate=undo).step("charge", double, 1)
        await ctx.options(max_retries=0).step("ship", double if good else fails, 7)
        return 1

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        with pytest.raises(RunFailed):
            await run.result("5s")
        good = True
        with pytest.raises(RunError, match="run r has undone charge: rewind it to 'charge' or before"):
            await world.app.workflows.rewind("r", "ship")
        with pytest.raises(RunError, match="run r has no step 'undo:charge'; it has look, charge, ship"):
            await world.app.workflows.rewind("r", "undo:charge")
        await world.app.workflows.rewind("r", "charge")
        assert await run.result("5s") == 1
    assert did == [("double", 5), ("double", 1), ("fails", 7), ("undo", 2), ("double", 1), ("double", 7)]


async def test_a_plain_function_that_returns_after_a_cancel_is_undone_too() -> None:
    payments = queue.SimpleQueue[int]()

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        did.append("begun")
        await ctx.options(compensate=undo).step("pay", payments.get)  # in C, where nothing can interrupt it
        did.append("not reached")

    async with Stem.in_memory(workflows=[w]) as app:
        worker = app.worker()
        await worker.start()
        run = await w.start(app, id="r")
        lane = cast("RunLane", worker._lanes[0])
        while not did:
            await asyncio.sleep(0.01)
        await run.cancel()
        next(iter(lane.held())).cancel("asked")  # as the renewal of its lease would
        await asyncio.sleep(0)
        payments.put(7)
        with pytest.raises(RunCancelled):
            await run.result("5s")
        await worker.stop("soft")
        assert [(one.key, one.value) for one in (await run.status()).steps] == [("pay", "7"), ("undo:pay", "null")]
    assert did == ["begun", ("undo", 7)]


async def test_attempts_of_a_plain_function_do_not_run_beside_each_other() -> None:
    at_work: list[int] = []

    def slow() -> None:
        at_work.append(1)
        did.append(len(at_work))
        try:
            time.sleep(0.15)
        finally:
            at_work.pop()

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.options(timeout=0.05, max_retries=2, retry=SOON).step("slow", slow)

    async with Stem.in_memory(workflows=[w]) as app, app.worker():
        run = await w.start(app, id="r")
        with pytest.raises(RunFailed, match="longer than 50 ms"):
            await run.result("5s")
    assert did == [1, 1, 1]


async def test_branches_are_begun_inside_their_block() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        async with ctx.gather() as g:
            _ = g.step("a", double, 1)
        _ = g.step("late", double, 2)

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        with pytest.raises(RunFailed, match="the block of this gather has ended"):
            await run.result("5s")
    assert did == [("double", 1)]


async def test_all_that_failed_at_once_is_told() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        async with ctx.gather() as g:
            for n in range(2):
                _ = g.options(max_retries=0).step(f"s{n}", fails, n)

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        with pytest.raises(RunFailed, match=r"2 of 2 branches failed: StepFailed: .*no 0.*; StepFailed: .*no 1"):
            await run.result("5s")


async def test_errors_at_once_that_cannot_be_shown_fail_the_run_too() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("mute")

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        raise ExceptionGroup("both", [Mute(), ValueError("loud")])

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        with pytest.raises(RunFailed, match="both: Mute: <its __str__ raised RuntimeError>; ValueError: loud"):
            await run.result("5s")


async def test_an_id_belongs_to_one_workflow() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.wait(paid)

    @workflow("v")
    async def v(ctx: WorkflowContext) -> str:
        return "v"

    async with World(w, v) as world:
        await w.start(world.app, id="r")
        with pytest.raises(RunExistsError, match="run r exists already, and is one of workflow 'w'"):
            await v.start(world.app, id="r")


async def test_a_cancel_or_rewind_that_comes_after_a_failure_is_too_late() -> None:
    async def undo(value: int) -> None:
        did.append(("undo", value))
        if did.count(("undo", value)) == 1:
            raise ValueError("not now")

    @workflow("w", cancel_after="1m")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.options(compensate=undo).step("charge", double, 1)
        raise KeyError("broken")

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        assert not await run.cancel("never mind")
        with pytest.raises(RunError, match="run r is being cancelled or undone: rewind it when it has ended"):
            await world.app.workflows.rewind("r", "charge")
        told = await world.app.workflows.explain("r")
        assert told[0] == "it has failed (KeyError: 'broken'), and is being undone"
        world.clock.advance("1h")
        with pytest.raises(RunFailed, match="broken"):
            await run.result("5s")
    assert did == [("double", 1), ("undo", 2), ("undo", 2)]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("what", ["held", "duplicate", "exists"])
async def test_what_was_refused_is_refused_in_every_replay(what: str, at_once: bool) -> None:
    @task("job", unique=Unique())
    async def job(p: Number) -> None: ...

    @task("free")
    async def free(p: Number) -> None: ...

    @workflow("small")
    async def small(ctx: WorkflowContext, p: Number) -> None: ...

    calls: dict[str, Any] = {"held": job.build(Number()), "duplicate": free.build(Number()).id("known")}
    refusals: dict[str, type[Exception]] = {
        "held": UniqueConflictError,
        "duplicate": WorkflowError,
        "exists": RunExistsError,
    }

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        try:
            async with ctx.gather() as g:
                match what, at_once:
                    case "exists", True:
                        _ = g.run(small.build(Number()).id("s"))
                    case "exists", False:
                        await ctx.run(small.build(Number()).id("s"))
                    case _, True:
                        _ = g.call(calls[what])
                    case _:
                        await ctx.call(calls[what])
                _ = g.sleep("beside", "10m")
        except refusals[what] as fault:
            did.append(type(fault))
        await ctx.options(compensate=refund).step("a", double, 1)
        await ctx.sleep("s", "1h")
        return "gone on"

    async def refund(value: int) -> None: ...

    async with World(w, small, tasks=(job, free)) as world:
        await job.build(Number()).delay("10d").enqueue(world.app)
        await free.build(Number()).id("known").delay("10d").enqueue(world.app)
        await small.start(world.app, Number(), id="s")
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        world.clock.advance("11m")
        await asyncio.sleep(0.05)
        world.clock.advance("1h")
        assert await run.result("5s") == "gone on"
    assert set(did) == {refusals[what], ("double", 1)}
    assert did.count(("double", 1)) == 1


async def test_a_job_that_could_not_be_enqueued_is_not_taken_for_one_in_a_replay() -> None:
    @task("job", unique=Unique())
    async def job(p: Number) -> None: ...

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        try:
            told = await ctx.enqueue(job.build(Number()))
        except UniqueConflictError as fault:
            told = f"held by {fault.holder}"
        await ctx.sleep("s", "1h")
        return told

    async with World(w, tasks=(job,)) as world:
        await job.build(Number()).id("first").delay("10d").enqueue(world.app)
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        world.clock.advance("1h")
        assert await run.result("5s") == "held by first"


async def test_a_child_of_somebody_else_cannot_be_started() -> None:
    @workflow("small")
    async def small(ctx: WorkflowContext, p: Number) -> None: ...

    @workflow("w")
    async def w(ctx: WorkflowContext) -> str:
        try:
            await ctx.start(small.build(Number()).id("s"))
        except RunExistsError:
            return "refused"
        return "taken"

    async with World(w, small) as world:
        await small.start(world.app, Number(), id="s")
        assert await (await w.start(world.app)).result("5s") == "refused"


async def test_branches_are_undone_by_their_places_whoever_ended_first() -> None:
    async def undo(value: int) -> None:
        did.append(("undo", value))
        if did.count(("undo", value)) == 1:
            raise ValueError("not now")

    first = asyncio.Event()

    async def late() -> int:
        await first.wait()
        return 1

    async def early() -> int:
        first.set()
        return 2

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        async with ctx.gather() as g:
            _ = g.options(compensate=undo).step("a", late)
            _ = g.options(compensate=undo).step("b", early)
        raise KeyError("broken")

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        for _ in range(2):  # each is undone at the second attempt, by another claim
            await world.until("r", "suspended")
            world.clock.advance("1h")
            await asyncio.sleep(0.05)
        with pytest.raises(RunFailed, match="broken"):
            await run.result("5s")
    assert did == [("undo", 2), ("undo", 2), ("undo", 1), ("undo", 1)]


async def test_a_rewind_leaves_what_was_begun_before_its_step_alone() -> None:
    @task("job")
    async def job(p: Number) -> None: ...

    @workflow("small")
    async def small(ctx: WorkflowContext, p: Number) -> int:
        await ctx.wait(paid, key=str(p.n))
        return p.n

    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[Any]:
        child = await ctx.start(small.build(Number(n=1)))
        queued = await ctx.enqueue(job.build(Number()))
        did.append(child.id)
        await ctx.step("b", double, 1)
        return [child.id, queued, await ctx.run(small.build(Number(n=2))), await child.result()]

    async with World(w, small, tasks=(job,)) as world:
        run = await w.start(world.app, id="r")
        await world.until("r/small#1", "suspended")
        await world.until("r", "suspended")
        await world.app.workflows.rewind("r", "b")
        await world.until("r~1/small#1", "suspended")
        assert (await world.app.workflows.get("r/small#1")).state == "cancelled"
        assert (await world.app.workflows.get("r/small")).state == "suspended"
        for n in (1, 2):
            await paid.emit(world.app, Number(), key=str(n))
        assert await run.result("5s") == ["r/small", "r/enqueue:job", 2, 1]
    assert set(did) == {"r/small", ("double", 1)}


@pytest.mark.parametrize("how", ["run", "start", "gather"])
async def test_a_child_with_an_id_of_its_own_ends_before_it_begins_anew(how: str) -> None:
    async def clean(ctx: WorkflowContext, p: Number) -> None:
        await ctx.sleep("s", "10s")
        did.append("child cleaned")

    @workflow("small", on_cancel=clean)
    async def small(ctx: WorkflowContext, p: Number) -> int:
        await ctx.wait(paid, key=str(p.n))
        return p.n

    life = 0

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        call = small.build(Number(n=life)).id("kid")
        if how == "run":
            return await ctx.run(call)
        if how == "start":
            return await (await ctx.start(call)).result()
        async with ctx.gather() as g:
            kid = g.run(call)
            _ = g.step("beside", double, life)
        return await kid

    async with World(w, small) as world:
        run = await w.start(world.app, id="r")
        await world.until("kid", "suspended")
        await world.until("r", "suspended")
        life = 1
        await world.app.workflows.rewind("r", "small")
        seen = await world.until("r", "blocked")
        assert seen.reason == "its child kid, of an earlier life of the run, has still to end"
        await paid.emit(world.app, Number(), key="0")
        await paid.emit(world.app, Number(), key="1")
        while not (await world.app.workflows.get("kid")).waits:
            await asyncio.sleep(0.01)
        world.clock.advance("10s")
        while not (await world.app.workflows.get("kid")).finished:
            await asyncio.sleep(0.01)
        world.clock.advance("5s")
        assert await run.result("5s") == 1
    assert did.count("child cleaned") == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancel_that_is_stored_before_the_end_wins(fails: bool) -> None:
    async def clean(ctx: WorkflowContext, p: Number) -> None:
        did.append("clean")

    @workflow("w", on_cancel=clean)
    async def w(ctx: WorkflowContext, p: Number) -> int:
        await ctx.options(compensate=undo).step("a", double, 1)
        request = CancelRequest("changed their mind")  # as from another process, while this one computes
        store = world.app.engine.store.space(world.app.engine.namespace)  # type: ignore[attr-defined]
        end(MemoryRows(store, world.clock.now_ms()), "r", request, terminate=False)
        if fails:
            raise ValueError("broken")
        return 1

    async with World(w) as world:
        run = await w.start(world.app, Number(), id="r")
        with pytest.raises(RunCancelled, match="changed their mind"):
            await run.result("5s")
    assert did == [("double", 1), ("undo", 2), "clean"]


async def test_a_plain_function_whose_time_passes_while_it_is_awaited_is_undone_too() -> None:
    payments = queue.SimpleQueue[int]()

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        did.append("begun")
        await ctx.options(compensate=undo, timeout=0.3).step("pay", payments.get)

    async with Stem.in_memory(workflows=[w]) as app, app.worker():
        run = await w.start(app, id="r")
        while not did:
            await asyncio.sleep(0.01)
        await run.cancel()
        await asyncio.sleep(0.5)
        payments.put(7)
        with pytest.raises(RunCancelled):
            await run.result("5s")
    assert did == ["begun", ("undo", 7)]


async def test_a_clean_up_cannot_be_rewound_to() -> None:
    async def clean(ctx: WorkflowContext, p: Number) -> None:
        await ctx.step("tidy", double, 1)

    @workflow("w", on_cancel=clean)
    async def w(ctx: WorkflowContext, p: Number) -> None:
        await ctx.wait(paid)

    async with World(w) as world:
        run = await w.start(world.app, Number(), id="r")
        await world.until("r", "suspended")
        await run.cancel()
        await world.until("r", "cancelled")
        with pytest.raises(RunError, match="run r has no step 'cleanup:tidy'; it has none"):
            await world.app.workflows.rewind("r", "cleanup:tidy")


async def test_what_of_a_clean_up_failed_is_told() -> None:
    attempts = asyncio.Queue[int]()

    async def fails(value: int) -> None:
        attempts.put_nowait(value)
        raise LookupError("no refund today")

    async def clean(ctx: WorkflowContext, p: BaseModel) -> None:
        raise ValueError("a bug in on_cancel")

    @workflow("w", on_cancel=clean)
    async def w(ctx: WorkflowContext) -> None:
        await ctx.options(compensate=fails).step("charge", double, 1)
        await ctx.sleep("s", "1d")

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.until("r", "suspended")
        await run.cancel("enough")
        for _ in range(DEFAULT_OPTIONS.max_retries):
            await attempts.get()
            await world.pass_time("r", "10s")
        await world.until("r", "cancelled")
        ended, *rest = await world.app.workflows.explain("r")
        assert ended.startswith("it has been cancelled")
        assert rest == [
            "enough",
            "it waited for s",
            "on_cancel failed: ValueError: a bug in on_cancel",
            "charge was not undone: LookupError: no refund today",
        ]
        found = await run.status()
        assert found.error is not None
        assert found.error.message == "a bug in on_cancel"


async def test_a_time_out_around_ctx_is_refused_where_the_code_goes_on() -> None:
    async def slow() -> None:
        await asyncio.sleep(60)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        try:
            async with asyncio.timeout(0.05):
                await ctx.step("slow", slow)
        except TimeoutError:
            await ctx.step("late", double, 1)

    @workflow("v")
    async def v(ctx: WorkflowContext) -> str:
        try:
            async with asyncio.timeout(0.05):
                await ctx.step("slow", slow)
        except TimeoutError:
            return "late"
        return "in time"

    @workflow("u")
    async def u(ctx: WorkflowContext) -> None:
        async with asyncio.timeout(0.05):
            await ctx.step("slow", slow)

    async with World(w, v, u) as world:
        for one in (w, v, u):
            with pytest.raises(RunFailed, match="time-out around it"):
                await (await world.app.workflows.start(one.name)).result("5s")
    assert did == []


async def test_a_payload_that_does_not_fit_stands_still() -> None:
    said = Topic("said", payload=int)
    other = Topic("said", payload=str)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.wait(said)

    async with World(w) as world:
        await w.start(world.app, id="r")
        await world.until("r", "suspended")
        await other.emit(world.app, "five")
        seen = await world.until("r", "blocked")
    assert "does not fit the payload of <topic said>" in seen.reason


def test_a_clean_up_that_could_not_be_called_is_refused() -> None:
    async def clean(ctx: WorkflowContext) -> None: ...

    with pytest.raises(ConfigError, match=r"takes \(ctx, params\)"):
        workflow("w", on_cancel=cast("Any", clean))


async def test_who_has_slept_past_its_lease_begins_no_attempt() -> None:
    """As after SIGSTOP: another may do this step already, and a step is more than its checkpoint."""
    claims = list[float]()

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        journal = cast("Context", ctx)._x.journal
        claims.append(journal.stop_by)
        if len(claims) == 1:
            journal.stop_by = 0
        return await ctx.step("a", double, 1)

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        while not claims:
            await asyncio.sleep(0.01)
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert did == []
        async with asyncio.timeout(5):
            while not (await run.status()).finished:  # its lease ends, is doubted, and is over
                world.clock.advance("1m")
                await asyncio.sleep(0.02)
        assert await run.result("5s") == 2
    assert did == [("double", 1)]


async def test_workers_that_die_over_a_run_put_it_into_quarantine() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.step("a", double, 1)

    clock = FakeClock()
    world = World(w)
    world.app, world.clock = Stem.in_memory(workflows=[w], clock=clock), clock
    async with world.app:
        run = await w.start(world.app, id="r")
        for _ in range(6):
            await world.app.engine.workflows.claim(["\x01w@1"], 1, "dies/runs")
            clock.advance("31s")
    async with world:
        seen = await world.until("r", "quarantined")
        assert "5 workers in a row were lost" in seen.reason
        assert "dies/runs" in seen.reason
        assert did == []
        assert await world.app.workflows.resume("r")
        assert not await world.app.workflows.resume("r")
        assert await run.result("5s") == 2


async def test_a_result_type_that_cannot_be_read_is_an_error_and_not_a_guess() -> None:
    class Hidden(BaseModel):
        n: int

    async def hidden() -> Hidden:
        return Hidden(n=1)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return (await ctx.step("a", hidden)).n

    async with World(w) as world:
        with pytest.raises(RunFailed, match=r"the result type of .*hidden cannot be read: name 'Hidden'"):
            await (await w.start(world.app)).result("5s")


async def test_ctx_transaction_needs_a_store_that_has_them() -> None:
    def book(tx: Any) -> int:
        return 1

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        return await ctx.transaction("a", book)

    async with World(w) as world:
        with pytest.raises(RunFailed, match=r"ctx\.transaction needs a store"):
            await (await w.start(world.app)).result("5s")


def test_a_workflow_is_refused_in_words() -> None:
    with pytest.raises(Exception, match="must be an async def"):
        workflow("w")(lambda ctx: None)  # type: ignore[misc, arg-type]
    with pytest.raises(Exception, match="must take"):

        @workflow("w")  # type: ignore[arg-type]
        async def bad(p: Number) -> None: ...

    with pytest.raises(Exception, match="has no option 'cancel_aftr'; did you mean 'cancel_after'"):
        workflow("w", cancel_aftr="1h")  # type: ignore[call-arg]
    with pytest.raises(Exception, match="a workflow's name"):
        workflow("no name")
    with pytest.raises(Exception, match="version must be a whole number"):
        workflow("w", version=0)
    words: Any = {"keeep": "1h"}
    with pytest.raises(ConfigError, match="Flow has no option 'keeep'; did you mean 'keep'"):
        Flow("w", **words)
    with pytest.raises(ConfigError, match="WorkflowDefinition has no option 'keeep'; did you mean 'keep'"):
        WorkflowDefinition("w", returns=int, **words)
    flow = Flow("w", stub="w_flow", description="What it does.", on_change="warn").step("a", lambda ctx: 1)
    assert (flow.options.stub, flow.options.description, flow.options.on_change) == ("w_flow", "What it does.", "warn")


async def test_branches_have_options_and_contexts() -> None:
    async def inside(step: StepContext, n: int) -> int:
        await step.sleep("1h")
        return n + step.step_index

    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[int]:
        async with ctx.gather() as g:
            a = g.options(compensate=undo).step("a", double, 1)
            b = g.step_in("b", inside, 10)
            c = g.options(auto_version=True).step("c", double, 2)
        if await ctx.step("last", double, 3) == 6:
            raise LookupError(f"{await a} {await b} {await c}")
        return []

    async with World(w) as world:
        run = await w.start(world.app, id="r")
        await world.pass_time("r", "1h")
        with pytest.raises(RunFailed, match="2 11 4"):
            await run.result("5s")
    assert did[-1] == ("undo", 2)


async def test_a_fake_app_remembers_runs_events_and_messages() -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext, p: Number) -> int:
        return p.n

    fake = FakeStem()
    fake.answer(w, 5)
    run = await w.start(fake, Number(n=3), id="x")
    assert (run.id, run.started, await run.result()) == ("x", "new", 5)
    assert await paid.emit(fake, Number(n=1), key="k")
    assert await approval.send(fake, "y", "yes", start=w.build(Number(n=4)))
    assert fake.started(w) == [Number(n=3), Number(n=4)]
    with pytest.raises(ConfigError, match=r"started\(\) takes a workflow, found <task t>; fake.enqueued"):
        fake.started(TaskDefinition("t", args=Number, returns=int))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"enqueued\(\) takes a task, found .*fake.started"):
        fake.enqueued(w)  # type: ignore[arg-type]
    assert ([one.topic for one in fake.events], [one.run for one in fake.messages]) == (["t:paid\0k"], ["y"])
    assert (await run.status()).state == "queued"
    fake.reset()
    assert fake.started(w) == []


@pytest.mark.parametrize("value", ["", " a", "a ", "a\nb", "a\x1b", "a" * 201, 3])
def test_a_run_is_not_called_by_what_cannot_be_shown(value: Any) -> None:
    @workflow("w")
    async def w(ctx: WorkflowContext) -> None: ...

    with pytest.raises(ConfigError, match="a run's id must be 1 to 200 printable characters"):
        w.build(NoArgs()).id(value)
    assert w.build(NoArgs()).id("a" * 200).request.id == "a" * 200
