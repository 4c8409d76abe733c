"""Runs while time goes by: short retries, leases that steps keep, and when things began."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stem import (
    EngineUnavailableError,
    Mailbox,
    RetryPolicy,
    RunFailed,
    Stem,
    StepFailed,
    Topic,
    Transaction,
    WorkflowContext,
    task,
    workflow,
)
from stem.contracts.engine import Engine, RenewalLine
from stem.sqlite import SqliteEngine
from stem.sqlite.step import Step
from stem.testing.sabotage import Sabotage

pytestmark = pytest.mark.anyio
PATIENT = RetryPolicy.fixed("30ms")


@pytest.mark.parametrize("branch", [False, True])
async def test_a_short_retry_goes_on_in_the_same_worker_without_a_replay(branch: bool) -> None:
    begun, attempts = list[int](), list[int]()

    async def flaky() -> int:
        attempts.append(1)
        if len(attempts) < 4:
            raise OSError("away for a moment")
        return len(attempts)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> int:
        begun.append(1)
        if not branch:
            return await ctx.options(max_retries=3, retry=PATIENT).step("a", flaky)
        async with ctx.gather() as g:
            a = g.options(max_retries=3, retry=PATIENT).step("a", flaky)
        return await a

    async with Stem.in_memory(workflows=[w]) as app, app.worker():
        assert await (await w.start(app)).result("3s") == 4
    assert begun == [1]


async def test_branches_in_back_off_go_on_each_at_its_own_time() -> None:
    begun, ended = list[int](), list[str]()
    failed = set[str]()

    async def flaky(name: str) -> str:
        if name not in failed:
            failed.add(name)
            raise OSError("away for a moment")
        ended.append(name)
        return name

    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[str]:
        begun.append(1)
        async with ctx.gather() as g:
            late = g.options(retry=RetryPolicy.fixed("700ms")).step("late", flaky, "late")
            soon = g.options(retry=RetryPolicy.fixed("20ms")).step("soon", flaky, "soon")
            nap = g.sleep("nap", "100ms")
        await nap
        return [await late, await soon]

    async with Stem.in_memory(workflows=[w]) as app, app.worker():
        assert await (await w.start(app)).result("3s") == ["late", "soon"]
    assert (begun, ended) == ([1], ["soon", "late"])


# ---------------------------------------------------------------- leases


class CutOff(Sabotage):
    """Everything but renewals gets through."""

    def renewals(self) -> RenewalLine:
        raise EngineUnavailableError("renewals are cut off")


class CannotRenew(Stem):
    def make_engine(self) -> Engine:
        return CutOff(super().make_engine())


async def test_steps_that_are_stored_keep_the_lease_while_renewals_fail() -> None:
    begun, left = list[int](), list[timedelta]()

    async def takes_a_while() -> None:
        await asyncio.sleep(0.2)

    @workflow("w", visibility_timeout="2s")
    async def w(ctx: WorkflowContext) -> str:
        begun.append(1)
        for n in range(11):
            await ctx.step(f"step[{n}]", takes_a_while)
            left.append(ctx.lease_remaining)
        return "done"

    async with CannotRenew("memory://", workflows=[w]) as app, app.worker():
        assert await (await w.start(app)).result("5s") == "done"
    assert begun == [1]
    assert min(left) > timedelta(seconds=0.5)


# ---------------------------------------------------------------- transactions that are tried again


async def test_a_transaction_that_is_tried_again_gives_what_was_stored(tmp_path: Path) -> None:
    calls = list[int]()

    def book(tx: Transaction) -> str:
        calls.append(1)
        tx.execute("CREATE TABLE booking (id INTEGER)")
        tx.execute("INSERT INTO booking VALUES (?)", (len(calls),))
        return f"call {len(calls)} " + "x" * 100_000

    @workflow("w")
    async def w(ctx: WorkflowContext) -> list[str]:
        await engine._store.write(full)
        said = await ctx.transaction("book", book)
        return [said.strip("x"), await ctx.step("after", str, said[:6])]

    def full(step: Step) -> None:
        (pages,) = step.execute("PRAGMA page_count").fetchone()
        step.execute(f"PRAGMA max_page_count = {pages + 8}")

    def roomy(step: Step) -> None:
        step.execute("PRAGMA max_page_count = 1000000")

    async with Stem(f"sqlite:///{tmp_path / 'stem.db'}", workflows=[w]) as app, app.worker():
        found = app.engine
        assert isinstance(found, SqliteEngine)
        engine = found
        run = await w.start(app)
        async with asyncio.timeout(5):
            while not calls:
                await asyncio.sleep(0.005)
        await engine._store.write(roomy)
        said = await run.result("5s")
        assert len(calls) > 1
        assert said == [f"call {len(calls)} ", f"call {len(calls)}"]
        assert (await run.status()).steps[0].value.startswith(f'"call {len(calls)} ')
        rows = await engine._store.read(lambda view: view.execute("SELECT id FROM booking").fetchall())
        assert rows == [(len(calls),)]


# ---------------------------------------------------------------- when it began


paid = Topic("paid", payload=int)
approval = Mailbox("approval", payload=str)


@task("ping")
async def ping() -> None: ...


async def test_whatever_a_run_does_says_when_it_began_and_ended(tmp_path: Path) -> None:
    def works(*_: Any) -> int:
        return 1

    def fails(*_: Any) -> int:
        raise LookupError("none")

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        await ctx.step("step", works)
        await ctx.transaction("transaction", works)
        with pytest.raises(StepFailed):
            await ctx.options(max_retries=0).step("fails in a step", fails)
        with pytest.raises(StepFailed):
            await ctx.transaction("fails in a transaction", fails)
        await ctx.enqueue(ping.build())
        await ctx.emit(paid, 1)
        await ctx.send(approval, ctx.run_id, "yes")
        assert await ctx.wait(approval) == "yes"
        await ctx.sleep("nap", 0)
        async with ctx.gather() as g:
            branch = g.step("branch", works)
        await branch

    async with Stem(f"sqlite:///{tmp_path / 'stem.db'}", tasks=[ping], workflows=[w]) as app, app.worker():
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        run = await w.start(app)
        await run.result("5s")
        after = datetime.now(UTC) + timedelta(milliseconds=1)
        seen = await run.status()
    assert len(seen.steps) == 10
    for step in seen.steps:
        assert step.finished_at is not None
        assert before <= step.finished_at <= after, step.key
        if step.kind not in {"wait", "sleep"}:
            assert step.started_at is not None
            assert before <= step.started_at <= step.finished_at + timedelta(milliseconds=1), step.key
    assert seen.created_at is not None
    assert before <= seen.created_at <= after


# ---------------------------------------------------------------- time-outs of the code's own


async def test_a_time_out_of_the_workflows_own_is_its_own_error() -> None:
    @workflow("raises")
    async def raises(ctx: WorkflowContext) -> None:
        raise TimeoutError("the bank did not answer")

    @workflow("around")
    async def around(ctx: WorkflowContext) -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)

    async with Stem.in_memory(workflows=[raises, around]) as app, app.worker():
        for one, said in ((raises, "the bank did not answer"), (around, "")):
            with pytest.raises(RunFailed) as caught:
                await (await one.start(app)).result("3s")
            assert (caught.value.error_type, caught.value.error_message) == ("TimeoutError", said)


async def test_an_error_raised_after_a_call_of_ctx_was_broken_off_is_told_as_it_is() -> None:
    async def slow() -> None:
        await asyncio.sleep(5)

    @workflow("w")
    async def w(ctx: WorkflowContext) -> None:
        try:
            async with asyncio.timeout(0.05):
                await ctx.step("slow", slow)
        except TimeoutError:
            raise LookupError("no answer") from None

    async with Stem.in_memory(workflows=[w]) as app, app.worker():
        with pytest.raises(RunFailed) as caught:
            await (await w.start(app)).result("3s")
    assert (caught.value.error_type, caught.value.error_message) == ("LookupError", "no answer")
