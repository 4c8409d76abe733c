"""Claiming: two claims in alternation, each for as many jobs as there are free slots."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from stem.contracts.source import Claims, PutsBack, Unit
from stem.core.lease import SAFETY_MS
from stem.core.retry import backoff_ms
from stem.errors import EngineError
from stem.worker.settle import AWAY

T = TypeVar("T", bound=Unit)
log = logging.getLogger("stem.worker")

#: How long a claim waits for half of the slots to be free while at least one is, seconds: fewer, larger claims.
GATHER: Final = 0.002


class Slots:
    """Room for attempts, counted from the claim to the end of the attempt."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self._most = size
        self._enough = max(1, size // 2)
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def free(self) -> int:
        """Slots to claim for now; below zero when they were narrowed since."""
        return self._most - self.used

    @property
    def idle(self) -> int:
        """Free slots that must not be claimed for now."""
        return self.size - max(self._most, self.used)

    def narrow(self, most: int | None) -> None:
        """Use only so many for now; None: all."""
        self._most = self.size if most is None else min(most, self.size)
        self.give(0)

    def take(self, count: int) -> None:
        self.used += count

    def give(self, count: int = 1) -> None:
        """Free slots, and wake everyone whom they are enough for: who comes second looks again and waits on."""
        self.used -= count
        for enough, future in self._waiting:
            if self.free >= enough and not future.done():
                future.set_result(None)

    async def room(self) -> int:
        """Slots to claim for: half of all, or what is free after a moment's patience. At least one."""
        while True:
            if self.free < 1:
                await self._until(1, None)
            if self.free < self._enough:
                await self._until(self._enough, GATHER)
            if self.free >= 1:  # else somebody else who claims for these slots was faster
                return self.free

    async def _until(self, count: int, patience: float | None) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (count, future)
        self._waiting.append(entry)
        try:
            await asyncio.wait({future}, timeout=patience)
        finally:
            self._waiting.remove(entry)


class Screen(Protocol):
    """Decides which of the claimed units start now."""

    def concern(self, units: Sequence[Unit]) -> bool:
        """Whether there is anything to decide about these."""
        ...

    async def sort(self, units: Sequence[T], source: PutsBack) -> Sequence[T]:
        """Those that start; the others were put back."""
        ...


class Claimer(Generic[T]):
    """Claims while it may, hands over what it gets, sleeps when there is nothing.

    `idle` is told what `mark` gave before a claim that came back empty, while no other was under way.
    """

    def __init__(
        self,
        source: Claims[T],
        slots: Slots,
        take: Callable[[Sequence[T], float], None],
        idle: Callable[[int], None],
        mark: Callable[[], int],
        *,
        screen: Screen | None = None,
        name: str = "claim",
        look_ms: int = SAFETY_MS,
    ) -> None:
        self._source, self._slots, self._take, self._idle, self._mark = source, slots, take, idle, mark
        self._screen, self._name, self._look_ms = screen, name, look_ms
        self._turn = asyncio.Lock()
        # jobs of one claim start, and what they have done is sent, before those of the other: when the answers to both
        # come together, they would otherwise stay together, and worker and store take turns in waiting
        self._starting = asyncio.Lock()
        self._away = 0
        self._stopping = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._nap: asyncio.Future[object] | None = None
        #: How often `look_again` was called. A claim that was sent before the last call proves nothing.
        self._asked = 0
        self._asleep = False
        self._asleep_until = 0.0
        self._work = asyncio.Event()

    def look_again(self) -> None:
        """Claim now, whatever the bell and the timer say; again, when a claim is under way that may have come too early."""
        self._asked += 1
        if self._nap is not None:
            self._nap.cancel()

    def start(self) -> list[asyncio.Task[None]]:
        """Begin: two claims in alternation, so that while one is under way the other's jobs run."""
        self._tasks = [asyncio.create_task(self._run(), name=f"stem-{self._name}-{n}") for n in (1, 2)]
        return self._tasks

    async def stop(self) -> None:
        """Claim nothing more. A claim under way is waited for: what it brings is given back at once."""
        self._stopping = True
        for task in self._tasks:
            if task not in self._under_way:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._source.wait(0)  # the last claim may have lain down to sleep: get up, and pass its ring on
        except EngineError as fault:
            log.debug("still asleep for the store: %s", fault)

    async def _run(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        while not self._stopping:
            async with self._turn:
                want = min(await self._slots.room(), max(1, (self._slots.size + 1) // 2))
                self._slots.take(want)
            got, asked = 0, self._asked
            self._under_way.add(me)
            try:
                got, wait_ms = await self._claim(want)
            finally:
                self._under_way.discard(me)
                self._slots.give(want - got)
            if got:
                self._work.set()
            elif wait_ms and asked == self._asked and not self._stopping:
                await self._rest(wait_ms)

    async def _rest(self, wait_ms: int) -> None:
        """One of the two sleeps on the bell; the other until the first has found work.

        If the other knows of an earlier timer than the one that sleeps, or its claim failed, or the one that sleeps does
        so because its own failed, that one looks at once, and so hears of it.
        """
        until = time.monotonic() + wait_ms / 1000
        if self._asleep:
            if until < self._asleep_until:
                self.look_again()
            self._work.clear()
            await self._work.wait()
            return
        self._asleep, self._asleep_until = True, until if wait_ms > 0 else math.inf
        try:
            await self._sleep(wait_ms)
        finally:
            self._asleep = False

    async def _claim(self, want: int) -> tuple[int, int]:
        """How many came, and how many ms to sleep before the next claim."""
        asked, mark = time.monotonic(), self._mark()
        try:
            units: Sequence[T]
            units, next_due_ms = await self._source.claim(want)
        except EngineError as fault:
            return 0, -self._wait_away(fault)
        if self._away:
            log.warning("the store is back after %d tries", self._away)
            self._away = 0
        if units and self._screen is not None and self._screen.concern(units):
            units = await self._screen.sort(units, self._source)
            next_due_ms = 0
        if units and self._stopping:
            await self._source.put_back([unit.receipt for unit in units], again_in_ms=0)
            return 0, 0
        if units:
            async with self._starting:
                self._take(units, asked)
                await asyncio.sleep(0)
            return len(units), 0
        if next_due_ms == 0:
            await asyncio.sleep(0)
            return 0, 0
        if len(self._under_way) == 1:  # what the other claim brings is not known yet
            self._idle(mark)
        return 0, min(next_due_ms or self._look_ms, self._look_ms)

    async def _sleep(self, wait_ms: int) -> None:
        """Until the bell or the time; a negative time is a store that is away, where no bell rings."""
        if wait_ms < 0:
            await self._nap_on(asyncio.sleep(-wait_ms / 1000))
            return
        # a safety look is spread, or a fleet that fell asleep together would look together
        spread = wait_ms if wait_ms < self._look_ms else round(wait_ms * (0.8 + 0.4 * random.random()))
        try:
            await self._nap_on(self._source.wait(spread))
        except EngineError as fault:
            await self._nap_on(asyncio.sleep(self._wait_away(fault) / 1000))

    async def _nap_on(self, what: Awaitable[object]) -> None:
        """Wait for this, or until somebody calls `look_again`."""
        nap = asyncio.ensure_future(what)
        self._nap = nap
        try:
            await asyncio.wait({nap})
        finally:
            self._nap = None
            nap.cancel()
        if not nap.cancelled():
            nap.result()

    def _wait_away(self, fault: EngineError) -> int:
        """Back-off while the store is away; said once when it goes and once when it comes back."""
        self._away += 1
        if self._away == 1:
            log.warning("cannot claim, trying again until the store is back: %s", fault)
        return backoff_ms(AWAY, self._away, jitter=0.5 + random.random() / 2)
