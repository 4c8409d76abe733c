"""Ending jobs from the outside."""

from __future__ import annotations

import pytest

from stem.contracts.broker import Renewal
from stem.contracts.engine import Engine
from stem.core.limit import LimitRow
from stem.core.settle import Arrive
from stem.testing.contracts import (
    DAY_MS,
    Contract,
    again,
    cancel,
    cancelled,
    done,
    publish,
    record_of,
    release_one,
    settle_one,
    shift,
    state_of,
    stopped,
    submission,
    take,
    take_one,
)
from stem.testing.contracts.steps import bring


class CancelContract(Contract):
    """Ending jobs from the outside, whatever state they are in."""

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
        await bring(engine, "a", state)
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
        assert later.cancel_reason == "asked"
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
        await bring(engine, "a", state)
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
