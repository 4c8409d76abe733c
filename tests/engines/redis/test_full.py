"""A server without memory: new work is refused, and everything that makes room goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from importlib.resources import files

import pytest
from pydantic import BaseModel

from stem import Stem, task
from stem.contracts.broker import Renewal
from stem.core.limit import LimitRow
from stem.errors import EngineUnavailableError
from stem.redis.scripts import script
from stem.testing.contracts import (
    DAY_MS,
    SOON_MS,
    again,
    bury,
    cancel,
    done,
    publish,
    release_one,
    settle_one,
    shift,
    submission,
    take,
    take_all,
)
from stem.testing.contracts.runs import Hand, checkpoint, new_run, take_run
from tests.engines.redis.conftest import MakeEngine
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio


class Large(BaseModel):
    text: str


@contextlib.contextmanager
def full(server: RedisServer) -> Iterator[None]:
    """The server has no memory left."""
    server.ask("CONFIG", "SET", "maxmemory", "1mb")
    try:
        yield
    finally:
        server.ask("CONFIG", "SET", "maxmemory", "0")


async def test_whatever_makes_room_or_keeps_jobs_alive_goes_on_when_the_server_is_full(
    server: RedisServer, make: MakeEngine
) -> None:
    engine, other = await make(), await make()
    await engine.limiter.define([LimitRow("narrow", running=1)])
    names = ("done", "again", "buried", "released", "cancelled", "lost", "noted")
    await publish(engine, *[submission(one) for one in names], submission("waits"), submission("later", delay_ms=1_000))
    await publish(engine, submission("first", limit_key="narrow"), submission("second", limit_key="narrow"))
    held = {one.id: one for one in await take(engine, limit=len(names))}
    assert set(held) == set(names)
    await engine.workflows.start([new_run("run")])
    hand = Hand(engine, await take_run(engine))
    with full(server):
        (found,) = await engine.findings()
        assert found.refuses
        assert found.text.startswith("full: enqueues are refused. Redis is full: its maxmemory is used up")
        assert await settle_one(engine, done(held["done"], b'"' + b"x" * 1_000 + b'"')) == "done"
        assert await settle_one(engine, again(held["again"], 60_000)) == "done"
        assert await settle_one(engine, bury(held["buried"])) == "done"
        assert await release_one(engine, held["released"])
        assert await cancel(engine, "cancelled") == ("requested", "cancelled")
        assert [one.status for one in await engine.broker.renew([Renewal(held["noted"].receipt, 60_000)])] == ["held"]
        assert await engine.broker.progress(held["noted"].receipt, b"half")
        assert [one.id for one in await take(engine, limit=2)] == ["released", "waits"]
        assert [one.id for one in await take(engine, limit=9)] == ["first"]
        assert await take(engine, worker="idle") == []  # it can be put on the lists of those to be woken
        waiting = asyncio.create_task(other.results.wait("noted", SOON_MS))
        assert await settle_one(engine, done(held["noted"])) == "done"
        assert await waiting
        await engine.presence.beat("w", b"{}", ttl_ms=60_000)
        assert [one.worker for one in await engine.presence.alive()] == ["w"]
        assert (await hand.commit(steps=(checkpoint("a"),))).ended is False
        await hand.end()
        shift(held["lost"].lease_ms, engine, other)
        assert "lost" in {one.id for one in await take_all(engine)}
        assert await cancel(engine, "second") == ("cancelled", "cancelled")
        assert [one.status for one in await engine.dead_letters.replay(["buried"])] == ["replayed"]
        assert await engine.queues.purge("q") > 0
        shift(DAY_MS + 1, engine)
        assert await engine.results.sweep() > 0
        with pytest.raises(EngineUnavailableError, match="Redis is full"):
            await publish(engine, submission("new"))
        with pytest.raises(EngineUnavailableError, match="Redis is full"):
            await engine.workflows.start([new_run("another")])
    assert await engine.findings() == []
    assert await publish(engine, submission("new")) == ["new"]


async def test_a_worker_drains_a_full_server_to_empty(server: RedisServer) -> None:
    @task("large")
    async def large(args: Large) -> str:
        return args.text[:10]

    async with Stem(server.url, tasks=[large]) as app:
        await app.enqueue_many([large.build(Large(text="x" * 5_000)) for _ in range(400)])
        with full(server):
            with pytest.raises(EngineUnavailableError, match="Redis is full"):
                await large.enqueue(app, Large(text="one more"))
            async with asyncio.timeout(20):
                await app.worker(burst=True).run()
            stats = await app.engine.queues.stats("default")
            assert (stats.waiting, stats.running, stats.succeeded) == (0, 0, 400)


def test_every_operation_is_refused_by_a_full_server_goes_on_or_only_reads() -> None:
    """New work is refused; what frees memory in the end goes on, as its file says."""
    brings = {"publish", "start_runs", "tell_run", "emit", "say", "create_group", "fire", "put_entry", "try_publish"}
    reads = {
        *("channel_position", "dead_letters", "dead_page", "due_entries", "finished_jobs", "group", "job", "jobs"),
        *("live_jobs", "lock_holder", "now", "page_runs", "records", "run", "run_events", "run_waiters", "stats"),
        *("outbox", "alive"),  # they forget, which takes no memory
    }
    texts = {path.name[:-4]: path.read_text() for path in (files("stem.redis") / "lua").iterdir() if path.is_file()}
    goes_on = {name for name, text in texts.items() if "-- when full: goes on\n" in text}
    assert sorted(texts) == sorted([*goes_on, *brings, *reads])
    for name in texts:
        assert script(name).text.startswith("redis.call('DEL', KEYS[2])") is (name in goes_on)
