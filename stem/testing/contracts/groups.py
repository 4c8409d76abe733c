"""Counting members, firing once."""

from __future__ import annotations

import asyncio

import pytest

from stem.contracts.broker import Delivery
from stem.contracts.engine import Engine
from stem.contracts.groups import GroupState, Member
from stem.core.settle import Arrive, Settlement
from stem.errors import EngineUnavailableError
from stem.testing.contracts import (
    DAY_MS,
    Contract,
    EngineFactory,
    again,
    bury,
    cancel,
    done,
    publish,
    settle_one,
    shift,
    snoozed,
    submission,
    take,
    take_all,
    take_one,
)
from stem.testing.sabotage import Sabotage


def _arrives(member: str, group: str = "g") -> Arrive:
    return Arrive(group, member, ok=True, value=b"")


async def _group(engine: Engine, *members: str, collect: bool = False, group: str = "g") -> list[Delivery]:
    """A group whose members all run; their deliveries in order."""
    callback = submission(f"callback-{group}", "after")
    assert await engine.groups.create(group, members, callback, collect=collect, ttl_ms=DAY_MS)
    await publish(engine, *[submission(one) for one in members])
    return await take_all(engine)


def _finished(delivery: Delivery, value: bytes = b"1") -> Settlement:
    return done(delivery, value, _arrives(delivery.id))


async def _state(engine: Engine, group: str = "g") -> GroupState:
    found = await engine.groups.get(group)
    assert found is not None
    return found


async def _fired(engine: Engine) -> list[str]:
    return [one.id for one in await take_all(engine, "after")]


