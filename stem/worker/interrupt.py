"""Raising an exception in another thread, at its next bytecode: all that Python offers for code that cannot await."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc


class ThreadRun:
    """One call in a thread that can be interrupted while it runs, and never after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None

    def run(self, fn: Callable[[], R]) -> R:
        """Call `fn` here; an interruption surfaces inside it, or not at all."""
        with self._lock:
            self._thread = threading.get_ident()
        try:
            return fn()
        finally:
            self._leave()

    def interrupt(self, error: type[BaseException]) -> bool:
        """Raise `error` in the call at its next bytecode: a blocking C call goes on until it returns."""
        with self._lock:
            if self._thread is None:
                return False
            _set_async_exc(ctypes.c_ulong(self._thread), ctypes.py_object(error))
            return True

    def _leave(self) -> None:
        with self._lock:
            if self._thread is not None:
                # an error that was set but has not surfaced yet must not hit the next job of this thread
                _set_async_exc(ctypes.c_ulong(self._thread), None)
                self._thread = None
