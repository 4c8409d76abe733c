"""What operations cost does not depend on how much is stored: counted in steps of SQLite's machine, not in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from stem.contracts.broker import Renewal
from stem.contracts.dead_letters import DeadFilter
from stem.contracts.jobs import JobFilter
from stem.core.unique import UniqueClaim
from stem.sqlite import SqliteEngine
from stem.testing.contracts import bury, cancel, done, publish, run, submission, take
from tests.engines.sqlite.conftest import MakeEngine

pytestmark = pytest.mark.anyio

#: Jobs of each kind that lie in the file before anything is counted.
FEW, MANY = 50, 2_000
#: A tree that is a level deeper costs a few steps more at each look; reading everything costs 40 times as many.
ALLOWED = 1.5

Operation: TypeAlias = Callable[[SqliteEngine], Awaitable[Any]]


async def stats(engine: SqliteEngine) -> None:
    await engine.queues.stats("q")


async def publishing(engine: SqliteEngine) -> None:
    jobs = [submission(f"new-{n}", unique=UniqueClaim(f"new-{n}")) for n in range(5)]
    assert await publish(engine, *jobs, submission("new-late", delay_ms=1)) == ["new"] * 6


async def a_cycle(engine: SqliteEngine) -> None:
    deliveries = await take(engine, limit=10)
    assert len(deliveries) == 10
    await engine.broker.renew([Renewal(one.receipt) for one in deliveries])
    assert await engine.broker.settle([done(one) for one in deliveries]) == ["done"] * 10


async def an_empty_claim(engine: SqliteEngine) -> None:
    assert await take(engine, "empty") == []


async def burying_and_replaying(engine: SqliteEngine) -> None:
    (delivery,) = await take(engine)
    await engine.broker.settle([bury(delivery)])
    assert (await engine.dead_letters.replay([delivery.id]))[0].status == "replayed"


async def looking(engine: SqliteEngine) -> None:
    assert await engine.jobs.get("ready-1") is not None
    assert await engine.jobs.get("over-1") is not None
    assert (await engine.results.get(["over-1"]))[0] is not None


async def pages(engine: SqliteEngine) -> None:
    assert len((await engine.jobs.page(JobFilter(), limit=10)).rows) == 10
    assert len((await engine.dead_letters.page(DeadFilter(), limit=10))[0]) == 10


async def pages_for_nothing(engine: SqliteEngine) -> None:
    for which in (JobFilter(task="nobody"), JobFilter(task="nobody", states=("failed",)), JobFilter(queue="nobody")):
        page = await engine.jobs.page(which, look=20)
        assert page.rows == []
        assert page.looked <= 20


async def cancelling(engine: SqliteEngine) -> None:
    assert (await cancel(engine, "ready-2"))[0] == "cancelled"
    assert (await cancel(engine, "late-2"))[0] == "cancelled"


async def sweeping(engine: SqliteEngine) -> None:
    assert await engine.results.sweep() == 0


OPERATIONS: list[Operation] = [
    stats,
    publishing,
    a_cycle,
    an_empty_claim,
    burying_and_replaying,
    looking,
    pages,
    pages_for_nothing,
    cancelling,
    sweeping,
]


class Meter:
    """Counts the steps of both connections of an engine."""

    def __init__(self, engine: SqliteEngine) -> None:
        here = engine._store._open
        assert here is not None
        self.steps = 0
        self._connections: list[sqlite3.Connection] = [here.writer._conn, here.reader._conn]

    def __enter__(self) -> Meter:
        for conn in self._connections:
            conn.set_progress_handler(self._count, 1)
        return self

    def __exit__(self, *exc: object) -> None:
        for conn in self._connections:
            conn.set_progress_handler(None, 1)

    def _count(self) -> int:
        self.steps += 1
        return 0


async def fill(engine: SqliteEngine, count: int) -> None:
    """`count` jobs that are ready, delayed, dead, over and running, each.

    Dead before over: a page of jobs skips the results of dead letters, which it lists as jobs.
    """
    for kind, options in (("ready", {}), ("late", {"delay_ms": 10_000_000}), ("dead", {}), ("over", {}), ("held", {})):
        for start in range(0, count, 500):
            ids = [f"{kind}-{n}" for n in range(start, min(start + 500, count))]
            batch = [submission(one, kind if kind in {"over", "dead", "held"} else "q", **options) for one in ids]
            if kind == "over":
                await run(engine, *batch)
                continue
            await publish(engine, *batch)
            if kind in {"dead", "held"}:
                taken = await take(engine, kind, limit=500)
                if kind == "dead":
                    await engine.broker.settle([bury(one) for one in taken])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
async def test_the_cost_does_not_grow_with_what_is_stored(make: MakeEngine, operation: Operation) -> None:
    """Checklist: 98, 103."""
    counted: list[int] = []
    for namespace, count in (("few", FEW), ("many", MANY)):
        engine = await make(namespace=namespace)
        await fill(engine, count)
        with Meter(engine) as meter:
            await operation(engine)
        counted.append(meter.steps)
    few, many = counted
    assert few > 0
    assert many <= few * ALLOWED, f"{few} steps with {FEW} jobs of each kind, {many} with {MANY}"
