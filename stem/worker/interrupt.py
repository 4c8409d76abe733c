"""Raising an exception in another thread, at its next bytecode: all that Python offers for code that cannot await."""

from __future__ import annotations

import ctypes
import operator
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from stem.errors import SoftTimeLimit

R = TypeVar("R")

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc


class Interrupted(BaseException):
    """The worker wants a thread's attempt to end: cancelled, lost, or shutting down."""


_INTERRUPTIONS = (Interrupted, SoftTimeLimit)


class ThreadRun:
    """One call in a thread that can be interrupted until it has ended, and never after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._early: type[BaseException] | None = None
        self._over = False

    def run(self, fn: Callable[[], R]) -> R:
        """What `fn` gives, called in this thread. An interruption that comes when `fn` has returned is too late.

        RuntimeError when it raises StopIteration or GeneratorExit, which no future can carry.
        """
        given: list[R] = []
        try:
            self._call(fn, given)
        except _INTERRUPTIONS:
            self._surely_leave()
            if not given:
                raise
        except GeneratorExit as fault:
            raise RuntimeError("the handler raised GeneratorExit") from fault
        if not given:
            raise RuntimeError("the handler raised StopIteration")
        return given[0]

    def interrupt(self, error: type[BaseException]) -> bool:
        """Raise `error` in the call, at its first or next bytecode; False when it has ended.

        A blocking C call goes on until it returns.
        """
        with self._lock:
            if self._over:
                return False
            if self._thread is None:
                self._early = error
            else:
                _set_async_exc(ctypes.c_ulong(self._thread), ctypes.py_object(error))
            return True

    def _call(self, fn: Callable[[], R], given: list[R]) -> None:
        try:
            with self._lock:
                self._thread = threading.get_ident()
                early = self._early
            if early is not None:
                raise early
            # in C from the return of `fn` to the list: there is no bytecode in between at which it could be lost
            given.extend(map(operator.call, (fn,)))
        finally:
            self._surely_leave()

    def _surely_leave(self) -> None:
        """An interruption under way may surface in here; the next round ends what it broke off."""
        while not self._over:
            with suppress(*_INTERRUPTIONS):
                self._leave()

    def _leave(self) -> None:
        with self._lock:
            if self._thread is not None:
                # an error that was set but has not surfaced yet must not hit the next job of this thread
                _set_async_exc(ctypes.c_ulong(self._thread), None)
            self._over = True
