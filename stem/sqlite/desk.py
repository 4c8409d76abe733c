"""A thread that owns a connection and serves calls in the order they come."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from stem.errors import EngineUnavailableError
from stem.sqlite.connect import identity
from stem.sqlite.step import Names

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """Something was found, be it None."""

    value: T


@dataclass(slots=True)
class Call:
    """One call: what to run, whom to tell, and what came of it. No `future`: nobody asks.

    `weight` is about how many rows it writes: calls share a transaction while they are light together. `alone`: it shares
    its own with nobody, for users' SQL is part of it.
    """

    run: Callable[[Any], Any]
    probe: Callable[[Any], Answer[Any] | None] | None = None
    future: asyncio.Future[Any] | Future[Any] | None = None
    value: Any = None
    error: BaseException | None = None
    weight: int = 1
    alone: bool = False


Inbox: TypeAlias = "queue.SimpleQueue[Call | None]"


#: Opens the file anew: a connection, and the number of our namespace in it.
Reopen: TypeAlias = Callable[[], tuple[sqlite3.Connection, int]]


class Desk(threading.Thread):
    """The thread; daemonic, for a program that forgot to close its engine must still be able to end."""

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        conn: sqlite3.Connection,
        *,
        path: Path,
        ns: int,
        reopen: Reopen,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._loop = loop
        self._conn = conn
        self._path, self._ns, self._reopen = path, ns, reopen
        self._identity = identity(path)
        self._names = Names()
        self._calls: Inbox = queue.SimpleQueue()
        self._over: asyncio.Future[None] = loop.create_future()

    def put(self, call: Call) -> None:
        """Take a call in; from any thread."""
        self._calls.put(call)

    async def stop(self) -> None:
        """Serve what was taken in before, close the connection and end."""
        self._calls.put(None)
        await asyncio.shield(self._over)
        self.join()

    def run(self) -> None:
        """Serve until told to stop."""
        try:
            while self.serve_next():
                pass
        finally:
            self.tidy()
            self._conn.close()
            self._turn_away()
            self._tell(_finish, self._over)

    def follow_the_file(self) -> bool:
        """Whether another file lies at our path by now, which is then opened in place of the one we had.

        FileNotFoundError while there is none: a file that somebody took away is not made again.
        """
        here = identity(self._path)
        if here == self._identity:
            return False
        conn, ns = self._reopen()
        self._conn.close()
        self._conn, self._ns, self._identity, self._names = conn, ns, here, Names()
        return True

    def serve_next(self) -> bool:
        """Serve what has come, or wait for it; False when it is time to stop."""
        raise NotImplementedError

    def tidy(self) -> None:
        """Let go of more than the connection."""

    def _turn_away(self) -> None:
        """Whoever came after the call to stop must not wait for ever."""
        late: list[Call] = []
        with contextlib.suppress(queue.Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None:
                    call.error = EngineUnavailableError("the engine was closed meanwhile; open it first")
                    late.append(call)
        self.deliver(late)

    def deliver(self, calls: list[Call]) -> None:
        """Tell callers what came of their calls: those in the event loop with one wake-up for all."""
        here = [call for call in calls if isinstance(call.future, asyncio.Future)]
        for call in calls:
            if isinstance(call.future, Future):
                _hand_over(call.future, call)
        if here:
            self._tell(_hand_over_all, here)

    def _tell(self, function: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed over our heads; nobody waits any more
            self._loop.call_soon_threadsafe(function, *args)


def _hand_over_all(calls: list[Call]) -> None:
    for call in calls:
        assert call.future is not None
        _hand_over(call.future, call)


def _hand_over(future: asyncio.Future[Any] | Future[Any], call: Call) -> None:
    if future.done():
        return
    if call.error is not None:
        future.set_exception(call.error)
    else:
        future.set_result(call.value)


def _finish(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
