"""Suspects: what was lost with its worker before runs with less company, so that only the one that kills is given up."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from stem.contracts.source import PutsBack, Unit
from stem.core.company import PATIENCE_MS, PUT_BACK_MS, may_start
from stem.errors import EngineError
from stem.values import Receipt
from stem.worker.claim import Slots

U = TypeVar("U", bound=Unit)
log = logging.getLogger("stem.worker")


class Over(Protocol):
    """A job or run that a worker had."""

    @property
    def receipt(self) -> Receipt: ...


class Room(NamedTuple):
    """Company that is kept small, and until when at most (monotonic seconds)."""

    company: int
    until: float


class Next(NamedTuple):
    """The suspect for which room is being made, and until when at most."""

    name: str
    room: Room


class Suspects:
    """Decides with `core.company` which claimed jobs and runs start; shared by all that claim for these slots."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._running: dict[Receipt, Room] = {}
        self._next: Next | None = None
        #: How many claimed jobs and runs were put back.
        self.put_back = 0

    @property
    def running(self) -> list[str]:
        """The ids of those that run in small company now."""
        return [receipt.job_id for receipt in self._running]

    def concern(self, units: Iterable[Unit]) -> bool:
        """Whether `sort` has anything to decide: for most claims it has not."""
        if self._running or self._next is not None:
            return True
        for one in units:  # noqa: SIM110 - a generator would cost more than the rest
            if one.company is not None:
                return True
        return False

    async def sort(self, units: Sequence[U], source: PutsBack) -> list[U]:
        """Those of a claim that start now; the others are put back. Their slots were taken for all of them."""
        now = time.monotonic()
        self.look(now)
        starting, back, later = list[U](), list[Receipt](), list[Receipt]()
        for one in units:
            own, beside = one.company, self._slots.used - len(units) + len(starting)
            fits = may_start(own, beside=beside, least=self._least(now))
            if own is None:
                (starting.append(one) if fits else back.append(one.receipt))
            elif fits or self._waited(one, now):
                self._begin(one, own, now)
                starting.append(one)
            else:
                later.append(one.receipt)
                if self._next is None:
                    self._next = Next(one.receipt.job_id, Room(own, now + PATIENCE_MS / 1000))
        self._narrow(now)
        self._tell([one for one in starting if one.company is not None], now)
        await self._give_back(source, back, 0)
        await self._give_back(source, later, PUT_BACK_MS)
        return starting

    def ended(self, one: Over) -> None:
        """A job or run is over here."""
        if self._running and self._running.pop(one.receipt, None) is not None:
            self._narrow(time.monotonic())

    def look(self, now: float) -> None:
        """Give up rooms whose time is over."""
        if not self._running and self._next is None:
            return
        for receipt in [receipt for receipt, room in self._running.items() if room.until <= now]:
            del self._running[receipt]
        if self._next is not None and self._next.room.until + PATIENCE_MS / 1000 <= now:
            self._next = None  # it did not come back: another worker has it, or it has ended
        self._narrow(now)

    # ---------------------------------------------------------------- inside

    def _least(self, now: float) -> int | None:
        rooms = [*self._running.values(), *([self._next.room] if self._next is not None else [])]
        return min((room.company for room in rooms if room.until > now), default=None)

    def _waited(self, one: Unit, now: float) -> bool:
        """Whether room was made for it in vain: then it runs in whatever company is left."""
        return self._is_next(one) and self._next is not None and self._next.room.until <= now

    def _is_next(self, one: Unit) -> bool:
        return self._next is not None and self._next.name == one.receipt.job_id

    def _begin(self, one: Unit, own: int, now: float) -> None:
        if self._is_next(one):
            self._next = None
        self._running[one.receipt] = Room(own, now + PATIENCE_MS / 1000)

    def _tell(self, suspects: Sequence[Unit], now: float) -> None:
        if suspects:
            names = ", ".join(one.receipt.job_id for one in suspects)
            text = "lost with their worker before, and started in small company (%d others at most, for up to %d s): %s"
            log.warning(text, self._least(now) or 0, PATIENCE_MS // 1000, names)

    def _narrow(self, now: float) -> None:
        """As many slots as the smallest company allows, and one for the suspect itself."""
        least = self._least(now)
        self._slots.narrow(None if least is None else least + 1)

    async def _give_back(self, source: PutsBack, batch: list[Receipt], again_in_ms: int) -> None:
        if not batch:
            return
        self.put_back += len(batch)
        try:
            await source.put_back(batch, again_in_ms=again_in_ms)
        except EngineError as fault:
            log.warning("%d claimed jobs could not be put back, their leases will end: %s", len(batch), fault)
