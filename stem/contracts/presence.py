"""Who is alive."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Present(msgspec.Struct, frozen=True):
    """A worker that was heard of: what it said of itself (JSON) and when, unix ms."""

    worker: str
    info: bytes
    seen_at: int


class Presence(Protocol):
    """Heartbeats."""

    async def beat(self, worker: str, info: bytes, *, ttl_ms: int) -> None:
        """Be present for `ttl_ms` from now; replaces what this worker said before."""
        ...

    async def leave(self, worker: str) -> None:
        """Be gone at once."""
        ...

    async def alive(self) -> list[Present]:
        """Everybody present, by name."""
        ...
