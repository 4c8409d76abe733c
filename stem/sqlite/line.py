"""Into the line: publishing, putting aside, and the unique key."""

from __future__ import annotations

from typing import Final

from stem.contracts.broker import Published
from stem.core.envelope import Submission
from stem.core.states import FINAL
from stem.sqlite.rows import DELAYED, QUEUED, STATES, Job
from stem.sqlite.step import Step, View

_NEW: Final = Published("new")
_DUPLICATE: Final = Published("duplicate")

_KNOWN: Final = """
SELECT 1 FROM job WHERE ns = ?1 AND id = ?2
UNION ALL SELECT 1 FROM result WHERE ns = ?1 AND id = ?2 AND expires_at > ?3
LIMIT 1"""
_INSERT: Final = """
INSERT INTO job (seq, ns, id, qid, task, state, priority, enqueued_at, ready_at, expires_at, lease_ms, max_losses,
    unique_key, unique_until, unique_for_ms, rate_key, limit_key, result_ttl_ms, reply_to)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_NEXT_TIMER: Final = """
SELECT min(at) FROM (
    SELECT min(ready_at) AS at FROM job WHERE qid = ?1 AND state = 1
    UNION ALL SELECT min(lease_until) FROM job WHERE qid = ?1 AND state = 3
)"""


def publish(step: Step, sub: Submission) -> Published:
    """Put one job in its line, unless its id or unique key is taken."""
    if step.execute(_KNOWN, (step.ns, sub.id, step.now)).fetchone() is not None:
        return _DUPLICATE
    unique = sub.unique
    key, until, for_ms = (None, None, None) if unique is None else (unique.key, unique.until, unique.for_ms)
    if key is not None:
        holder = take_unique(step, sub.id, key, for_ms)
        if holder:
            return Published("held", holder)
    now, qid, seq = step.now, step.queue(sub.queue), step.next_seq()
    ready_at = sub.ready_at if sub.ready_at is not None else now + sub.delay_ms
    state = put_aside_or_ready(step, qid, ready_at)
    row = (
        seq,
        step.ns,
        sub.id,
        qid,
        sub.task,
        state,
        sub.priority,
        now,
        ready_at,
        None if sub.expires_ms is None else now + sub.expires_ms,
        sub.lease_ms,
        sub.max_losses,
        key,
        until,
        for_ms,
        sub.rate_key,
        sub.limit_key,
        sub.result_ttl_ms,
        sub.reply_to,
    )
    step.execute(_INSERT, row)
    step.execute("INSERT INTO envelope (seq, data) VALUES (?, ?)", (seq, sub.envelope))
    step.changed(sub.id)
    return _NEW


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


def delete(step: Step, job: Job) -> None:
    """Forget the job and its envelope."""
    step.execute("DELETE FROM job WHERE seq = ?", (job.seq,))
    step.execute("DELETE FROM envelope WHERE seq = ?", (job.seq,))


def _still_holds(step: Step, holder: str, until: int | None) -> bool:
    if until is not None:
        return until > step.now
    row = step.execute("SELECT state FROM job WHERE ns = ? AND id = ?", (step.ns, holder)).fetchone()
    return row is not None and STATES[row[0]] not in FINAL
