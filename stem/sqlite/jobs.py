"""Single jobs, in SQLite."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stem.contracts.jobs import JobFilter, JobRow
from stem.core import cursor as cursors
from stem.sqlite.rows import NUMBER, RUNNING, STATES
from stem.sqlite.step import View
from stem.sqlite.store import Store

_LIVE: Final = (
    "seq, id, task, qid, state, priority, attempts, fence, deliveries, losses, enqueued_at, ready_at, expires_at, lease_until, "
    "started_at, died_at, worker, unique_key, parked_key, reason, cancel_reason, progress, error, record, result_ttl_ms"
)
_OVER: Final = "seq, id, task, qid, state, fence, deliveries, finished_at, record"
#: Above every sequence number.
_END: Final = 2**63 - 1


class SqliteJobs:
    """The Jobs of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, job_id: str) -> JobRow | None:
        return await self._store.read(lambda view: _get(view, job_id))

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[JobRow], str]:
        before = cursors.number(cursor)
        return await self._store.read(lambda view: _page(view, which, limit, _END if before is None else before))


def _get(view: View, job_id: str) -> JobRow | None:
    query = f"SELECT {_LIVE} FROM job WHERE ns = ? AND id = ?"  # noqa: S608
    row = view.execute(query, (view.ns, job_id)).fetchone()
    if row is not None:
        (envelope,) = view.execute("SELECT data FROM envelope WHERE seq = ?", (row[0],)).fetchone()
        return msgspec.structs.replace(_live(view, row), envelope=envelope)
    query = f"SELECT {_OVER} FROM result WHERE ns = ? AND id = ? AND expires_at > ?"  # noqa: S608
    row = view.execute(query, (view.ns, job_id, view.now)).fetchone()
    return None if row is None else _finished(view, row)


def _page(view: View, which: JobFilter, limit: int, before: int) -> tuple[list[JobRow], str]:
    """Live jobs and results merged by their common order of arrival; one row more than asked tells of a next page.

    NOT INDEXED: the tables lie in that order, and another index would have to be read whole and sorted.
    """
    filters, values = _where(view, which)
    live = f"SELECT {_LIVE} FROM job NOT INDEXED WHERE ns = ? AND seq < ?{filters} ORDER BY seq DESC LIMIT ?"  # noqa: S608
    over = (
        f"SELECT {_OVER} FROM result NOT INDEXED WHERE ns = ? AND seq < ?{filters} AND expires_at > ? "  # noqa: S608
        "AND NOT EXISTS (SELECT 1 FROM job WHERE job.ns = result.ns AND job.id = result.id) ORDER BY seq DESC LIMIT ?"
    )
    start = (view.ns, before, *values)
    rows = [(row[0], _live(view, row)) for row in view.execute(live, (*start, limit + 1)).fetchall()]
    rows += [(row[0], _finished(view, row)) for row in view.execute(over, (*start, view.now, limit + 1)).fetchall()]
    rows.sort(key=lambda pair: -pair[0])
    page = rows[:limit]
    return [row for _, row in page], str(page[-1][0]) if len(rows) > limit else ""


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
