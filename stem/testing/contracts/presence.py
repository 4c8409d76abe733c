"""Who is alive."""

from __future__ import annotations

from stem.contracts.engine import Engine
from stem.testing.contracts import SOON_MS, Contract, shift


class PresenceContract(Contract):
    """Heartbeats."""

    async def test_who_was_heard_of_is_listed_by_name(self, engine: Engine, other: Engine) -> None:
        """Checklist: 101."""
        before = await engine.now_ms()
        for worker in ("w2", "w1", "ä"):
            await engine.presence.beat(worker, worker.encode(), ttl_ms=60_000)
        alive = await other.presence.alive()
        assert [(one.worker, one.info) for one in alive] == [("w1", b"w1"), ("w2", b"w2"), ("ä", "ä".encode())]
        assert all(before <= one.seen_at <= before + SOON_MS for one in alive)

    async def test_who_falls_silent_disappears(self, engine: Engine) -> None:
        """Checklist: 101."""
        await engine.presence.beat("short", b"", ttl_ms=1_000)
        await engine.presence.beat("long", b"", ttl_ms=60_000)
        shift(1_000, engine)
        assert [one.worker for one in await engine.presence.alive()] == ["long"]

    async def test_a_beat_replaces_what_was_said_before(self, engine: Engine) -> None:
        """Checklist: 101."""
        await engine.presence.beat("w", b"idle", ttl_ms=60_000)
        (first,) = await engine.presence.alive()
        shift(50_000, engine)
        await engine.presence.beat("w", b"busy", ttl_ms=60_000)
        shift(50_000, engine)
        (second,) = await engine.presence.alive()
        assert second.info == b"busy"
        assert second.seen_at >= first.seen_at + 50_000

    async def test_a_shorter_beat_ends_earlier(self, engine: Engine) -> None:
        """Checklist: 101."""
        await engine.presence.beat("w", b"", ttl_ms=60_000)
        await engine.presence.beat("w", b"", ttl_ms=1_000)
        shift(1_000, engine)
        assert await engine.presence.alive() == []

    async def test_who_leaves_is_gone_at_once(self, engine: Engine, other: Engine) -> None:
        """Checklist: 101."""
        await engine.presence.beat("w", b"", ttl_ms=60_000)
        await other.presence.leave("w")
        await other.presence.leave("nobody")
        assert await engine.presence.alive() == []
        await engine.presence.beat("w", b"back", ttl_ms=60_000)
        assert [one.info for one in await other.presence.alive()] == [b"back"]
