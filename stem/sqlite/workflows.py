"""Workflow runs, in SQLite: each call is one step of the ledger, in one transaction."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from stem.contracts.broker import Held, Renewal
from stem.contracts.workflows import (
    Cancelled,
    ClaimedRuns,
    Emitted,
    KeptEvent,
    Rewound,
    RunDetail,
    RunFilter,
    Sent,
    Started,
    Waiter,
    WorkError,
    told,
)
from stem.core import cursor as cursors
from stem.core.ledger import asked, life, waking
from stem.core.ledger.commit import commit
from stem.core.priority import queue_order
from stem.core.run import ENDED, CancelRequest, Change, Committed, Event, Message, NewRun, RunRow, Step, is_plain
from stem.sqlite.bells import Bells, sleep_on
from stem.sqlite.connect import is_the_stores
from stem.sqlite.desk import Answer
from stem.sqlite.run_looks import events, find_detail, list_runs, list_waiters
from stem.sqlite.run_rows import SqliteRows, commit_plainly, find_run, has_todo, next_due, next_policy
from stem.sqlite.sleepers import get_up, is_asleep, lie_down, stop_sleeping
from stem.sqlite.step import Step as Transaction
from stem.sqlite.step import View
from stem.sqlite.store import NotYet, Store
from stem.values import Receipt


class SqliteWorkflows:
    """The Workflows of a Store; its transactions can be shared."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns: Counter[str] = Counter()

    async def start(self, batch: Sequence[NewRun]) -> list[Started]:
        def run(step: Transaction) -> list[Started]:
            rows = SqliteRows(step)
            return [
                Started(status, row.state, row.workflow) for status, row in (life.start(rows, new) for new in batch)
            ]

        return await self._store.write(run, weight=len(batch))

    async def claim(self, lines: Sequence[str], limit: int, worker: str, *, renews: bool = False) -> ClaimedRuns:
        self._turns[worker] += 1
        order, bells = queue_order(lines, self._turns[worker]), self._store.bells
        claimed = self._store.submit(
            lambda step: _claim(step, order, limit, worker, bells, renews=renews),
            lambda view: _nothing_to_claim(view, order, worker, bells),
            weight=limit,
        )
        try:
            return await asyncio.shield(claimed)
        except asyncio.CancelledError:
            claimed.add_done_callback(self._give_back)
            raise

    def _give_back(self, claimed: asyncio.Future[ClaimedRuns]) -> None:
        """Whoever asked is gone: what was handed out must not wait for its lease to end."""
        if not claimed.cancelled() and claimed.exception() is None:
            receipts = [run.receipt for run in claimed.result().runs]
            self._store.write_later(lambda step: _release(step, receipts))

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        bells, deadline = self._store.bells, time.monotonic() + timeout_ms / 1000
        lines = bells.dozing.get(worker)
        if lines is None:
            return True
        topic, pause, rang = f"work {worker}", self._store.look_ms / 4, False
        bell = bells.arm(topic)
        try:
            while not rang and (left := (deadline - time.monotonic()) * 1000) > 0:
                rang = await sleep_on(bell, min(left, pause * random.uniform(0.7, 1)))
                if not rang and time.monotonic() < deadline:
                    rang = await self._store.read(lambda view: not is_asleep(view, worker) or _may_claim(view, lines))
                pause = min(pause * 2, self._store.look_ms)
            return rang
        finally:
            bells.disarm(topic, bell)
            if not rang:
                bells.dozing.pop(worker, None)
                self._store.write_later(lambda step: stop_sleeping(step, worker, lines))

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        return await self._store.write(lambda step: renew(step, batch))

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int = 0) -> list[bool]:
        return await self._store.write(lambda step: _release(step, batch, again_in_ms))

    async def commit(self, receipt: Receipt, change: Change) -> Committed:
        plain = is_plain(change)

        def run(step: Transaction) -> Committed:
            done = commit_plainly(step, receipt, change) if plain else None
            return done or commit(SqliteRows(step), receipt, change)

        return await self._store.write(run)

    async def transact(self, receipt: Receipt, change: Change, work: Callable[[Any], Step]) -> tuple[Committed, Step]:
        def run(step: Transaction) -> tuple[Committed, list[Step]]:
            made: list[Step] = []

            def once() -> Step:
                shared = Shared(step)
                try:
                    made.append(work(shared))
                    shared.check()
                except BaseException as fault:
                    if fault is shared.fault:
                        raise
                    raise WorkError(fault) from fault
                return made[-1]

            return commit(SqliteRows(step), receipt, change, once), made

        said, made = await self._store.write(run, alone=True)
        return said, made[-1] if made else Step(key="", pos=0)

    async def complete(self, run: str, key: str, step: Step, *, source: str = "") -> bool:
        return await self._store.write(
            lambda txn: waking.complete(SqliteRows(txn), run, key, source, step.outcome, step.value)
        )

    async def emit(self, event: Event) -> Emitted:
        return await self._store.write(lambda step: Emitted(*waking.emit(SqliteRows(step), event)))

    async def send(self, message: Message, start: NewRun | None = None) -> Sent:
        return await self._store.write(lambda step: asked.send(SqliteRows(step), message, start))

    async def cancel(self, run: str, request: CancelRequest, *, terminate: bool = False) -> Cancelled:
        return await self._store.write(lambda step: asked.end(SqliteRows(step), run, request, terminate=terminate))

    async def resume(self, run: str) -> bool:
        return await self._store.write(lambda step: asked.resume(SqliteRows(step), run))

    async def rewind(self, run: str, key: str) -> Rewound:
        return await self._store.write(lambda step: asked.rewind(SqliteRows(step), run, key))

    async def sweep(self, limit: int = 500) -> int:
        return await self._store.write(lambda step: life.sweep(SqliteRows(step), limit))

    # ---------------------------------------------------------------- looking

    async def get(self, run: str, *, whole: bool = True) -> RunDetail | None:
        return await self._store.read(lambda view: find_detail(view, run, whole=whole))

    async def page(self, which: RunFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[RunRow], str]:
        before = cursors.number(cursor)
        found = await self._store.read(lambda view: list_runs(view, which, limit + 1, before))
        return found[:limit], str(found[limit - 1].seq) if len(found) > limit else ""

    async def waiters(self, topic: str, *, limit: int = 100) -> list[Waiter]:
        return await self._store.read(lambda view: list_waiters(view, topic, limit))

    async def events(self, *, limit: int = 100) -> list[KeptEvent]:
        return await self._store.read(lambda view: events(view, limit))

    async def ended(self, run: str, timeout_ms: int | None) -> RunRow | None:
        def look(view: View) -> Answer[RunRow | None] | NotYet:
            row = find_run(view, run)
            return Answer(row) if row is None or row.state in ENDED else NotYet()

        found = await self._store.until(f"run end {run}", look, timeout_ms)
        return None if found is None else found.value

    async def changed(self, run: str, version: int, timeout_ms: int | None) -> int:
        def look(view: View) -> Answer[int] | NotYet:
            row = find_run(view, run, whole=False)
            number = -1 if row is None else row.changes
            return Answer(number) if number != version else NotYet()

        found = await self._store.until(f"run {run}", look, timeout_ms)
        return version if found is None else found.value


