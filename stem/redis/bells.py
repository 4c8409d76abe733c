"""What the server tells this engine: futures by topic, and which of its workers sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

from stem.redis.names import plain

#: What is done with a ring that its worker did not hear: the worker, and the queues it slept on.
PassOn: TypeAlias = Callable[[str, Sequence[str]], None]
#: How a message begins that rings a worker, and one that asks it to look a little later, for somebody else was rung.
_WORKER, _LATER = b"w", b"l"
#: A little later, seconds.
_PATIENCE: Final = 2.0


class Bells:
    """Futures by topic; a message completes them all."""

    def __init__(self, pass_on: PassOn) -> None:
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self.naps = Naps(pass_on)

    def heard(self, message: bytes) -> None:
        """A message has come."""
        text = message[1:].decode()
        if message[:1] == _WORKER:
            self.naps.rang(plain(text))
        elif message[:1] == _LATER:
            asyncio.get_running_loop().call_later(_PATIENCE, self.naps.look, plain(text))
        else:
            self.ring(text)

    def ring(self, topic: str) -> None:
        """Complete all futures of this topic."""
        for future in self._waiting.pop(topic, ()):
            if not future.done():
                future.set_result(None)

    def arm(self, topic: str) -> asyncio.Future[None]:
        """A future that the next message about the topic completes."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, []).append(future)
        return future

    def disarm(self, topic: str, future: asyncio.Future[None]) -> None:
        """Forget a future nobody waits for any more."""
        rest = [one for one in self._waiting.get(topic, ()) if one is not future]
        if rest:
            self._waiting[topic] = rest
        else:
            self._waiting.pop(topic, None)

    def ring_all(self) -> None:
        """The connection was lost, and perhaps messages with it: everybody looks again."""
        for topic in list(self._waiting):
            self.ring(topic)
        self.naps.wake_all()


class Nap:
    """What this engine knows of one of its workers: up, asleep, or asleep without anybody who waits for the bell."""

    __slots__ = ("early", "queues", "rings", "state", "waiting")

    def __init__(self) -> None:
        self.rings = 0
        self.early = False
        self.state: Literal["up", "asleep", "left"] = "up"
        self.queues: tuple[str, ...] = ()
        self.waiting: list[asyncio.Future[None]] = []

    def fall_asleep(self) -> None:
        """On the server's lists, perhaps; whoever waits goes on waiting, unless a ring came early."""
        if self.early and self.waiting:
            self.early = False
            self.ring()
            self.state = "left"
        else:
            self.state = "asleep"

    def ring(self) -> None:
        """Wake whoever waits."""
        self.state = "up"
        for bell in self.waiting:
            if not bell.done():
                bell.set_result(None)
        self.waiting.clear()


class Naps:
    """The workers of this engine, as the server's replies and rings say.

    They come on two connections, so a ring may be heard before the reply that put its worker on the lists, and a worker
    has two claims under way. So rings are counted: a claim that was sent before the last ring may have been answered
    before it, and its worker looks again. A worker whose wait timed out stays on the server's lists: taking it off would
    cost a command each time, and it comes back to claim. A ring that comes meanwhile is passed on.
    """

    def __init__(self, pass_on: PassOn) -> None:
        self._known: dict[str, Nap] = {}
        self._pass_on = pass_on

    def ask(self, worker: str) -> int:
        """A claim of this worker is sent; how many rings it has heard before."""
        return self._known.setdefault(worker, Nap()).rings

    def lie_down(self, worker: str, queues: tuple[str, ...], rings: int) -> None:
        """The server lists this worker as asleep, unless it was rung since; `rings` is what `ask` gave."""
        nap = self._known[worker]
        nap.queues, nap.early = queues, nap.rings != rings
        nap.fall_asleep()

    def get_up(self, worker: str) -> None:
        """The server lists this worker no longer. Whoever waits for its bell waits on."""
        if worker in self._known:
            self._known[worker].state = "up"

    def leave(self, worker: str) -> None:
        """This worker has found work elsewhere and does not listen: a ring for it is passed on."""
        nap = self._known.get(worker)
        if nap is not None and nap.state == "asleep" and not nap.waiting:
            nap.state = "left"

    def hand_on(self, worker: str) -> None:
        """The ring that this worker has heard belongs to the next one."""
        self._pass_on(worker, self._known[worker].queues)

    def rang(self, worker: str) -> None:
        """The server has taken this worker off its lists, for there is work."""
        nap = self._known.get(worker)
        if nap is None:
            return
        nap.rings += 1
        if nap.state == "up":
            return
        if nap.state == "left":
            nap.state = "up"
            self._pass_on(worker, nap.queues)
        else:
            nap.ring()

    def look(self, worker: str) -> None:
        """This worker, if it still sleeps, looks by itself; the server lists it on."""
        nap = self._known.get(worker)
        if nap is not None and nap.state == "asleep":
            nap.ring()

    def wake_all(self) -> None:
        """Rings may have been lost."""
        for nap in self._known.values():
            nap.ring()

    async def sleep(self, worker: str, timeout_ms: float) -> bool:
        """Wait for the bell; True when it rang, or when the worker is not asleep at all."""
        nap = self._known.get(worker)
        if nap is None or nap.state == "up":
            return True
        if nap.early:
            nap.early, nap.state = False, "left"
            return True
        bell: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        nap.waiting.append(bell)
        nap.state = "asleep"
        try:
            return await sleep_on(bell, timeout_ms)
        except asyncio.CancelledError:
            if bell.done():
                self._pass_on(worker, nap.queues)
            raise
        finally:
            if bell in nap.waiting:
                nap.waiting.remove(bell)
                if not nap.waiting and nap.state == "asleep":
                    nap.state = "left"

    def listed(self) -> list[str]:
        """All workers that the server may list."""
        return [worker for worker, nap in self._known.items() if nap.state != "up"]


async def sleep_on(future: asyncio.Future[None], timeout_ms: float | None) -> bool:
    """Wait for the future; False at the time-out. The future is left as it is."""
    done, _ = await asyncio.wait({future}, timeout=None if timeout_ms is None else max(0.0, timeout_ms) / 1000)
    return bool(done)
