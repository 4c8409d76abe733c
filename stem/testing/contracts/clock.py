"""The store's clock is set, forward and back, while jobs and runs are held, parked and delayed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stem.contracts.broker import Delivery, Renewal
from stem.contracts.engine import Engine
from stem.core.lease import doubt_ms
from stem.core.limit import LimitRow
from stem.core.rate import Bucket
from stem.core.run import ClaimedRun
from stem.testing.contracts import (
    SOON_MS,
    Contract,
    done,
    publish,
    settle_one,
    shift,
    state_of,
    submission,
    take,
    take_all,
)
from stem.testing.contracts.runs import LINE, Hand, new_run, started

STEPS_MS = (-3_600_000, -600_000, -10_000, 10_000, 600_000, 3_600_000)
LEASE_MS = 30_000


async def hold(engine: Engine, *queues: str, worker: str = "w", limit: int = 10) -> Sequence[Delivery]:
    """What a worker claims that renews its leases."""
    return (await engine.broker.claim(queues or ("q",), limit, worker, renews=True)).deliveries


async def hold_runs(engine: Engine, worker: str = "w") -> Sequence[ClaimedRun]:
    return (await engine.workflows.claim([LINE], 10, worker, renews=True)).runs


class ClockContract(Contract):
    """Steps of the clock, and what they must not do."""

    @pytest.mark.parametrize("step_ms", STEPS_MS)
    async def test_a_job_whose_worker_lives_is_not_handed_out_again(
        self, engine: Engine, other: Engine, step_ms: int
    ) -> None:
        """Checklist: 130."""
        await publish(engine, *[submission(f"job-{n}", lease_ms=LEASE_MS) for n in range(5)])
        held = await hold(engine)
        assert len(held) == 5
        shift(step_ms, engine, other)
        assert await hold(other, worker="another") == ()
        assert await take(other, worker="another", limit=5) == []
        answers = await engine.broker.renew([Renewal(one.receipt) for one in held])
        assert [one.status for one in answers] == ["held"] * 5
        shift(LEASE_MS - SOON_MS, engine, other)
        assert await hold(other, worker="another") == ()
        assert await engine.broker.settle([done(one) for one in held]) == ["done"] * 5
        assert (await engine.queues.stats("q")).lost == 0

    @pytest.mark.parametrize("step_ms", STEPS_MS)
    async def test_a_run_whose_worker_lives_is_not_handed_out_again(
        self, engine: Engine, other: Engine, step_ms: int
    ) -> None:
        """Checklist: 130."""
        await started(engine, new_run("run", lease_ms=LEASE_MS))
        (claimed,) = await hold_runs(engine)
        shift(step_ms, engine, other)
        assert await hold_runs(other, "another") == ()
        assert [one.status for one in await engine.workflows.renew([Renewal(claimed.receipt)])] == ["held"]
        shift(LEASE_MS - SOON_MS, engine, other)
        assert await hold_runs(other, "another") == ()
        hand = Hand(engine, claimed)
        await hand.end()
        assert hand.claimed.takeovers == 0

    async def test_a_job_whose_worker_is_gone_is_doubted_once_and_then_handed_out(
        self, engine: Engine, other: Engine
    ) -> None:
        """Checklist: 131."""
        await publish(engine, submission("a", lease_ms=LEASE_MS))
        (first,) = await hold(engine)
        shift(LEASE_MS, engine, other)
        claimed = await other.broker.claim(("q",), 1, "another", renews=True)
        assert claimed.deliveries == ()
        assert claimed.next_due_ms is not None
        assert doubt_ms(LEASE_MS) - SOON_MS < claimed.next_due_ms <= doubt_ms(LEASE_MS)
        shift(doubt_ms(LEASE_MS) - SOON_MS, engine, other)
        assert await hold(other, worker="another") == ()
        shift(SOON_MS, engine, other)
        (second,) = await hold(other, worker="another")
        assert (second.id, second.losses, second.fence != first.fence) == ("a", 1, True)
        assert await settle_one(engine, done(first)) == "stale"
        shift(LEASE_MS, engine, other)
        assert await hold(engine) == ()
        shift(doubt_ms(LEASE_MS), engine, other)
        assert [one.losses for one in await hold(engine)] == [2]

    async def test_a_run_whose_worker_is_gone_is_doubted_once_and_then_handed_out(
        self, engine: Engine, other: Engine
    ) -> None:
        """Checklist: 131."""
        await started(engine, new_run("run", lease_ms=LEASE_MS))
        await hold_runs(engine)
        shift(LEASE_MS, engine, other)
        assert await hold_runs(other, "another") == ()
        shift(doubt_ms(LEASE_MS) - SOON_MS, engine, other)
        assert await hold_runs(other, "another") == ()
        shift(SOON_MS, engine, other)
        (second,) = await hold_runs(other, "another")
        assert second.takeovers == 1

    async def test_a_worker_that_does_not_renew_is_not_doubted(self, engine: Engine, other: Engine) -> None:
        """Checklist: 131. Also when one that renews has held the job before."""
        await publish(engine, submission("a", lease_ms=LEASE_MS))
        await hold(engine)
        shift(LEASE_MS, engine, other)
        await hold(other)
        shift(doubt_ms(LEASE_MS), engine, other)
        assert [one.losses for one in await take(engine)] == [1]
        shift(LEASE_MS, engine, other)
        assert [one.losses for one in await take(other)] == [2]

    @pytest.mark.parametrize("step_ms", STEPS_MS)
    async def test_jobs_parked_for_a_rate_wait_no_longer_than_a_token_takes(
        self, engine: Engine, other: Engine, step_ms: int
    ) -> None:
        """Checklist: 132."""
        await engine.limiter.define([LimitRow("rate", bucket=Bucket(1, 1_000, 1))])
        await publish(engine, *[submission(f"job-{n}", rate_key="rate") for n in range(4)])
        assert len(await take_all(engine)) == 1
        assert await state_of(engine, "job-3") == "parked"
        shift(step_ms, engine, other)
        started_ = len(await take_all(other))
        for _ in range(3 - started_):
            shift(1_001, engine, other)
            started_ += len(await take_all(other))
        assert started_ == 3

    async def test_a_clock_that_went_back_is_noticed_by_a_worker_that_sleeps(self, engine: Engine) -> None:
        """Checklist: 132. The claim after its sleep knows a timer that is near."""
        await engine.limiter.define([LimitRow("rate", bucket=Bucket(1, 1_000, 1))])
        await publish(engine, submission("a", rate_key="rate"), submission("b", rate_key="rate"))
        assert len(await take_all(engine)) == 1
        shift(-600_000, engine)
        claimed = await engine.broker.claim(("q",), 1, "w")
        assert claimed.next_due_ms is not None
        assert claimed.next_due_ms <= 1_001
        assert claimed.deliveries == ()

    @pytest.mark.parametrize("step_ms", STEPS_MS)
    async def test_a_delay_is_an_instant_of_the_clock(self, engine: Engine, step_ms: int) -> None:
        """Checklist: 132. What cannot hold: it comes earlier or later by the step."""
        await publish(engine, submission("a", delay_ms=7_200_000))
        shift(step_ms, engine)
        shift(7_200_000 - step_ms - SOON_MS, engine)
        assert await take(engine) == []
        shift(SOON_MS, engine)
        assert [one.id for one in await take(engine)] == ["a"]
