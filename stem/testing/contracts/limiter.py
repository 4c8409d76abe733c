"""Limits of rate and of concurrency, as `claim` respects them."""

from __future__ import annotations

import asyncio

import pytest

from stem.contracts.broker import Delivery
from stem.contracts.engine import Engine
from stem.core.limit import LimitRow, limit_key
from stem.core.rate import Bucket
from stem.errors import ConfigError
from stem.testing.contracts import (
    DAY_MS,
    SOON_MS,
    Contract,
    EngineFactory,
    again,
    bury,
    cancel,
    done,
    not_run,
    publish,
    release_one,
    run,
    settle_one,
    shift,
    snoozed,
    state_of,
    submission,
    take,
    take_all,
    take_one,
)

MINUTE_MS = 60_000


def rate(count: int, per_ms: int = MINUTE_MS, burst: int | None = None, name: str = "rate") -> LimitRow:
    """So many in this time."""
    return LimitRow(name, bucket=Bucket(count, per_ms, burst or count))


def room(running: int, name: str = "room") -> LimitRow:
    """So many at once."""
    return LimitRow(name, running=running)


class RateContract(Contract):
    """Token buckets."""

    async def test_the_burst_starts_at_once_and_the_rest_is_parked(self, engine: Engine) -> None:
        """Checklist: 83, 87."""
        await engine.limiter.define([rate(10, burst=3)])
        await publish(engine, *[submission(f"job-{number}", rate_key="rate") for number in range(5)])
        assert [one.id for one in await take_all(engine)] == ["job-0", "job-1", "job-2"]
        stats = await engine.queues.stats("q")
        assert (stats.running, stats.parked, stats.queued) == (3, 2, 0)

    async def test_an_average_is_never_exceeded(self, engine: Engine) -> None:
        """Checklist: 83."""
        await engine.limiter.define([rate(6, burst=2)])
        await publish(
            engine, *[submission(f"job-{number:02}", rate_key="rate", lease_ms=3_600_000) for number in range(60)]
        )
        started = [len(await take_all(engine))]
        for _ in range(20):
            shift(10_000, engine)
            started.append(len(await take_all(engine)))
        assert started[0] == 2
        assert all(count <= 2 for count in started)
        assert 2 + 19 <= sum(started) <= 2 + 20

    async def test_parked_jobs_start_in_their_order(self, engine: Engine) -> None:
        """Checklist: 18, 83."""
        await engine.limiter.define([rate(1)])
        await publish(
            engine, *[submission(f"job-{number}", rate_key="rate", lease_ms=3_600_000) for number in range(5)]
        )
        order: list[str] = []
        for _ in range(5):
            order += [one.id for one in await take_all(engine)]
            shift(MINUTE_MS, engine)
        assert order == [f"job-{number}" for number in range(5)]

    async def test_the_next_token_is_a_timer(self, engine: Engine) -> None:
        """Checklist: 23, 84."""
        await engine.limiter.define([rate(1)])
        await publish(engine, *[submission(one, rate_key="rate", lease_ms=3_600_000) for one in "ab"])
        await take_all(engine)
        due = (await engine.broker.claim(["q"], 1, "w")).next_due_ms
        assert due is not None
        assert MINUTE_MS - SOON_MS <= due <= MINUTE_MS

    async def test_a_throttled_head_does_not_hold_up_others(self, engine: Engine) -> None:
        """Checklist: 84."""
        await engine.limiter.define([rate(1)])
        throttled = [submission(f"slow-{n}", rate_key=limit_key("rate", "acme"), priority=9) for n in range(50)]
        await publish(engine, *throttled)
        await publish(engine, submission("free"), submission("else", rate_key=limit_key("rate", "globex")))
        assert sorted(one.id for one in await take_all(engine, limit=2)) == ["else", "free", "slow-0"]

    async def test_each_value_of_a_key_has_its_own_bucket(self, engine: Engine) -> None:
        """Checklist: 84."""
        await engine.limiter.define([rate(2)])
        keys = {value: limit_key("rate", value) for value in ("acme", "globex", "")}
        jobs = [submission(f"{value}-{n}", rate_key=key) for value, key in keys.items() for n in range(4)]
        await publish(engine, *jobs)
        started = [one.id.partition("-")[0] for one in await take_all(engine)]
        assert {value: started.count(value) for value in keys} == dict.fromkeys(keys, 2)

    async def test_a_bucket_is_shared_by_all_processes(self, engine: Engine, other: Engine) -> None:
        """Checklist: 83."""
        await engine.limiter.define([rate(10)])
        await publish(engine, *[submission(f"job-{number}", rate_key="rate") for number in range(40)])
        shares = await asyncio.gather(*(take_all(one, limit=3) for one in (engine, other, engine, other)))
        assert sum(len(share) for share in shares) == 10

    async def test_without_a_row_there_is_no_limit(self, engine: Engine) -> None:
        """Checklist: 85."""
        await publish(engine, *[submission(f"job-{number}", rate_key="rate", limit_key="room") for number in range(30)])
        assert len(await take_all(engine)) == 30

    async def test_a_rate_changed_while_jobs_wait_holds_at_once(self, engine: Engine, other: Engine) -> None:
        """Checklist: 85."""
        await engine.limiter.define([rate(1)])
        await publish(
            engine, *[submission(f"job-{number}", rate_key="rate", lease_ms=3_600_000) for number in range(10)]
        )
        assert len(await take_all(engine)) == 1
        await other.limiter.define([rate(60)], force=True)
        shift(5_000, engine, other)
        assert 4 <= len(await take_all(engine)) <= 6

    async def test_a_wider_limit_wakes_who_sleeps(self, engine: Engine, other: Engine) -> None:
        """Checklist: 85."""
        await engine.limiter.define([room(1)])
        await publish(engine, *[submission(one, limit_key="room") for one in "ab"])
        await take_one(engine)
        assert await take(other, worker="idle") == []
        await engine.limiter.define([room(2)], force=True)
        assert await other.broker.wait("idle", SOON_MS)
        assert [one.id for one in await take(other, worker="idle")] == ["b"]

    async def test_a_rate_that_is_taken_away_lets_all_go(self, engine: Engine, other: Engine) -> None:
        """Checklist: 85. However many there are: they are let back in slices."""
        await engine.limiter.define([rate(1)])
        for start in range(0, 2_500, 500):
            batch = range(start, start + 500)
            await publish(engine, *[submission(f"job-{n}", rate_key="rate", lease_ms=DAY_MS) for n in batch])
        started = await take_all(engine, limit=500)
        assert len(started) == 1
        await other.limiter.define([LimitRow("rate")], force=True)
        while len(started) < 2_500:
            shift(1, engine, other)
            freed = await take_all(engine, limit=500)
            assert freed, f"{2_500 - len(started)} are left behind"
            started += freed
        assert len({one.id for one in started}) == 2_500

    async def test_a_rate_that_becomes_a_count_lets_all_go(self, engine: Engine) -> None:
        """Checklist: 85. Those that were parked for the rate fall under no count: nobody's end makes room for them."""
        await engine.limiter.define([rate(1)])
        for start in range(0, 2_500, 500):
            batch = range(start, start + 500)
            await publish(engine, *[submission(f"job-{n}", rate_key="rate", lease_ms=DAY_MS) for n in batch])
        started = await take_all(engine, limit=500)
        await engine.limiter.define([LimitRow("rate", running=1)])
        while len(started) < 2_500:
            shift(1, engine)
            freed = await take_all(engine, limit=500)
            assert freed, f"{2_500 - len(started)} are left behind"
            started += freed

    async def test_an_hour_of_silence_saves_up_no_more_than_the_burst(self, engine: Engine) -> None:
        """Checklist: 86."""
        await engine.limiter.define([rate(60, burst=5)])
        jobs = [submission(f"job-{number}", rate_key="rate", lease_ms=DAY_MS) for number in range(50)]
        await publish(engine, *jobs)
        assert len(await take_all(engine)) == 5
        shift(3_600_000, engine)
        assert len(await take_all(engine)) == 5

    async def test_throttling_changes_neither_attempt_nor_deliveries(self, engine: Engine) -> None:
        """Checklist: 87."""
        await engine.limiter.define([rate(1)])
        await publish(engine, submission("a", rate_key="rate", lease_ms=DAY_MS), submission("b", rate_key="rate"))
        await take_one(engine)
        for _ in range(5):
            assert await take(engine) == []
        shift(MINUTE_MS, engine)
        delivery = await take_one(engine)
        assert (delivery.id, delivery.attempt, delivery.losses) == ("b", 1, 0)
        row = await engine.jobs.get("b")
        assert row is not None
        assert row.deliveries == 1

    async def test_a_clock_that_goes_back_stops_nothing(self, engine: Engine) -> None:
        """Checklist: 83, 84."""
        await engine.limiter.define([rate(1, 1_000, burst=1)])
        await publish(engine, *[submission(f"job-{number}", rate_key="rate", lease_ms=DAY_MS) for number in range(3)])
        await take_one(engine)
        assert await take(engine) == []
        shift(-10 * MINUTE_MS, engine)
        await publish(engine, submission("late", rate_key="rate", lease_ms=DAY_MS))
        assert await take(engine) == []
        started: list[str] = []
        for _ in range(3):
            shift(1_000, engine)
            started += [one.id for one in await take(engine)]
        assert started == ["job-1", "job-2", "late"]

    async def test_tokens_can_be_taken_outside_of_a_claim(self, engine: Engine, other: Engine) -> None:
        """Checklist: 83."""
        await engine.limiter.define([rate(6, burst=3)])
        assert (await engine.limiter.acquire("rate", 2)).ok
        assert (await other.limiter.acquire("rate")).ok
        refused = await engine.limiter.acquire("rate", 2)
        assert not refused.ok
        assert 20_000 - SOON_MS <= refused.retry_after_ms <= 20_000
        shift(20_000, engine, other)
        assert (await other.limiter.acquire("rate", 2)).ok
        assert not (await engine.limiter.acquire("rate")).ok
        assert (await engine.limiter.acquire("no such limit", 1_000)).ok

    @pytest.mark.parametrize("tokens", [0, -1, 4])
    async def test_a_request_that_could_never_be_granted_is_refused_in_words(self, engine: Engine, tokens: int) -> None:
        """Checklist: 83."""
        await engine.limiter.define([rate(6, burst=3)])
        with pytest.raises(ConfigError, match="never holds more than its burst of 3"):
            await engine.limiter.acquire("rate", tokens)

    async def test_a_refused_request_takes_nothing(self, engine: Engine) -> None:
        """Checklist: 83."""
        await engine.limiter.define([rate(3)])
        assert (await engine.limiter.acquire("rate", 1)).ok
        assert not (await engine.limiter.acquire("rate", 3)).ok
        assert (await engine.limiter.acquire("rate", 2)).ok


