"""Looking at lines and steering them, in memory."""

from __future__ import annotations

import asyncio

from stem.contracts.queues import QueueStats
from stem.core.states import WAITING
from stem.memory.line import free_unique, take_out
from stem.memory.space import Line, Space


class MemoryQueues:
    """The Queues of a Space."""

    def __init__(self, space: Space) -> None:
        self._space = space

    async def stats(self, queue: str) -> QueueStats:
        await asyncio.sleep(0)  # as in MemoryJobs.get
        with self._space.lock:
            return _stats(self._space.lines.get(queue) or Line(queue))

    async def all(self) -> list[QueueStats]:
        with self._space.lock:
            return [_stats(line) for _, line in sorted(self._space.lines.items())]

    async def pause(self, queue: str) -> None:
        with self._space.lock:
            self._space.line(queue).paused = True

    async def resume(self, queue: str) -> None:
        with self._space.lock:
            line = self._space.line(queue)
            line.paused = False
            self._space.doze.ring(queue, max(1, line.numbers["queued"]))

    async def purge(self, queue: str, limit: int = 1_000) -> int:
        space = self._space
        with space.lock:
            waiting = [job for job in space.jobs.values() if job.sub.queue == queue and job.state in WAITING][:limit]
            for job in waiting:
                take_out(space, job)
                free_unique(space, job)
                del space.jobs[job.sub.id]
                space.changed(job)
            return len(waiting)


def _stats(line: Line) -> QueueStats:
    return QueueStats(name=line.name, paused=line.paused, **line.numbers)
