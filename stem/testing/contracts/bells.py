"""Sleeping until there is work."""

from __future__ import annotations

import asyncio
import time

import anyio
import anyio.to_thread
import pytest

from stem.contracts.engine import Engine
from stem.core.settle import Arrive, Enqueue
from stem.testing.contracts import (
    DAY_MS,
    NEVER_MS,
    SOON_MS,
    Contract,
    again,
    bury,
    done,
    park,
    publish,
    release_one,
    settle_one,
    shift,
    submission,
    take,
    take_all,
    take_one,
)


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

    @pytest.mark.parametrize("kind", ["due", "lost"])
    async def test_what_a_claim_promotes_and_does_not_take_wakes_others(
        self, engine: Engine, other: Engine, kind: str
    ) -> None:
        """Checklist: 35, 38, 50."""
        jobs = [submission(one, delay_ms=60_000 if kind == "due" else 0) for one in "abc"]
        await publish(engine, *jobs)
        if kind == "lost":
            assert len(await take(engine, limit=3, worker="gone")) == 3
        for worker in ("idle-1", "idle-2", "idle-3"):
            assert await take(other, worker=worker) == []
        shift(60_000, engine, other)
        assert len(await take(engine, worker="first")) == 1
        heard = await asyncio.gather(*(other.broker.wait(f"idle-{n}", NEVER_MS) for n in (1, 2, 3)))
        assert heard.count(True) == 2

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

    @pytest.mark.parametrize("queues", [("q",), ("r", "q")], ids="-".join)
    @pytest.mark.parametrize("turns", range(6))
    async def test_a_wait_that_is_cancelled_passes_its_ring_on(
        self, engine: Engine, other: Engine, turns: int, queues: tuple[str, ...]
    ) -> None:
        """Checklist: 35."""
        assert await take(engine, *queues, worker="leaves") == []
        leaves = asyncio.create_task(engine.broker.wait("leaves", SOON_MS))
        await anyio.wait_all_tasks_blocked()
        assert await take(other, *queues, worker="stays") == []
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
            assert await asyncio.wait_for(stays, 1)  # an engine may have a second net, seconds below

    async def test_a_worker_that_stopped_waiting_is_not_rung_any_more(self, engine: Engine) -> None:
        """Checklist: 35, 105."""
        assert await take(engine, worker="leaves") == []
        assert not await engine.broker.wait("leaves", 10)
        assert await take(engine, worker="stays") == []
        await publish(engine, submission("a"))
        assert await engine.broker.wait("stays", SOON_MS)

    @pytest.mark.parametrize("found", [0, 1])
    async def test_a_worker_with_two_claims_at_a_time_misses_no_ring(
        self, engine: Engine, other: Engine, found: int
    ) -> None:
        """Checklist: 35."""
        for number in range(10):
            if found:
                await publish(engine, submission(f"first-{number}"))
            claims = await asyncio.gather(take(engine), take(engine))
            assert sum(map(len, claims)) == found
            if found:
                assert await take(engine) == []
            await publish(other, submission(f"second-{number}"))
            assert await engine.broker.wait("w", SOON_MS)
            assert [one.id for one in await take(engine)] == [f"second-{number}"]

    async def test_a_wait_goes_on_while_another_claim_of_its_worker_finds_work(
        self, engine: Engine, other: Engine
    ) -> None:
        """Checklist: 35."""
        assert await take(engine) == []
        waiting = asyncio.create_task(engine.broker.wait("w", 2 * SOON_MS))
        await anyio.wait_all_tasks_blocked()
        await publish(engine, submission("a"))
        assert await waiting
        waiting = asyncio.create_task(engine.broker.wait("w", 2 * SOON_MS))
        await asyncio.gather(waiting, take(engine))
        assert await take(engine) == []
        waiting = asyncio.create_task(engine.broker.wait("w", 2 * SOON_MS))
        await anyio.wait_all_tasks_blocked()
        assert await take(engine) == []
        await publish(other, submission("b"))
        with anyio.fail_after(SOON_MS / 1000):
            assert await waiting

    async def test_a_ring_that_comes_while_nobody_waits_reaches_another_worker(
        self, engine: Engine, other: Engine
    ) -> None:
        """Checklist: 35."""
        assert await take(engine, worker="leaves") == []
        assert not await engine.broker.wait("leaves", 0)
        assert await take(other, worker="stays") == []
        await publish(other, submission("a"))
        assert await other.broker.wait("stays", SOON_MS)
