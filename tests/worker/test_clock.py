"""The store's clock is set while two workers work: nothing that lives is run a second time, nothing stands still."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from stem import Rate, Stem, WorkflowContext, task, workflow
from stem.memory import MemoryStore
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio

STEPS_MS = (-3_600_000, -600_000, -10_000, 10_000, 600_000, 3_600_000)
begun: Counter[str] = Counter()


class Named(BaseModel):
    name: str


@task("held", visibility_timeout="1s")
async def held(args: Named) -> str:
    begun[args.name] += 1
    await asyncio.sleep(1.8)
    return args.name


async def slow(name: str) -> None:
    begun[name] += 1
    await asyncio.sleep(1.8)


@workflow("held.run", visibility_timeout="1s")
async def run(ctx: WorkflowContext, args: Named) -> str:
    await ctx.step("slow", slow, args.name)
    return args.name


@task("parked", rate_limit=Rate("10/s", burst=1))
async def parked(args: Named) -> str:
    begun[args.name] += 1
    return args.name


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("server")
        server.ask("FLUSHALL")
        return server.url
    return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'stem.db'}"}[request.param]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer.start() as running:
        yield running


@pytest.mark.parametrize("step_ms", STEPS_MS)
async def test_two_workers_run_everything_once_whatever_the_clock_does(url: str, step_ms: int) -> None:
    begun.clear()
    shared = MemoryStore()
    apps = [Stem(url, tasks=[held, parked], workflows=[run]) for _ in range(2)]
    for app in apps:
        if app._store is not None:
            app._store = shared
    async with apps[0] as first, apps[1] as second, first.worker(concurrency=20), second.worker(concurrency=20):
        jobs = [await held.enqueue(first, Named(name=f"job-{n}")) for n in range(6)]
        runs = [await run.start(first, Named(name=f"run-{n}")) for n in range(3)]
        waiting = [await parked.enqueue(first, Named(name=f"parked-{n}")) for n in range(5)]
        async with asyncio.timeout(5):
            while len([name for name in begun if not name.startswith("parked")]) < 9:
                await asyncio.sleep(0.01)
        for app in apps:
            app.engine.skew_ms += step_ms
        for one in (*jobs, *waiting):
            assert await one.result("20s")
        for each in runs:
            assert await each.result("20s")
    assert set(begun.values()) == {1}
    assert len(begun) == 14
