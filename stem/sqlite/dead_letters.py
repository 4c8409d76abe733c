"""Jobs we stopped trying, in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stem.contracts.dead_letters import DeadFilter, DeadLetter, Replayed
from stem.core import cursor as cursors
from stem.sqlite.line import delete, put_aside_or_ready, take_unique
from stem.sqlite.rows import Job, find
from stem.sqlite.step import Step, View
from stem.sqlite.store import Store

_LETTER: Final = (
    "seq, id, task, qid, reason, died_at, enqueued_at, attempts, losses, replays, priority, unique_key, record"
)
_REPLAY: Final = """
UPDATE job SET state = ?, ready_at = ?, attempts = 0, losses = 0, died_at = 0, dead_until = 0, reason = '',
    record = x'', error = x'', overrides = x'', progress = x'', expires_at = NULL, cancel_reason = NULL, worker = '', started_at = NULL,
    replays = replays + 1, changes = changes + 1
WHERE seq = ?"""


class SqliteDeadLetters:
    """The DeadLetters of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, job_id: str) -> DeadLetter | None:
        return await self._store.read(lambda view: _get(view, job_id))

    async def page(self, which: DeadFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[DeadLetter], str]:
        return await self._store.read(lambda view: _page(view, which, limit, cursor))

    async def replay(self, ids: Sequence[str], *, delay_ms: int = 0) -> list[Replayed]:
        return await self._store.write(lambda step: [_replay(step, job_id, delay_ms) for job_id in ids])

    async def purge(self, ids: Sequence[str]) -> int:
        return await self._store.write(lambda step: _purge(step, ids))


def forget(step: Step, job: Job) -> None:
    """Drop a dead letter; its result lives on for its own time."""
    step.count(job.qid, "dead", -1)
    delete(step, [job])


def _find_dead(view: View, job_id: str) -> Job | None:
    job = find(view, job_id)
    return job if job is not None and job.died_at and job.dead_until > view.now else None


def _get(view: View, job_id: str) -> DeadLetter | None:
    query = f"SELECT {_LETTER} FROM job WHERE ns = ? AND id = ? AND died_at > 0 AND dead_until > ?"  # noqa: S608
    row = view.execute(query, (view.ns, job_id, view.now)).fetchone()
    if row is None:
        return None
    (envelope,) = view.execute("SELECT data FROM envelope WHERE seq = ?", (row[0],)).fetchone()
    return msgspec.structs.replace(_letter(view, row), envelope=envelope)


def _page(view: View, which: DeadFilter, limit: int, cursor: str) -> tuple[list[DeadLetter], str]:
    filters, values = _where(view, which, cursor)
    query = (
        f"SELECT {_LETTER} FROM job INDEXED BY job_dead WHERE ns = ? AND died_at > 0 AND dead_until > ?{filters} "  # noqa: S608
        "ORDER BY died_at DESC, id DESC LIMIT ?"
    )
    rows = view.execute(query, (view.ns, view.now, *values, limit + 1)).fetchall()
    page = [_letter(view, row) for row in rows[:limit]]
    return page, f"{page[-1].died_at}:{page[-1].id}" if len(rows) > limit else ""


def _where(view: View, which: DeadFilter, cursor: str) -> tuple[str, list[Any]]:
    clauses, values = "", list[Any]()
    before = cursors.moment(cursor)
    if before is not None:
        clauses += " AND (died_at, id) < (?, ?)"
        values += before
    if which.queue:
        clauses += " AND qid = ?"
        values.append(view.find_queue(which.queue) or -1)
    tests = (
        ("task = ?", which.task or None),
        ("reason = ?", which.reason or None),
        ("died_at >= ?", which.since),
        ("died_at < ?", which.before),
    )
    for clause, value in tests:
        if value is not None:
            clauses += f" AND {clause}"
            values.append(value)
    return clauses, values


def _replay(step: Step, job_id: str, delay_ms: int) -> Replayed:
    job = _find_dead(step, job_id)
    if job is None:
        return Replayed(job_id, "gone")
    if job.unique_key is not None:
        holder = take_unique(step, job_id, job.unique_key, job.unique_for_ms)
        if holder:
            return Replayed(job_id, "held", holder)
    step.count(job.qid, "dead", -1)
    step.execute("DELETE FROM result WHERE ns = ? AND id = ?", (step.ns, job_id))
    ready_at = step.now + delay_ms
    step.execute(_REPLAY, (put_aside_or_ready(step, job.qid, ready_at), ready_at, job.seq))
    step.changed(job_id)
    return Replayed(job_id, "replayed")


def _purge(step: Step, ids: Sequence[str]) -> int:
    dead = [job for job_id in dict.fromkeys(ids) if (job := _find_dead(step, job_id)) is not None]
    for job in dead:
        forget(step, job)
        step.ended(job.id)
    return len(dead)


def _letter(view: View, row: tuple[Any, ...]) -> DeadLetter:
    found = dict(zip(_LETTER.split(", "), row, strict=True))
    del found["seq"]
    queue, unique_key = view.queue_name(found.pop("qid")), found.pop("unique_key") or ""
    return DeadLetter(queue=queue, unique_key=unique_key, **found)
