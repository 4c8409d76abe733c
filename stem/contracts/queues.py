"""Looking at lines and steering them: counts, pause, purge."""

from __future__ import annotations

from typing import Protocol

import msgspec


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """One queue in numbers. Totals count since the queue was first seen; `dead` are dead letters kept now."""

    name: str
    paused: bool = False
    queued: int = 0
    delayed: int = 0
    parked: int = 0
    running: int = 0
    dead: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    lost: int = 0

    @property
    def waiting(self) -> int:
        """Jobs that wait for a worker."""
        return self.queued + self.delayed + self.parked


class Queues(Protocol):
    """Counts cost the same whatever the number of jobs."""

    async def stats(self, queue: str) -> QueueStats:
        """The queue in numbers; all zero for one that was never used."""
        ...

    async def all(self) -> list[QueueStats]:
        """Every queue ever used, by name."""
        ...

    async def pause(self, queue: str) -> None:
        """Hand out nothing more; running jobs go on, publishing goes on, and a restart changes nothing."""
        ...

    async def resume(self, queue: str) -> None:
        """Hand out again, and wake who sleeps."""
        ...

    async def purge(self, queue: str, limit: int = 1_000) -> int:
        """Forget up to `limit` waiting jobs (queued, delayed, parked), free their unique keys and answer how many.

        Running jobs and dead letters stay. Call again until it answers 0.
        """
        ...
