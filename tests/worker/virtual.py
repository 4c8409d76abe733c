"""Time that passes only when nothing is left to do: hours of waiting in a moment, in an order that a seed decides."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

#: Where the wall clock of virtual time begins, unix ms.
BEGIN_MS = 1_767_225_600_000


class VirtualSelector(selectors.DefaultSelector):
    """Says at once that the time-out is over, and moves time by it. While a thread works for the loop no time passes."""

    now = 0.0
    threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or (self.threads and timeout > 0):
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.now += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Knows when threads work for it."""

    def __init__(self, selector: VirtualSelector) -> None:
        super().__init__(selector)
        self._virtual = selector

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        self._virtual.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(lambda _: setattr(self._virtual, "threads", self._virtual.threads - 1))
        return future


class VirtualClock:
    """The clocks of a loop in virtual time."""

    def __init__(self, selector: VirtualSelector) -> None:
        self._selector = selector

    def now_ms(self) -> int:
        return BEGIN_MS + int(self._selector.now * 1000)

    def monotonic(self) -> float:
        return self._selector.now


def run_in_virtual_time(monkeypatch: pytest.MonkeyPatch, main: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """What `main` gives, in an event loop whose sleeps take no time."""
    selector = VirtualSelector()
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: selector.now)
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(selector)) as runner:
            return runner.run(main(VirtualClock(selector)))
