"""Where a worker gets its work: jobs here, workflow runs later; both share slots, renewal and shutdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stem.contracts.broker import Claimed, Held, Renewal, Settled
from stem.core.settle import Settlement
from stem.values import Receipt


class WorkSource(Protocol):
    """The part of a store that a worker drives. A Broker bound to its queues is one."""

    async def claim(self, limit: int) -> Claimed:
        """Up to `limit` units of work under leases."""
        ...

    async def wait(self, timeout_ms: int) -> bool:
        """Sleep until there may be work (True) or the time-out (False)."""
        ...

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]: ...

    async def release(self, batch: Sequence[Receipt]) -> list[bool]: ...

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]: ...
