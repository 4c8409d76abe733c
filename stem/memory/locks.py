"""Named locks, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from stem.contracts.locks import Lock
from stem.memory.bells import sleep_on
from stem.memory.space import Space


class MemoryLocks:
    """The Locks of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def acquire(self, name: str, owner: str, ttl_ms: int, *, wait_ms: int = 0) -> Lock | None:
        space, deadline = self._space, time.monotonic() + wait_ms / 1000
        while True:
            with space.lock:
                now = self._now()
                there = self._live(name)
                if there is None or there.owner == owner:
                    space.lock_token += 1
                    space.locks[name] = Lock(name, owner, space.lock_token, now + ttl_ms)
                    return space.locks[name]
                left = min(round((deadline - time.monotonic()) * 1000), there.until - now)
                if deadline <= time.monotonic():
                    return None
                bell = space.bells.arm(("lock", name))
            try:
                await sleep_on(bell, max(0, left))
            finally:
                with space.lock:
                    space.bells.disarm(("lock", name), bell)

    async def renew(self, lock: Lock, ttl_ms: int) -> Lock | None:
        with self._space.lock:
            if not self._holds(lock):
                return None
            held = Lock(lock.name, lock.owner, lock.token, self._now() + ttl_ms)
            self._space.locks[lock.name] = held
            return held

    async def release(self, lock: Lock) -> bool:
        with self._space.lock:
            if not self._holds(lock):
                return False
            del self._space.locks[lock.name]
            self._space.bells.ring(("lock", lock.name))
            return True

    async def holder(self, name: str) -> Lock | None:
        with self._space.lock:
            return self._live(name)

    def _live(self, name: str) -> Lock | None:
        lock = self._space.locks.get(name)
        return lock if lock is not None and lock.until > self._now() else None

    def _holds(self, lock: Lock) -> bool:
        there = self._live(lock.name)
        return there is not None and (there.owner, there.token) == (lock.owner, lock.token)
