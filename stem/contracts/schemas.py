"""Schemas by digest: what the jobs in the line were written with."""

from __future__ import annotations

from typing import Protocol


class Schemas(Protocol):
    """Documents that never change under their digest."""

    async def publish(self, digest: str, document: bytes) -> bool:
        """Keep it; False when it was there."""
        ...

    async def get(self, digest: str) -> bytes | None: ...

    async def digests(self) -> list[str]:
        """All that are kept, sorted."""
        ...
