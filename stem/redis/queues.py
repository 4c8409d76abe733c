"""Looking at lines and steering them, on Redis."""

from __future__ import annotations

from typing import Any

from stem.contracts.queues import QueueStats
from stem.redis.names import plain, safe
from stem.redis.rows import pairs, unpack_line
from stem.redis.store import Store


class RedisQueues:
    """The Queues of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def stats(self, queue: str) -> QueueStats:
        (said,) = await self._store.run("stats", safe(queue))
        return _stats(said) if said else QueueStats(name=queue)

    async def all(self) -> list[QueueStats]:
        return sorted((_stats(said) for said in await self._store.run("stats")), key=lambda one: one.name)

    async def pause(self, queue: str) -> None:
        await self._store.run("pause", safe(queue), "1", durable="yes")

    async def resume(self, queue: str) -> None:
        await self._store.run("pause", safe(queue), "", durable="yes")

    async def purge(self, queue: str, limit: int = 1_000) -> int:
        return int(await self._store.run("purge", safe(queue), limit, durable="yes"))


def _stats(said: list[Any]) -> QueueStats:
    name, line, numbers = said
    paused, queued = unpack_line(line)
    counted = {word: int(value) for word, value in pairs(numbers).items()}
    return QueueStats(name=plain(name.decode()), paused=paused, queued=queued, **counted)
