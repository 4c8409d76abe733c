"""Channels, on Redis."""

from __future__ import annotations

from stem.redis.store import Store


class RedisBroadcast:
    """The Broadcast of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def send(self, channel: str, message: bytes, *, ttl_ms: int = 3_600_000) -> None:
        await self._store.run("say", channel, ttl_ms, message, again=False, durable="yes")

    async def position(self, channel: str, name: str = "") -> int:
        return int(await self._store.run("channel_position", channel, name))

    async def read(self, channel: str, after: int, *, limit: int = 100, timeout_ms: int = 0) -> tuple[list[bytes], int]:
        async def look(me: str) -> tuple[list[bytes], int] | None:
            position, *messages = await self._store.run("listen", channel, after, limit, me)
            return (messages, int(position)) if messages else None

        return await self._store.until(f"c:{channel}", look, timeout_ms) or ([], after)

    async def keep(self, channel: str, name: str, position: int) -> None:
        await self._store.ask("HSET", f"{self._store.prefix}cp:{channel}", name, position)