class GroupsContract(Contract):
    """Arrivals as effects of settlements."""

    async def test_a_group_fires_when_its_last_member_has_arrived(self, engine: Engine) -> None:
        """Checklist: 74."""
        deliveries = await _group(engine, "a", "b", "c")
        for arrived, delivery in enumerate(deliveries):
            state = await _state(engine)
            assert (state.total, state.arrived, state.failed, state.fired) == (3, arrived, 0, False)
            assert await take(engine, "after") == []
            await settle_one(engine, _finished(delivery))
        state = await _state(engine)
        assert (state.arrived, state.fired) == (3, True)
        assert await _fired(engine) == ["callback-g"]

    async def test_members_are_listed_in_the_order_of_the_group_with_their_values(self, engine: Engine) -> None:
        """Checklist: 74."""
        a, b, c = await _group(engine, "a", "b", "c")
        await settle_one(engine, _finished(c, b'"third"'))
        assert await engine.groups.members("g") == [Member("c", ok=True, value=b'"third"')]
        await engine.broker.settle([_finished(b, b"[2]"), _finished(a, b"\xc3\xa9")])
        values = [(one.id, one.ok, one.value) for one in await engine.groups.members("g")]
        assert values == [("a", True, b"\xc3\xa9"), ("b", True, b"[2]"), ("c", True, b'"third"')]

    async def test_a_hundred_members_that_end_at_the_same_time_fire_once(self, engine: Engine, other: Engine) -> None:
        """Checklist: 74."""
        deliveries = await _group(engine, *[f"m{number}" for number in range(100)])
        engines = (engine, other)
        answers = await asyncio.gather(
            *(settle_one(engines[number % 2], _finished(one)) for number, one in enumerate(deliveries))
        )
        assert answers == ["done"] * 100
        assert (await _state(engine)).arrived == 100
        assert await _fired(engine) == ["callback-g"]

    async def test_three_members_in_one_batch_count_as_three(self, engine: Engine) -> None:
        """Checklist: 61, 74."""
        deliveries = await _group(engine, "a", "b", "c")
        assert await engine.broker.settle([_finished(one) for one in deliveries]) == ["done"] * 3
        assert (await _state(engine)).arrived == 3
        assert await _fired(engine) == ["callback-g"]

    async def test_a_member_that_arrives_twice_is_counted_once(self, engine: Engine) -> None:
        """Checklist: 75."""
        a, b = await _group(engine, "a", "b")
        await publish(engine, submission("twin"))
        twin = await take_one(engine)
        await settle_one(engine, _finished(a, b'"first"'))
        await settle_one(engine, done(twin, b'"second"', _arrives("a")))
        assert (await _state(engine)).arrived == 1
        assert await engine.groups.members("g") == [Member("a", ok=True, value=b'"first"')]
        await settle_one(engine, _finished(b))
        assert await _fired(engine) == ["callback-g"]

    async def test_a_member_twice_in_one_settlement_is_counted_once(self, engine: Engine) -> None:
        """Checklist: 75."""
        a, _ = await _group(engine, "a", "b")
        await settle_one(engine, done(a, b"1", _arrives("a"), _arrives("a")))
        assert (await _state(engine)).arrived == 1

    async def test_who_is_no_member_is_not_counted(self, engine: Engine) -> None:
        """Checklist: 75."""
        a, _ = await _group(engine, "a", "b")
        settlement = done(a, b"1", _arrives("stranger"), _arrives("a", "unknown group"))
        assert await settle_one(engine, settlement) == "done"
        assert (await _state(engine)).arrived == 0
        assert await engine.groups.get("unknown group") is None

    async def test_the_last_member_whose_reply_was_lost_fires_once(self, engine: Engine) -> None:
        """Checklist: 76."""
        a, b = await _group(engine, "a", "b")
        await settle_one(engine, _finished(a))
        sabotage = Sabotage(engine)
        sabotage.fail_after("broker.settle")
        with pytest.raises(EngineUnavailableError):
            await settle_one(sabotage, _finished(b))
        assert await settle_one(sabotage, _finished(b)) == "repeated"
        assert await _fired(engine) == ["callback-g"]

    async def test_the_last_member_redelivered_fires_once(self, engine: Engine) -> None:
        """Checklist: 44, 76."""
        (zombie,) = await _group(engine, "a")
        shift(zombie.lease_ms + 1, engine)
        heir = await take_one(engine)
        assert await settle_one(engine, _finished(zombie)) == "stale"
        assert (await _state(engine)).arrived == 0
        assert await settle_one(engine, _finished(heir)) == "done"
        assert await _fired(engine) == ["callback-g"]

    async def test_a_failed_member_breaks_the_group(self, engine: Engine) -> None:
        """Checklist: 77."""
        a, b = await _group(engine, "a", "b")
        await settle_one(engine, bury(a, _arrives("a")))
        await settle_one(engine, _finished(b))
        state = await _state(engine)
        assert (state.arrived, state.failed, state.fired) == (2, 1, False)
        assert await _fired(engine) == []
        assert [(one.id, one.ok) for one in await engine.groups.members("g")] == [("a", False), ("b", True)]

    async def test_a_group_that_collects_fires_with_failed_members(self, engine: Engine) -> None:
        """Checklist: 77."""
        a, b = await _group(engine, "a", "b", collect=True)
        await settle_one(engine, _finished(a))
        await settle_one(engine, bury(b, _arrives("b")))
        state = await _state(engine)
        assert (state.arrived, state.failed, state.fired) == (2, 1, True)
        assert await _fired(engine) == ["callback-g"]

    async def test_a_member_that_is_retried_or_snoozed_has_not_arrived(self, engine: Engine) -> None:
        """Checklist: 77."""
        a, b = await _group(engine, "a", "b")
        await engine.broker.settle([again(a, 0, _arrives("a")), snoozed(b)])
        assert (await _state(engine)).arrived == 0

    async def test_a_cancelled_member_arrives_without_success(self, engine: Engine) -> None:
        """Checklist: 77, 90."""
        await engine.groups.create("g", ["a"], submission("callback-g", "after"), collect=True, ttl_ms=DAY_MS)
        await publish(engine, submission("a", delay_ms=1_000))
        await cancel(engine, "a", _arrives("a"))
        assert (await _state(engine)).failed == 1
        assert await _fired(engine) == ["callback-g"]

    async def test_an_empty_group_fires_at_once(self, engine: Engine) -> None:
        """Checklist: 78."""
        assert await engine.groups.create("g", [], submission("callback-g", "after"), collect=False, ttl_ms=DAY_MS)
        assert (await _state(engine)).fired
        assert await _fired(engine) == ["callback-g"]

    async def test_a_group_without_callback_counts_all_the_same(self, engine: Engine) -> None:
        """Checklist: 78."""
        await engine.groups.create("g", ["a"], None, collect=False, ttl_ms=DAY_MS)
        await publish(engine, submission("a"))
        await settle_one(engine, _finished(await take_one(engine)))
        state = await _state(engine)
        assert (state.arrived, state.fired) == (1, True)

    async def test_a_group_is_created_once(self, engine: Engine, other: Engine) -> None:
        """Checklist: 75."""
        callbacks = [submission(f"callback-{number}", "after") for number in range(2)]
        made = await asyncio.gather(
            engine.groups.create("g", ["a"], callbacks[0], collect=False, ttl_ms=DAY_MS),
            other.groups.create("g", ["a"], callbacks[1], collect=False, ttl_ms=DAY_MS),
        )
        assert sorted(made) == [False, True]
        await publish(engine, submission("a"))
        await settle_one(engine, _finished(await take_one(engine)))
        assert await _fired(engine) == [f"callback-{made.index(True)}"]

    async def test_creating_it_again_keeps_its_arrivals(self, engine: Engine) -> None:
        """Checklist: 75."""
        a, _ = await _group(engine, "a", "b")
        await settle_one(engine, _finished(a))
        assert not await engine.groups.create("g", ["c"], None, collect=True, ttl_ms=1)
        state = await _state(engine)
        assert (state.total, state.arrived) == (2, 1)

    async def test_an_empty_group_created_twice_fires_once(self, engine: Engine) -> None:
        """Checklist: 5, 78."""
        sabotage = Sabotage(engine)
        sabotage.fail_after("groups.create")
        callback = submission("callback-g", "after")
        with pytest.raises(EngineUnavailableError):
            await sabotage.groups.create("g", [], callback, collect=False, ttl_ms=DAY_MS)
        assert not await sabotage.groups.create("g", [], callback, collect=False, ttl_ms=DAY_MS)
        assert await _fired(engine) == ["callback-g"]

    async def test_one_settlement_may_reach_several_groups(self, engine: Engine) -> None:
        """Checklist: 79."""
        (a,) = await _group(engine, "a")
        await engine.groups.create("h", ["inner"], submission("callback-h", "after"), collect=False, ttl_ms=DAY_MS)
        await settle_one(engine, done(a, b"1", _arrives("a"), _arrives("inner", "h")))
        assert sorted(await _fired(engine)) == ["callback-g", "callback-h"]

    async def test_the_callback_of_a_group_may_be_a_member_of_another(self, engine: Engine) -> None:
        """Checklist: 79."""
        await engine.groups.create("outer", ["callback-g"], submission("end", "after"), collect=False, ttl_ms=DAY_MS)
        (a,) = await _group(engine, "a")
        await settle_one(engine, _finished(a))
        inner = await take_one(engine, "after")
        assert inner.id == "callback-g"
        await settle_one(engine, done(inner, b"1", _arrives("callback-g", "outer")))
        assert await _fired(engine) == ["end"]

    async def test_an_abandoned_group_is_forgotten(self, engine: Engine) -> None:
        """Checklist: 82."""
        a, b = await _group(engine, "a", "b")
        await settle_one(engine, _finished(a))
        await engine.broker.release([b.receipt])
        shift(DAY_MS, engine)
        assert await engine.groups.get("g") is None
        assert await engine.groups.members("g") == []
        assert await settle_one(engine, _finished(await take_one(engine))) == "done"
        assert await _fired(engine) == []

    async def test_the_name_of_a_forgotten_group_is_free(self, engine: Engine) -> None:
        """Checklist: 82."""
        (a,) = await _group(engine, "a")
        await settle_one(engine, _finished(a))
        shift(DAY_MS, engine)
        assert await engine.groups.create("g", ["b"], None, collect=False, ttl_ms=DAY_MS)
        state = await _state(engine)
        assert (state.total, state.arrived, state.fired) == (1, 0, False)


class DurableGroupsContract(Contract):
    """For engines whose store outlives them."""

    async def test_arrivals_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 62, 76."""
        a, b = await _group(engine, "a", "b")
        await settle_one(engine, _finished(a))
        await engine.close()
        reopened = await engines.make()
        assert (await _state(reopened)).arrived == 1
        await settle_one(reopened, _finished(b))
        assert await _fired(reopened) == ["callback-g"]
