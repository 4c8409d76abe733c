"""The opened file: its threads, its bells, and waiting for what others change."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypedDict, TypeVar

from stem.errors import EngineRefusedError, EngineUnavailableError, StemError
from stem.sqlite.bells import Bells, sleep_on
from stem.sqlite.connect import Durability, namespace_number, prepare, reading, translated
from stem.sqlite.desk import Answer, Call
from stem.sqlite.reader import Reader
from stem.sqlite.step import Step, View
from stem.sqlite.turn import ASK_MS
from stem.sqlite.writer import Writer

T = TypeVar("T")


class _Place(TypedDict):
    """What both threads must know of the file."""

    path: Path
    ns: int
    now: Callable[[], int]
    busy_ms: int


@dataclass(frozen=True, slots=True)
class NotYet:
    """Wait on: `told` when this process will be rung without asking; `again_ms` when time alone may change it."""

    told: bool = False
    again_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Take(Generic[T]):
    """Taking something away, and putting it back for whoever was cancelled before the answer reached it."""

    run: Callable[[Step], Answer[T] | NotYet]
    undo: Callable[[Step, T], object]


@dataclass(frozen=True, slots=True)
class _Open:
    """What there is while the store is open."""

    pid: int
    loop: asyncio.AbstractEventLoop
    bells: Bells
    writer: Writer
    reader: Reader


class Store:
    """One namespace in one file, as one process has it open; bound to the event loop that opened it."""

    def __init__(
        self, path: Path, namespace: str, durability: Durability, *, busy_ms: int, look_ms: int, now: Callable[[], int]
    ) -> None:
        self.path = path
        self.busy_ms = busy_ms
        self.look_ms = look_ms
        self.now = now
        self._namespace = namespace
        self._durability: Durability = durability
        self._open: _Open | None = None
        self._opening = asyncio.Lock()

    @property
    def address(self) -> str:
        """Where this process is rung; "" while the store is closed."""
        return self._open.bells.address if self._open is not None else ""

    @property
    def bells(self) -> Bells:
        """The ears of this process."""
        return self._opened().bells

    async def open(self) -> None:
        """Open file and socket and start the threads; nothing when they are."""
        async with self._opening:
            if self._open is not None:
                self._opened()
            else:
                self._open = await self._begin(asyncio.get_running_loop())

    async def _begin(self, loop: asyncio.AbstractEventLoop) -> _Open:
        with contextlib.ExitStack() as undo:
            kept, ns = await asyncio.to_thread(self._prepared)
            undo.callback(kept.close)
            with translated(self.path, self.busy_ms):
                bells = Bells(loop)
            undo.callback(bells.close)
            looking = reading(self.path, busy_ms=self.busy_ms)
            undo.callback(looking.close)
            place: _Place = {"path": self.path, "ns": ns, "now": self.now, "busy_ms": self.busy_ms}
            writer = Writer(loop, kept, bells=bells, reopen=self._prepared, **place)
            reader = Reader(loop, looking, reopen=self._reading, **place)
            undo.pop_all()
        writer.start()
        reader.start()
        return _Open(os.getpid(), loop, bells, writer, reader)

    def _prepared(self) -> tuple[sqlite3.Connection, int]:
        """The connection that will write, and the number of our namespace."""
        conn = prepare(self.path, durability=self._durability, busy_ms=self.busy_ms)
        try:
            with translated(self.path, self.busy_ms):
                ns = namespace_number(conn, self._namespace)
                conn.execute(f"PRAGMA busy_timeout = {ASK_MS}")
                return conn, ns
        except BaseException:
            conn.close()
            raise

    def _reading(self) -> tuple[sqlite3.Connection, int]:
        """The connection that will look, and the number of our namespace."""
        self._prepared()[0].close()  # another file may have come to our path: it has to be ours before it is read
        conn = reading(self.path, busy_ms=self.busy_ms)
        return conn, namespace_number(conn, self._namespace)

    async def close(self) -> None:
        """Leave no row that would ring us, end the threads, take the socket away."""
        here = self._open
        if here is None:
            return
        self._opened()
        if here.bells.has_rows:
            with contextlib.suppress(StemError):  # rows of a dead address are taken out by whoever meets them
                await self.write(lambda step: _leave(step, here.bells.address))
        self._open = None
        here.bells.close()
        await here.reader.stop()
        await here.writer.stop()

    # ---------------------------------------------------------------- calls

    def submit(
        self,
        run: Callable[[Step], T],
        probe: Callable[[View], Answer[T] | None] | None = None,
        *,
        weight: int = 1,
        alone: bool = False,
    ) -> asyncio.Future[T]:
        """Have `run`, which writes about `weight` rows, run in a transaction, unless `probe` answers without one."""
        here = self._opened()
        if asyncio.get_running_loop() is not here.loop:
            raise EngineRefusedError(
                f"the engine on {self.path} was opened in another event loop; open one in each loop"
            )
        future: asyncio.Future[T] = here.loop.create_future()
        here.writer.put(Call(run, probe, future, weight=weight, alone=alone))
        return future

    async def write(self, run: Callable[[Step], T], *, weight: int = 1, alone: bool = False) -> T:
        """What `run` gives, once it is committed; `alone`: in a transaction that it shares with nobody."""
        return await self.submit(run, weight=weight, alone=alone)

    def write_later(self, run: Callable[[Step], object]) -> None:
        """The same without an answer; what was submitted before is done before."""
        if self._open is not None:
            self._open.writer.put(Call(run))

    def write_blocking(self, run: Callable[[Step], T]) -> T:
        """The same for a thread of its own; the event loop has no part in it."""
        future: Future[T] = Future()
        self._opened().writer.put(Call(run, None, future))
        return future.result()

    async def read(self, run: Callable[[View], T]) -> T:
        """What `run` sees, at one instant, without waiting for any writer."""
        here = self._opened()
        future: asyncio.Future[T] = here.loop.create_future()
        here.reader.put(Call(run, None, future))
        return await future

    # ---------------------------------------------------------------- waiting

    async def until(
        self,
        topic: str,
        look: Callable[[View], Answer[T] | NotYet],
        timeout_ms: int | None,
        *,
        take: Take[T] | None = None,
    ) -> Answer[T] | None:
        """The answer as soon as there is one; None at the time-out. Rings of `topic` cause the next look.

        `look` only reads. When it cannot say, because the answer has to be taken, it gives an Answer and `take` gives
        the true one, or takes it back when whoever asked is gone by then. A look and the wish to be rung are one
        step, so no change falls between them.
        """
        deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        bells, pause = self.bells, self.look_ms / 8
        try:
            while True:
                bell = bells.arm(topic)
                try:
                    found = await self._look(topic, look, take, wait=deadline is None or time.monotonic() < deadline)
                    if isinstance(found, Answer):
                        return found
                    left = None if deadline is None else (deadline - time.monotonic()) * 1000
                    if left is not None and left <= 0:
                        return None
                    rests = (pause * random.uniform(0.7, 1), left, found.again_ms)
                    await sleep_on(bell, min(one for one in rests if one is not None))
                finally:
                    bells.disarm(topic, bell)
                pause = min(pause * 2, self.look_ms)
        finally:
            if topic in bells.watched and not bells.is_waited_for(topic):
                bells.watched.discard(topic)
                self.write_later(lambda step: _unwatch(step, topic, bells.address))

    async def _look(
        self,
        topic: str,
        look: Callable[[View], Answer[T] | NotYet],
        take: Take[T] | None,
        *,
        wait: bool,
    ) -> Answer[T] | NotYet:
        bells = self.bells

        def probe(view: View) -> Answer[Answer[T] | NotYet] | None:
            found = look(view)
            if isinstance(found, Answer):
                return Answer(found) if take is None else None
            quiet = not wait or found.told or view.is_watched(topic, bells.address)
            return Answer(found) if quiet else None

        def run(step: Step) -> Answer[T] | NotYet:
            found = take.run(step) if take is not None else look(step)
            if wait and isinstance(found, NotYet) and not found.told:
                bells.watched.add(topic)
                step.watch(topic, bells.address)
            return found

        looked = self.submit(run, probe)
        try:
            return await asyncio.shield(looked)
        except asyncio.CancelledError:
            if take is not None:
                looked.add_done_callback(lambda done: self._take_back(done, take))
            raise

    def _take_back(self, looked: asyncio.Future[Answer[T] | NotYet], take: Take[T]) -> None:
        if looked.cancelled() or looked.exception() is not None:
            return
        found = looked.result()
        if isinstance(found, Answer):
            self.write_later(lambda step: take.undo(step, found.value))

    def _opened(self) -> _Open:
        if self._open is None:
            raise EngineUnavailableError(f"the engine on {self.path} is closed; open it first")
        if self._open.pid != os.getpid():
            raise EngineRefusedError(
                f"the engine on {self.path} was opened in process {self._open.pid} and carried over a fork into "
                f"{os.getpid()}; open an engine after the fork"
            )
        return self._open


def _leave(step: Step, address: str) -> None:
    step.execute("DELETE FROM sleeper WHERE address = ?", (address,))
    step.execute("DELETE FROM watcher WHERE address = ?", (address,))


def _unwatch(step: Step, topic: str, address: str) -> None:
    step.execute("DELETE FROM watcher WHERE ns = ? AND topic = ? AND address = ?", (step.ns, topic, address))
