"""The line of jobs, whole."""

from __future__ import annotations

from stem.contracts.broker import Renewal
from stem.contracts.dead_letters import DeadFilter
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter
from stem.core.unique import UniqueClaim
from stem.testing.contracts import (
    DAY_MS,
    Contract,
    EngineFactory,
    cancel,
    dead,
    done,
    park,
    publish,
    run,
    settle_one,
    shift,
    submission,
    take,
    take_all,
    take_one,
)
from stem.testing.contracts.bells import BellContract
from stem.testing.contracts.cancelling import CancelContract
from stem.testing.contracts.claiming import ClaimContract
from stem.testing.contracts.clock import ClockContract
from stem.testing.contracts.publishing import PublishContract
from stem.testing.contracts.settling import SettleContract
from stem.testing.contracts.steps import restart


class BrokerContract(PublishContract, ClaimContract, CancelContract, SettleContract, BellContract, ClockContract):
    """The Broker of an engine."""

    async def test_what_is_over_and_swept_leaves_nothing_behind(self, engine: Engine) -> None:
        """Checklist: 106."""
        jobs = [
            submission(f"job-{number}", unique=UniqueClaim(f"key-{number}"), result_ttl_ms=1_000)
            for number in range(300)
        ]
        await run(engine, *jobs)
        await dead(engine, submission("dead", result_ttl_ms=1_000))
        await publish(engine, submission("waits"))
        await engine.queues.purge("q")
        shift(31 * DAY_MS, engine)
        while await engine.results.sweep():
            pass
        assert (await engine.jobs.page(JobFilter())).rows == []
        assert await engine.dead_letters.page(DeadFilter()) == ([], "")
        stats = await engine.queues.stats("q")
        assert (stats.waiting, stats.running, stats.dead) == (0, 0, 0)
        assert (stats.succeeded, stats.failed) == (300, 1)
        assert set(await publish(engine, *jobs)) == {"new"}


class DurableBrokerContract(Contract):
    """For engines whose store outlives them: everything is still there when all of them have been closed."""

    async def test_waiting_jobs_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 39."""
        await publish(engine, submission("now", priority=3, envelope=b"\x00"), submission("later", delay_ms=60_000))
        reopened = await restart(engine, engines)
        assert [(one.id, one.priority, one.envelope) for one in await take_all(reopened)] == [("now", 3, b"\x00")]
        shift(60_000, reopened)
        assert "later" in {one.id for one in await take_all(reopened)}

    async def test_running_jobs_survive_a_restart_under_the_same_lease(
        self, engine: Engine, engines: EngineFactory
    ) -> None:
        """Checklist: 62."""
        await publish(engine, submission("a"), submission("b"))
        a, b = await take(engine, limit=2)
        reopened = await restart(engine, engines)
        assert await take(reopened, limit=2) == []
        assert await settle_one(reopened, done(a)) == "done"
        shift(b.lease_ms + 1, reopened)
        assert [(one.id, one.losses) for one in await take(reopened, limit=2)] == [("b", 1)]

    async def test_a_settlement_is_recognised_after_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 45, 62."""
        await publish(engine, submission("a"))
        settlement = done(await take_one(engine))
        await settle_one(engine, settlement)
        assert await settle_one(await restart(engine, engines), settlement) == "repeated"

    async def test_parked_jobs_unique_keys_and_cancels_survive_a_restart(
        self, engine: Engine, engines: EngineFactory
    ) -> None:
        """Checklist: 11, 39, 62."""
        running = await park(engine, "parked")
        await publish(engine, submission("unique", "other", unique=UniqueClaim("key")))
        await cancel(engine, running.id)
        reopened = await restart(engine, engines)
        assert await publish(reopened, submission("second", "other", unique=UniqueClaim("key"))) == ["held"]
        assert [one.status for one in await reopened.broker.renew([Renewal(running.receipt)])] == ["cancel"]
        assert await take(reopened, limit=2) == []
        await settle_one(reopened, done(running))
        assert [one.id for one in await take(reopened, limit=2)] == ["parked"]
