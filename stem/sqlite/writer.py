"""The writing thread: one connection, and all that waits in one transaction (group commit)."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stem.sqlite.bells import Bells, Ringer
from stem.sqlite.connect import CHECKPOINT, KEPT, checkpoint, is_busy, log_size, meaning, roll_back
from stem.sqlite.desk import Call, Desk, Reopen
from stem.sqlite.step import Bell, Step, View, savepoint, transaction
from stem.sqlite.turn import ASK_MS, Turn

log = logging.getLogger("stem.sqlite")

#: Weight of the calls in one transaction: beyond it the gain is small, and the first would wait for the last.
_MOST: Final = 500
#: Calls after which the length of the log is looked at: right after a commit a look can cost a tenth of it.
_MEASURE_EVERY: Final = 8
#: When bells are owed to a process that does not listen, seconds until they are tried again.
_OWED_AGAIN: Final = 0.02


class Writer(Desk):
    """Calls that fail are undone alone; a commit that fails fails for all. Futures are told, then bells are rung."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        conn: sqlite3.Connection,
        *,
        path: Path,
        ns: int,
        now: Callable[[], int],
        busy_ms: int,
        bells: Bells,
        reopen: Reopen,
    ) -> None:
        super().__init__("stem-sqlite-writer", loop, conn, path=path, ns=ns, reopen=reopen)
        self._now, self._busy_ms, self._bells = now, busy_ms, bells
        self._room = CHECKPOINT
        self._unmeasured = 0
        self._turn = Turn(busy_ms)
        self._ringer = Ringer()

    def serve_next(self) -> bool:
        calls, more = self._take()
        if not calls and more:
            self._ring([])
        while calls:
            together = _together(calls)
            bells, left = self._serve(calls[:together])
            calls = left + calls[together:]
            self._ring(bells)
            self._copy_back()
        return more

    def tidy(self) -> None:
        self._ringer.close()

    def _take(self) -> tuple[list[Call], bool]:
        """What waits, until _MOST is reached; and whether to go on after it. Nothing: it is time for owed bells."""
        calls: list[Call] = []
        weight = 0
        try:
            call = self._calls.get(timeout=_OWED_AGAIN if self._ringer.owed else None)
            while call is not None:
                calls.append(call)
                weight += call.weight
                if weight >= _MOST:
                    break
                call = self._calls.get_nowait()
        except queue.Empty:
            return calls, True
        return calls, call is not None

    def _serve(self, calls: list[Call]) -> tuple[list[Bell], list[Call]]:
        """Serve them, or as many as one transaction has time for; the bells, and the calls that are left."""
        bells: list[Bell] = []
        served = len(calls)
        try:
            if self.follow_the_file():
                self._bells.forget_rows()
                log.warning("another file lies at %s now; it was opened in place of the one before", self._path)
            if not self._answered_by_probes(calls):
                bells, served = self._commit(calls)
        except Exception as fault:
            roll_back(self._conn)
            self._names.forget()
            for call in calls:
                call.error = self._meaning(fault)
        self._unmeasured += sum(call.weight for call in calls[:served])
        self.deliver(calls[:served])
        return bells, calls[served:]

    def _answered_by_probes(self, calls: list[Call]) -> bool:
        """Whether a look at one instant, without any lock, answers every call."""
        if any(call.probe is None for call in calls):
            return False
        try:
            self._conn.execute("BEGIN")
            answered = all(self._answered_by_probe(call) for call in calls)
            self._conn.execute("COMMIT")
        except sqlite3.OperationalError as fault:
            if not is_busy(fault):
                raise
            roll_back(self._conn)
            return False
        return answered

    def _answered_by_probe(self, call: Call) -> bool:
        assert call.probe is not None
        found = call.probe(View(self._conn, self._ns, self._now(), self._names))
        call.value = None if found is None else found.value
        return found is not None

    def _commit(self, calls: list[Call]) -> tuple[list[Bell], int]:
        bells: list[Bell] = []
        served = 0
        self._turn.begin(self._conn)
        try:
            for call in calls:
                bells += self._run(call, alone=len(calls) == 1)
                served += 1
                if self._turn.is_long:
                    break
            if self._conn.in_transaction:
                self._conn.execute("COMMIT")
        finally:
            self._turn.end()
        return bells, served

    def _copy_back(self) -> None:
        """Keep the log short: when it grows out of its room it is copied back and begun anew.

        It keeps its size, so each round makes it longer by one commit at most. One that a reader keeps in use is left
        to grow by as much again, and cut when the reader has gone.
        """
        if self._unmeasured < _MEASURE_EVERY:
            return
        self._unmeasured, size = 0, log_size(self._path)
        if size <= CHECKPOINT:
            self._room = CHECKPOINT
        if size <= self._room:
            return
        cut = size > KEPT
        try:
            done = checkpoint(self._conn, ASK_MS, cut=cut)
        except sqlite3.Error as fault:
            log.warning("the log of %s could not be copied back, trying again later: %s", self._path, fault)
            done = False
        if not done:
            self._room = size + CHECKPOINT
        else:
            self._room = CHECKPOINT if cut else size

    def _run(self, call: Call, *, alone: bool) -> list[Bell]:
        """Run one call; one that is alone needs no savepoint, for its failure may undo the whole transaction."""
        step = Step(self._conn, self._ns, self._now(), self._names)
        try:
            with transaction(self._conn) if alone else savepoint(self._conn):
                call.value = call.run(step)
                step.finish()
        except Exception as fault:
            call.error = self._meaning(fault)
            if not alone and not self._conn.in_transaction:
                raise
            self._names.forget()
            return []
        return step.bells

    def _meaning(self, fault: Exception) -> Exception:
        if isinstance(fault, sqlite3.Error | OSError):
            return meaning(fault, self._path, self._busy_ms)
        return fault

    def _ring(self, bells: list[Bell]) -> None:
        ours = self._bells.address
        here = [bell.topic for bell in bells if bell.address == ours and self._bells.cares_for(bell.topic)]
        if here:
            self._tell(self._bells.hear, here)
        dead = self._ringer.ring(bell for bell in bells if bell.address != ours)
        if dead:
            self.put(Call(lambda step: forget_addresses(step, dead)))


def _together(calls: list[Call]) -> int:
    """How many of the first calls share a transaction."""
    return 1 if calls[0].alone else next((n for n, call in enumerate(calls) if call.alone), len(calls))


def forget_addresses(step: Step, dead: list[Bell]) -> None:
    """Take out the rows of processes that are gone, and ring the next sleeper in place of each."""
    for address in {bell.address for bell in dead}:
        step.execute("DELETE FROM sleeper WHERE address = ?", (address,))
        step.execute("DELETE FROM watcher WHERE address = ?", (address,))
    for bell in dead:
        if bell.queue:
            step.ring_workers(bell.queue)
