"""One delivery in a worker's hands: its lease, its limits, and how to interrupt it."""

from __future__ import annotations

import asyncio
import math
from typing import Final

import msgspec

from stem.contracts.broker import Delivery
from stem.core.settle import Settlement, Terms
from stem.errors import LeaseLost, SoftTimeLimit
from stem.values import Receipt
from stem.worker.drive import Drive, Urgency
from stem.worker.interrupt import Interrupted, ThreadRun

#: After its hard limit or the loss of its lease a coroutine may still tidy up for so long, seconds; then it is left
#: behind.
GRACE: Final = 1.0
LIMIT: Final = "the time limit has passed"
DEAF: Final = f"{LIMIT}, and the handler did not stop"


class TimeLimitExceeded(BaseException):
    """The hard limit, thrown into a coroutine; a BaseException, so that `except Exception` does not swallow it."""


class Running(msgspec.Struct, eq=False):
    """A claimed job until its settlement is stored. Times are monotonic seconds.

    `terms`: how an attempt at a handler that has started would be settled; `once`: it must not start again.
    """

    delivery: Delivery
    stop_by: float
    renew_at: float
    task: asyncio.Task[None] | None = None
    drive: Drive[object] | None = None
    thread: ThreadRun | None = None
    soft_at: float | None = None
    hard_at: float | None = None
    leave_at: float | None = None
    hold_until: float = 0.0
    terms: Terms | None = None
    once: bool = False
    passed_on: bool = False
    ended: bool = False
    lost: bool = False
    handed_back: bool = False
    cancel_reason: str | None = None
    settlement: Settlement | None = None
    is_run: bool = False

    @property
    def receipt(self) -> Receipt:
        """The right to settle it."""
        return self.delivery.receipt

    @property
    def usual_lease_ms(self) -> int:
        """The job's own lease."""
        return self.delivery.lease_ms

    def blocks_the_loop(self, now: float) -> bool:
        """Whether it is this job's own code that keeps the event loop, past its hard limit."""
        drive = self.drive
        return drive is not None and drive.inside and self.hard_at is not None and now > self.hard_at + GRACE

    @property
    def goes_on(self) -> bool:
        """Whether the attempt has not come to its end, whatever was stored about it."""
        return self.task is not None and not self.task.done()

    def lease_ms(self, now: float) -> int:
        """The lease to ask for at `now`: the job's own, or what is left of a longer one that the handler asked for."""
        return max(self.delivery.lease_ms, math.ceil((self.hold_until - now) * 1000))

    def lose(self) -> None:
        """The lease is gone: whatever the attempt still does cannot be stored."""
        if not self.lost and not self.ended:
            self.lost = True
            self._throw(LeaseLost(self.delivery.id), Urgency.LOST)

    def cancel(self, reason: str) -> None:
        """Somebody asked for the job to end."""
        if self.cancel_reason is None:
            self.cancel_reason = reason
            self._throw(asyncio.CancelledError(reason), Urgency.STOP)

    def hand_back(self) -> None:
        """The worker stops: end the attempt, another worker will make a new one."""
        if not self.handed_back and not self.ended:
            self.handed_back = True
            self._throw(asyncio.CancelledError("the worker is shutting down"), Urgency.STOP)

    def look(self, now: float) -> bool:
        """Act on every limit that has passed; True when the coroutine had its grace and must be left behind."""
        if now >= self.stop_by:
            self.lose()
        if self.soft_at is not None and now >= self.soft_at:
            error = SoftTimeLimit("the soft time limit has passed")
            self.soft_at = None if self._throw(error, Urgency.SOFT) else self.soft_at
        if self.hard_at is not None and now >= self.hard_at and self._throw(TimeLimitExceeded(LIMIT), Urgency.HARD):
            self.hard_at, self.leave_at = None, now + GRACE
        if self.lost and self.leave_at is None and self.drive is not None:
            self.leave_at = now + GRACE
        return self.leave_at is not None and now >= self.leave_at and self.drive is not None

    def leave_behind(self) -> None:
        """Nobody waits for the coroutine any more; it is closed if it ever comes back from its await."""
        self.ended = True
        if self.drive is not None:
            self.drive.abandon(TimeLimitExceeded(DEAF))

    def _throw(self, error: BaseException, urgency: Urgency) -> bool:
        """Whether there was something to throw it into."""
        if self.drive is not None:
            return self.drive.interrupt(error, urgency)
        if self.thread is None:
            return False
        return self.thread.interrupt(SoftTimeLimit if urgency is Urgency.SOFT else Interrupted)
