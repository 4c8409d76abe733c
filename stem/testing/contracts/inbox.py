"""Commands addressed to one worker."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from stem.contracts.engine import Engine
from stem.testing.contracts import NEVER_MS, SOON_MS, Contract, EngineFactory, shift


class InboxContract(Contract):
    """In order, each message once."""

    async def test_messages_come_in_order_and_once(self, engine: Engine, other: Engine) -> None:
        """Checklist: 102."""
        messages = [b"\x00first", b"", b"third"]
        for message in messages:
            await engine.inbox.send("w", message, ttl_ms=60_000)
        assert await other.inbox.receive("w") == messages
        assert await other.inbox.receive("w") == []
        assert await engine.inbox.receive("w") == []

    async def test_addresses_are_kept_apart(self, engine: Engine) -> None:
        """Checklist: 102."""
        for address in ("w", "w:1", "W", "{w}"):
            await engine.inbox.send(address, address.encode(), ttl_ms=60_000)
        for address in ("{w}", "W", "w:1", "w"):
            assert await engine.inbox.receive(address) == [address.encode()]

    async def test_what_is_over_the_limit_stays(self, engine: Engine) -> None:
        """Checklist: 102."""
        for number in range(5):
            await engine.inbox.send("w", b"%d" % number, ttl_ms=60_000)
        assert [await engine.inbox.receive("w", limit=2) for _ in range(4)] == [[b"0", b"1"], [b"2", b"3"], [b"4"], []]

    async def test_an_unread_message_is_forgotten_after_its_time(self, engine: Engine) -> None:
        """Checklist: 102."""
        await engine.inbox.send("w", b"short", ttl_ms=1_000)
        await engine.inbox.send("w", b"long", ttl_ms=60_000)
        shift(1_000, engine)
        assert await engine.inbox.receive("w") == [b"long"]

    async def test_a_message_wakes_who_waits_in_another_process(self, engine: Engine, other: Engine) -> None:
        """Checklist: 102."""
        waiting = asyncio.create_task(other.inbox.receive("w", timeout_ms=30_000))
        await anyio.wait_all_tasks_blocked()
        await engine.inbox.send("w", b"hello", ttl_ms=60_000)
        with anyio.fail_after(SOON_MS / 1000):
            assert await waiting == [b"hello"]

    async def test_a_message_to_somebody_else_wakes_nobody(self, engine: Engine) -> None:
        """Checklist: 105."""
        waiting = asyncio.create_task(engine.inbox.receive("w", timeout_ms=NEVER_MS))
        await anyio.wait_all_tasks_blocked()
        await engine.inbox.send("else", b"hello", ttl_ms=60_000)
        assert await waiting == []

    async def test_two_who_receive_share_the_messages(self, engine: Engine, other: Engine) -> None:
        """Checklist: 102."""
        for number in range(20):
            await engine.inbox.send("w", b"%d" % number, ttl_ms=60_000)
        shares = await asyncio.gather(*(one.inbox.receive("w", limit=7) for one in (engine, other, engine)))
        assert sorted(int(message) for share in shares for message in share) == list(range(20))

    async def test_a_receiver_that_gave_up_takes_nothing(self, engine: Engine) -> None:
        """Checklist: 102."""
        waiting = asyncio.create_task(engine.inbox.receive("w", timeout_ms=30_000))
        await anyio.wait_all_tasks_blocked()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await engine.inbox.send("w", b"hello", ttl_ms=60_000)
        assert await engine.inbox.receive("w") == [b"hello"]

    @pytest.mark.parametrize("turns", range(6))
    async def test_a_receiver_that_is_cancelled_at_any_moment_loses_nothing(self, engine: Engine, turns: int) -> None:
        """Checklist: 102."""
        for number in range(5):
            message = b"%d" % number
            await engine.inbox.send("w", message, ttl_ms=60_000)
            receiving = asyncio.create_task(engine.inbox.receive("w", timeout_ms=SOON_MS))
            for _ in range(turns):
                await asyncio.sleep(0)
            receiving.cancel()
            (got,) = await asyncio.gather(receiving, return_exceptions=True)
            if isinstance(got, BaseException):
                got = await engine.inbox.receive("w", timeout_ms=SOON_MS)
            assert got == [message]


class DurableInboxContract(Contract):
    """For engines whose store outlives them."""

    async def test_messages_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 102."""
        await engine.inbox.send("w", b"hello", ttl_ms=60_000)
        await engine.close()
        assert await (await engines.make()).inbox.receive("w") == [b"hello"]
