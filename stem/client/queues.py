"""`app.queues`: numbers, pause, purge."""

from __future__ import annotations

from collections.abc import Callable

from stem.contracts.engine import Engine
from stem.contracts.queues import QueueStats
from stem.core.options import queue_name


class QueuesView:
    """Looking at queues and steering them."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    async def stats(self, queue: str) -> QueueStats:
        """One queue in numbers; all zero when it was never used."""
        return await self._engine().queues.stats(queue_name(queue))

    async def list(self) -> list[QueueStats]:
        """Every queue ever used, by name."""
        return await self._engine().queues.all()

    async def pause(self, queue: str) -> None:
        """Hand out nothing more from it; running jobs go on."""
        await self._engine().queues.pause(queue_name(queue))

    async def resume(self, queue: str) -> None:
        """Hand out again."""
        await self._engine().queues.resume(queue_name(queue))

    async def purge(self, queue: str) -> int:
        """Forget every job that waits in it; how many there were."""
        total = 0
        while gone := await self._engine().queues.purge(queue_name(queue)):
            total += gone
        return total
