"""Into the line: publishing, putting aside, and the unique key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from stem.contracts.broker import Published
from stem.core.envelope import Submission
from stem.core.states import FINAL
from stem.sqlite.limits import pass_room_on
from stem.sqlite.rows import DELAYED, QUEUED, STATES, Ending, Job, as_json
from stem.sqlite.step import Step, View

#: A row of `job`, and one of `envelope`.
_Row: TypeAlias = tuple[tuple[Any, ...], tuple[int, bytes]]

_NEW: Final = Published("new")
_DUPLICATE: Final = Published("duplicate")

_KNOWN: Final = """
SELECT job.id FROM json_each(?2) AS asked CROSS JOIN job ON job.ns = ?1 AND job.id = asked.value
UNION ALL
SELECT result.id FROM json_each(?2) AS asked CROSS JOIN result ON result.ns = ?1 AND result.id = asked.value
    AND result.expires_at > ?3"""
_INSERT: Final = """
INSERT INTO job (seq, ns, id, qid, task, state, priority, enqueued_at, ready_at, expires_at, lease_ms, max_losses,
    unique_key, unique_until, unique_for_ms, rate_key, limit_key, result_ttl_ms, reply_to)"""
_NEXT_TIMER: Final = """
SELECT min(at) FROM (
    SELECT min(ready_at) AS at FROM job WHERE qid = ?1 AND state = 1
    UNION ALL SELECT min(lease_until) FROM job WHERE qid = ?1 AND state = 3
)"""


def publish(step: Step, batch: Sequence[Submission]) -> list[Published]:
    """Put each job in its line, unless its id or unique key is taken.

    Plain jobs are written together, before anything that could see them.
    """
    known = {row[0] for row in step.execute(_KNOWN, (step.ns, as_json([sub.id for sub in batch]), step.now))}
    new: list[_Row] = []
    answers: list[Published] = []
    for sub in batch:
        if sub.id in known:
            answers.append(_DUPLICATE)
            continue
        if sub.unique is not None or sub.delay_ms or sub.ready_at is not None:
            _write_new(step, new)
            new.clear()
        holder = "" if sub.unique is None else take_unique(step, sub.id, sub.unique.key, sub.unique.for_ms)
        if holder:
            answers.append(Published("held", holder))
            continue
        known.add(sub.id)
        new.append(_new(step, sub))
        answers.append(_NEW)
    _write_new(step, new)
    return answers


def _new(step: Step, sub: Submission) -> _Row:
    """The rows of a new job, counted."""
    now, qid, seq, unique = step.now, step.queue(sub.queue), step.next_seq(), sub.unique
    ready_at = sub.ready_at if sub.ready_at is not None else now + sub.delay_ms
    row = (
        seq,
        step.ns,
        sub.id,
        qid,
        sub.task,
        put_aside_or_ready(step, qid, ready_at),
        sub.priority,
        now,
        ready_at,
        None if sub.expires_ms is None else now + sub.expires_ms,
        sub.lease_ms,
        sub.max_losses,
        None if unique is None else unique.key,
        None if unique is None else unique.until,
        None if unique is None else unique.for_ms,
        sub.rate_key,
        sub.limit_key,
        sub.result_ttl_ms,
        sub.reply_to,
    )
    step.changed(sub.id)
    return row, (seq, sub.envelope)


def _write_new(step: Step, rows: Sequence[_Row]) -> None:
    step.insert(_INSERT, [job for job, _ in rows])
    step.insert("INSERT INTO envelope (seq, data)", [envelope for _, envelope in rows])


def put_aside_or_ready(step: Step, qid: int, ready_at: int) -> int:
    """The state of a job that may run from `ready_at` on, counted; a worker is woken if that concerns one.

    For a job put aside that is so when its timer is the earliest: whoever sleeps, sleeps too long.
    """
    if ready_at <= step.now:
        step.count(qid, "queued")
        step.ring_workers(step.queue_name(qid))
        return QUEUED
    earliest = next_timer(step, qid)
    if earliest is None or ready_at < earliest:
        step.ring_workers(step.queue_name(qid))
    step.count(qid, "delayed")
    return DELAYED


def next_timer(view: View, qid: int) -> int | None:
    """The earliest instant, unix ms, at which a delay or a lease of this queue ends."""
    (at,) = view.execute(_NEXT_TIMER, (qid,)).fetchone()
    return None if at is None else int(at)


def take_unique(step: Step, job_id: str, key: str, for_ms: int | None) -> str:
    """Take the unique key for this job; the id of the holder when somebody else has it."""
    row = step.execute("SELECT holder, until FROM uniq WHERE ns = ? AND key = ?", (step.ns, key)).fetchone()
    if row is not None and row[0] != job_id and _still_holds(step, row[0], row[1]):
        return str(row[0])
    until = None if for_ms is None else step.now + for_ms
    step.execute("INSERT OR REPLACE INTO uniq VALUES (?, ?, ?, ?)", (step.ns, key, job_id, until))
    return ""


def free_unique(step: Step, job_id: str, key: str | None, for_ms: int | None) -> None:
    """Let the key go, unless it is held for a fixed time or by somebody else."""
    if key is not None and for_ms is None:
        step.execute("DELETE FROM uniq WHERE ns = ? AND key = ? AND holder = ?", (step.ns, key, job_id))


def take_out(step: Step, job: Job) -> None:
    """Out of the numbers of what waits."""
    step.count(job.qid, STATES[job.state], -1)
    if job.state == QUEUED:
        pass_room_on(step, job.limit_key)


def delete(step: Step, jobs: Sequence[Job | Ending]) -> None:
    """Forget jobs and their envelopes."""
    if jobs:
        numbers = (as_json([job.seq for job in jobs]),)
        step.execute("DELETE FROM job WHERE seq IN (SELECT value FROM json_each(?))", numbers)
        step.execute("DELETE FROM envelope WHERE seq IN (SELECT value FROM json_each(?))", numbers)


def _still_holds(step: Step, holder: str, until: int | None) -> bool:
    if until is not None:
        return until > step.now
    row = step.execute("SELECT state FROM job WHERE ns = ? AND id = ?", (step.ns, holder)).fetchone()
    return row is not None and STATES[row[0]] not in FINAL
