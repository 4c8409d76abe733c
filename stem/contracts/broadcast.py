"""Channels that reach every listener."""

from __future__ import annotations

from typing import Protocol


class Broadcast(Protocol):
    """Messages stay for a while, and every listener reads them from its own place: nothing is left behind by one."""

    async def send(self, channel: str, message: bytes, *, ttl_ms: int = 3_600_000) -> None:
        """Say something on a channel; it can be read for `ttl_ms`."""
        ...

    async def position(self, channel: str, name: str = "") -> int:
        """Where to read from: behind the newest message, or where the listener called `name` stopped before."""
        ...

    async def read(self, channel: str, after: int, *, limit: int = 100, timeout_ms: int = 0) -> tuple[list[bytes], int]:
        """Messages behind `after`, oldest first, and the new position; waits up to `timeout_ms` without polling."""
        ...

    async def keep(self, channel: str, name: str, position: int) -> None:
        """Remember how far the listener called `name` has read, so that it misses nothing while it is away."""
        ...
