"""One delivery in a worker's hands: its lease, its limits, and how to interrupt it."""

from __future__ import annotations

import asyncio
import math
from typing import Final

import msgspec

from stem.contracts.broker import Delivery
from stem.core.settle import Settlement
from stem.errors import LeaseLost, SoftTimeLimit
from stem.worker.drive import Drive
from stem.worker.interrupt import ThreadRun

#: After its hard limit a coroutine may still tidy up for so long, seconds; then it is left behind.
GRACE: Final = 1.0
LIMIT: Final = "the time limit has passed"


class TimeLimitExceeded(BaseException):
    """The hard limit, thrown into a coroutine; a BaseException, so that `except Exception` does not swallow it."""


class Interrupted(BaseException):
    """The worker wants a thread's attempt to end: cancelled, lost, or shutting down."""


class Running(msgspec.Struct, eq=False):
    """A claimed job until its settlement is stored. Times are monotonic seconds."""

    delivery: Delivery
    stop_by: float
    renew_at: float
    task: asyncio.Task[None] | None = None
    drive: Drive[object] | None = None
    thread: ThreadRun | None = None
    soft_at: float | None = None
    hard_at: float | None = None
    abandon_at: float | None = None
    ended: bool = False
    hold_until: float = 0.0
    started: bool = False
    passed_on: bool = False
    lost: bool = False
    handed_back: bool = False
    cancel_reason: str | None = None
    settlement: Settlement | None = None

    def lease_ms(self, now: float) -> int:
        """The lease to ask for at `now`: the job's own, or what is left of a longer one that the handler asked for."""
        return max(self.delivery.lease_ms, math.ceil((self.hold_until - now) * 1000))

    def lose(self) -> None:
        """The lease is gone: whatever the attempt still does cannot be stored."""
        if not self.lost and not self.ended:
            self.lost = True
            self._stop(LeaseLost(self.delivery.id))

    def cancel(self, reason: str) -> None:
        """Somebody asked for the job to end."""
        if self.cancel_reason is None:
            self.cancel_reason = reason
            self._stop(asyncio.CancelledError(reason))

    def hand_back(self) -> None:
        """The worker stops: end the attempt, another worker will make a new one."""
        if not self.handed_back and not self.ended:
            self.handed_back = True
            self._stop(asyncio.CancelledError("the worker is shutting down"))

    def look(self, now: float) -> None:
        """Act on every limit that has passed."""
        if now >= self.stop_by:
            self.lose()
        if self.soft_at is not None and now >= self.soft_at:
            error = SoftTimeLimit("the soft time limit has passed")
            self.soft_at = None if self._throw(error, SoftTimeLimit) else self.soft_at
        if self.hard_at is not None and now >= self.hard_at and self._throw(TimeLimitExceeded(LIMIT), Interrupted):
            self.hard_at, self.abandon_at = None, now + GRACE
        if self.abandon_at is not None and now >= self.abandon_at:
            self.abandon_at = None
            if self.drive is not None:
                self.drive.abandon(TimeLimitExceeded(f"{LIMIT}, and the handler did not stop"))

    def _stop(self, error: BaseException) -> None:
        self._throw(error, Interrupted)

    def _throw(self, error: BaseException, in_thread: type[BaseException]) -> bool:
        """Whether there was something to throw it into."""
        if self.drive is not None:
            return self.drive.interrupt(error)
        return self.thread is not None and self.thread.interrupt(in_thread)
