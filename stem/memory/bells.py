"""Waking those who wait in event loops, from any thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Hashable


class Bells:
    """Futures by topic; ringing a topic wakes all who wait for it."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]]] = {}

    def ring(self, topic: Hashable) -> None:
        """Wake everybody who waits for this topic."""
        for loop, future in self._waiting.pop(topic, ()):
            with contextlib.suppress(RuntimeError):  # a loop that was closed has nobody left who waits
                loop.call_soon_threadsafe(_done, future)

    def arm(self, topic: Hashable) -> asyncio.Future[None]:
        """A future that the next `ring` of the topic completes; arm under the lock that guards what is looked at."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(topic, []).append((loop, future))
        return future

    def disarm(self, topic: Hashable, future: asyncio.Future[None]) -> None:
        """Forget a future nobody waits for any more."""
        rest = [entry for entry in self._waiting.get(topic, ()) if entry[1] is not future]
        if rest:
            self._waiting[topic] = rest
        else:
            self._waiting.pop(topic, None)


async def sleep_on(future: asyncio.Future[None], timeout_ms: int | None) -> bool:
    """Wait for the future; False at the time-out. The future is left as it is."""
    done, _ = await asyncio.wait({future}, timeout=None if timeout_ms is None else timeout_ms / 1000)
    return bool(done)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Doze:
    """Workers that found nothing and sleep, each woken at most once; the longest asleep first."""

    def __init__(self, wake: Callable[[str], None]) -> None:
        self._asleep: dict[str, frozenset[str]] = {}
        self._rung: dict[str, frozenset[str]] = {}
        self._wake = wake

    def lie_down(self, worker: str, queues: frozenset[str]) -> None:
        """This worker has just found these queues empty."""
        self._rung.pop(worker, None)
        self._asleep[worker] = queues

    def found_work(self, worker: str) -> None:
        """The worker is up by itself: nobody need ring it."""
        self._asleep.pop(worker, None)
        self._rung.pop(worker, None)

    def ring(self, queue: str, jobs: int = 1) -> None:
        """Wake up to `jobs` workers that sleep on this queue."""
        for worker in [name for name, queues in self._asleep.items() if queue in queues][:jobs]:
            self._rung[worker] = self._asleep.pop(worker)
            self._wake(worker)

    def ring_all(self) -> None:
        """Wake everybody."""
        for worker in list(self._asleep):
            self._rung[worker] = self._asleep.pop(worker)
            self._wake(worker)

    def is_up(self, worker: str) -> bool:
        """Whether the worker need not sleep: it was rung, or its last claim was not empty."""
        if worker in self._asleep:
            return False
        self._rung.pop(worker, None)
        return True

    def heard(self, worker: str) -> None:
        """The worker was woken and goes to look."""
        self._rung.pop(worker, None)

    def get_up(self, worker: str) -> None:
        """The worker stopped waiting by itself; a ring it did not hear goes to the next one."""
        self._asleep.pop(worker, None)
        for queue in self._rung.pop(worker, ()):
            self.ring(queue)
