"""The line of jobs."""

from __future__ import annotations

import asyncio
import time

import anyio
import anyio.to_thread
import msgspec
import pytest

from stem.contracts.broker import Delivery, Renewal
from stem.contracts.dead_letters import DeadFilter
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter
from stem.core.envelope import Overrides, decode_overrides
from stem.core.limit import LimitRow
from stem.core.outcome import RetryAsked
from stem.core.settle import Arrive, Enqueue
from stem.core.unique import UniqueClaim
from stem.errors import EngineUnavailableError
from stem.testing.contracts import (
    DAY_MS,
    ERROR,
    NEVER_MS,
    SOON_MS,
    Contract,
    EngineFactory,
    again,
    bury,
    cancel,
    cancelled,
    dead,
    done,
    not_run,
    outcome,
    park,
    publish,
    record_of,
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
from stem.testing.sabotage import Sabotage
from stem.values import Receipt

_NAMES = ["plain", "a:b", "{a}", "}a{", "~", "a|b", "a b", "a\x1fb", "héllo 世界 🦊", "%s'\";--", "*?[x]", "x" * 200]
_PAYLOADS = {
    "empty": b"",
    "every byte": bytes(range(256)),
    "not utf-8": b"\xff\xfe\x00\xc3(",
    "5 MB": b"\x00z" * 2_500_000,
}


class PublishContract(Contract):
    """Ids, bytes, unique keys and the time before a job may run."""

    async def test_a_published_job_is_new_and_queued(self, engine: Engine) -> None:
        """Checklist: 1."""
        assert await publish(engine, submission("a")) == ["new"]
        assert await state_of(engine, "a") == "queued"

    async def test_the_same_id_again_changes_nothing_and_the_first_bytes_are_kept(self, engine: Engine) -> None:
        """Checklist: 2."""
        assert await publish(engine, submission("a", envelope=b"first")) == ["new"]
        assert await publish(engine, submission("a", "elsewhere", envelope=b"second")) == ["duplicate"]
        assert [one.envelope for one in await take_all(engine, "q", "elsewhere")] == [b"first"]

    async def test_the_same_id_twice_in_one_batch_is_one_job(self, engine: Engine) -> None:
        """Checklist: 2, 6."""
        assert await publish(engine, submission("a", envelope=b"1"), submission("a", envelope=b"2")) == [
            "new",
            "duplicate",
        ]
        assert [one.envelope for one in await take_all(engine)] == [b"1"]

    @pytest.mark.parametrize("state", ["delayed", "parked", "running", "retried", "succeeded", "failed", "cancelled"])
    async def test_an_id_is_taken_whatever_state_its_job_is_in(self, engine: Engine, state: str) -> None:
        """Checklist: 2, 3."""
        await _bring(engine, "a", state)
        assert await publish(engine, submission("a")) == ["duplicate"]

    async def test_an_id_is_free_again_when_its_result_has_expired(self, engine: Engine) -> None:
        """Checklist: 4, 71."""
        await run(engine, submission("a", result_ttl_ms=60_000))
        shift(60_000 - SOON_MS, engine)
        assert await publish(engine, submission("a")) == ["duplicate"]
        shift(SOON_MS, engine)
        assert await publish(engine, submission("a", envelope=b"again")) == ["new"]
        assert (await take_one(engine)).envelope == b"again"

    async def test_an_id_retried_while_its_job_settles_stays_a_duplicate(self, engine: Engine, other: Engine) -> None:
        """Checklist: 3, 5."""
        for number in range(20):
            job = submission(f"job-{number}")
            await publish(engine, job)
            settlement = done(await take_one(engine))
            settled, published = await asyncio.gather(engine.broker.settle([settlement]), publish(other, job))
            assert (settled, published) == (["done"], ["duplicate"])
        assert await take(engine, limit=10) == []

    async def test_two_processes_that_publish_the_same_id_make_one_job(self, engine: Engine, other: Engine) -> None:
        """Checklist: 2."""
        for number in range(20):
            job = submission(f"job-{number}")
            both = await asyncio.gather(publish(engine, job), publish(other, job))
            assert sorted(both) == [["duplicate"], ["new"]]
        assert len(await take_all(engine)) == 20

    async def test_a_publish_whose_reply_was_lost_and_is_tried_again_makes_one_job(self, engine: Engine) -> None:
        """Checklist: 5."""
        sabotage = Sabotage(engine)
        sabotage.fail_after("broker.publish")
        with pytest.raises(EngineUnavailableError):
            await sabotage.broker.publish([submission("a")])
        assert await publish(sabotage, submission("a")) == ["duplicate"]
        assert [one.id for one in await take_all(engine)] == ["a"]

    async def test_a_unique_publish_whose_reply_was_lost_is_a_duplicate_of_itself(self, engine: Engine) -> None:
        """Checklist: 5, 13."""
        sabotage = Sabotage(engine)
        sabotage.fail_after("broker.publish")
        job = submission("a", unique=UniqueClaim("key"))
        with pytest.raises(EngineUnavailableError):
            await sabotage.broker.publish([job])
        assert await publish(sabotage, job) == ["duplicate"]

    async def test_a_batch_of_a_thousand_is_answered_one_by_one_and_keeps_its_order(self, engine: Engine) -> None:
        """Checklist: 6, 18."""
        ids = [f"job-{number * 7919 % 1_000:03}" for number in range(1_000)]
        await publish(engine, submission(ids[500]), submission("other", unique=UniqueClaim("key")))
        batch = [submission(one) for one in ids]
        batch[700] = submission(ids[700], unique=UniqueClaim("key"))
        statuses = await publish(engine, *batch)
        assert (statuses[500], statuses[700], statuses.count("new")) == ("duplicate", "held", 998)
        expected = [ids[500], "other", *ids[:500], *ids[501:700], *ids[701:]]
        assert [one.id for one in await take_all(engine)] == expected

    async def test_an_empty_batch_is_answered_by_nothing(self, engine: Engine) -> None:
        """Checklist: 6."""
        assert await engine.broker.publish([]) == []
        assert await engine.broker.settle([]) == []
        assert await engine.broker.renew([]) == []
        assert await engine.broker.release([]) == []

    @pytest.mark.parametrize("kind", list(_PAYLOADS))
    async def test_any_bytes_come_back_as_they_were(self, engine: Engine, kind: str) -> None:
        """Checklist: 8."""
        await publish(engine, submission("a", envelope=_PAYLOADS[kind]))
        delivery = await take_one(engine)
        assert delivery.envelope == _PAYLOADS[kind]
        assert await settle_one(engine, again(delivery)) == "done"
        assert (await take_one(engine)).envelope == _PAYLOADS[kind]

    async def test_any_text_is_a_safe_name_for_a_job_a_queue_a_task_and_a_key(self, engine: Engine) -> None:
        """Checklist: 9."""
        jobs = [submission(n, n, task=n, unique=UniqueClaim(n), limit_key=n, rate_key=n) for n in _NAMES]
        assert set(await publish(engine, *jobs)) == {"new"}
        assert await publish(engine, *[submission(f"2{n}", unique=UniqueClaim(n)) for n in _NAMES]) == ["held"] * len(
            _NAMES
        )
        for name in _NAMES:
            (delivery,) = await take(engine, name, limit=10)
            assert (delivery.id, delivery.queue, delivery.task) == (name, name, name)
            assert await settle_one(engine, done(delivery)) == "done"
            assert await state_of(engine, name) == "succeeded"
        assert sorted(one.name for one in await engine.queues.all()) == sorted(_NAMES)

    async def test_names_that_look_alike_stay_apart(self, engine: Engine) -> None:
        """Checklist: 9."""
        queues = ["q", "Q", "q ", " q", "q:", "q:q", "{q}", "q\x00"]
        await publish(engine, *[submission(f"in {queue}", queue) for queue in queues])
        for queue in queues:
            assert [one.id for one in await take(engine, queue, limit=10)] == [f"in {queue}"]

    # ------------------------------------------------------------ unique keys

    async def test_a_held_unique_key_names_its_holder_and_nothing_is_published(self, engine: Engine) -> None:
        """Checklist: 10."""
        await publish(engine, submission("first", unique=UniqueClaim("key")))
        (answer,) = await engine.broker.publish([submission("second", unique=UniqueClaim("key"))])
        assert (answer.status, answer.holder) == ("held", "first")
        assert await state_of(engine, "second") == "unknown"
        assert [one.id for one in await take_all(engine)] == ["first"]

    async def test_a_refused_job_leaves_its_id_free(self, engine: Engine) -> None:
        """Checklist: 10."""
        await publish(engine, submission("first", unique=UniqueClaim("key")))
        assert await publish(engine, submission("second", unique=UniqueClaim("key"))) == ["held"]
        assert await publish(engine, submission("second")) == ["new"]

    async def test_two_processes_that_publish_one_unique_key_make_one_job(self, engine: Engine, other: Engine) -> None:
        """Checklist: 10."""
        for number in range(20):
            claim = UniqueClaim(f"key-{number}")
            (one,), (two,) = await asyncio.gather(
                engine.broker.publish([submission(f"a-{number}", unique=claim)]),
                other.broker.publish([submission(f"b-{number}", unique=claim)]),
            )
            assert {one.status, two.status} == {"new", "held"}
            assert (one.holder or two.holder) == (f"a-{number}" if one.status == "new" else f"b-{number}")

    @pytest.mark.parametrize("end", ["success", "burial", "cancel", "stop", "expiry", "purge"])
    async def test_a_unique_key_is_free_when_its_job_has_ended(self, engine: Engine, end: str) -> None:
        """Checklist: 11."""
        await publish(engine, submission("a", unique=UniqueClaim("key"), expires_ms=1_000 if end == "expiry" else None))
        await _end(engine, "a", end)
        assert await publish(engine, submission("b", unique=UniqueClaim("key"))) == ["new"]

    @pytest.mark.parametrize("step", ["claimed", "retried", "snoozed", "handed back", "lost", "asked to stop"])
    async def test_a_unique_key_is_held_as_long_as_its_job_goes_on(self, engine: Engine, step: str) -> None:
        """Checklist: 10, 11."""
        await publish(engine, submission("a", unique=UniqueClaim("key")))
        delivery = await take_one(engine)
        match step:
            case "retried":
                assert await settle_one(engine, again(delivery, 60_000)) == "done"
            case "snoozed":
                assert await settle_one(engine, snoozed(delivery, 60_000)) == "done"
            case "handed back":
                assert await release_one(engine, delivery)
            case "lost":
                shift(delivery.lease_ms + 1, engine)
                assert (await take_one(engine)).losses == 1
            case "asked to stop":
                await cancel(engine, "a")
            case _:
                pass
        (answer,) = await engine.broker.publish([submission("b", unique=UniqueClaim("key"))])
        assert (answer.status, answer.holder) == ("held", "a")

    async def test_a_duplicate_of_a_unique_job_is_a_duplicate_and_not_held(self, engine: Engine) -> None:
        """Checklist: 13."""
        job = submission("a", unique=UniqueClaim("key"))
        assert [await publish(engine, job), await publish(engine, job)] == [["new"], ["duplicate"]]
        await settle_one(engine, done(await take_one(engine)))
        await publish(engine, submission("b", unique=UniqueClaim("key")))
        assert await publish(engine, job) == ["duplicate"]

    async def test_a_key_whose_holder_is_forgotten_can_be_taken(self, engine: Engine) -> None:
        """Checklist: 12."""
        await run(engine, submission("a", unique=UniqueClaim("key"), result_ttl_ms=1_000))
        shift(2_000, engine)
        await engine.results.sweep()
        assert await publish(engine, submission("b", unique=UniqueClaim("key"))) == ["new"]
        assert await publish(engine, submission("c", unique=UniqueClaim("key"))) == ["held"]

    async def test_a_key_until_start_is_free_when_its_job_first_starts(self, engine: Engine) -> None:
        """Checklist: 11."""
        start = UniqueClaim("key", "start")
        await publish(engine, submission("a", unique=start))
        assert await publish(engine, submission("b", unique=start)) == ["held"]
        await take_one(engine)
        assert await publish(engine, submission("b", unique=start)) == ["new"]

    @pytest.mark.parametrize("end", ["success", "burial", "retry", "hand-back", "lease"])
    async def test_a_job_that_gave_its_key_up_at_its_start_does_not_free_it_for_others(
        self, engine: Engine, end: str
    ) -> None:
        """Checklist: 11."""
        start = UniqueClaim("key", "start")
        await publish(engine, submission("a", unique=start))
        delivery = await take_one(engine)
        await publish(engine, submission("b", unique=start))
        match end:
            case "success":
                await settle_one(engine, done(delivery))
            case "burial":
                await settle_one(engine, bury(delivery))
            case "retry":
                await settle_one(engine, again(delivery))
            case "hand-back":
                await release_one(engine, delivery)
            case _:
                shift(delivery.lease_ms + 1, engine)
        if end in {"retry", "hand-back", "lease"}:
            assert (await take_one(engine)).id == "a"
        (answer,) = await engine.broker.publish([submission("c", unique=start)])
        assert (answer.status, answer.holder) == ("held", "b")

    async def test_a_key_for_a_fixed_time_is_held_that_long_whatever_happens_to_its_job(self, engine: Engine) -> None:
        """Checklist: 11."""
        fixed = UniqueClaim("key", for_ms=60_000)
        await run(engine, submission("a", unique=fixed))
        (answer,) = await engine.broker.publish([submission("b", unique=fixed)])
        assert (answer.status, answer.holder) == ("held", "a")
        shift(60_000, engine)
        assert await publish(engine, submission("b", unique=fixed)) == ["new"]

    async def test_a_key_for_a_fixed_time_is_free_after_it_although_its_job_still_waits(self, engine: Engine) -> None:
        """Checklist: 11, 12."""
        fixed = UniqueClaim("key", for_ms=60_000)
        await publish(engine, submission("a", unique=fixed))
        shift(60_000, engine)
        assert await publish(engine, submission("b", unique=fixed)) == ["new"]
        await settle_one(engine, done(await take_one(engine)))
        (answer,) = await engine.broker.publish([submission("c", unique=fixed)])
        assert (answer.status, answer.holder) == ("held", "b")

    # ------------------------------------------------------------ later

    async def test_a_delayed_job_is_not_handed_out_before_its_time(self, engine: Engine) -> None:
        """Checklist: 23, 33."""
        await publish(engine, submission("a", delay_ms=60_000))
        claimed = await engine.broker.claim(["q"], 10, "w")
        assert claimed.deliveries == ()
        assert claimed.next_due_ms is not None
        assert 60_000 - SOON_MS <= claimed.next_due_ms <= 60_000
        assert await state_of(engine, "a") == "delayed"
        shift(60_000 - SOON_MS, engine)
        assert await take(engine) == []
        shift(SOON_MS, engine)
        assert [one.id for one in await take(engine)] == ["a"]

    async def test_a_job_is_ready_at_its_instant_by_the_clock_of_the_store(self, engine: Engine) -> None:
        """Checklist: 33."""
        await publish(engine, submission("a", ready_at=await engine.now_ms() + 60_000, delay_ms=1))
        shift(60_000 - SOON_MS, engine)
        assert await take(engine) == []
        shift(SOON_MS, engine)
        assert [one.id for one in await take(engine)] == ["a"]

    @pytest.mark.parametrize("ready_at", [0, 1, 1_000_000_000_000])
    async def test_an_instant_in_the_past_means_now(self, engine: Engine, ready_at: int) -> None:
        """Checklist: 37."""
        await publish(engine, submission("a", ready_at=ready_at, delay_ms=60_000))
        assert await state_of(engine, "a") == "queued"
        assert [one.id for one in await take(engine)] == ["a"]

    async def test_equal_bytes_at_an_equal_instant_are_two_jobs(self, engine: Engine) -> None:
        """Checklist: 36."""
        at = await engine.now_ms() + 60_000
        await publish(engine, *[submission(one, ready_at=at, envelope=b"same") for one in ("a", "b")])
        shift(60_000, engine)
        assert sorted(one.id for one in await take_all(engine)) == ["a", "b"]

    async def test_many_jobs_due_at_once_are_all_handed_out_once(self, engine: Engine, other: Engine) -> None:
        """Checklist: 38, 40."""
        ids = [f"job-{number:04}" for number in range(1_200)]
        await publish(engine, *[submission(one, delay_ms=60_000) for one in ids])
        shift(60_000, engine, other)
        both = await asyncio.gather(take_all(engine, worker="w1"), take_all(other, worker="w2"))
        assert sorted(one.id for half in both for one in half) == ids

    async def test_a_job_in_ten_years_is_no_trouble(self, engine: Engine) -> None:
        """Checklist: 41."""
        years = 3_650 * DAY_MS
        await publish(engine, submission("a", delay_ms=years), submission("b", ready_at=await engine.now_ms() + years))
        claimed = await engine.broker.claim(["q"], 1, "w")
        assert claimed.deliveries == ()
        assert claimed.next_due_ms is not None
        assert abs(claimed.next_due_ms - years) < SOON_MS
        shift(years, engine)
        assert sorted(one.id for one in await take_all(engine)) == ["a", "b"]

    async def test_priority_outlives_the_delay(self, engine: Engine) -> None:
        """Checklist: 42."""
        await publish(engine, *[submission(f"p{level}", priority=level, delay_ms=1_000) for level in (0, 9, 4)])
        await publish(engine, submission("p5", priority=5))
        shift(1_000, engine)
        assert [one.id for one in await take(engine, limit=10, strict=True)] == ["p9", "p5", "p4", "p0"]

    async def test_the_next_timer_is_the_earliest_of_the_queues_asked_for(self, engine: Engine) -> None:
        """Checklist: 23."""
        await publish(engine, submission("a", "q1", delay_ms=90_000), submission("b", "q2", delay_ms=30_000))
        for queues, expected in ((["q1"], 90_000), (["q2"], 30_000), (["q1", "q2"], 30_000)):
            due = (await engine.broker.claim(queues, 1, "w")).next_due_ms
            assert due is not None
            assert expected - SOON_MS <= due <= expected

    async def test_a_running_lease_is_a_timer_too(self, engine: Engine) -> None:
        """Checklist: 23, 50."""
        await publish(engine, submission("a", lease_ms=40_000))
        await take_one(engine)
        due = (await engine.broker.claim(["q"], 1, "w")).next_due_ms
        assert due is not None
        assert 40_000 - SOON_MS <= due <= 40_000

    async def test_without_jobs_there_is_no_timer(self, engine: Engine) -> None:
        """Checklist: 23, 29."""
        await run(engine, submission("a"))
        assert (await engine.broker.claim(["q"], 1, "w")).next_due_ms is None


class ClaimContract(Contract):
    """Who gets which job, and when."""

    async def test_first_in_first_out_within_a_priority(self, engine: Engine, other: Engine) -> None:
        """Checklist: 18."""
        for number in range(20):
            await publish(engine if number % 2 else other, submission(f"job-{number:02}"))
        assert [one.id for one in await take_all(engine, limit=3)] == [f"job-{number:02}" for number in range(20)]

    async def test_higher_priority_goes_first_across_batches(self, engine: Engine) -> None:
        """Checklist: 19."""
        await publish(engine, *[submission(f"{level}-{n}", priority=level) for level in range(10) for n in range(3)])
        order = [one.id for _ in range(10) for one in await take(engine, limit=3, strict=True)]
        assert order == [f"{level}-{n}" for level in range(9, -1, -1) for n in range(3)]

    async def test_a_higher_priority_published_later_goes_before_what_waits(self, engine: Engine) -> None:
        """Checklist: 19."""
        await publish(engine, submission("low"))
        await publish(engine, submission("high", priority=9))
        assert [one.id for one in await take(engine, limit=2, strict=True)] == ["high", "low"]

    @pytest.mark.parametrize("limit", [1, 3, 17])
    async def test_a_batch_is_never_larger_than_asked_for(self, engine: Engine, limit: int) -> None:
        """Checklist: 20."""
        names = ("q1", "q2", "q3")
        await publish(engine, *[submission(f"{q}-{n}", q, priority=n) for q in names for n in range(10)])
        sizes = [len(await take(engine, *names, limit=limit)) for _ in range(30 // limit + 1)]
        assert max(sizes) == limit
        assert sum(sizes) == 30

    async def test_the_lowest_level_waits_at_most_80_claims(self, engine: Engine) -> None:
        """Checklist: 21."""
        await publish(engine, submission("low"))
        served = await _claims_until(engine, "low", most=80, strict=False)
        assert served is not None

    async def test_every_level_is_served_within_80_claims(self, engine: Engine) -> None:
        """Checklist: 21."""
        await publish(engine, *[submission(f"level-{level}", priority=level) for level in range(9)])
        served: set[str] = set()
        for number in range(81):
            await publish(engine, submission(f"busy-{number}", priority=9))
            served |= {one.id for one in await take(engine)}
        assert {f"level-{level}" for level in range(9)} <= served

    async def test_strict_order_never_serves_a_lower_level_first(self, engine: Engine) -> None:
        """Checklist: 21."""
        await publish(engine, submission("low"))
        assert await _claims_until(engine, "low", most=100, strict=True) is None

    async def test_two_workers_never_get_the_same_delivery(self, engine: Engine, other: Engine) -> None:
        """Checklist: 22."""
        await publish(engine, *[submission(f"job-{number}") for number in range(300)])

        async def drain(own: Engine, worker: str) -> list[Delivery]:
            return await take_all(own, limit=7, worker=worker)

        engines = (engine, other, engine, other)
        shares = await asyncio.gather(*(drain(own, f"w{n}") for n, own in enumerate(engines)))
        receipts = [one.receipt for share in shares for one in share]
        assert len(receipts) == len(set(receipts)) == 300

    async def test_an_expired_job_is_handed_out_only_to_be_settled(self, engine: Engine) -> None:
        """Checklist: 24."""
        await publish(engine, submission("a", expires_ms=1_000))
        shift(1_000, engine)
        delivery = await take_one(engine)
        assert (delivery.ended, delivery.attempt) == ("expired", 1)
        assert await settle_one(engine, not_run(delivery)) == "done"
        record = await record_of(engine, "a")
        assert record is not None
        assert (record.state, record.reason) == ("cancelled", "expired")
        letter = await engine.dead_letters.get("a")
        assert letter is not None
        assert letter.reason == "expired"
        assert await take(engine) == []

    async def test_a_job_before_its_expiry_runs(self, engine: Engine) -> None:
        """Checklist: 24."""
        await publish(engine, submission("a", expires_ms=60_000))
        shift(60_000 - SOON_MS, engine)
        assert (await take_one(engine)).ended is None

    async def test_a_job_that_expires_while_it_waits_for_its_retry_is_flagged(self, engine: Engine) -> None:
        """Checklist: 24."""
        await publish(engine, submission("a", expires_ms=60_000))
        await settle_one(engine, again(await take_one(engine), 50_000))
        shift(60_000, engine)
        delivery = await take_one(engine)
        assert (delivery.ended, delivery.attempt) == ("expired", 2)

    async def test_an_expired_job_passes_its_limits(self, engine: Engine) -> None:
        """Checklist: 24, 84."""
        await park(engine, "a")
        await publish(engine, submission("b", limit_key="narrow", expires_ms=1_000))
        shift(1_000, engine)
        delivery = await take_one(engine)
        assert (delivery.id, delivery.ended) == ("b", "expired")

    async def test_a_job_cancelled_before_its_start_is_never_handed_out(self, engine: Engine) -> None:
        """Checklist: 25."""
        await publish(engine, submission("a"), submission("b", delay_ms=1_000), submission("c"))
        assert await cancel(engine, "a") == ("cancelled", "cancelled")
        assert await cancel(engine, "b") == ("cancelled", "cancelled")
        shift(1_000, engine)
        assert [one.id for one in await take_all(engine)] == ["c"]

    async def test_a_queue_nobody_used_is_empty(self, engine: Engine) -> None:
        """Checklist: 29."""
        claimed = await engine.broker.claim(["nobody", "nothing"], 10, "w")
        assert (claimed.deliveries, claimed.next_due_ms) == ((), None)
        assert await engine.queues.all() == []

    async def test_several_queues_take_turns(self, engine: Engine) -> None:
        """Checklist: 31."""
        names = ("q1", "q2", "q3")
        await publish(engine, *[submission(f"{queue}-{n}", queue) for queue in names for n in range(9)])
        turns = [one.queue for _ in range(9) for one in await take(engine, *names)]
        assert {queue: turns.count(queue) for queue in names} == dict.fromkeys(names, 3)

    async def test_strict_order_of_queues_empties_the_first_one_first(self, engine: Engine) -> None:
        """Checklist: 31."""
        await publish(engine, *[submission(f"{queue}-{n}", queue) for queue in ("q2", "q1") for n in range(3)])
        order = [one.queue for _ in range(6) for one in await take(engine, "q1", "q2", strict=True)]
        assert order == ["q1"] * 3 + ["q2"] * 3

    async def test_only_the_queues_asked_for_are_served(self, engine: Engine) -> None:
        """Checklist: 31."""
        await publish(engine, submission("a", "q1"), submission("b", "q2"))
        assert [one.id for one in await take(engine, "q2", limit=10)] == ["b"]
        assert await state_of(engine, "a") == "queued"

    async def test_a_delivery_carries_what_a_worker_must_know(self, engine: Engine) -> None:
        """Checklist: 32."""
        before = await engine.now_ms()
        await publish(engine, submission("a", "q7", task="t", priority=3, lease_ms=45_000, result_ttl_ms=5_000))
        published = await engine.now_ms()
        first = await take_one(engine, "q7", worker="w1")
        assert before <= first.enqueued_at <= published
        expected = Delivery(
            id="a",
            fence=1,
            task="t",
            queue="q7",
            envelope=b'{"id":"a"}',
            attempt=1,
            losses=0,
            lease_ms=45_000,
            enqueued_at=first.enqueued_at,
            priority=3,
            result_ttl_ms=5_000,
        )
        assert first == expected
        assert not first.redelivered
        row = await engine.jobs.get("a")
        assert row is not None
        assert (row.worker, row.fence, row.attempts) == ("w1", 1, 0)
        assert row.lease_until is not None
        assert 0 <= row.lease_until - published - 45_000 <= SOON_MS

    async def test_a_job_lost_by_one_worker_is_redelivered_and_says_so(self, engine: Engine, other: Engine) -> None:
        """Checklist: 32, 50."""
        await publish(engine, submission("a"))
        first = await take_one(engine, worker="w1")
        shift(first.lease_ms - SOON_MS, engine, other)
        assert await take(other, worker="w2") == []
        shift(SOON_MS, engine, other)
        second = await take_one(other, worker="w2")
        assert (second.id, second.fence, second.losses, second.redelivered) == ("a", 2, 1, True)
        assert (second.envelope, second.enqueued_at) == (first.envelope, first.enqueued_at)

    # ------------------------------------------------------------ cancel

    async def test_cancelling_an_unknown_id_keeps_it_from_ever_running(self, engine: Engine) -> None:
        """Checklist: 90."""
        assert await cancel(engine, "later") == ("cancelled", "cancelled")
        assert await publish(engine, submission("later")) == ["duplicate"]
        assert await take(engine) == []
        assert await state_of(engine, "later") == "cancelled"
        assert await cancel(engine, "later") == ("finished", "cancelled")

    async def test_an_unknown_id_is_blocked_as_long_as_the_settlement_says(self, engine: Engine) -> None:
        """Checklist: 90."""
        await engine.broker.cancel("later", "asked", cancelled("later", keep_ms=1_000))
        shift(1_000, engine)
        assert await publish(engine, submission("later")) == ["new"]

    @pytest.mark.parametrize("state", ["queued", "delayed", "parked", "retried", "handed back"])
    async def test_a_waiting_job_is_cancelled_at_once(self, engine: Engine, state: str) -> None:
        """Checklist: 25, 90."""
        await _bring(engine, "a", state)
        assert await cancel(engine, "a") == ("cancelled", "cancelled")
        record = await record_of(engine, "a")
        assert record is not None
        assert record.state == "cancelled"
        assert await state_of(engine, "a") == "cancelled"
        assert await engine.dead_letters.get("a") is None
        shift(DAY_MS // 2, engine)
        assert "a" not in {one.id for one in await take(engine, limit=10)}
        stats = await engine.queues.stats("q")
        assert (stats.cancelled, stats.waiting) == (1, 0)

    async def test_a_running_job_is_asked_to_end_and_its_worker_told_when_it_renews(self, engine: Engine) -> None:
        """Checklist: 52, 91."""
        await publish(engine, submission("a"), submission("b"))
        a, b = await take(engine, limit=2)
        assert (await cancel(engine, "a"))[0] == "requested"
        row = await engine.jobs.get("a")
        assert row is not None
        assert (row.state, row.cancel_requested) == ("running", True)
        told, untold = await engine.broker.renew([Renewal(a.receipt), Renewal(b.receipt)])
        assert (told.status, told.reason, untold.status) == ("cancel", "asked", "held")
        assert await settle_one(engine, stopped(a)) == "done"
        assert await cancel(engine, "a") == ("finished", "cancelled")

    async def test_a_second_cancel_changes_nothing_and_the_first_reason_stays(self, engine: Engine) -> None:
        """Checklist: 91."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        await cancel(engine, "a")
        version = await engine.results.changed("a", "", 0)
        assert (await engine.broker.cancel("a", "another", cancelled("a"))).status == "requested"
        assert await engine.results.changed("a", version, 0) == version
        assert [one.reason for one in await engine.broker.renew([Renewal(delivery.receipt)])] == ["asked"]

    async def test_a_job_that_ends_before_it_hears_of_its_cancel_has_succeeded(self, engine: Engine) -> None:
        """Checklist: 91."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        await cancel(engine, "a")
        assert await settle_one(engine, done(delivery)) == "done"
        assert await cancel(engine, "a") == ("finished", "succeeded")

    @pytest.mark.parametrize("way", ["lease", "hand-back", "retry"])
    async def test_a_cancelled_job_that_comes_back_is_handed_out_with_its_reason(
        self, engine: Engine, way: str
    ) -> None:
        """Checklist: 25, 91."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        assert delivery.cancel_reason is None
        await cancel(engine, "a")
        match way:
            case "lease":
                shift(delivery.lease_ms + 1, engine)
            case "hand-back":
                assert await release_one(engine, delivery)
            case _:
                assert await settle_one(engine, again(delivery, 60_000)) == "done"
        later = await take_one(engine)
        assert (later.cancel_reason, later.fence) == ("asked", 2)
        assert await settle_one(engine, stopped(later)) == "done"
        assert await state_of(engine, "a") == "cancelled"

    async def test_a_cancelled_job_that_comes_back_passes_its_limits(self, engine: Engine) -> None:
        """Checklist: 25, 84."""
        await engine.limiter.define([LimitRow("narrow", running=1)])
        await publish(engine, submission("a", limit_key="narrow"), submission("b", limit_key="narrow"))
        a = await take_one(engine)
        await cancel(engine, "a")
        await release_one(engine, a)
        await engine.limiter.define([LimitRow("narrow", running=0)], force=True)
        assert [one.id for one in await take(engine, limit=10)] == ["a"]

    @pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
    async def test_cancelling_what_has_ended_says_how_it_ended(self, engine: Engine, state: str) -> None:
        """Checklist: 90."""
        await _bring(engine, "a", state)
        before = await engine.results.get(["a"])
        assert await cancel(engine, "a") == ("finished", state)
        assert await engine.results.get(["a"]) == before

    async def test_a_cancel_carries_out_the_effects_of_its_settlement(self, engine: Engine) -> None:
        """Checklist: 77, 90."""
        await engine.groups.create("g", ["a"], submission("callback", "after"), collect=True, ttl_ms=DAY_MS)
        await publish(engine, submission("a"))
        assert await cancel(engine, "a", Arrive("g", "a", ok=True, value=b"")) == ("cancelled", "cancelled")
        (member,) = await engine.groups.members("g")
        assert not member.ok
        assert [one.id for one in await take(engine, "after")] == ["callback"]

    async def test_what_a_former_worker_says_of_a_cancelled_job_is_stale(self, engine: Engine) -> None:
        """Checklist: 44, 60."""
        await publish(engine, submission("a"))
        former = await take_one(engine)
        await release_one(engine, former)
        await cancel(engine, "a")
        assert await settle_one(engine, done(former)) == "stale"
        assert await state_of(engine, "a") == "cancelled"


class SettleContract(Contract):
    """Leases, fences, and what is stored about a delivery."""

    async def test_a_settlement_is_stored_once(self, engine: Engine) -> None:
        """Checklist: 43."""
        await publish(engine, submission("a"))
        settlement = done(await take_one(engine), b'"first"')
        assert [await settle_one(engine, settlement), await settle_one(engine, settlement)] == ["done", "repeated"]
        assert (await engine.queues.stats("q")).succeeded == 1

    @pytest.mark.parametrize("way", ["finish", "again", "bury"])
    async def test_a_settlement_whose_reply_was_lost_is_recognised(self, engine: Engine, way: str) -> None:
        """Checklist: 43, 45."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        settlement = {"finish": done(delivery), "again": again(delivery), "bury": bury(delivery)}[way]
        sabotage = Sabotage(engine)
        sabotage.fail_after("broker.settle")
        with pytest.raises(EngineUnavailableError):
            await settle_one(sabotage, settlement)
        before = (await engine.queues.stats("q"), await engine.jobs.get("a"))
        assert await settle_one(sabotage, settlement) == "repeated"
        assert (await engine.queues.stats("q"), await engine.jobs.get("a")) == before

    async def test_a_repeated_settlement_is_recognised_while_the_next_attempt_runs(self, engine: Engine) -> None:
        """Checklist: 45."""
        await publish(engine, submission("a"))
        settlement = again(await take_one(engine))
        await settle_one(engine, settlement)
        following = await take_one(engine)
        assert await settle_one(engine, settlement) == "repeated"
        assert await settle_one(engine, done(following)) == "done"

    @pytest.mark.parametrize("way", ["finish", "again", "bury"])
    async def test_a_settlement_with_an_old_fence_changes_nothing(self, engine: Engine, way: str) -> None:
        """Checklist: 44, 60."""
        await engine.groups.create("g", ["a"], None, collect=True, ttl_ms=DAY_MS)
        await publish(engine, submission("a"))
        zombie = await take_one(engine, worker="zombie")
        shift(zombie.lease_ms + 1, engine)
        heir = await take_one(engine, worker="heir")
        before = (await engine.jobs.get("a"), await engine.queues.all())
        effects = (Arrive("g", "a", ok=True, value=b"1"), Enqueue(submission("follow-up")))
        settlement = {"finish": done(zombie, b"1", *effects), "again": again(zombie, 0, *effects), "bury": bury(zombie)}
        assert await settle_one(engine, settlement[way]) == "stale"
        assert (await engine.jobs.get("a"), await engine.queues.all()) == before
        assert await engine.results.get(["a"]) == [None]
        assert await engine.dead_letters.get("a") is None
        assert await engine.groups.members("g") == []
        assert await state_of(engine, "follow-up") == "unknown"
        assert await settle_one(engine, done(heir)) == "done"

    async def test_a_zombie_is_stale_after_its_heir_has_settled_too(self, engine: Engine) -> None:
        """Checklist: 44, 60."""
        await publish(engine, submission("a"))
        zombie = await take_one(engine)
        shift(zombie.lease_ms + 1, engine)
        heir = await take_one(engine)
        await settle_one(engine, done(heir, b'"heir"'))
        assert await settle_one(engine, done(zombie, b'"zombie"')) == "stale"
        record = await record_of(engine, "a")
        assert record is not None
        assert record.value == msgspec.Raw(b'"heir"')

    async def test_nothing_a_zombie_says_is_heard(self, engine: Engine) -> None:
        """Checklist: 53, 60."""
        await publish(engine, submission("a"))
        zombie = await take_one(engine)
        shift(zombie.lease_ms + 1, engine)
        heir = await take_one(engine)
        row = await engine.jobs.get("a")
        assert [one.status for one in await engine.broker.renew([Renewal(zombie.receipt, DAY_MS)])] == ["lost"]
        assert not await release_one(engine, zombie)
        assert not await engine.broker.progress(zombie.receipt, b"zombie")
        assert await engine.jobs.get("a") == row
        assert await engine.broker.progress(heir.receipt, b"heir")

    async def test_a_receipt_from_the_future_is_stale(self, engine: Engine) -> None:
        """Checklist: 44."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        ahead = msgspec.structs.replace(done(delivery), receipt=Receipt("a", delivery.fence + 1))
        assert await settle_one(engine, ahead) == "stale"
        unknown = msgspec.structs.replace(done(delivery), receipt=Receipt("unknown", 1))
        assert await settle_one(engine, unknown) == "stale"
        assert await settle_one(engine, done(delivery)) == "done"

    async def test_a_settlement_that_never_arrived_changed_nothing(self, engine: Engine) -> None:
        """Checklist: 80."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        settlement = done(delivery, b"1", Enqueue(submission("follow-up")))
        sabotage = Sabotage(engine)
        sabotage.fail_before("broker.settle")
        with pytest.raises(EngineUnavailableError):
            await settle_one(sabotage, settlement)
        assert [await state_of(engine, one) for one in ("a", "follow-up")] == ["running", "unknown"]
        assert await settle_one(sabotage, settlement) == "done"
        assert [await state_of(engine, one) for one in ("a", "follow-up")] == ["succeeded", "queued"]

    async def test_a_follow_up_appears_once_and_with_the_success_that_wanted_it(self, engine: Engine) -> None:
        """Checklist: 76, 80."""
        await publish(engine, submission("a"))
        follow_up = Enqueue(submission("follow-up", "after"))
        await settle_one(engine, again(await take_one(engine), 0, follow_up))
        assert await take(engine, "after") == []
        settlement = done(await take_one(engine), b"1", follow_up)
        sabotage = Sabotage(engine)
        sabotage.fail_after("broker.settle")
        with pytest.raises(EngineUnavailableError):
            await settle_one(sabotage, settlement)
        assert await settle_one(sabotage, settlement) == "repeated"
        assert [one.id for one in await take(engine, "after", limit=10)] == ["follow-up"]

    async def test_a_follow_up_with_a_taken_id_is_left_alone_and_the_rest_is_stored(self, engine: Engine) -> None:
        """Checklist: 2, 80."""
        await publish(engine, submission("a"), submission("follow-up", "after", envelope=b"first"))
        follow_up = Enqueue(submission("follow-up", "after", envelope=b"second"))
        assert await settle_one(engine, done(await take_one(engine), b"1", follow_up)) == "done"
        assert [one.envelope for one in await take(engine, "after", limit=10)] == [b"first"]

    async def test_a_retry_is_one_more_attempt_under_a_new_fence(self, engine: Engine) -> None:
        """Checklist: 46."""
        await publish(engine, submission("a"))
        first = await take_one(engine)
        assert await settle_one(engine, again(first)) == "done"
        second = await take_one(engine)
        assert (second.attempt, second.fence, second.losses) == (2, first.fence + 1, 0)
        assert not second.redelivered

    async def test_a_retry_waits_for_its_delay(self, engine: Engine) -> None:
        """Checklist: 47."""
        await publish(engine, submission("a"))
        await settle_one(engine, again(await take_one(engine), 60_000))
        assert await state_of(engine, "a") == "delayed"
        shift(60_000 - SOON_MS, engine)
        assert await take(engine) == []
        shift(SOON_MS, engine)
        assert (await take_one(engine)).attempt == 2

    async def test_a_retry_loses_nothing_of_its_job(self, engine: Engine) -> None:
        """Checklist: 48."""
        job = submission("a", "q", task="t", priority=7, lease_ms=77_000, envelope=b"\x00bytes", result_ttl_ms=9_000)
        await publish(engine, job)
        first = await take_one(engine)
        await settle_one(engine, again(first))
        second = await take_one(engine)
        assert second == msgspec.structs.replace(first, fence=2, attempt=2)
        row = await engine.jobs.get("a")
        assert row is not None
        assert b"no such order" in row.error

    async def test_what_an_attempt_asked_for_its_successors_travels_beside_the_envelope(self, engine: Engine) -> None:
        """Checklist: 48."""
        await publish(engine, submission("a"))
        first = await take_one(engine)
        await settle_one(engine, outcome(first, RetryAsked(ERROR, 0, max_retries=12)))
        second = await take_one(engine)
        assert decode_overrides(second.overrides) == Overrides(12)
        assert second.envelope == first.envelope
        await settle_one(engine, again(second))
        assert decode_overrides((await take_one(engine)).overrides) == Overrides(12)

    async def test_a_released_job_keeps_its_attempt_number(self, engine: Engine) -> None:
        """Checklist: 49, 58."""
        await publish(engine, submission("a"))
        await settle_one(engine, again(await take_one(engine)))
        second = await take_one(engine)
        assert second.attempt == 2
        assert await release_one(engine, second)
        assert await state_of(engine, "a") == "queued"
        third = await take_one(engine)
        assert (third.attempt, third.fence) == (2, 3)
        assert not third.redelivered

    async def test_a_batch_is_handed_back_and_each_receipt_is_answered(self, engine: Engine) -> None:
        """Checklist: 49, 58."""
        await publish(engine, *[submission(one) for one in "abc"])
        a, b, c = await take(engine, limit=3)
        await settle_one(engine, done(b))
        answers = await engine.broker.release([a.receipt, b.receipt, c.receipt, a.receipt])
        assert answers == [True, False, True, False]
        assert [one.id for one in await take(engine, limit=3)] == ["a", "c"]

    async def test_a_settled_or_released_delivery_cannot_be_settled_otherwise(self, engine: Engine) -> None:
        """Checklist: 44, 49."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        await release_one(engine, delivery)
        assert await settle_one(engine, done(delivery)) == "stale"
        assert await state_of(engine, "a") == "queued"

    async def test_a_snooze_uses_up_no_attempt(self, engine: Engine) -> None:
        """Checklist: 47, 49."""
        await publish(engine, submission("a"))
        await settle_one(engine, snoozed(await take_one(engine), 60_000))
        assert await state_of(engine, "a") == "delayed"
        shift(60_000, engine)
        delivery = await take_one(engine)
        assert (delivery.attempt, delivery.fence) == (1, 2)
        assert (await engine.queues.stats("q")).retried == 0

    async def test_a_renewal_holds_a_job_longer(self, engine: Engine, other: Engine) -> None:
        """Checklist: 51, 55."""
        await publish(engine, submission("a", lease_ms=30_000))
        delivery = await take_one(engine)
        for _ in range(10):
            shift(20_000, engine, other)
            assert [one.status for one in await engine.broker.renew([Renewal(delivery.receipt)])] == ["held"]
            assert await take(other, worker="w2") == []
        assert await settle_one(engine, done(delivery)) == "done"

    async def test_a_renewal_may_ask_for_its_own_length(self, engine: Engine) -> None:
        """Checklist: 51, 54."""
        await publish(engine, submission("a", lease_ms=30_000), submission("b", lease_ms=30_000))
        a, b = await take(engine, limit=2)
        await engine.broker.renew([Renewal(a.receipt, 300_000), Renewal(b.receipt)])
        shift(31_000, engine)
        assert [one.id for one in await take(engine, limit=2)] == ["b"]
        shift(270_000, engine)
        assert "a" in {one.id for one in await take(engine, limit=2)}

    async def test_a_shorter_renewal_ends_earlier(self, engine: Engine) -> None:
        """Checklist: 51."""
        await publish(engine, submission("a", lease_ms=300_000))
        delivery = await take_one(engine)
        await engine.broker.renew([Renewal(delivery.receipt, 10_000)])
        shift(10_001, engine)
        assert (await take_one(engine)).losses == 1

    async def test_a_batch_of_renewals_is_answered_one_by_one(self, engine: Engine) -> None:
        """Checklist: 52, 53."""
        await publish(engine, *[submission(one) for one in "abcd"])
        a, b, c, d = await take(engine, limit=4)
        await settle_one(engine, done(b))
        await cancel(engine, "c")
        unknown = Receipt("unknown", 1)
        receipts = (a.receipt, b.receipt, c.receipt, unknown, d.receipt)
        answers = await engine.broker.renew([Renewal(receipt) for receipt in receipts])
        assert [one.status for one in answers] == ["held", "lost", "cancel", "lost", "held"]

    async def test_the_blocking_line_renews_from_a_thread(self, engine: Engine) -> None:
        """Checklist: 51, 52."""
        await publish(engine, submission("a"), submission("b"), submission("c"))
        a, b, c = await take(engine, limit=3)
        await settle_one(engine, done(b))
        await cancel(engine, "c")
        shift(a.lease_ms - SOON_MS, engine)
        line = engine.renewals()
        try:
            batch = [Renewal(a.receipt, 90_000), Renewal(b.receipt), Renewal(c.receipt, 90_000)]
            answers = await anyio.to_thread.run_sync(line.renew, batch)
        finally:
            await anyio.to_thread.run_sync(line.close)
        assert [(one.status, one.reason) for one in answers] == [("held", ""), ("lost", ""), ("cancel", "asked")]
        shift(2 * SOON_MS, engine)
        assert await take(engine, limit=3) == []

    async def test_each_job_has_its_own_lease(self, engine: Engine) -> None:
        """Checklist: 54."""
        await publish(engine, submission("short", lease_ms=10_000), submission("long", lease_ms=600_000))
        await take(engine, limit=2)
        shift(10_001, engine)
        assert [one.id for one in await take(engine, limit=2)] == ["short"]
        shift(589_000 - SOON_MS, engine)
        assert "long" not in {one.id for one in await take(engine, limit=2)}
        shift(2 * SOON_MS, engine)
        assert "long" in {one.id for one in await take(engine, limit=2)}

    async def test_a_job_that_lost_too_many_leases_in_a_row_is_handed_out_only_to_be_buried(
        self, engine: Engine
    ) -> None:
        """Checklist: 56."""
        await publish(engine, submission("a", max_losses=3))
        for losses in range(3):
            delivery = await take_one(engine)
            assert (delivery.losses, delivery.ended) == (losses, None)
            shift(delivery.lease_ms + 1, engine)
        flagged = await take_one(engine)
        assert (flagged.losses, flagged.ended) == (3, "lost")
        assert await settle_one(engine, not_run(flagged)) == "done"
        letter = await engine.dead_letters.get("a")
        assert letter is not None
        assert letter.reason == "worker_lost"
        record = await record_of(engine, "a")
        assert record is not None
        assert (record.state, record.losses) == ("failed", 3)

    async def test_a_flagged_job_that_is_lost_again_is_flagged_again(self, engine: Engine) -> None:
        """Checklist: 56."""
        await publish(engine, submission("a", max_losses=1))
        shift((await take_one(engine)).lease_ms + 1, engine)
        flagged = await take_one(engine)
        assert flagged.ended == "lost"
        shift(flagged.lease_ms + 1, engine)
        assert (await take_one(engine)).ended == "lost"

    async def test_a_lost_lease_uses_up_no_attempt(self, engine: Engine) -> None:
        """Checklist: 57."""
        await publish(engine, submission("a"))
        for losses in range(4):
            delivery = await take_one(engine)
            assert (delivery.attempt, delivery.losses) == (1, losses)
            shift(delivery.lease_ms + 1, engine)
        assert (await engine.queues.stats("q")).retried == 0

    @pytest.mark.parametrize("way", ["retry", "snooze", "hand-back"])
    async def test_losses_are_forgotten_when_a_worker_speaks(self, engine: Engine, way: str) -> None:
        """Checklist: 56, 57."""
        await publish(engine, submission("a", max_losses=3))
        for _ in range(4):
            for losses in range(2):
                delivery = await take_one(engine)
                assert (delivery.losses, delivery.ended) == (losses, None)
                shift(delivery.lease_ms + 1, engine)
            delivery = await take_one(engine)
            assert (delivery.losses, delivery.ended) == (2, None)
            match way:
                case "retry":
                    await settle_one(engine, again(delivery))
                case "snooze":
                    await settle_one(engine, snoozed(delivery))
                case _:
                    await release_one(engine, delivery)

    async def test_many_retries_snoozes_and_hand_backs_and_one_lost_lease_bury_nothing(self, engine: Engine) -> None:
        """Checklist: 49, 56, 57."""
        await publish(engine, submission("a", max_losses=2))
        for _ in range(20):
            await settle_one(engine, again(await take_one(engine)))
            await settle_one(engine, snoozed(await take_one(engine)))
            await release_one(engine, await take_one(engine))
        lost = await take_one(engine)
        shift(lost.lease_ms + 1, engine)
        last = await take_one(engine)
        assert (last.attempt, last.fence, last.losses, last.ended) == (21, 62, 1, None)

    async def test_a_batch_settles_what_is_held_and_refuses_what_is_not(self, engine: Engine) -> None:
        """Checklist: 61."""
        await publish(engine, *[submission(one) for one in "abcd"])
        first = await take(engine, limit=4)
        await settle_one(engine, done(first[1]))
        await release_one(engine, first[2])
        answers = await engine.broker.settle([done(one) for one in first])
        assert answers == ["done", "repeated", "stale", "done"]
        assert [await state_of(engine, one) for one in "abcd"] == ["succeeded", "succeeded", "queued", "succeeded"]

    async def test_one_batch_may_settle_in_every_way(self, engine: Engine) -> None:
        """Checklist: 61."""
        await publish(engine, *[submission(one) for one in "abcd"])
        a, b, c, d = await take(engine, limit=4)
        assert await engine.broker.settle([done(a), again(b, 1_000), bury(c), snoozed(d)]) == ["done"] * 4
        assert [await state_of(engine, one) for one in "abcd"] == ["succeeded", "delayed", "failed", "queued"]

    async def test_the_same_settlement_twice_in_one_batch_is_stored_once(self, engine: Engine) -> None:
        """Checklist: 43, 61."""
        await publish(engine, submission("a"))
        settlement = done(await take_one(engine), b"1", Enqueue(submission("b")))
        assert await engine.broker.settle([settlement, settlement]) == ["done", "repeated"]
        assert (await engine.queues.stats("q")).succeeded == 1

    async def test_two_workers_that_settle_one_job_are_told_apart(self, engine: Engine, other: Engine) -> None:
        """Checklist: 43, 44."""
        for number in range(20):
            await publish(engine, submission(f"job-{number}"))
            old = await take_one(engine)
            shift(old.lease_ms + 1, engine, other)
            new = await take_one(other)
            stale, stored = await asyncio.gather(settle_one(engine, done(old)), settle_one(other, done(new)))
            assert (stale, stored) == ("stale", "done")

    # ------------------------------------------------------------ progress

    async def test_progress_is_kept_beside_a_running_job(self, engine: Engine) -> None:
        """Checklist: 70."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        for note in (b'{"percent":10}', b'{"percent":\xff}'):
            assert await engine.broker.progress(delivery.receipt, note)
            row = await engine.jobs.get("a")
            assert row is not None
            assert row.progress == note

    @pytest.mark.parametrize("state", ["queued", "delayed", "succeeded", "failed"])
    async def test_progress_is_refused_when_the_job_does_not_run(self, engine: Engine, state: str) -> None:
        """Checklist: 44, 60."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        match state:
            case "queued":
                await release_one(engine, delivery)
            case "delayed":
                await settle_one(engine, again(delivery, 1_000))
            case "succeeded":
                await settle_one(engine, done(delivery))
            case _:
                await settle_one(engine, bury(delivery))
        before = await engine.jobs.get("a")
        assert not await engine.broker.progress(delivery.receipt, b"late")
        assert await engine.jobs.get("a") == before


class BellContract(Contract):
    """Sleeping until there is work, without asking for it."""

    async def test_a_publish_between_the_empty_claim_and_the_wait_is_heard(self, engine: Engine, other: Engine) -> None:
        """Checklist: 35, 72."""
        for number in range(20):
            assert await take_all(engine) == []
            await publish(other, submission(f"job-{number}"))
            assert await engine.broker.wait("w", SOON_MS)
            await settle_one(engine, done(await take_one(engine)))

    async def test_a_publish_wakes_a_sleeper_of_its_queue_in_any_process(self, engine: Engine, other: Engine) -> None:
        """Checklist: 34, 35."""
        assert await take(engine, "q1", "q2") == []
        sleeper = asyncio.create_task(engine.broker.wait("w", SOON_MS))
        await anyio.wait_all_tasks_blocked()
        await publish(other, submission("a", "q2"))
        assert await sleeper
        assert [one.id for one in await take(engine, "q1", "q2")] == ["a"]

    async def test_a_publish_elsewhere_wakes_nobody(self, engine: Engine) -> None:
        """Checklist: 105."""
        await take(engine, "q1")
        await publish(engine, submission("a", "q2"))
        assert not await engine.broker.wait("w", NEVER_MS)

    async def test_a_wait_ends_at_its_time_out_and_costs_nothing(self, engine: Engine) -> None:
        """Checklist: 105."""
        for number in range(5):
            assert await take(engine, worker=f"w{number}") == []
        spent, began = time.process_time(), time.monotonic()
        heard = await asyncio.gather(*(engine.broker.wait(f"w{number}", 200) for number in range(5)))
        assert not any(heard)
        assert time.monotonic() - began >= 0.19
        assert time.process_time() - spent < 0.15

    async def test_an_earlier_timer_wakes_who_sleeps_on_a_later_one(self, engine: Engine, other: Engine) -> None:
        """Checklist: 35."""
        await publish(engine, submission("late", delay_ms=600_000))
        await take(engine)
        sleeper = asyncio.create_task(engine.broker.wait("w", SOON_MS))
        await anyio.wait_all_tasks_blocked()
        await publish(other, submission("soon", delay_ms=60_000))
        assert await sleeper
        due = (await engine.broker.claim(["q"], 1, "w")).next_due_ms
        assert due is not None
        assert due <= 60_000

    @pytest.mark.parametrize("way", ["retry", "delayed retry", "hand-back", "follow-up", "replay", "callback"])
    async def test_whatever_brings_work_rings(self, engine: Engine, other: Engine, way: str) -> None:
        """Checklist: 35, 46, 49, 65, 80."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine, worker="busy")
        if way == "callback":
            await engine.groups.create("g", ["a"], submission("b"), collect=True, ttl_ms=DAY_MS)
        if way == "replay":
            await settle_one(engine, bury(delivery))
        assert await take(other, worker="idle") == []
        match way:
            case "retry":
                await settle_one(engine, again(delivery))
            case "delayed retry":
                await settle_one(engine, again(delivery, 10_000))
            case "hand-back":
                await release_one(engine, delivery)
            case "follow-up":
                await settle_one(engine, done(delivery, b"1", Enqueue(submission("b"))))
            case "replay":
                await engine.dead_letters.replay(["a"])
            case _:
                await settle_one(engine, done(delivery, b"1", Arrive("g", "a", ok=True, value=b"")))
        assert await other.broker.wait("idle", SOON_MS)

    async def test_room_under_a_limit_rings(self, engine: Engine, other: Engine) -> None:
        """Checklist: 84."""
        running = await park(engine, "parked")
        assert await take(other, worker="idle") == []
        await settle_one(engine, done(running))
        assert await other.broker.wait("idle", SOON_MS)
        assert [one.id for one in await take(other, worker="idle")] == ["parked"]

    async def test_a_resumed_queue_wakes_who_sleeps(self, engine: Engine, other: Engine) -> None:
        """Checklist: 27."""
        await engine.queues.pause("q")
        await publish(engine, submission("a"))
        assert await take(other) == []
        sleeper = asyncio.create_task(other.broker.wait("w", SOON_MS))
        await anyio.wait_all_tasks_blocked()
        await engine.queues.resume("q")
        assert await sleeper
        assert [one.id for one in await take(other)] == ["a"]

    async def test_one_job_wakes_at_most_one_worker(self, engine: Engine, other: Engine) -> None:
        """Checklist: 105."""
        owners = (engine, engine, other, other)
        for number, owner in enumerate(owners):
            assert await take(owner, worker=f"w{number}") == []
        await publish(engine, submission("a"))
        heard = await asyncio.gather(*(own.broker.wait(f"w{n}", NEVER_MS) for n, own in enumerate(owners)))
        assert heard.count(True) == 1

    async def test_as_many_jobs_wake_as_many_workers(self, engine: Engine, other: Engine) -> None:
        """Checklist: 27, 35."""
        owners = (engine, engine, other, other)
        for number, owner in enumerate(owners):
            assert await take(owner, worker=f"w{number}") == []
        await publish(engine, *[submission(one) for one in "abcd"])
        heard = await asyncio.gather(*(own.broker.wait(f"w{n}", SOON_MS) for n, own in enumerate(owners)))
        assert all(heard)

    async def test_a_worker_that_got_work_is_not_rung_in_place_of_one_that_sleeps(self, engine: Engine) -> None:
        """Checklist: 35, 105."""
        await publish(engine, submission("a", delay_ms=1_000))
        assert await take(engine, worker="busy") == []
        shift(1_000, engine)
        assert [one.id for one in await take(engine, worker="busy")] == ["a"]
        assert await take(engine, worker="idle") == []
        await publish(engine, submission("b"))
        assert await engine.broker.wait("idle", SOON_MS)

    @pytest.mark.parametrize("turns", range(6))
    async def test_a_wait_that_is_cancelled_passes_its_ring_on(self, engine: Engine, other: Engine, turns: int) -> None:
        """Checklist: 35."""
        assert await take(engine, worker="leaves") == []
        leaves = asyncio.create_task(engine.broker.wait("leaves", SOON_MS))
        await anyio.wait_all_tasks_blocked()
        assert await take(other, worker="stays") == []
        stays = asyncio.create_task(other.broker.wait("stays", SOON_MS))
        await anyio.wait_all_tasks_blocked()
        ringing = asyncio.create_task(publish(engine, submission("a")))
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns == 0:
            await ringing
        leaves.cancel()
        (heard,) = await asyncio.gather(leaves, return_exceptions=True)
        await ringing
        if heard is True:
            stays.cancel()
            await asyncio.gather(stays, return_exceptions=True)
        else:
            assert await stays

    async def test_a_worker_that_stopped_waiting_is_not_rung_any_more(self, engine: Engine) -> None:
        """Checklist: 35, 105."""
        assert await take(engine, worker="leaves") == []
        assert not await engine.broker.wait("leaves", 10)
        assert await take(engine, worker="stays") == []
        await publish(engine, submission("a"))
        assert await engine.broker.wait("stays", SOON_MS)


class BrokerContract(PublishContract, ClaimContract, SettleContract, BellContract):
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
        assert await engine.jobs.page(JobFilter()) == ([], "")
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
        reopened = await _restart(engine, engines)
        assert [(one.id, one.priority, one.envelope) for one in await take_all(reopened)] == [("now", 3, b"\x00")]
        shift(60_000, reopened)
        assert "later" in {one.id for one in await take_all(reopened)}

    async def test_running_jobs_survive_a_restart_under_the_same_lease(
        self, engine: Engine, engines: EngineFactory
    ) -> None:
        """Checklist: 62."""
        await publish(engine, submission("a"), submission("b"))
        a, b = await take(engine, limit=2)
        reopened = await _restart(engine, engines)
        assert await take(reopened, limit=2) == []
        assert await settle_one(reopened, done(a)) == "done"
        shift(b.lease_ms + 1, reopened)
        assert [(one.id, one.fence, one.losses) for one in await take(reopened, limit=2)] == [("b", 2, 1)]

    async def test_a_settlement_is_recognised_after_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 45, 62."""
        await publish(engine, submission("a"))
        settlement = done(await take_one(engine))
        await settle_one(engine, settlement)
        assert await settle_one(await _restart(engine, engines), settlement) == "repeated"

    async def test_parked_jobs_unique_keys_and_cancels_survive_a_restart(
        self, engine: Engine, engines: EngineFactory
    ) -> None:
        """Checklist: 11, 39, 62."""
        running = await park(engine, "parked")
        await publish(engine, submission("unique", "other", unique=UniqueClaim("key")))
        await cancel(engine, running.id)
        reopened = await _restart(engine, engines)
        assert await publish(reopened, submission("second", "other", unique=UniqueClaim("key"))) == ["held"]
        assert [one.status for one in await reopened.broker.renew([Renewal(running.receipt)])] == ["cancel"]
        assert await take(reopened, limit=2) == []
        await settle_one(reopened, done(running))
        assert [one.id for one in await take(reopened, limit=2)] == ["parked"]


# ---------------------------------------------------------------- how tests bring jobs about


async def _restart(engine: Engine, engines: EngineFactory) -> Engine:
    await engine.close()
    return await engines.make()


async def _claims_until(engine: Engine, job_id: str, *, most: int, strict: bool) -> int | None:
    """The number of the claim that served this job while higher ones kept coming; None: none of `most` did."""
    for number in range(1, most + 1):
        await publish(engine, submission(f"busy-{number}", priority=9))
        if job_id in {one.id for one in await take(engine, strict=strict)}:
            return number
    return None


async def _bring(engine: Engine, job_id: str, state: str) -> None:
    """A new job in the given state."""
    match state:
        case "parked":
            await park(engine, job_id)
            return
        case "delayed":
            await publish(engine, submission(job_id, delay_ms=60_000))
            return
        case _:
            await publish(engine, submission(job_id))
    if state == "queued":
        return
    if state == "cancelled":
        await cancel(engine, job_id)
        return
    delivery = await take_one(engine)
    match state:
        case "succeeded":
            await settle_one(engine, done(delivery))
        case "failed":
            await settle_one(engine, bury(delivery))
        case "retried":
            await settle_one(engine, again(delivery, 60_000))
        case "handed back":
            await release_one(engine, delivery)
        case _:
            assert state == "running"


async def _end(engine: Engine, job_id: str, end: str) -> None:
    """Bring a queued job to its end."""
    match end:
        case "cancel":
            await cancel(engine, job_id)
            return
        case "purge":
            assert await engine.queues.purge("q") == 1
            return
        case "expiry":
            shift(1_000, engine)
        case _:
            pass
    delivery = await take_one(engine)
    match end:
        case "success":
            await settle_one(engine, done(delivery))
        case "burial":
            await settle_one(engine, bury(delivery))
        case "stop":
            await cancel(engine, job_id)
            await settle_one(engine, stopped(delivery))
        case _:
            await settle_one(engine, not_run(delivery))
