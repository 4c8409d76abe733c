"""Deliveries after the claim: renewing, giving back, settling with all effects, cancelling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from stem.contracts.broker import Cancelling, Held, Renewal, Settled
from stem.contracts.groups import Member
from stem.core.ledger.waking import complete
from stem.core.settle import Again, Arrive, Bury, Complete, Effect, Enqueue, Finish, Settlement
from stem.sqlite.grouping import arrive
from stem.sqlite.limits import stop_counting
from stem.sqlite.line import delete, free_unique, publish, put_aside_or_ready, take_out
from stem.sqlite.rows import NO_FENCE, NUMBER, RUNNING, STATES, Ending, Job, find, find_all
from stem.sqlite.run_rows import SqliteRows
from stem.sqlite.step import Step
from stem.values import Receipt

KEEP: Final = """
INSERT INTO result (seq, ns, id, task, qid, state, fence, deliveries, finished_at, expires_at, record)"""
INSTEAD: Final = """
ON CONFLICT (ns, id) DO UPDATE SET (seq, task, qid, state, fence, deliveries, finished_at, expires_at, record) = (
    excluded.seq, excluded.task, excluded.qid, excluded.state, excluded.fence, excluded.deliveries,
    excluded.finished_at, excluded.expires_at, excluded.record)"""
_AGAIN: Final = """
UPDATE job SET state = ?, ready_at = ?, attempts = ?, overrides = ?, error = ?, losses = ?, settled = ?,
    lease_until = 0, counted = 0, parked_key = '', changes = changes + 1
WHERE seq = ?"""
_BURY: Final = """
UPDATE job SET state = ?, reason = ?, record = ?, died_at = ?, dead_until = ?, losses = ?, settled = ?,
    lease_until = 0, counted = 0, parked_key = '', changes = changes + 1
WHERE seq = ?"""
_RELEASE: Final = """
UPDATE job SET state = ?1, ready_at = ?2, losses = CASE WHEN ?3 THEN losses ELSE 0 END, lease_until = 0, counted = 0,
    changes = changes + 1