class RoomContract(Contract):
    """Counts of what runs at once."""

    async def test_no_more_jobs_run_at_once_than_there_is_room(self, engine: Engine, other: Engine) -> None:
        """Checklist: 84."""
        await engine.limiter.define([room(3)])
        await publish(engine, *[submission(f"job-{number}", limit_key="room") for number in range(10)])
        shares = await asyncio.gather(take_all(engine, limit=2), take_all(other, limit=2))
        running = [one for share in shares for one in share]
        assert len(running) == 3
        assert (await engine.queues.stats("q")).parked == 7
        await engine.broker.settle([done(one) for one in running[:2]])
        assert len(await take_all(engine)) == 2

    @pytest.mark.parametrize("end", ["success", "retry", "burial", "snooze", "hand-back", "lease"])
    async def test_whatever_ends_a_delivery_makes_room_for_the_next(self, engine: Engine, end: str) -> None:
        """Checklist: 84."""
        running = await _one_of_two(engine)
        match end:
            case "success":
                await settle_one(engine, done(running))
            case "retry":
                await settle_one(engine, again(running, DAY_MS))
            case "burial":
                await settle_one(engine, bury(running))
            case "snooze":
                await settle_one(engine, snoozed(running, DAY_MS))
            case "hand-back":
                await release_one(engine, running)
                assert (await take_one(engine)).id == "first"
                return
            case _:
                shift(running.lease_ms + 1, engine)
                assert len(await take_all(engine)) == 1
                return
        assert [one.id for one in await take_all(engine)] == ["second"]

    async def test_a_stale_settlement_makes_no_room(self, engine: Engine) -> None:
        """Checklist: 44, 84."""
        zombie = await _one_of_two(engine)
        shift(zombie.lease_ms + 1, engine)
        (heir,) = await take_all(engine)
        assert await settle_one(engine, done(zombie)) == "stale"
        assert await take_all(engine) == []
        await settle_one(engine, done(heir))
        assert len(await take_all(engine)) == 1

    async def test_each_value_of_a_key_has_its_own_room(self, engine: Engine) -> None:
        """Checklist: 84."""
        await engine.limiter.define([room(2)])
        keys = {value: limit_key("room", value) for value in ("acme", "globex")}
        await publish(
            engine, *[submission(f"{value}-{n}", limit_key=key) for value, key in keys.items() for n in range(20)]
        )
        started = [one.id.partition("-")[0] for one in await take_all(engine, limit=3)]
        assert {value: started.count(value) for value in keys} == dict.fromkeys(keys, 2)

    async def test_a_job_that_ends_without_running_takes_no_room(self, engine: Engine) -> None:
        """Checklist: 24, 84."""
        await engine.limiter.define([room(1)])
        await publish(engine, submission("a", limit_key="room", expires_ms=0), submission("b", limit_key="room"))
        flagged = await take_one(engine)
        assert flagged.ended == "expired"
        running = await take_one(engine)
        assert running.id == "b"
        await settle_one(engine, not_run(flagged))
        await publish(engine, submission("c", limit_key="room"))
        assert await take(engine) == []

    async def test_room_is_not_held_back_by_a_job_that_waits_for_its_token(self, engine: Engine) -> None:
        """Checklist: 84."""
        await engine.limiter.define([rate(1, name="slow"), room(1)])
        await run(engine, submission("token", rate_key="slow"))
        await publish(
            engine,
            submission("first", limit_key="room"),
            submission("next", limit_key="room", rate_key="slow"),
            submission("behind", limit_key="room"),
        )
        (running,) = await take_all(engine)
        await settle_one(engine, done(running))
        assert [one.id for one in await take_all(engine)] == ["behind"]

    async def test_a_cancelled_parked_job_is_out_of_the_line(self, engine: Engine) -> None:
        """Checklist: 25, 84."""
        running = await _one_of_two(engine)
        await publish(engine, submission("third", limit_key="room"))
        assert await take_all(engine) == []
        await cancel(engine, "second")
        await settle_one(engine, done(running))
        assert [one.id for one in await take_all(engine)] == ["third"]

    @pytest.mark.parametrize("end", ["cancel", "purge", "expiry"])
    async def test_a_job_that_was_let_back_and_never_runs_passes_its_room_on(
        self, engine: Engine, other: Engine, end: str
    ) -> None:
        """Checklist: 24, 25, 84, 99."""
        await engine.limiter.define([room(1)])
        for name, expires in (("first", None), ("second", 1_000 if end == "expiry" else None), ("third", None)):
            await publish(engine, submission(name, limit_key="room", expires_ms=expires))
        (running,) = await take_all(engine)
        await settle_one(engine, done(running))
        assert [await state_of(engine, one) for one in ("second", "third")] == ["queued", "parked"]
        match end:
            case "cancel":
                await cancel(engine, "second")
            case "purge":
                assert await engine.queues.purge("q", 1) == 1
            case _:
                shift(1_000, engine, other)
                await settle_one(engine, not_run(await take_one(engine)))
        assert [one.id for one in await take(other)] == ["third"]
        assert await state_of(engine, "second") in {"cancelled", "unknown"}

    async def test_a_lower_limit_lets_running_jobs_end(self, engine: Engine) -> None:
        """Checklist: 85."""
        await engine.limiter.define([room(3)])
        await publish(engine, *[submission(f"job-{number}", limit_key="room") for number in range(5)])
        running = await take_all(engine)
        await engine.limiter.define([room(1)], force=True)
        assert await take_all(engine) == []
        await engine.broker.settle([done(one) for one in running[:2]])
        assert await take_all(engine) == []
        await settle_one(engine, done(running[2]))
        assert len(await take_all(engine)) == 1

    async def test_jobs_started_before_the_limit_was_defined_are_counted(self, engine: Engine) -> None:
        """Checklist: 85."""
        await publish(engine, submission("first", limit_key="room"))
        running = await take_one(engine)
        await engine.limiter.define([room(1)])
        await publish(engine, submission("second", limit_key="room"))
        assert await take(engine) == []
        await settle_one(engine, done(running))
        assert [one.id for one in await take(engine)] == ["second"]


