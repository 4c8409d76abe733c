"""Commands addressed to one worker, and the answers to them."""

from __future__ import annotations

from typing import Protocol


class Inbox(Protocol):
    """Messages to an address, in order, each received once; an address is any text."""

    async def send(self, address: str, message: bytes, *, ttl_ms: int) -> None:
        """Leave a message; unread after `ttl_ms` it is forgotten."""
        ...

    async def receive(self, address: str, *, limit: int = 100, timeout_ms: int = 0) -> list[bytes]:
        """Take what lies there; when nothing does, wait up to `timeout_ms` without polling."""
        ...
