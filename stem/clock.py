"""Time as a value that can be handed in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """What shells ask for the time. Engines use their store's own clock, never a worker's, for leases and delays."""

    def now_ms(self) -> int:
        """Wall clock, unix milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for spans."""
        ...


@runtime_checkable
class MovedClock(Clock, Protocol):
    """A clock that is moved by hand, and tells when it was."""

    def listen(self, moved: Callable[[], None]) -> None:
        """Call `moved` whenever time has been moved."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
