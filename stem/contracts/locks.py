"""Named locks with a token that only grows."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Lock(msgspec.Struct, frozen=True):
    """Who holds a name. `token` is larger than every token given out for it before, expiry and restart included."""

    name: str
    owner: str
    token: int
    until: int


class Locks(Protocol):
    """One owner a name at a time, by the store's clock."""

    async def acquire(self, name: str, owner: str, ttl_ms: int, *, wait_ms: int = 0) -> Lock | None:
        """The lock, or None when another owner holds it and did not let go within `wait_ms` (no polling).

        The same owner asking again gets a new token, and the old one is void.
        """
        ...

    async def renew(self, lock: Lock, ttl_ms: int) -> Lock | None:
        """The lock held longer, same token; None when it has expired or is somebody else's."""
        ...

    async def release(self, lock: Lock) -> bool:
        """Let go and wake one who waits; False when it was not held under this token."""
        ...

    async def holder(self, name: str) -> Lock | None:
        """Who holds it now."""
        ...
