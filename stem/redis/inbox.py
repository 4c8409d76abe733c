"""Commands for one worker, on Redis."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from stem.redis.store import Store

#: Bytes in front of a message that say until when it is kept.
_END: Final = 8


class RedisInbox:
    """The Inbox of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def send(self, address: str, message: bytes, *, ttl_ms: int) -> None:
        await self._store.run("send", address, ttl_ms, message, again=False, durable="yes")

    async def receive(self, address: str, *, limit: int = 100, timeout_ms: int = 0) -> list[bytes]:
        async def look(me: str) -> list[bytes] | None:
            asked = asyncio.ensure_future(self._store.run("receive", address, limit, me, again=False))
            try:
                return await asyncio.shield(asked) or None
            except asyncio.CancelledError:
                asked.add_done_callback(lambda done: self._give_back(address, done))
                raise

        found = await self._store.until(f"i:{address}", look, timeout_ms)
        return [message[_END:] for message in found or ()]

    def _give_back(self, address: str, asked: asyncio.Future[Any]) -> None:
        """Whoever asked is gone."""
        if not asked.cancelled() and asked.exception() is None and asked.result():
            self._store.run_later("put_back", address, *asked.result())
