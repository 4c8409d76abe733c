"""Single jobs, in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from stem.contracts.jobs import LOOK, JobFilter, JobPage, JobRow
from stem.core import cursor as cursors
from stem.core.states import FINAL, JobState
from stem.sqlite.rows import NUMBER, RUNNING, STATES
from stem.sqlite.step import View
from stem.sqlite.store import Store

_LIVE: Final = (
    "seq, id, task, qid, state, priority, attempts, fence, deliveries, losses, enqueued_at, ready_at, expires_at, lease_until, "
    "started_at, died_at, worker, unique_key, parked_key, reason, cancel_reason, progress, error, record, result_ttl_ms"
)
_OVER: Final = "seq, id, task, qid, state, fence, deliveries, finished_at, record"
#: Of results: those whose time is not over, and which no dead letter of the same id stands for.
_KEPT: Final = " AND expires_at > ? AND NOT EXISTS (SELECT 1 FROM job WHERE job.ns = result.ns AND job.id = result.id)"
#: Above every sequence number.
_END: Final = 2**63 - 1


class SqliteJobs:
    """The Jobs of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, job_id: str) -> JobRow | None:
        return await self._store.read(lambda view: _get(view, job_id))

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "", look: int = LOOK) -> JobPage:
        before = cursors.number(cursor)
        below = _END if before is None else before
        return await self._store.read(lambda view: _page(view, which, limit, below, look))


def _get(view: View, job_id: str) -> JobRow | None:
    query = f"SELECT {_LIVE} FROM job WHERE ns = ? AND id = ?"  # noqa: S608
    row = view.execute(query, (view.ns, job_id)).fetchone()
    if row is not None:
        (envelope,) = view.execute("SELECT data FROM envelope WHERE seq = ?", (row[0],)).fetchone()
        return msgspec.structs.replace(_live(view, row), envelope=envelope)
    query = f"SELECT {_OVER} FROM result WHERE ns = ? AND id = ? AND expires_at > ?"  # noqa: S608
    row = view.execute(query, (view.ns, job_id, view.now)).fetchone()
    return None if row is None else _finished(view, row)


class _Place(NamedTuple):
    """A table, or a part of it by an index, in which jobs lie in their order of arrival."""

    table: Literal["job", "result"]
    #: How its rows are found from the newest on: the table itself lies in that order.
    by: str
    condition: str = ""


_JOBS: Final = _Place("job", "NOT INDEXED")
_RESULTS: Final = _Place("result", "NOT INDEXED")
_DEAD: Final = _Place("job", "INDEXED BY job_dead_seq", " AND died_at > 0")
_UNSUCCESSFUL: Final = _Place("result", "INDEXED BY result_unsuccessful", " AND state <> 4")
_RUNNING: Final = _Place(
    "job", "INDEXED BY job_lease", " AND state = 3 AND qid IN (SELECT qid FROM queue WHERE ns = job.ns)"
)


def _places(states: Sequence[JobState]) -> list[_Place]:
    """Where jobs of these states lie: fewer rows where an index knows the state."""
    wanted = set(states)
    if not wanted:
        return [_JOBS, _RESULTS]
    if wanted == {"running"}:
        return [_RUNNING]
    if wanted == {"succeeded"}:
        return [_RESULTS]
    if wanted <= {"failed", "cancelled"}:
        return [_DEAD, _UNSUCCESSFUL]
    return [_JOBS] if not wanted & FINAL else [_JOBS, _RESULTS]


