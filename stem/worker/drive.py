"""Driving a coroutine ourselves, so that a limit can be thrown *into* it at the await where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Drive(Generic[R]):
    """Awaits a coroutine step by step. `interrupt(error)` makes `error` appear inside it, at its current await.

    The task that awaits the Drive is cancelled to get there, and un-cancelled at once: the handler sees `error` and
    nothing else, and may catch it and go on.
    """

    __slots__ = ("_abandoned", "_coro", "_error", "_task")

    def __init__(self, coro: Coroutine[Any, Any, R]) -> None:
        self._coro = coro
        self._error: BaseException | None = None
        self._abandoned = False
        self._task: asyncio.Task[Any] | None = None

    def interrupt(self, error: BaseException) -> bool:
        """Throw `error` in at the current await; False when the coroutine is not waiting (it has ended)."""
        if self._task is None:
            return False
        self._error = error
        self._task.cancel()
        return True

    def abandon(self, error: BaseException) -> bool:
        """Stop driving, whatever the coroutine does: it is closed, and `error` is raised to whoever awaits."""
        self._abandoned = True
        return self.interrupt(error)

    def __await__(self) -> Generator[Any, None, R]:
        coro = self._coro
        try:
            waiting_for = coro.send(None)
            self._task = asyncio.current_task()
            while True:
                try:
                    yield waiting_for
                except BaseException as fault:
                    waiting_for = coro.throw(self._taken(fault))
                else:
                    waiting_for = coro.send(None)
        except StopIteration as end:
            value: R = end.value
            return value
        finally:
            self._task = None

    def _taken(self, fault: BaseException) -> BaseException:
        """What to throw instead of `fault`: the interrupting error, if this is the cancellation that carries it."""
        error = self._error
        if error is None or not isinstance(fault, asyncio.CancelledError):
            return fault
        self._error = None
        if self._task is not None:
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
