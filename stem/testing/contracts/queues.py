"""Counts, pause, purge."""

from __future__ import annotations

from stem.contracts.engine import Engine
from stem.contracts.queues import QueueStats
from stem.core.limit import LimitRow
from stem.core.unique import UniqueClaim
from stem.testing.contracts import (
    NEVER_MS,
    Contract,
    EngineFactory,
    again,
    bury,
    cancel,
    dead,
    done,
    not_run,
    park,
    publish,
    release_one,
    run,
    settle_one,
    shift,
    snoozed,
    state_of,
    stopped,
    submission,
    take,
    take_all,
    take_one,
)


class QueuesContract(Contract):
    """Looking at lines and steering them."""

    async def test_a_queue_nobody_used_is_all_zero(self, engine: Engine) -> None:
        """Checklist: 97."""
        assert await engine.queues.stats("nobody") == QueueStats(name="nobody")
        assert await engine.queues.all() == []

    async def test_every_state_is_counted(self, engine: Engine) -> None:
        """Checklist: 97."""
        running = await park(engine, "parked")
        await publish(engine, submission("later", delay_ms=60_000), submission("now"), submission("now too"))
        assert await engine.queues.stats("q") == QueueStats(name="q", queued=2, delayed=1, parked=1, running=1)
        await settle_one(engine, done(running))
        stats = await engine.queues.stats("q")
        assert (stats.waiting, stats.running, stats.succeeded) == (4, 0, 1)

    async def test_every_end_is_counted(self, engine: Engine) -> None:
        """Checklist: 97."""
        await run(engine, submission("ok"))
        await dead(engine, submission("bad"))
        await publish(engine, submission("late", expires_ms=1_000), submission("waits", delay_ms=1_000))
        await cancel(engine, "waits")
        shift(1_000, engine)
        await settle_one(engine, not_run(await take_one(engine)))
        await publish(engine, submission("stops"))
        delivery = await take_one(engine)
        await cancel(engine, "stops")
        await settle_one(engine, stopped(delivery))
        assert await engine.queues.stats("q") == QueueStats(name="q", dead=2, succeeded=1, failed=1, cancelled=3)

    async def test_ends_of_one_batch_are_counted_each_as_what_it_is(self, engine: Engine) -> None:
        """Checklist: 97."""
        await publish(engine, *[submission(f"j{n}") for n in range(5)])
        first, second, *rest = await take(engine, limit=5)
        said = [stopped(first), stopped(second), *[done(one) for one in rest]]
        assert await engine.broker.settle(said) == ["done"] * 5
        assert await engine.queues.stats("q") == QueueStats(name="q", succeeded=3, cancelled=2)

    async def test_retries_and_losses_are_counted_and_snoozes_and_hand_backs_are_not(self, engine: Engine) -> None:
        """Checklist: 97."""
        await publish(engine, submission("a"))
        await settle_one(engine, again(await take_one(engine)))
        await settle_one(engine, again(await take_one(engine)))
        await settle_one(engine, snoozed(await take_one(engine)))
        await release_one(engine, await take_one(engine))
        shift((await take_one(engine)).lease_ms + 1, engine)
        await settle_one(engine, done(await take_one(engine)))
        assert await engine.queues.stats("q") == QueueStats(name="q", succeeded=1, retried=2, lost=1)

    async def test_a_replay_and_a_purge_of_dead_letters_are_counted(self, engine: Engine) -> None:
        """Checklist: 97."""
        await dead(engine, submission("a"), submission("b"))
        await engine.dead_letters.replay(["a"])
        await engine.dead_letters.purge(["b"])
        assert await engine.queues.stats("q") == QueueStats(name="q", queued=1, failed=2)

    async def test_all_queues_are_listed_by_name_each_with_its_own_numbers(self, engine: Engine) -> None:
        """Checklist: 97."""
        await publish(engine, submission("1", "b"), submission("2", "a"), submission("3", "b"))
        await run(engine, submission("4", "c"))
        expected = [QueueStats(name="a", queued=1), QueueStats(name="b", queued=2), QueueStats(name="c", succeeded=1)]
        assert await engine.queues.all() == expected

    async def test_a_paused_queue_hands_out_nothing_and_running_jobs_go_on(self, engine: Engine, other: Engine) -> None:
        """Checklist: 26."""
        await publish(engine, submission("a"), submission("b"), submission("c", "elsewhere"))
        running = await take_one(engine)
        await engine.queues.pause("q")
        assert (await other.queues.stats("q")).paused
        assert [one.id for one in await take(other, "q", "elsewhere", limit=10)] == ["c"]
        assert await publish(other, submission("d")) == ["new"]
        assert await settle_one(other, again(running)) == "done"
        assert await take(other, limit=10) == []
        await other.queues.resume("q")
        assert not (await engine.queues.stats("q")).paused
        assert sorted(one.id for one in await take_all(engine)) == ["a", "b", "d"]

    async def test_a_job_lost_while_its_queue_is_paused_waits_for_the_resume(self, engine: Engine) -> None:
        """Checklist: 26, 50."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        await engine.queues.pause("q")
        shift(delivery.lease_ms + 1, engine)
        assert await take(engine) == []
        await engine.queues.resume("q")
        assert (await take_one(engine)).losses == 1

    async def test_a_queue_can_be_paused_before_its_first_job(self, engine: Engine) -> None:
        """Checklist: 26."""
        await engine.queues.pause("q")
        await engine.queues.pause("q")
        await publish(engine, submission("a"))
        assert await take(engine) == []
        await engine.queues.resume("q")
        await engine.queues.resume("q")
        assert [one.id for one in await take(engine)] == ["a"]

    async def test_a_purge_forgets_what_waits_and_leaves_what_runs_or_lies_dead(self, engine: Engine) -> None:
        """Checklist: 99."""
        await dead(engine, submission("dead"))
        running = await park(engine, "parked")
        await publish(engine, submission("later", delay_ms=60_000), submission("now"), submission("else", "elsewhere"))
        assert await engine.queues.purge("q") == 3
        assert await engine.queues.purge("q") == 0
        states = [await state_of(engine, one) for one in ("parked", "later", "now", "runs", "dead", "else")]
        assert states == ["unknown"] * 3 + ["running", "failed", "queued"]
        stats = await engine.queues.stats("q")
        assert (stats.waiting, stats.running, stats.dead, stats.cancelled) == (0, 1, 1, 0)
        assert await settle_one(engine, done(running)) == "done"
        shift(60_000, engine)
        assert await take(engine, limit=10) == []

    async def test_a_purge_stops_at_its_limit(self, engine: Engine) -> None:
        """Checklist: 99."""
        await publish(engine, *[submission(f"job-{number}", delay_ms=number % 2 * 1_000) for number in range(25)])
        assert [await engine.queues.purge("q", 10) for _ in range(4)] == [10, 10, 5, 0]

    async def test_a_purged_id_and_its_unique_key_can_be_used_again(self, engine: Engine) -> None:
        """Checklist: 11, 99."""
        job = submission("a", unique=UniqueClaim("key"))
        await publish(engine, job)
        await engine.queues.purge("q")
        assert await publish(engine, job) == ["new"]

    async def test_a_purge_of_jobs_that_pass_room_on_leaves_nothing_and_counts_rightly(self, engine: Engine) -> None:
        """Checklist: 97, 99. Letting one out lets another back, in the middle of the purge."""
        await engine.limiter.define([LimitRow("narrow", running=1)])
        await publish(engine, *[submission(f"job-{n}", limit_key="narrow") for n in range(5)])
        await settle_one(engine, done((await take(engine, limit=5))[0]))
        assert await engine.queues.purge("q") == 4
        stats = await engine.queues.stats("q")
        assert (stats.queued, stats.delayed, stats.parked, stats.running) == (0, 0, 0, 0)

    async def test_a_purge_of_one_queue_frees_no_key_of_a_running_job(self, engine: Engine) -> None:
        """Checklist: 11, 99."""
        await publish(engine, submission("a", unique=UniqueClaim("key")))
        await take_one(engine)
        assert await engine.queues.purge("q") == 0
        assert await publish(engine, submission("b", unique=UniqueClaim("key"))) == ["held"]

    async def test_a_retry_comes_back_after_a_purge(self, engine: Engine) -> None:
        """Checklist: 99."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        await engine.queues.purge("q")
        assert await settle_one(engine, again(delivery)) == "done"
        assert (await take_one(engine)).attempt == 2

    async def test_a_paused_queue_wakes_nobody_for_good(self, engine: Engine) -> None:
        """Checklist: 26, 105."""
        await publish(engine, submission("a"))
        await engine.queues.pause("q")
        assert await take(engine) == []
        assert not await engine.broker.wait("w", NEVER_MS)


class DurableQueuesContract(Contract):
    """For engines whose store outlives them."""

    async def test_a_pause_survives_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 28."""
        await engine.queues.pause("q")
        await publish(engine, submission("a"))
        await engine.close()
        reopened = await engines.make()
        assert (await reopened.queues.stats("q")).paused
        assert await take(reopened) == []

    async def test_numbers_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 97."""
        await run(engine, submission("a"))
        await dead(engine, submission("b"))
        await publish(engine, submission("c"), submission("d"))
        await settle_one(engine, bury(await take_one(engine)))
        before = await engine.queues.stats("q")
        await engine.close()
        assert await (await engines.make()).queues.stats("q") == before
