"""What operations cost does not depend on how much is stored: counted in commands and bytes, not in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from stem import Stem
from stem.contracts.broker import Renewal
from stem.contracts.dead_letters import DeadFilter
from stem.contracts.jobs import JobFilter
from stem.core.lease import SAFETY_MS
from stem.core.unique import UniqueClaim
from stem.redis import RedisEngine
from stem.testing.contracts import bury, done, publish, run, submission, take, take_all
from tests.engines.redis.conftest import MakeEngine
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio

#: Jobs of each kind that lie there before anything is counted.
FEW, MANY = 60, 3_000

Operation: TypeAlias = Callable[[RedisEngine], Awaitable[Any]]


async def stats(engine: RedisEngine) -> None:
    await engine.queues.stats("q")


async def publishing(engine: RedisEngine) -> None:
    jobs = [submission(f"new-{n}", unique=UniqueClaim(f"new-{n}")) for n in range(5)]
    assert await publish(engine, *jobs, submission("new-late", delay_ms=1)) == ["new"] * 6


async def a_cycle(engine: RedisEngine) -> None:
    deliveries = await take(engine, limit=10)
    await engine.broker.renew([Renewal(one.receipt) for one in deliveries])
    assert await engine.broker.settle([done(one) for one in deliveries]) == ["done"] * 10


async def an_empty_claim(engine: RedisEngine) -> None:
    assert await take(engine, "empty") == []


async def burying_and_replaying(engine: RedisEngine) -> None:
    (delivery,) = await take(engine)
    await engine.broker.settle([bury(delivery)])
    assert (await engine.dead_letters.replay([delivery.id]))[0].status == "replayed"


async def looking(engine: RedisEngine) -> None:
    assert await engine.jobs.get("ready-1") is not None
    assert (await engine.results.get(["over-1"]))[0] is not None


async def paging(engine: RedisEngine) -> None:
    assert len((await engine.jobs.page(JobFilter(), limit=5)).rows) == 5
    assert len((await engine.dead_letters.page(DeadFilter(), limit=5))[0]) == 5


async def paging_for_nothing(engine: RedisEngine) -> None:
    for which in (JobFilter(task="nobody"), JobFilter(task="nobody", states=("failed",))):
        page = await engine.jobs.page(which, look=20)
        assert page.rows == []
        assert page.looked <= 20


def commands(server: RedisServer) -> dict[str, int]:
    """How often each command ran since the last look, those of scripts included."""
    seen = {
        name.removeprefix("cmdstat_"): int(text.split(",", 1)[0].removeprefix("calls="))
        for name, text in server.info("commandstats").items()
    }
    server.ask("CONFIG", "RESETSTAT")
    return {name: calls for name, calls in seen.items() if not name.startswith(("config", "info", "hello", "client"))}


async def fill(engine: RedisEngine, count: int) -> None:
    await run(engine, *[submission(f"over-{n}") for n in range(count)])
    await publish(engine, *[submission(f"dead-{n}") for n in range(count)])
    await engine.broker.settle([bury(one) for one in await take_all(engine, limit=100)])
    await publish(engine, *[submission(f"runs-{n}", lease_ms=86_400_000) for n in range(count)])
    await take_all(engine, limit=100)
    await publish(engine, *[submission(f"late-{n}", delay_ms=86_400_000 + n) for n in range(count)])
    await publish(engine, *[submission(f"ready-{n}") for n in range(count)])


@pytest.mark.parametrize(
    "operation",
    [stats, publishing, a_cycle, an_empty_claim, burying_and_replaying, looking, paging, paging_for_nothing],
)
async def test_the_number_of_commands_does_not_grow_with_what_is_stored(
    server: RedisServer, make: MakeEngine, operation: Operation
) -> None:
    counted: list[dict[str, int]] = []
    for count in (FEW, MANY):
        engine = await make(namespace=f"n{count}")
        await fill(engine, count)
        await operation(await make(namespace="teaches-scripts")) if operation in {stats, an_empty_claim} else None
        commands(server)
        await operation(engine)
        counted.append(commands(server))
    few, many = (sum(one.values()) for one in counted)
    assert many <= few * 1.2 + 3, counted


async def test_a_batch_costs_few_commands_a_job(server: RedisServer, make: MakeEngine) -> None:
    """For plain jobs one each to enter its stream and to keep its result; all else is for the whole batch."""
    engine = await make()
    await run(engine, *[submission(f"warm-{n}") for n in range(5)])
    commands(server)
    await publish(engine, *[submission(f"job-{n}") for n in range(100)])
    assert sum(commands(server).values()) <= 100 + 18
    deliveries = await take(engine, limit=100)
    assert sum(commands(server).values()) <= 20
    await engine.broker.settle([done(one) for one in deliveries])
    assert sum(commands(server).values()) <= 100 + 16


async def test_waiting_costs_no_commands(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    assert await take(engine) == []
    commands(server)
    await asyncio.gather(
        engine.broker.wait("w", 300),
        engine.results.changed("a", "gone", 300),
        engine.inbox.receive("w", timeout_ms=300),
        engine.broadcast.read("news", 0, timeout_ms=300),
        engine.schedules.wait(300),
    )
    seen = commands(server)
    assert seen["evalsha"] <= 15  # each asks once, and once more at its end; a script is taught at its first use
    assert sum(seen.values()) <= 60


async def test_an_idle_worker_asks_less_than_once_in_five_seconds(server: RedisServer) -> None:
    """Counted over the first seconds, which hold more than their share, and computed for a minute from its parts."""
    app = Stem(server.url, tasks=[])
    async with app:
        worker = app.worker(queues=["q"])
        running = asyncio.create_task(worker.run())
        while not await app.engine.presence.alive():
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        commands(server)
        await asyncio.sleep(4)
        asked = commands(server).get("evalsha", 0)
        await worker.stop()
        await running
    assert asked <= 3  # looks of those who wait, at growing intervals
    safety, beat, sweep, look = SAFETY_MS / 1000, 10.5, 60, 60
    assert 60 / safety + 60 / beat + 60 / sweep + 60 / look <= 12


async def test_bytes_a_job_and_back_to_where_it_began(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    await run(engine, *[submission(f"{n:032}", envelope=b"x" * 200, result_ttl_ms=1) for n in range(2_000)])
    empty = int(server.info("memory")["used_memory"])
    count = 10_000
    await publish(engine, *[submission(f"1{n:031}", envelope=b"x" * 200, result_ttl_ms=1) for n in range(count)])
    ready = int(server.info("memory")["used_memory"]) - empty
    assert ready / count < 750
    await engine.broker.settle([done(one) for one in await take_all(engine, limit=500)])
    while int(server.ask("DBSIZE")) > 100:  # results go by themselves, when their time is over
        await asyncio.sleep(0.02)
    over = int(server.info("memory")["used_memory"]) - empty
    assert over < 0.2 * ready, (over, ready)
