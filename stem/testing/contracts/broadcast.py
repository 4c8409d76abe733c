"""Channels that reach every listener."""

from __future__ import annotations

import asyncio

import anyio

from stem.contracts.engine import Engine
from stem.testing.contracts import NEVER_MS, SOON_MS, Contract, EngineFactory, shift


class BroadcastContract(Contract):
    """Every listener reads from its own place."""

    async def test_every_listener_hears_everything_in_order(self, engine: Engine, other: Engine) -> None:
        """Checklist: 102."""
        places = [await one.broadcast.position("news") for one in (engine, other)]
        messages = [b"%d" % number for number in range(5)]
        for message in messages:
            await engine.broadcast.send("news", message)
        for one, place in zip((engine, other), places, strict=True):
            assert (await one.broadcast.read("news", place))[0] == messages

    async def test_a_listener_starts_behind_the_newest_message(self, engine: Engine) -> None:
        """Checklist: 102."""
        await engine.broadcast.send("news", b"old")
        place = await engine.broadcast.position("news")
        assert await engine.broadcast.read("news", place) == ([], place)
        await engine.broadcast.send("news", b"new")
        messages, after = await engine.broadcast.read("news", place)
        assert messages == [b"new"]
        assert after > place
        assert await engine.broadcast.read("news", after) == ([], after)

    async def test_a_page_ends_where_the_next_begins(self, engine: Engine) -> None:
        """Checklist: 102."""
        place = await engine.broadcast.position("news")
        for number in range(5):
            await engine.broadcast.send("news", b"%d" % number)
        seen: list[list[bytes]] = []
        for _ in range(3):
            messages, place = await engine.broadcast.read("news", place, limit=2)
            seen.append(messages)
        assert seen == [[b"0", b"1"], [b"2", b"3"], [b"4"]]

    async def test_a_named_listener_misses_nothing_while_it_is_away(self, engine: Engine, other: Engine) -> None:
        """Checklist: 102."""
        place = await engine.broadcast.position("news", "audit")
        await engine.broadcast.send("news", b"read")
        messages, place = await engine.broadcast.read("news", place)
        assert messages == [b"read"]
        await engine.broadcast.keep("news", "audit", place)
        await engine.broadcast.send("news", b"missed")
        assert await other.broadcast.position("news", "audit") == place
        assert (await other.broadcast.read("news", place))[0] == [b"missed"]
        assert await other.broadcast.position("news", "somebody new") > place

    async def test_names_and_channels_are_kept_apart(self, engine: Engine) -> None:
        """Checklist: 102."""
        places = {channel: await engine.broadcast.position(channel) for channel in ("a", "b")}
        await engine.broadcast.send("a", b"in a")
        await engine.broadcast.send("b", b"in b")
        for channel, place in places.items():
            assert (await engine.broadcast.read(channel, place))[0] == [b"in " + channel.encode()]
        await engine.broadcast.keep("a", "audit", places["a"])
        assert await engine.broadcast.position("a", "audit") == places["a"]
        assert await engine.broadcast.position("b", "audit") > places["b"]

    async def test_a_message_can_be_read_for_its_time(self, engine: Engine) -> None:
        """Checklist: 102."""
        place = await engine.broadcast.position("news")
        await engine.broadcast.send("news", b"short", ttl_ms=1_000)
        await engine.broadcast.send("news", b"long", ttl_ms=60_000)
        shift(1_000, engine)
        assert (await engine.broadcast.read("news", place))[0] == [b"long"]
        shift(60_000, engine)
        assert (await engine.broadcast.read("news", place))[0] == []

    async def test_a_message_wakes_all_who_wait(self, engine: Engine, other: Engine) -> None:
        """Checklist: 102."""
        place = await engine.broadcast.position("news")
        listeners = (engine, other, engine, other)
        waits = [asyncio.create_task(one.broadcast.read("news", place, timeout_ms=30_000)) for one in listeners]
        await anyio.wait_all_tasks_blocked()
        await engine.broadcast.send("news", b"hello")
        with anyio.fail_after(SOON_MS / 1000):
            heard = await asyncio.gather(*waits)
        assert [messages for messages, _ in heard] == [[b"hello"]] * 4
        assert len({after for _, after in heard}) == 1

    async def test_a_message_elsewhere_wakes_nobody(self, engine: Engine) -> None:
        """Checklist: 105."""
        place = await engine.broadcast.position("news")
        waiting = asyncio.create_task(engine.broadcast.read("news", place, timeout_ms=NEVER_MS))
        await anyio.wait_all_tasks_blocked()
        await engine.broadcast.send("else", b"hello")
        assert await waiting == ([], place)


class DurableBroadcastContract(Contract):
    """For engines whose store outlives them."""

    async def test_messages_and_places_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 102."""
        place = await engine.broadcast.position("news")
        await engine.broadcast.keep("news", "audit", place)
        await engine.broadcast.send("news", b"missed")
        await engine.close()
        reopened = await engines.make()
        assert (await reopened.broadcast.read("news", await reopened.broadcast.position("news", "audit")))[0] == [
            b"missed"
        ]