class Shared:
    """The transaction as users' own SQL sees it: with no way to end it. `fault`: what the store itself has raised."""

    def __init__(self, step: Transaction) -> None:
        self._conn = step.conn
        self.fault: BaseException | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """A cursor of the statement; ValueError for one that would end the transaction."""
        return self._run(self._conn.execute, sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """The same for many rows."""
        return self._run(self._conn.executemany, sql, parameters)

    def _run(self, execute: Callable[..., Any], sql: str, parameters: Any) -> Any:
        self.check()
        try:
            return execute(_harmless(sql), parameters)
        except sqlite3.Error as fault:
            if is_the_stores(fault):
                self.fault = fault
            raise

    def check(self) -> None:
        """ValueError when the transaction has ended all the same."""
        if not self._conn.in_transaction:
            raise ValueError(
                "its SQL has ended the transaction (OR ROLLBACK, or by the connection): it has to leave that be"
            )


#: What may stand in front of a statement.
_BEFORE: Final = re.compile(r"(?:[\s;]|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z]*")
_ENDING: Final = frozenset(
    {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ATTACH", "DETACH", "VACUUM", "PRAGMA"}
)


def _harmless(sql: str) -> str:
    before = _BEFORE.match(sql)
    found = _WORD.match(sql, before.end() if before else 0)
    word = found[0].upper() if found else ""
    if word in _ENDING:
        raise ValueError(f"{word} would reach beyond the step's own transaction; it ends by itself with the step")
    return sql


def renew(step: Transaction, batch: Sequence[Renewal]) -> list[Held]:
    """Move the ends of leases, where they are still held."""
    rows = SqliteRows(step)
    return [told(life.renew(rows, one.receipt, one.lease_ms)) for one in batch]


def _release(step: Transaction, batch: Sequence[Receipt], again_in_ms: int = 0) -> list[bool]:
    rows = SqliteRows(step)
    return [life.release(rows, receipt, again_in_ms) for receipt in batch]


def _claim(
    step: Transaction, lines: Sequence[str], limit: int, worker: str, bells: Bells, *, renews: bool
) -> ClaimedRuns:
    rows = SqliteRows(step)
    found = life.claim(rows, lines, limit, worker, renews=renews)
    if found:
        get_up(step, worker, bells)
    else:
        lie_down(step, worker, frozenset(lines), bells)
    return ClaimedRuns(tuple(found), life.next_look(rows, lines))


def _nothing_to_claim(view: View, lines: Sequence[str], worker: str, bells: Bells) -> Answer[ClaimedRuns] | None:
    """The empty answer, found without any lock, for a worker whose rows say that it sleeps; None: look properly."""
    if bells.dozing.get(worker) != frozenset(lines) or not is_asleep(view, worker) or _may_claim(view, lines):
        return None
    return Answer(ClaimedRuns((), _next_look(view, lines)))


def _may_claim(view: View, lines: Sequence[str] | frozenset[str]) -> bool:
    return _next_look(view, tuple(lines)) == 0


def _next_look(view: View, lines: Sequence[str]) -> int | None:
    if has_todo(view):
        return 0
    known = [at for at in (next_due(view, lines), next_policy(view)) if at is not None]
    return max(0, min(known) - view.now) if known else None
