"""Schemas by digest, on Redis."""

from __future__ import annotations

from stem.redis.store import Store


class RedisSchemas:
    """The Schemas of a Store: the hash 'sc'."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = f"{store.prefix}sc"

    async def publish(self, digest: str, document: bytes) -> bool:
        return bool(await self._store.ask("HSETNX", self._key, digest, document))

    async def get(self, digest: str) -> bytes | None:
        found: bytes | None = await self._store.ask("HGET", self._key, digest)
        return found

    async def digests(self) -> list[str]:
        return sorted(digest.decode() for digest in await self._store.ask("HKEYS", self._key))
