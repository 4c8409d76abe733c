"""Commands for one worker, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from stem.memory.bells import sleep_on
from stem.memory.space import Space


class MemoryInbox:
    """The Inbox of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def send(self, address: str, message: bytes, *, ttl_ms: int) -> None:
        with self._space.lock:
            self._space.inboxes[address].append((self._now() + ttl_ms, message))
            self._space.bells.ring(("inbox", address))

    async def receive(self, address: str, *, limit: int = 100, timeout_ms: int = 0) -> list[bytes]:
        space, deadline = self._space, time.monotonic() + timeout_ms / 1000
        while True:
            with space.lock:
                now = self._now()
                fresh = [entry for entry in space.inboxes.pop(address, ()) if entry[0] > now]
                if fresh[limit:]:
                    space.inboxes[address] = fresh[limit:]
                if fresh or time.monotonic() >= deadline:
                    return [message for _, message in fresh[:limit]]
                bell = space.bells.arm(("inbox", address))
            try:
                await sleep_on(bell, round((deadline - time.monotonic()) * 1000))
            finally:
                with space.lock:
                    space.bells.disarm(("inbox", address), bell)
