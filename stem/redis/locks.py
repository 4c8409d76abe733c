"""Named locks, on Redis."""

from __future__ import annotations

import asyncio
from typing import Any

from stem.contracts.locks import Lock
from stem.redis.store import Store


class RedisLocks:
    """The Locks of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def acquire(self, name: str, owner: str, ttl_ms: int, *, wait_ms: int = 0) -> Lock | None:
        free_in = [float("inf")]

        async def look(me: str) -> Lock | None:
            asked = asyncio.ensure_future(self._store.run("acquire_lock", name, owner, ttl_ms, me, durable="yes"))
            try:
                said = await asyncio.shield(asked)
            except asyncio.CancelledError:
                asked.add_done_callback(lambda done: self._give_back(name, owner, done))
                raise
            if said[0]:
                return Lock(name, owner, int(said[1]), said[2])
            free_in[0] = said[1]
            return None

        return await self._store.until(f"l:{name}", look, wait_ms, again_ms=lambda: free_in[0])

    async def renew(self, lock: Lock, ttl_ms: int) -> Lock | None:
        until = await self._store.run("renew_lock", lock.name, lock.owner, lock.token, ttl_ms)
        return None if until is None else Lock(lock.name, lock.owner, lock.token, until)

    async def release(self, lock: Lock) -> bool:
        return bool(await self._store.run("release_lock", lock.name, lock.owner, lock.token, again=False))

    async def holder(self, name: str) -> Lock | None:
        said = await self._store.run("lock_holder", name)
        return Lock(name, said[2].decode(), int(said[0]), int(said[1])) if said else None

    def _give_back(self, name: str, owner: str, asked: asyncio.Future[Any]) -> None:
        """Whoever asked is gone."""
        if not asked.cancelled() and asked.exception() is None and asked.result()[0]:
            self._store.run_later("release_lock", name, owner, asked.result()[1])
