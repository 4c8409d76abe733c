"""Named locks."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from stem.contracts.engine import Engine
from stem.contracts.locks import Lock
from stem.errors import EngineUnavailableError
from stem.testing.contracts import NEVER_MS, SOON_MS, Contract, EngineFactory, shift
from stem.testing.sabotage import Sabotage


async def _held(engine: Engine, owner: str, ttl_ms: int = 60_000, name: str = "lock") -> Lock:
    lock = await engine.locks.acquire(name, owner, ttl_ms)
    assert lock is not None
    return lock


class LocksContract(Contract):
    """One owner a name; tokens only grow."""

    async def test_a_lock_has_one_owner(self, engine: Engine, other: Engine) -> None:
        """Checklist: 88."""
        before = await engine.now_ms()
        lock = await _held(engine, "a")
        assert (lock.name, lock.owner) == ("lock", "a")
        assert before + 60_000 <= lock.until <= before + 60_000 + SOON_MS
        assert await other.locks.acquire("lock", "b", 60_000) is None
        assert await other.locks.holder("lock") == lock

    async def test_a_name_nobody_holds_has_no_holder(self, engine: Engine) -> None:
        """Checklist: 88."""
        assert await engine.locks.holder("lock") is None
        lock = await _held(engine, "a")
        await engine.locks.release(lock)
        assert await engine.locks.holder("lock") is None

    async def test_one_of_many_who_ask_at_the_same_time_gets_it(self, engine: Engine, other: Engine) -> None:
        """Checklist: 88."""
        engines = (engine, other)
        asked = await asyncio.gather(*(engines[n % 2].locks.acquire("lock", f"o{n}", 60_000) for n in range(20)))
        assert len([one for one in asked if one is not None]) == 1

    async def test_names_do_not_touch_each_other(self, engine: Engine) -> None:
        """Checklist: 88."""
        await _held(engine, "a", name="one")
        assert (await _held(engine, "b", name="two")).owner == "b"

    async def test_tokens_grow_after_release_expiry_and_asking_again(self, engine: Engine, other: Engine) -> None:
        """Checklist: 88."""
        tokens = [(await _held(engine, "a")).token]
        tokens.append((await _held(other, "a")).token)
        shift(60_000, engine, other)
        tokens.append((await _held(other, "b")).token)
        await other.locks.release(await _held(other, "b"))
        tokens.append((await _held(engine, "a")).token)
        assert tokens == sorted(set(tokens))

    async def test_a_lock_ends_by_the_clock_of_the_store(self, engine: Engine) -> None:
        """Checklist: 88."""
        await _held(engine, "a")
        shift(60_000 - SOON_MS, engine)
        assert await engine.locks.acquire("lock", "b", 60_000) is None
        shift(SOON_MS, engine)
        assert await engine.locks.holder("lock") is None
        assert (await _held(engine, "b")).owner == "b"

    async def test_the_same_owner_gets_a_new_token_and_the_old_one_is_void(self, engine: Engine) -> None:
        """Checklist: 88, 89."""
        old, new = await _held(engine, "a"), await _held(engine, "a")
        assert await engine.locks.renew(old, 60_000) is None
        assert not await engine.locks.release(old)
        assert await engine.locks.holder("lock") == new

    async def test_a_renewal_keeps_the_token_and_holds_longer(self, engine: Engine) -> None:
        """Checklist: 88."""
        lock = await _held(engine, "a")
        shift(50_000, engine)
        renewed = await engine.locks.renew(lock, 60_000)
        assert renewed is not None
        assert (renewed.token, renewed.owner) == (lock.token, "a")
        assert renewed.until >= lock.until + 50_000
        shift(50_000, engine)
        assert await engine.locks.holder("lock") == renewed
        assert await engine.locks.renew(lock, 60_000) is not None

    async def test_a_stranger_cannot_release_or_renew(self, engine: Engine) -> None:
        """Checklist: 89."""
        lock = await _held(engine, "a")
        for fake in (Lock("lock", "b", lock.token, lock.until), Lock("lock", "a", lock.token + 1, lock.until)):
            assert not await engine.locks.release(fake)
            assert await engine.locks.renew(fake, 60_000) is None
        assert await engine.locks.holder("lock") == lock

    async def test_an_owner_whose_time_is_over_has_lost_it(self, engine: Engine) -> None:
        """Checklist: 89."""
        lock = await _held(engine, "a")
        shift(60_000, engine)
        assert await engine.locks.renew(lock, 60_000) is None
        assert not await engine.locks.release(lock)
        heir = await _held(engine, "b")
        assert not await engine.locks.release(lock)
        assert await engine.locks.renew(lock, 60_000) is None
        assert await engine.locks.holder("lock") == heir

    async def test_a_release_wakes_who_waits_in_another_process(self, engine: Engine, other: Engine) -> None:
        """Checklist: 88."""
        lock = await _held(engine, "a")
        waiting = asyncio.create_task(other.locks.acquire("lock", "b", 60_000, wait_ms=30_000))
        await anyio.wait_all_tasks_blocked()
        assert await engine.locks.release(lock)
        with anyio.fail_after(SOON_MS / 1000):
            heir = await waiting
        assert heir is not None
        assert heir.token > lock.token

    async def test_each_of_several_who_wait_gets_it_in_turn(self, engine: Engine, other: Engine) -> None:
        """Checklist: 88."""
        first = await _held(engine, "first")
        tokens: list[int] = []

        async def once(own: Engine, owner: str) -> None:
            lock = await own.locks.acquire("lock", owner, 60_000, wait_ms=30_000)
            assert lock is not None
            tokens.append(lock.token)
            assert await own.locks.release(lock)

        waiting = asyncio.gather(*(once(own, f"o{n}") for n, own in enumerate((engine, other, engine, other))))
        await anyio.wait_all_tasks_blocked()
        await engine.locks.release(first)
        with anyio.fail_after(2 * SOON_MS / 1000):
            await waiting
        assert len(tokens) == 4
        assert tokens == sorted(set(tokens))

    async def test_a_wait_takes_over_when_the_holder_lets_its_time_run_out(self, engine: Engine) -> None:
        """Checklist: 88."""
        before = await _held(engine, "a", 100)
        with anyio.fail_after(SOON_MS / 1000):
            heir = await engine.locks.acquire("lock", "b", 60_000, wait_ms=30_000)
        assert heir is not None
        assert (heir.owner, heir.token > before.token) == ("b", True)
        assert await engine.locks.holder("lock") == heir
        assert not await engine.locks.release(before)

    async def test_a_wait_in_vain_ends_with_none(self, engine: Engine) -> None:
        """Checklist: 88."""
        lock = await _held(engine, "a")
        assert await engine.locks.acquire("lock", "b", 60_000, wait_ms=NEVER_MS) is None
        assert await engine.locks.holder("lock") == lock

    async def test_a_wait_that_was_given_up_takes_nothing(self, engine: Engine) -> None:
        """Checklist: 88."""
        lock = await _held(engine, "a")
        waiting = asyncio.create_task(engine.locks.acquire("lock", "b", 60_000, wait_ms=30_000))
        await anyio.wait_all_tasks_blocked()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await engine.locks.release(lock)
        assert (await _held(engine, "c")).owner == "c"

    @pytest.mark.parametrize("turns", range(6))
    async def test_a_wait_that_is_cancelled_at_any_moment_keeps_nothing(self, engine: Engine, turns: int) -> None:
        """Checklist: 88."""
        for number in range(5):
            taking = asyncio.create_task(engine.locks.acquire("lock", f"a{number}", 60_000, wait_ms=SOON_MS))
            for _ in range(turns):
                await asyncio.sleep(0)
            taking.cancel()
            (got,) = await asyncio.gather(taking, return_exceptions=True)
            if isinstance(got, Lock):
                await engine.locks.release(got)
            lock = await engine.locks.acquire("lock", f"b{number}", 60_000, wait_ms=SOON_MS)
            assert lock is not None, f"a{number} keeps it, and is gone"
            assert await engine.locks.holder("lock") == lock
            assert await engine.locks.release(lock)

    async def test_an_owner_whose_reply_was_lost_asks_again(self, engine: Engine) -> None:
        """Checklist: 88."""
        sabotage = Sabotage(engine)
        sabotage.fail_after("locks.acquire")
        with pytest.raises(EngineUnavailableError):
            await sabotage.locks.acquire("lock", "a", 60_000)
        lock = await _held(sabotage, "a")
        assert await engine.locks.release(lock)


class DurableLocksContract(Contract):
    """For engines whose store outlives them."""

    async def test_locks_and_their_tokens_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 88."""
        lock = await _held(engine, "a")
        gone = await _held(engine, "a", name="gone")
        await engine.locks.release(gone)
        await engine.close()
        reopened = await engines.make()
        assert await reopened.locks.holder("lock") == lock
        assert (await _held(reopened, "b", name="gone")).token > gone.token
        shift(60_000, reopened)
        assert (await _held(reopened, "b")).token > lock.token
