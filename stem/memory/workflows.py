"""Workflow runs, in memory: each call is one step of the ledger, under the lock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from stem.contracts.broker import Held, Renewal
from stem.contracts.workflows import (
    Cancelled,
    ClaimedRuns,
    Emitted,
    KeptEvent,
    OldStep,
    Rewound,
    RunDetail,
    RunFilter,
    Sent,
    Started,
    Waiter,
    told,
)
from stem.core import cursor as cursors
from stem.core.ledger import asked, life, waking
from stem.core.ledger.commit import commit
from stem.core.priority import queue_order
from stem.core.run import (
    ENDED,
    CancelRequest,
    Change,
    Committed,
    Event,
    Message,
    NewRun,
    RunRow,
    Step,
    box_topic,
)
from stem.memory.bells import sleep_on
from stem.memory.run_rows import MemoryRows
from stem.memory.runs import StoredMessage
from stem.memory.space import Space
from stem.values import Receipt

T = TypeVar("T")


class MemoryWorkflows:
    """The Workflows of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space, self._now = space, now

    def _rows(self) -> MemoryRows:
        return MemoryRows(self._space, self._now())

    async def start(self, batch: Sequence[NewRun]) -> list[Started]:
        with self._space.lock:
            rows = self._rows()
            answers = [life.start(rows, new) for new in batch]
            return [Started(status, row.state, row.workflow) for status, row in answers]

    async def claim(self, lines: Sequence[str], limit: int, worker: str, *, renews: bool = False) -> ClaimedRuns:
        with self._space.lock:
            rows = self._rows()
            turn = self._space.turns[worker] = self._space.turns[worker] + 1
            found = life.claim(rows, queue_order(lines, turn), limit, worker, renews=renews)
            if found:
                self._space.doze.found_work(worker)
            else:
                self._space.doze.lie_down(worker, frozenset(lines))
            return ClaimedRuns(tuple(found), life.next_look(rows, lines))

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        space = self._space
        with space.lock:
            if space.doze.is_up(worker):
                return True
            bell = space.bells.arm(("work", worker))
        woken = False
        try:
            woken = await sleep_on(bell, timeout_ms)
            return woken
        finally:
            with space.lock:
                space.bells.disarm(("work", worker), bell)
                if woken:
                    space.doze.heard(worker)
                else:
                    space.doze.get_up(worker)

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        return self.renew_now(batch)

    def renew_now(self, batch: Sequence[Renewal]) -> list[Held]:
        """The same for the renewal thread."""
        with self._space.lock:
            rows = self._rows()
            return [told(life.renew(rows, one.receipt, one.lease_ms)) for one in batch]

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int = 0) -> list[bool]:
        with self._space.lock:
            rows = self._rows()
            return [life.release(rows, receipt, again_in_ms) for receipt in batch]

    async def commit(self, receipt: Receipt, change: Change) -> Committed:
        await asyncio.sleep(0)  # others run meanwhile, as they do where a store is asked
        with self._space.lock:
            return commit(self._rows(), receipt, change)

    async def complete(self, run: str, key: str, step: Step, *, source: str = "") -> bool:
        with self._space.lock:
            return waking.complete(self._rows(), run, key, source, step.outcome, step.value)

    async def emit(self, event: Event) -> Emitted:
        with self._space.lock:
            return Emitted(*waking.emit(self._rows(), event))

    async def send(self, message: Message, start: NewRun | None = None) -> Sent:
        with self._space.lock:
            return asked.send(self._rows(), message, start)

    async def cancel(self, run: str, request: CancelRequest, *, terminate: bool = False) -> Cancelled:
        with self._space.lock:
            return asked.end(self._rows(), run, request, terminate=terminate)

    async def resume(self, run: str) -> bool:
        with self._space.lock:
            return asked.resume(self._rows(), run)

    async def rewind(self, run: str, key: str) -> Rewound:
        with self._space.lock:
            return asked.rewind(self._rows(), run, key)

    async def sweep(self, limit: int = 500) -> int:
        with self._space.lock:
            return life.sweep(self._rows(), limit)

    # ---------------------------------------------------------------- looking

    async def get(self, run: str, *, whole: bool = True) -> RunDetail | None:
        with self._space.lock:
            rows, runs = self._rows(), self._space.runs
            row = rows.run(run)
            if row is None:
                return None
            seen = msgspec.structs.replace(row)
            if not whole:
                return RunDetail(row=seen, now=rows.now)
            return RunDetail(
                row=seen,
                steps=tuple(rows.steps(run)),
                waits=tuple(rows.waits(run)),
                messages=tuple(_mail(one) for one in runs.boxes.get(run, ())),
                branches=tuple(OldStep(*pair) for pair in runs.aside.get(run, ())),
                children=tuple(_listed(child) for child in rows.children(run)),
                now=rows.now,
            )

    async def page(self, which: RunFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[RunRow], str]:
        before = cursors.number(cursor)
        with self._space.lock:
            rows = sorted(
                (row for row in self._space.runs.rows.values() if _fits(row, which)), key=lambda row: -row.seq
            )
            found = [_listed(row) for row in rows if before is None or row.seq < before]
        page = found[:limit]
        return page, str(page[-1].seq) if len(found) > limit else ""

    async def waiters(self, topic: str, *, limit: int = 100) -> list[Waiter]:
        with self._space.lock:
            runs = self._space.runs
            topics = [one for one in runs.topics if one == topic or (topic[-1:] == "\0" and one.startswith(topic))]
            found = [(run, wait) for one in topics for (run, _), wait in runs.topics[one].items()]
            found.sort(key=lambda pair: pair[1].since)
            return [Waiter(run, runs.rows[run].workflow, wait) for run, wait in found[:limit]]

    async def events(self, *, limit: int = 100) -> list[KeptEvent]:
        with self._space.lock:
            runs, now = self._space.runs, self._now()
            kept = [
                (
                    one.seq,
                    KeptEvent(
                        topic=one.event.topic,
                        payload=one.event.payload,
                        id=one.event.id,
                        emitted_at=one.emitted_at,
                        until=one.until,
                    ),
                )
                for one in runs.events.values()
                if one.until > now
            ]
            kept += [(one.seq, _mail(one)) for box in runs.boxes.values() for one in box if not one.read_by]
        kept.sort(key=lambda pair: -pair[0])
        return [one for _, one in kept[:limit]]

    async def ended(self, run: str, timeout_ms: int | None) -> RunRow | None:
        def look() -> tuple[bool, RunRow | None]:
            row = self._space.runs.rows.get(run)
            over = row is None or row.state in ENDED
            return over, None if row is None else msgspec.structs.replace(row)

        return await self._until(("run end", run), look, timeout_ms)

    async def changed(self, run: str, version: int, timeout_ms: int | None) -> int:
        def look() -> tuple[bool, int | None]:
            row = self._space.runs.rows.get(run)
            number = -1 if row is None else row.changes
            return number != version, number

        found = await self._until(("run", run), look, timeout_ms)
        return version if found is None else found

    async def _until(
        self, topic: tuple[str, str], look: Callable[[], tuple[bool, T | None]], timeout_ms: int | None
    ) -> T | None:
        deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        while True:
            with self._space.lock:
                there, found = look()
                if there:
                    return found
                bell = self._space.bells.arm(topic)
            try:
                left = None if deadline is None else max(0, round((deadline - time.monotonic()) * 1000))
                if not await sleep_on(bell, left) and deadline is not None:
                    return None
            finally:
                with self._space.lock:
                    self._space.bells.disarm(topic, bell)


def _fits(row: RunRow, which: RunFilter) -> bool:
    return (
        (not which.states or row.state in which.states)
        and which.workflow in {"", row.workflow}
        and which.parent in {"", row.parent_run}
    )


def _listed(row: RunRow) -> RunRow:
    return msgspec.structs.replace(row, params=b"", notes=b"", result=b"", error=b"")


def _mail(one: StoredMessage) -> KeptEvent:
    message = one.message
    return KeptEvent(
        topic=box_topic(message.box),
        payload=message.payload,
        id=message.id,
        run=message.run,
        read_by=one.read_by,
        emitted_at=one.sent_at,
    )
