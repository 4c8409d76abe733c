"""Who is alive, on Redis."""

from __future__ import annotations

import struct
from typing import Final

from stem.contracts.presence import Present
from stem.redis.rows import pairs
from stem.redis.store import Store

_TIMES: Final = struct.Struct("<dd")


class RedisPresence:
    """The Presence of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def beat(self, worker: str, info: bytes, *, ttl_ms: int) -> None:
        await self._store.run("beat", worker, ttl_ms, info)

    async def leave(self, worker: str) -> None:
        await self._store.ask("HDEL", f"{self._store.prefix}hb", worker)

    async def alive(self) -> list[Present]:
        said = pairs(await self._store.run("alive"))
        return [
            Present(worker, value[_TIMES.size :], int(_TIMES.unpack_from(value)[1]))
            for worker, value in sorted(said.items())
        ]
