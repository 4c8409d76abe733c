"""Out of the line of jobs: order, priorities, queues, expiry."""

from __future__ import annotations

import asyncio

import pytest

from stem.contracts.broker import Delivery
from stem.contracts.engine import Engine
from stem.core.priority import GUARD_EVERY
from stem.testing.contracts import (
    SOON_MS,
    Contract,
    again,
    cancel,
    not_run,
    park,
    publish,
    record_of,
    release_one,
    settle_one,
    shift,
    state_of,
    submission,
    take,
    take_all,
    take_one,
)
from stem.testing.contracts.steps import claims_until


class ClaimContract(Contract):
    """Who gets which job, and when."""

    @pytest.mark.parametrize("limit", [1, 2, 10])
    async def test_what_comes_back_takes_its_place_in_the_order_of_arrival(self, engine: Engine, limit: int) -> None:
        """Checklist: 18."""
        await publish(engine, submission("returned"))
        held = await take_one(engine)
        late = [submission("second", delay_ms=1_000), submission("fourth", delay_ms=500)]
        await publish(engine, submission("first"), late[0], submission("third"), late[1], submission("fifth"))
        shift(1_000, engine)
        assert await release_one(engine, held)
        order = [one.id for one in await take_all(engine, limit=limit)]
        assert order == ["returned", "first", "second", "third", "fourth", "fifth"]

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
        served = await claims_until(engine, "low", most=80, strict=False)
        assert served is not None, "80 claims went by"
        assert served > 1, "the highest level comes first"
        assert await state_of(engine, "low") == "running"

    async def test_every_level_is_served_within_80_claims(self, engine: Engine) -> None:
        """Checklist: 21."""
        await publish(engine, *[submission(f"level-{level}", priority=level) for level in range(9)])
        served: set[str] = set()
        for number in range(81):
            await publish(engine, submission(f"busy-{number}", priority=9))
            served |= {one.id for one in await take(engine)}
        assert {f"level-{level}" for level in range(9)} <= served

    async def test_a_claim_that_finds_nothing_does_not_count(self, engine: Engine) -> None:
        """Checklist: 21."""
        await publish(engine, submission("first"))
        await take(engine)
        for number in range(2 * GUARD_EVERY - 2):  # the next one would serve a lower level, if these counted
            assert await take(engine, worker=f"idle-{number}") == []
        await publish(engine, submission("low"), submission("high", priority=9))
        assert [one.id for one in await take(engine)] == ["high"]

    @pytest.mark.parametrize("queues", ["ab", "abc"])
    async def test_the_lowest_level_of_every_queue_is_served_when_there_are_several(
        self, engine: Engine, queues: str
    ) -> None:
        """Checklist: 21, 31."""
        await publish(engine, *[submission(f"low-{queue}", queue) for queue in queues])
        served: set[str] = set()
        for number in range(len(queues) * 80):
            await publish(engine, *[submission(f"{queue}-{number}", queue, priority=9) for queue in queues])
            served |= {one.id for one in await take(engine, *queues)}
        assert {f"low-{queue}" for queue in queues} <= served

    async def test_each_worker_has_its_own_turns(self, engine: Engine) -> None:
        """Checklist: 31."""
        queues = ("a", "b", "c")
        await publish(engine, *[submission(f"{queue}-{number}", queue) for queue in queues for number in range(20)])
        served: dict[str, set[str]] = {"w1": set(), "w2": set()}
        for _ in range(10):
            for worker, its in (("w1", ("a", "b")), ("w2", ("a", "c"))):
                served[worker] |= {one.queue for one in await take(engine, *its, worker=worker)}
        assert served == {"w1": {"a", "b"}, "w2": {"a", "c"}}

    async def test_strict_order_never_serves_a_lower_level_first(self, engine: Engine) -> None:
        """Checklist: 21."""
        await publish(engine, submission("low"))
        assert await claims_until(engine, "low", most=100, strict=True) is None

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
        await publish(
            engine, submission("a", "q7", task="t", priority=3, lease_ms=45_000, result_ttl_ms=5_000, max_losses=7)
        )
        published = await engine.now_ms()
        first = await take_one(engine, "q7", worker="w1")
        assert before <= first.enqueued_at <= published
        expected = Delivery(
            id="a",
            fence=first.fence,
            task="t",
            queue="q7",
            envelope=b'{"id":"a"}',
            attempt=1,
            losses=0,
            lease_ms=45_000,
            enqueued_at=first.enqueued_at,
            priority=3,
            result_ttl_ms=5_000,
            max_losses=7,
        )
        assert first == expected
        assert not first.redelivered
        row = await engine.jobs.get("a")
        assert row is not None
        assert (row.worker, row.fence, row.deliveries, row.attempts) == ("w1", first.fence, 1, 0)
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
        assert (second.id, second.losses, second.redelivered) == ("a", 1, True)
        assert second.fence != first.fence
        assert (second.envelope, second.enqueued_at) == (first.envelope, first.enqueued_at)
