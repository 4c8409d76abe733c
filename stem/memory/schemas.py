"""Schemas by digest, in memory."""

from __future__ import annotations

from stem.memory.space import Space


class MemorySchemas:
    """The Schemas of a Space."""

    def __init__(self, space: Space) -> None:
        self._space = space

    async def publish(self, digest: str, document: bytes) -> bool:
        with self._space.lock:
            if digest in self._space.schemas:
                return False
            self._space.schemas[digest] = document
            return True

    async def get(self, digest: str) -> bytes | None:
        with self._space.lock:
            return self._space.schemas.get(digest)

    async def digests(self) -> list[str]:
        with self._space.lock:
            return sorted(self._space.schemas)
