"""Where a worker gets its work: jobs and workflow runs, which share slots, renewal and shutdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from stem.contracts.broker import Settled
from stem.core.settle import Settlement
from stem.values import Receipt

T_co = TypeVar("T_co", bound="Unit", covariant=True)


class Unit(Protocol):
    """One claimed job or run: what a worker must know to hold it."""

    @property
    def receipt(self) -> Receipt: ...
    @property
    def lease_ms(self) -> int: ...


class Claims(Protocol[T_co]):
    """What a worker claims from, under its own name."""

    async def claim(self, limit: int) -> tuple[tuple[T_co, ...], int | None]:
        """Up to `limit` units of work under leases, and in how many ms the next timer is due.

        None: there is no timer; 0 without units: claim again at once.
        """
        ...

    async def wait(self, timeout_ms: int) -> bool:
        """Sleep until there may be work (True) or the time-out (False)."""
        ...

    async def release(self, batch: Sequence[Receipt]) -> list[bool]: ...


class Settles(Protocol):
    """Where outcomes of jobs go."""

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]: ...
