"""A clock that moves when told to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from stem.core.duration import Duration, instant, milliseconds


class FakeClock:
    """Stands still until `advance`; starts at 2026-01-01 unless told otherwise."""

    def __init__(self, start_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = start_ms
        self._start_ms = start_ms
        self._listeners: list[Callable[[], None]] = []

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return (self._now_ms - self._start_ms) / 1000

    @property
    def now(self) -> datetime:
        """The present instant."""
        return instant(self._now_ms)

    def advance(self, by: Duration) -> None:
        """Let time pass. Workers of `Stem.in_memory(clock=...)` look at once for what has become due by it."""
        self._now_ms += milliseconds(by, what="advance")
        for moved in self._listeners:
            moved()

    def listen(self, moved: Callable[[], None]) -> None:
        """Call `moved` whenever time has been moved."""
        self._listeners.append(moved)
