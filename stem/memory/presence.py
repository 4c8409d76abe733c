"""Who is alive, in memory."""

from __future__ import annotations

from collections.abc import Callable

from stem.contracts.presence import Present
from stem.memory.space import Space


class MemoryPresence:
    """The Presence of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def beat(self, worker: str, info: bytes, *, ttl_ms: int) -> None:
        now = self._now()
        with self._space.lock:
            self._space.present[worker] = (now + ttl_ms, Present(worker, info, now))

    async def leave(self, worker: str) -> None:
        with self._space.lock:
            self._space.present.pop(worker, None)

    async def alive(self) -> list[Present]:
        now = self._now()
        with self._space.lock:
            self._space.present = {w: entry for w, entry in self._space.present.items() if entry[0] > now}
            return [entry[1] for _, entry in sorted(self._space.present.items())]
