"""What holds for all roles: namespaces, time, open and close, lost replies."""

from __future__ import annotations

import asyncio

import anyio.to_thread
import pytest

from stem.contracts.broker import Renewal
from stem.contracts.dead_letters import DeadFilter
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter, JobPage
from stem.contracts.schedules import Entry
from stem.core.limit import LimitRow
from stem.core.unique import UniqueClaim
from stem.errors import EngineUnavailableError
from stem.testing.contracts import (
    DAY_MS,
    NEVER_MS,
    SOON_MS,
    Contract,
    EngineFactory,
    dead,
    done,
    publish,
    record_of,
    run,
    settle_one,
    shift,
    state_of,
    submission,
    take,
    take_all,
    take_one,
)
from stem.testing.sabotage import Sabotage


class EngineContract(Contract):
    """One connection, one namespace."""

    async def test_two_namespaces_on_one_store_share_nothing(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 9."""
        away = await engines.make("away")
        assert (engine.namespace, away.namespace) == ("stem", "away")
        await run(engine, submission("done"))
        await dead(engine, submission("dead"))
        await publish(engine, submission("waits", unique=UniqueClaim("key"), limit_key="room"))
        await engine.limiter.define([LimitRow("room", running=1)])
        await engine.groups.create("g", ["a"], None, collect=False, ttl_ms=DAY_MS)
        assert await engine.locks.acquire("lock", "a", DAY_MS) is not None
        await engine.inbox.send("w", b"hello", ttl_ms=DAY_MS)
        place = await away.broadcast.position("news")
        await engine.broadcast.send("news", b"hello")
        await engine.presence.beat("w", b"", ttl_ms=DAY_MS)
        await engine.schedules.put(Entry(id="e", spec=b"", next_at=0))
        await engine.schemas.publish("d", b"")
        await engine.queues.pause("paused")

        assert await take(away) == []
        assert await away.queues.all() == []
        assert await away.jobs.page(JobFilter()) == JobPage([])
        assert await away.dead_letters.page(DeadFilter()) == ([], "")
        assert await away.results.get(["done", "dead"]) == [None, None]
        assert await away.limiter.rows() == []
        assert await away.groups.get("g") is None
        assert await away.locks.holder("lock") is None
        assert await away.inbox.receive("w") == []
        assert (await away.broadcast.read("news", place))[0] == []
        assert await away.presence.alive() == []
        assert await away.schedules.due() == ([], None)
        assert await away.schemas.digests() == []
        assert await publish(away, submission("waits", unique=UniqueClaim("key"))) == ["new"]
        assert await away.queues.purge("q") == 1
        assert await state_of(engine, "waits") == "queued"

    async def test_a_receipt_of_one_namespace_is_worth_nothing_in_another(
        self, engine: Engine, engines: EngineFactory
    ) -> None:
        """Checklist: 9, 44."""
        away = await engines.make("away")
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        assert await settle_one(away, done(delivery)) == "stale"
        assert [one.status for one in await away.broker.renew([Renewal(delivery.receipt)])] == ["lost"]
        assert await settle_one(engine, done(delivery)) == "done"

    @pytest.mark.parametrize("pair", [("a", "a:q"), ("a", "ab"), ("a", "A"), ("a_b", "a%b"), ("{a}", "a")])
    async def test_namespaces_that_look_alike_stay_apart(self, engines: EngineFactory, pair: tuple[str, str]) -> None:
        """Checklist: 9."""
        one, two = [await engines.make(namespace) for namespace in pair]
        await publish(one, submission("a", "q"), submission("b", "q:q"))
        assert await take_all(two, "q", "q:q", ":q") == []
        assert await two.queues.all() == []

    async def test_a_publish_in_one_namespace_wakes_nobody_in_another(
        self, engine: Engine, engines: EngineFactory
    ) -> None:
        """Checklist: 105."""
        away = await engines.make("away")
        assert await take(away) == []
        await publish(engine, submission("a"))
        assert not await away.broker.wait("w", NEVER_MS)

    async def test_time_moves_with_the_skew(self, engine: Engine) -> None:
        """Checklist: 33."""
        before = await engine.now_ms()
        shift(DAY_MS, engine)
        after = await engine.now_ms()
        assert DAY_MS <= after - before <= DAY_MS + SOON_MS
        shift(-DAY_MS, engine)
        assert await engine.now_ms() - before <= SOON_MS

    async def test_engines_on_one_store_agree_on_the_time(self, engine: Engine, other: Engine) -> None:
        """Checklist: 33."""
        times = [await one.now_ms() for one in (engine, other, engine)]
        assert times == sorted(times)
        assert times[-1] - times[0] <= SOON_MS

    async def test_a_skew_moves_time_for_its_own_engine_only(self, engine: Engine, other: Engine) -> None:
        """Checklist: 33."""
        await publish(engine, submission("a", delay_ms=60_000))
        shift(60_000, other)
        assert await take(engine) == []
        assert [one.id for one in await take(other)] == ["a"]

    async def test_the_renewal_line_moves_with_the_skew(self, engine: Engine) -> None:
        """Checklist: 51."""
        await publish(engine, submission("a", lease_ms=60_000))
        delivery = await take_one(engine)
        line = engine.renewals()
        try:
            shift(50_000, engine)
            await anyio.to_thread.run_sync(line.renew, [Renewal(delivery.receipt)])
        finally:
            await anyio.to_thread.run_sync(line.close)
        shift(50_000, engine)
        assert await take(engine) == []

    async def test_opening_and_closing_twice_is_fine(self, engines: EngineFactory) -> None:
        engine, other = await engines.make(), await engines.make()
        await engine.open()
        assert await publish(engine, submission("a")) == ["new"]
        await engine.close()
        await engine.close()
        assert [one.id for one in await take(other)] == ["a"]

    async def test_one_engine_closed_leaves_the_others_alone(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 58."""
        leaves = await engines.make()
        await publish(leaves, submission("a"))
        delivery = await take_one(leaves)
        await leaves.close()
        assert await settle_one(engine, done(delivery)) == "done"
        assert await record_of(engine, "a") is not None

    async def test_a_worker_that_left_with_its_engine_is_not_rung(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 35, 58."""
        leaves = await engines.make()
        assert await take(leaves, worker="leaves") == []
        waiting = asyncio.create_task(leaves.broker.wait("leaves", 60_000))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await leaves.close()
        assert await take(engine, worker="stays") == []
        await publish(engine, submission("a"))
        assert await engine.broker.wait("stays", SOON_MS)

    async def test_it_says_what_it_is_and_how_durable(self, engine: Engine) -> None:
        told = engine.describe()
        assert told["engine"]
        assert told["durability"]
        assert engine.url


class SabotageContract(Contract):
    """The saboteur itself, on this engine: contract tests are worth what it is worth."""

    async def test_a_failure_before_a_call_leaves_the_store_as_it_was(self, engine: Engine) -> None:
        """Checklist: 5."""
        sabotage = Sabotage(engine)
        sabotage.fail_before("broker.publish", times=2)
        for _ in range(2):
            with pytest.raises(EngineUnavailableError):
                await sabotage.broker.publish([submission("a")])
            assert await state_of(engine, "a") == "unknown"
        assert await publish(sabotage, submission("a")) == ["new"]
        assert (sabotage.calls["broker.publish"], sabotage.pending) == (3, {})

    async def test_a_failure_after_a_call_lets_it_happen(self, engine: Engine) -> None:
        """Checklist: 5."""
        sabotage = Sabotage(engine)
        sabotage.fail_after("broker.publish")
        assert sabotage.pending == {"broker.publish": 1}
        with pytest.raises(EngineUnavailableError):
            await sabotage.broker.publish([submission("a")])
        assert await state_of(engine, "a") == "queued"

    async def test_a_lease_can_be_lost_on_demand(self, engine: Engine, other: Engine) -> None:
        """Checklist: 50."""
        sabotage = Sabotage(engine)
        await publish(sabotage, submission("a"))
        await take_one(sabotage)
        assert await take(other) == []
        await sabotage.lose_lease("a", other)
        assert (await take_one(other)).losses == 1
        with pytest.raises(LookupError):
            await sabotage.lose_lease("unknown")

    @pytest.mark.parametrize("name", ["broker", "broker.unknown", "unknown.settle", "results.reply_to", ""])
    async def test_a_call_that_does_not_exist_cannot_fail(self, engine: Engine, name: str) -> None:
        with pytest.raises(LookupError):
            Sabotage(engine).fail_before(name)
