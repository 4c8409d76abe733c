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
    @property
    def company(self) -> int | None:
        """How many others may run beside it; None: any number. See `core.company`."""
        ...


class PutsBack(Protocol):
    """Where claimed units go that are not run now."""

    async def put_back(self, batch: Sequence[Receipt], *, again_in_ms: int) -> list[bool]:
        """Give back what was not run at all: it keeps its losses, and waits so long."""
        ...


class Claims(PutsBack, Protocol[T_co]):
    """What a worker claims from, under its own name."""

    async def claim(self, limit: int) -> tuple[tuple[T_co, ...], int | None]:
        """Up to `limit` units of work under leases, and in how many ms the next timer is due.

        None: there is no timer; 0 without units: claim again at once.
        """
        ...

    async def wait(self, timeout_ms: int) -> bool:
        """Sleep until there may be work (True) or the time-out (False)."""
        ...


class Settles(Protocol):
    """Where outcomes of jobs go."""

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]: ...
