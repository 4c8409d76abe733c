"""Into the line of jobs: ids, bytes, unique keys, delays."""

from __future__ import annotations

import asyncio

import pytest

from stem.contracts.engine import Engine
from stem.core.unique import UniqueClaim
from stem.errors import EngineUnavailableError
from stem.testing.contracts import (
    DAY_MS,
    SOON_MS,
    Contract,
    again,
    bury,
    cancel,
    done,
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
from stem.testing.contracts.steps import bring, bring_to_end
from stem.testing.sabotage import Sabotage

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
        assert await publish(engine, submission("a", envelope=b"second")) == ["duplicate"]
        assert [one.envelope for one in await take_all(engine)] == [b"first"]

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
        await bring(engine, "a", state)
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
        assert await publish(engine, *[submission(f"2{n}", n, unique=UniqueClaim(n)) for n in _NAMES]) == [
            "held"
        ] * len(_NAMES)
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
        await bring_to_end(engine, "a", end)
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
