"""Driving a coroutine ourselves, so that a limit can be thrown *into* it at the await where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from enum import IntEnum
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Urgency(IntEnum):
    """Of several reasons to interrupt, the most urgent one is thrown."""

    SOFT = 1
    STOP = 2
    HARD = 3
    LOST = 4


class Drive(Generic[R]):
    """Awaits a coroutine step by step. `interrupt(error, ...)` makes `error` appear inside it, at its current await.

    The task that awaits the Drive is cancelled to get there, and un-cancelled at once: the handler sees `error` and
    nothing else, and may catch it and go on. An await that swallows the cancellation comes back to us all the same,
    and then the error is thrown where it stood.
    """

    __slots__ = ("_abandoned", "_cancels", "_coro", "_error", "_task", "_urgency", "inside")

    def __init__(self, coro: Coroutine[Any, Any, R]) -> None:
        self._coro = coro
        self._error: BaseException | None = None
        self._urgency = 0
        self._cancels = 0
        self._abandoned = False
        self._task: asyncio.Task[Any] | None = None
        #: Whether the coroutine's own code runs at this moment; read by the thread that watches the event loop.
        self.inside = False

    def interrupt(self, error: BaseException, urgency: Urgency) -> bool:
        """Throw `error` in at the current await; False when the coroutine is not waiting (it has ended)."""
        if self._task is None:
            return False
        if self._error is None or urgency > self._urgency:
            self._error, self._urgency = error, urgency
            self._cancels += 1
            self._task.cancel()
        return True

    def abandon(self, error: BaseException) -> None:
        """Stop driving as soon as the await comes back: the coroutine is closed, and `error` is raised."""
        self._abandoned = True
        self.interrupt(error, Urgency.LOST)

    def __await__(self) -> Generator[Any, None, R]:
        coro, closing = self._coro, False
        try:
            self.inside = True
            waiting_for = coro.send(None)
            self._task = asyncio.current_task()
            while True:
                fault: BaseException | None = None
                try:
                    self.inside = False
                    yield waiting_for
                except BaseException as raised:
                    fault, closing = raised, isinstance(raised, GeneratorExit)
                self.inside = True
                if self._error is not None and (fault is None or isinstance(fault, Exception | asyncio.CancelledError)):
                    fault = self._interruption(fault)
                waiting_for = coro.send(None) if fault is None else coro.throw(fault)
        except StopIteration as end:
            value: R = end.value
            return value
        except GeneratorExit as end:
            if closing:
                raise
            raise RuntimeError("the handler raised GeneratorExit") from end
        finally:
            self.inside = False
            self._task = None

    def _interruption(self, fault: BaseException | None) -> BaseException:
        """The error to throw in instead of what the await came to, with our cancellations taken back."""
        error, self._error, self._urgency = self._error, None, 0
        assert error is not None
        if isinstance(fault, Exception):
            error.__context__ = fault
        while self._cancels and self._task is not None:
            self._cancels -= 1
            self._task.uncancel()
        if self._abandoned:
            self._close()
            raise error
        return error

    def _close(self) -> None:
        try:
            self._coro.close()
        except RuntimeError:
            pass  # it ignored GeneratorExit; nothing more can be done from here, and nobody waits for it any more
        except Exception:  # noqa: S110 - its clean-up failed; the limit is what is reported
            pass