class LimiterContract(RateContract, RoomContract):
    """The Limiter of an engine, and what its claims make of it."""

    async def test_limits_are_listed_by_name(self, engine: Engine, other: Engine) -> None:
        """Checklist: 85."""
        rows = [room(2, "b"), rate(1, name="a"), LimitRow("c", Bucket(1, 2, 3), 4)]
        await engine.limiter.define(rows)
        assert await other.limiter.rows() == [rows[1], rows[0], rows[2]]

    async def test_what_an_operator_set_outlives_the_next_start_of_a_worker(self, engine: Engine) -> None:
        """Checklist: 85."""
        await engine.limiter.define([room(2)])
        await engine.limiter.define([room(7)], force=True)
        await engine.limiter.define([room(2)])
        assert await engine.limiter.rows() == [room(7)]
        await engine.limiter.define([room(8)], force=True)
        assert await engine.limiter.rows() == [room(8)]

    async def test_a_changed_declaration_wins(self, engine: Engine) -> None:
        """Checklist: 85."""
        await engine.limiter.define([room(2)])
        await engine.limiter.define([room(7)], force=True)
        await engine.limiter.define([room(3)])
        assert await engine.limiter.rows() == [room(3)]

    async def test_defining_the_same_again_starts_nothing_anew(self, engine: Engine) -> None:
        """Checklist: 85."""
        await engine.limiter.define([rate(1)])
        assert (await engine.limiter.acquire("rate")).ok
        await engine.limiter.define([rate(1)])
        assert not (await engine.limiter.acquire("rate")).ok
        assert await state_of(engine, "rate") == "unknown"


class DurableLimiterContract(Contract):
    """For engines whose store outlives them."""

    async def test_limits_and_their_levels_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 62, 85."""
        await engine.limiter.define([rate(1), room(2)])
        await engine.limiter.define([room(1)], force=True)
        assert (await engine.limiter.acquire("rate")).ok
        await publish(engine, submission("first", limit_key="room"), submission("second", limit_key="room"))
        running = await take_one(engine)
        await engine.close()
        reopened = await engines.make()
        assert await reopened.limiter.rows() == [rate(1), room(1)]
        assert not (await reopened.limiter.acquire("rate")).ok
        assert await take(reopened) == []
        await settle_one(reopened, done(running))
        assert [one.id for one in await take(reopened)] == ["second"]


async def _one_of_two(engine: Engine) -> Delivery:
    """Room for one job, taken by `first`; `second` is parked."""
    await engine.limiter.define([room(1)])
    await publish(engine, submission("first", limit_key="room"), submission("second", limit_key="room"))
    (running,) = await take_all(engine)
    assert (running.id, await state_of(engine, "second")) == ("first", "parked")
    return running
