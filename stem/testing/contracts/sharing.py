"""What the queues of a namespace have in common; left out by engines that keep each queue by itself."""

from __future__ import annotations

import msgspec
import pytest

from stem.contracts.engine import Engine
from stem.core.run import Call, Suspend, Wait
from stem.core.unique import UniqueClaim
from stem.testing.contracts import (
    Contract,
    cancel,
    done,
    not_run,
    publish,
    settle_one,
    shift,
    submission,
    take,
    take_all,
    take_one,
)
from stem.testing.contracts.limiter import MINUTE_MS, rate, room
from stem.testing.contracts.runs import Hand, begun, checkpoint, state_of_run, steps_of_run


class SharingContract(Contract):
    """Ids, and the counts of limits, are those of all queues."""

    async def test_an_id_is_taken_in_all_queues(self, engine: Engine) -> None:
        """Checklist: 2."""
        assert await publish(engine, submission("a", envelope=b"first")) == ["new"]
        assert await publish(engine, submission("a", "elsewhere", envelope=b"second")) == ["duplicate"]
        assert [one.envelope for one in await take_all(engine, "q", "elsewhere")] == [b"first"]

    async def test_a_unique_key_is_held_in_all_queues(self, engine: Engine) -> None:
        """Checklist: 11."""
        assert await publish(engine, submission("a", unique=UniqueClaim("key"))) == ["new"]
        assert await publish(engine, submission("b", "elsewhere", unique=UniqueClaim("key"))) == ["held"]

    async def test_claims_and_requests_share_one_bucket(self, engine: Engine) -> None:
        """Checklist: 83."""
        await engine.limiter.define([rate(2)])
        assert (await engine.limiter.acquire("rate", 2)).ok
        await publish(engine, submission("a", rate_key="rate"))
        assert await take(engine) == []
        shift(MINUTE_MS // 2, engine)
        assert [one.id for one in await take(engine)] == ["a"]

    async def test_room_is_shared_by_queues(self, engine: Engine) -> None:
        """Checklist: 84."""
        await engine.limiter.define([room(1)])
        await publish(engine, submission("a", "q1", limit_key="room"), submission("b", "q2", limit_key="room"))
        first = await take_one(engine, "q1")
        assert await take(engine, "q2") == []
        await settle_one(engine, done(first))
        assert [one.id for one in await take(engine, "q2")] == ["b"]

    @pytest.mark.parametrize("first", ["x", "y"])
    async def test_a_paused_queue_keeps_no_room_from_others(self, engine: Engine, first: str) -> None:
        """Checklist: 26, 84."""
        await engine.queues.resume(first)  # the queue that is known first may be looked at first
        await engine.limiter.define([room(1)])
        await publish(engine, submission("y1", "y", limit_key="room"))
        running = await take_one(engine, "x", "y")
        await publish(engine, submission("x1", "x", limit_key="room"))
        await publish(engine, *[submission(f"y{number}", "y", limit_key="room") for number in (2, 3)])
        assert await take_all(engine, "x", "y") == []
        await engine.queues.pause("x")
        for expected in ("y2", "y3"):
            await settle_one(engine, done(running))
            running = await take_one(engine, "x", "y")
            assert running.id == expected
        await engine.queues.resume("x")
        await settle_one(engine, done(running))
        assert (await take_one(engine, "x", "y")).id == "x1"

    async def test_a_job_parked_again_keeps_its_place(self, engine: Engine) -> None:
        """Checklist: 84."""
        await engine.limiter.define([room(1)])
        await publish(engine, submission("y1", "y", limit_key="room"))
        running = await take_one(engine, "y")
        await publish(engine, submission("x1", "x", limit_key="room"), submission("x2", "x", limit_key="room"))
        await publish(engine, submission("y2", "y", limit_key="room"))
        assert await take_all(engine, "x", "y") == []
        await settle_one(engine, done(running))
        running = await take_one(engine, "y")
        assert await take(engine, "x") == []
        await settle_one(engine, done(running))
        assert (await take_one(engine, "x")).id == "x1"

    async def test_a_job_under_both_limits_needs_room_and_a_token(self, engine: Engine) -> None:
        """Checklist: 83, 84."""
        await engine.limiter.define([rate(10), room(1)])
        await publish(engine, *[submission(one, rate_key="rate", limit_key="room") for one in "ab"])
        running = await take_one(engine)
        assert await take(engine) == []
        assert [(await engine.limiter.acquire("rate", n)).ok for n in (9, 1)] == [True, False]
        await settle_one(engine, done(running))
        assert await take(engine) == []
        shift(6_000, engine)
        assert [one.id for one in await take(engine)] == ["b"]

    @pytest.mark.parametrize("fate", ["cancelled", "purged", "expired"])
    async def test_room_that_the_next_in_line_does_not_use_goes_to_the_one_behind_it(
        self, engine: Engine, fate: str
    ) -> None:
        """Checklist: 84."""
        await engine.limiter.define([room(1)])
        await publish(
            engine,
            submission("first", limit_key="room"),
            submission("next", "q2", limit_key="room", expires_ms=60_000 if fate == "expired" else None),
            submission("behind", "q3", limit_key="room"),
        )
        running = await take_one(engine, "q")
        assert await take_all(engine, "q2") == []
        assert await take_all(engine, "q3") == []
        await settle_one(engine, done(running))
        match fate:
            case "cancelled":
                await cancel(engine, "next")
            case "purged":
                assert await engine.queues.purge("q2") == 1
            case _:
                shift(60_000, engine)
                flagged = await take_one(engine, "q2")
                assert flagged.ended == "expired"
                await settle_one(engine, not_run(flagged))
        assert [one.id for one in await take_all(engine, "q3")] == ["behind"]

    async def test_a_held_unique_key_is_told_and_the_run_stays(self, engine: Engine) -> None:
        """Checklist: 10."""
        await publish(engine, submission("holder", unique=UniqueClaim("key")))
        hand = Hand(engine, await begun(engine))
        said = await hand.commit(
            waits=(Wait(key="call", pos=0),),
            effects=(Call("call", submission("second", unique=UniqueClaim("key"))),),
            pending=("call",),
            then=Suspend(),
        )
        assert not said.ended
        assert [(one.step, one.why, one.holder) for one in said.refused] == [("call", "held", "holder")]
        assert [(one.key, one.outcome) for one in said.answers] == [("call", "failed")]
        assert await state_of_run(engine) == "running"
        again = Call("enqueue", submission("third", unique=UniqueClaim("key")))
        await hand.commit(steps=(checkpoint("enqueue", 1),), effects=(again,))
        detail = await engine.workflows.get("run")
        assert detail is not None
        assert detail.waits == ()
        refused = {"id": "holder", "refused": "held"}
        assert [(one.key, one.outcome) for one in detail.steps] == [("call", "failed"), ("enqueue", "failed")]
        assert [msgspec.json.decode(one.value) for one in detail.steps] == [refused, refused]

    async def test_a_job_that_is_known_is_refused_to_whoever_waits_for_it(self, engine: Engine) -> None:
        """Checklist: 10."""
        await publish(engine, submission("known"))
        hand = Hand(engine, await begun(engine))
        said = await hand.commit(
            waits=(Wait(key="call", pos=0, source="known"),),
            effects=(Call("call", submission("known")), Call("enqueue", submission("known"))),
            pending=("call",),
            then=Suspend(),
        )
        assert not said.ended
        assert [(one.step, one.why, one.holder) for one in said.refused] == [("call", "duplicate", "known")]
        told = {key: msgspec.json.decode(value) for key, value in (await steps_of_run(engine)).items()}
        assert told == {"call": {"id": "known", "refused": "duplicate"}}
