"""Channels, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from stem.memory.bells import sleep_on
from stem.memory.space import Space


class MemoryBroadcast:
    """The Broadcast of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def send(self, channel: str, message: bytes, *, ttl_ms: int = 3_600_000) -> None:
        space, now = self._space, self._now()
        with space.lock:
            kept = [entry for entry in space.channels[channel] if entry[1] > now]
            kept.append((space.next_seq(), now + ttl_ms, message))
            space.channels[channel] = kept
            space.bells.ring(("channel", channel))

    async def position(self, channel: str, name: str = "") -> int:
        with self._space.lock:
            return self._space.positions.get((channel, name), self._space.sequence)

    async def read(self, channel: str, after: int, *, limit: int = 100, timeout_ms: int = 0) -> tuple[list[bytes], int]:
        space, deadline = self._space, time.monotonic() + timeout_ms / 1000
        while True:
            with space.lock:
                now = self._now()
                found = [(n, m) for n, until, m in space.channels.get(channel, ()) if n > after and until > now]
                if found or time.monotonic() >= deadline:
                    page = found[:limit]
                    return [message for _, message in page], page[-1][0] if page else after
                bell = space.bells.arm(("channel", channel))
            try:
                await sleep_on(bell, round((deadline - time.monotonic()) * 1000))
            finally:
                with space.lock:
                    space.bells.disarm(("channel", channel), bell)

    async def keep(self, channel: str, name: str, position: int) -> None:
        with self._space.lock:
            self._space.positions[channel, name] = position