def _page(view: View, which: JobFilter, limit: int, before: int, look: int) -> JobPage:
    """Live jobs and results merged by their common order of arrival."""
    places = _places(which.states)
    most = max(1, look // len(places))
    rows, end, looked, back_to = list[tuple[int, JobRow]](), 0, 0, list[int]()
    for place in places:
        if which.is_empty:  # every row fits, so the page ends it
            rows += _found(view, place, which, limit + 1, before, 0)
            continue
        count, last, at = _reach(view, place, before, most)
        looked += count
        end = max(end, last if count == most else 0)
        back_to += [at] if at is not None else []
        rows += _found(view, place, which, limit + 1, before, last)
    rows.sort(key=lambda pair: -pair[0])
    page, cursor = cursors.cut(rows, end, limit)
    if which.is_empty:
        looked, back_to = len(page), [row.finished_at or row.enqueued_at for _, row in page[-1:]]
    return JobPage([row for _, row in page], cursor, looked, max(back_to, default=None))


def _reach(view: View, place: _Place, before: int, most: int) -> tuple[int, int, int | None]:
    """How many rows there are below a number, up to `most`; the number of the last of them, and its time."""
    time = "enqueued_at" if place.table == "job" else "finished_at"
    query = (
        f"SELECT count(*), min(seq), {time} FROM (SELECT seq, {time} FROM {place.table} {place.by} "  # noqa: S608
        f"WHERE ns = ? AND seq < ?{place.condition} ORDER BY seq DESC LIMIT ?)"  # of min(), the row that has it
    )
    count, last, at = view.execute(query, (view.ns, before, most)).fetchone()
    return count, last or 0, at


def _found(view: View, place: _Place, which: JobFilter, limit: int, before: int, last: int) -> list[tuple[int, JobRow]]:
    """The newest rows that fit, down to `last`."""
    filters, values = _where(view, which)
    columns, more = (_LIVE, "") if place.table == "job" else (_OVER, _KEPT)
    query = (
        f"SELECT {columns} FROM {place.table} {place.by} WHERE ns = ? AND seq < ? AND seq >= ?{place.condition}"  # noqa: S608
        f"{filters}{more} ORDER BY seq DESC LIMIT ?"
    )
    start = [view.ns, before, last, *values, *([view.now] if more else []), limit]
    make = _live if place.table == "job" else _finished
    return [(row[0], make(view, row)) for row in view.execute(query, start).fetchall()]


def _where(view: View, which: JobFilter) -> tuple[str, list[Any]]:
    clauses, values = "", list[Any]()
    if which.states:
        clauses += f" AND state IN ({', '.join('?' * len(which.states))})"
        values += [NUMBER[state] for state in which.states]
    if which.queue:
        clauses += " AND qid = ?"
        values.append(view.find_queue(which.queue) or -1)
    if which.task:
        clauses += " AND task = ?"
        values.append(which.task)
    return clauses, values


def _live(view: View, row: tuple[Any, ...]) -> JobRow:
    found = dict(zip(_LIVE.split(", "), row, strict=True))
    state, died_at = found["state"], found["died_at"]
    return JobRow(
        id=found["id"],
        task=found["task"],
        queue=view.queue_name(found["qid"]),
        state=STATES[state],
        priority=found["priority"],
        attempts=found["attempts"],
        fence=found["fence"],
        deliveries=found["deliveries"],
        losses=found["losses"],
        enqueued_at=found["enqueued_at"],
        ready_at=found["ready_at"],
        expires_at=found["expires_at"],
        lease_until=found["lease_until"] if state == RUNNING else None,
        started_at=found["started_at"],
        finished_at=died_at or None,
        worker=found["worker"],
        unique_key=found["unique_key"] or "",
        parked_key=found["parked_key"],
        reason=found["reason"],
        cancel_requested=found["cancel_reason"] is not None,
        progress=found["progress"],
        error=found["error"],
        record=found["record"],
        result_ttl_ms=found["result_ttl_ms"],
    )


def _finished(view: View, row: tuple[Any, ...]) -> JobRow:
    _, job_id, task, qid, state, fence, deliveries, finished_at, record = row
    return JobRow(
        id=job_id,
        task=task,
        queue=view.queue_name(qid),
        state=STATES[state],
        fence=max(0, fence),
        deliveries=deliveries,
        finished_at=finished_at,
        record=record,
    )