WHERE seq = ?4"""
_PROGRESS: Final = """
UPDATE job SET progress = ?, changes = changes + 1 WHERE ns = ? AND id = ? AND state = 3 AND fence = ?"""


def renew(step: Step, one: Renewal) -> Held:
    """Move the end of the lease, if it is still held."""
    job = _held(step, one.receipt)
    if job is None:
        return Held("lost")
    until = step.now + (one.lease_ms or job.lease_ms)
    step.execute("UPDATE job SET lease_until = ?, doubt = min(doubt, 1) WHERE seq = ?", (until, job.seq))
    return Held("held") if job.cancel_reason is None else Held("cancel", job.cancel_reason)


def release(step: Step, receipt: Receipt, again_in_ms: int | None = None) -> bool:
    """Put a delivery back, if it is still held."""
    job = _held(step, receipt)
    if job is None:
        return False
    _stop_running(step, job)
    ready_at = step.now if job.cancel_reason is not None else step.now + (again_in_ms or 0)
    state = put_aside_or_ready(step, job.qid, ready_at)
    step.execute(_RELEASE, (state, ready_at, again_in_ms is not None, job.seq))
    step.changed(job.id)
    return True


def note_progress(step: Step, receipt: Receipt, progress: bytes) -> bool:
    """Keep the note, if the delivery is still held."""
    if not step.execute(_PROGRESS, (progress, step.ns, receipt.job_id, receipt.fence)).rowcount:
        return False
    step.changed(receipt.job_id)
    return True


def settle(step: Step, batch: Sequence[Settlement]) -> list[Settled]:
    """Store each settlement whose fence holds. Plain ends are written together, before anything that could see them."""
    found = find_all(step, [one.receipt.job_id for one in batch]) if len(batch) > 1 else {}
    over: list[tuple[Job | Ending, Finish | Bury]] = []
    answers: list[Settled] = []
    for one in batch:
        job = found.pop(one.receipt.job_id, None)
        if job is not None and _is_held(job, one.receipt) and isinstance(one.action, Finish) and not one.effects:
            _stop_running(step, job)
            over.append((job, one.action))
            answers.append("done")
        else:
            _write_ends(step, over)
            over.clear()
            answers.append(_settle_one(step, one))
    _write_ends(step, over)
    return answers


def _settle_one(step: Step, one: Settlement) -> Settled:
    job = find(step, one.receipt.job_id)
    if job is None or not _is_held(job, one.receipt):
        return "repeated" if _stored_before(step, job, one.receipt) else "stale"
    _stop_running(step, job)
    _apply(step, job._replace(losses=0, settled=job.fence), one)
    return "done"


def cancel(step: Step, job_id: str, reason: str, settlement: Settlement) -> Cancelling:
    """End a job that waits, ask for the end of one that runs, remember one that is not known."""
    job = find(step, job_id)
    if job is None:
        return _cancel_unknown(step, job_id, settlement)
    if job.state == RUNNING:
        if job.cancel_reason is None:
            step.execute("UPDATE job SET cancel_reason = ?, changes = changes + 1 WHERE seq = ?", (reason, job.seq))
            step.changed(job_id)
        return Cancelling("requested")
    if job.died_at:
        return Cancelling("finished", STATES[job.state])
    take_out(step, job)
    _apply(step, job._replace(fence=NO_FENCE, settled=NO_FENCE), settlement)
    return Cancelling("cancelled")


def _cancel_unknown(step: Step, job_id: str, settlement: Settlement) -> Cancelling:
    query = "SELECT state FROM result WHERE ns = ? AND id = ? AND expires_at > ?"
    row = step.execute(query, (step.ns, job_id, step.now)).fetchone()
    if row is not None:
        return Cancelling("finished", STATES[row[0]])
    action = settlement.action
    if isinstance(action, Finish):
        until = step.now + action.keep_ms
        state = NUMBER["cancelled"]
        row = (step.next_seq(), step.ns, job_id, "", 0, state, NO_FENCE, 0, step.now, until, action.record)
        step.insert(KEEP, [row], INSTEAD)
        step.ended(job_id)
    return Cancelling("cancelled")


def _held(step: Step, receipt: Receipt) -> Job | None:
    job = find(step, receipt.job_id)
    return job if job is not None and _is_held(job, receipt) else None


def _is_held(job: Job | Ending, receipt: Receipt) -> bool:
    return job.state == RUNNING and job.fence == receipt.fence


def _stop_running(step: Step, job: Job | Ending) -> None:
    """Out of the numbers of what runs; room for the next of its limit."""
    step.count(job.qid, "running", -1)
    if job.counted:
        stop_counting(step, job.limit_key)


def _stored_before(step: Step, job: Job | None, receipt: Receipt) -> bool:
    if job is not None:
        return job.settled == receipt.fence
    query = "SELECT fence FROM result WHERE ns = ? AND id = ? AND expires_at > ?"
    row = step.execute(query, (step.ns, receipt.job_id, step.now)).fetchone()
    return row is not None and row[0] == receipt.fence


def _apply(step: Step, job: Job, one: Settlement) -> None:
    """Carry out a settlement on a job that is out of every line."""
    action = one.action
    match action:
        case Finish():
            _write_ends(step, [(job, action)])
        case Again():
            _again(step, job, action)
        case Bury():
            _bury(step, job, action)
        case _:
            assert_never(action)
    for effect in one.effects:
        _effect(step, effect)


def _again(step: Step, job: Job, action: Again) -> None:
    if action.attempts > job.attempts:
        step.count(job.qid, "retried")
    ready_at = step.now if job.cancel_reason is not None else step.now + action.delay_ms
    state = put_aside_or_ready(step, job.qid, ready_at)
    overrides, error = action.overrides or job.overrides, action.error or job.error
    row = (state, ready_at, action.attempts, overrides, error, job.losses, job.settled, job.seq)
    step.execute(_AGAIN, row)
    step.changed(job.id)


def _bury(step: Step, job: Job, action: Bury) -> None:
    free_unique(step, job.id, job.unique_key, job.unique_for_ms)
    step.count(job.qid, action.state)
    step.count(job.qid, "dead")
    until = step.now + action.dead_ms
    state = NUMBER[action.state]
    step.execute(_BURY, (state, action.reason, action.record, step.now, until, job.losses, job.settled, job.seq))
    _keep(step, [(job, action)])


def _write_ends(step: Step, over: Sequence[tuple[Job | Ending, Finish | Bury]]) -> None:
    """Forget jobs, and store their results."""
    delete(step, [job for job, _ in over])
    for job, action in over:
        free_unique(step, job.id, job.unique_key, job.unique_for_ms)
        step.count(job.qid, action.state)
    _keep(step, over)


def _keep(step: Step, over: Sequence[tuple[Job | Ending, Finish | Bury]]) -> None:
    """Store results and tell who waits for them."""
    rows = []
    for job, action in over:
        until, state = step.now + action.keep_ms, NUMBER[action.state]
        whose = (job.seq, step.ns, job.id, job.task, job.qid)
        rows.append((*whose, state, job.fence, job.deliveries, step.now, until, action.record))
        step.ended(job.id, job.reply_to)
    step.insert(KEEP, rows, INSTEAD)


def _effect(step: Step, effect: Effect) -> None:
    match effect:
        case Enqueue(submission):
            publish(step, [submission])
        case Arrive(group, member, ok, value):
            arrive(step, group, Member(member, ok, value))
        case Complete(run, key, source, outcome, value):
            complete(SqliteRows(step), run, key, source, outcome, value)
        case _:
            assert_never(effect)
