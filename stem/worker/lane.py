"""Work of another kind that a worker does beside its jobs: workflow runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any, Protocol

from stem.values import Receipt
from stem.worker.claim import Slots
from stem.worker.suspects import Suspects


class Leased(Protocol):
    """What is held under a lease, as the renewal thread sees it. Times are monotonic seconds."""

    #: Whether it is a workflow run, and renewed as such.
    is_run: bool
    renew_at: float
    stop_by: float
    lost: bool

    @property
    def receipt(self) -> Receipt: ...
    @property
    def usual_lease_ms(self) -> int: ...
    def lease_ms(self, now: float) -> int:
        """The lease to ask for at `now`."""
        ...

    def lose(self) -> None:
        """The lease is gone."""
        ...

    def cancel(self, reason: str) -> None:
        """Somebody asked for it to end."""
        ...

    def blocks_the_loop(self, now: float) -> bool:
        """Whether it is this one's own code that keeps the event loop, past its hard limit."""
        ...


class Lane(Protocol):
    """Claims of its own, in slots that are shared."""

    def start(
        self,
        *,
        worker: str,
        slots: Slots,
        suspects: Suspects,
        threads: Executor,
        expect: Callable[[int], None],
        idle: Callable[[int], None],
        mark: Callable[[], int],
        active: Callable[[], None],
    ) -> list[asyncio.Task[None]]:
        """Begin; the tasks that must not end. `expect` is told each lease; `active` that something began or ended."""
        ...

    def held(self) -> Iterable[Leased]:
        """What is held now."""
        ...

    @property
    def running(self) -> int: ...
    @property
    def lines(self) -> list[str]:
        """What is claimed from, for people."""
        ...

    def look_again(self) -> None:
        """Claim now."""
        ...

    def hand_back(self, *, now: bool) -> None:
        """Give back what is held: at the next step, or at once."""
        ...

    async def stop(self) -> None:
        """Claim nothing more."""
        ...

    async def wait_for_end(self, seconds: float) -> None:
        """Until nothing is held, or the time is over."""
        ...

    def counts(self) -> dict[str, Any]:
        """What has been done, for people."""
        ...
