"""Deliveries after the claim: settling, giving back, renewing, losing."""

from __future__ import annotations

import asyncio

import anyio
import anyio.to_thread
import msgspec
import pytest

from stem.contracts.broker import Renewal
from stem.contracts.engine import Engine
from stem.core.envelope import Overrides, decode_overrides
from stem.core.outcome import RetryAsked
from stem.core.settle import Arrive, Enqueue
from stem.errors import EngineUnavailableError
from stem.testing.contracts import (
    DAY_MS,
    ERROR,
    SOON_MS,
    Contract,
    again,
    bury,
    cancel,
    done,
    not_run,
    outcome,
    publish,
    record_of,
    release_one,
    settle_one,
    shift,
    snoozed,
    state_of,
    submission,
    take,
    take_one,
)
from stem.testing.sabotage import Sabotage
from stem.values import Receipt


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

    @pytest.mark.parametrize("end", ["expired", "purged"])
    async def test_a_zombie_of_a_former_job_is_stale_when_its_id_is_used_again(self, engine: Engine, end: str) -> None:
        """Checklist: 44, 60."""
        await publish(engine, submission("a", result_ttl_ms=1_000))
        zombie = await take_one(engine)
        shift(zombie.lease_ms + 1, engine)
        if end == "expired":
            await settle_one(engine, done(await take_one(engine)))
            shift(1_000, engine)
        else:
            await release_one(engine, await take_one(engine))
            assert await engine.queues.purge("q") == 1
        assert await publish(engine, submission("a")) == ["new"]
        heir = await take_one(engine)
        assert [one.status for one in await engine.broker.renew([Renewal(zombie.receipt)])] == ["lost"]
        assert not await release_one(engine, zombie)
        assert await settle_one(engine, done(zombie)) == "stale"
        assert await settle_one(engine, done(heir)) == "done"

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
        assert (second.attempt, second.losses) == (2, 0)
        assert second.fence != first.fence
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
        assert second == msgspec.structs.replace(first, fence=second.fence, attempt=2)
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
        assert third.attempt == 2
        assert third.fence != second.fence
        assert not third.redelivered

    async def test_a_batch_is_handed_back_and_each_receipt_is_answered(self, engine: Engine) -> None:
        """Checklist: 49, 58."""
        await publish(engine, *[submission(one) for one in "abc"])
        a, b, c = await take(engine, limit=3)
        await settle_one(engine, done(b))
        answers = await engine.broker.release([a.receipt, b.receipt, c.receipt, a.receipt])
        assert answers == [True, False, True, False]
        assert [one.id for one in await take(engine, limit=3)] == ["a", "c"]

    async def test_a_job_that_is_given_back_unrun_keeps_its_losses_and_waits(self, engine: Engine) -> None:
        """Checklist: 129."""
        await publish(engine, submission("a", max_losses=3), submission("b"))
        shift((await take_one(engine)).lease_ms, engine)
        lost = await take_one(engine)
        assert (lost.id, lost.losses, lost.max_losses) == ("a", 1, 3)
        assert await engine.broker.release([lost.receipt], again_in_ms=1_000) == [True]
        assert await engine.broker.release([lost.receipt], again_in_ms=1_000) == [False]
        assert [one.id for one in await take(engine, limit=3)] == ["b"]
        assert await state_of(engine, "a") == "delayed"
        shift(1_000, engine)
        again = await take_one(engine)
        assert (again.id, again.losses, again.attempt) == ("a", 1, lost.attempt)
        assert await engine.broker.release([again.receipt], again_in_ms=0) == [True]
        assert (await take_one(engine)).losses == 1

    async def test_a_job_that_is_to_be_cancelled_does_not_wait_when_it_is_given_back_unrun(
        self, engine: Engine
    ) -> None:
        """Checklist: 129."""
        await publish(engine, submission("a"))
        delivery = await take_one(engine)
        await cancel(engine, "a")
        assert await engine.broker.release([delivery.receipt], again_in_ms=60_000) == [True]
        assert (await take_one(engine)).cancel_reason == "asked"

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
        assert delivery.attempt == 1
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
        assert (last.attempt, last.losses, last.ended) == (21, 1, None)
        row = await engine.jobs.get("a")
        assert row is not None
        assert row.deliveries == 62

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
