"""Deliveries after the claim: renewing, giving back, settling with all effects, cancelling."""

from __future__ import annotations

from typing import assert_never

from stem.contracts.broker import Cancelling, Held, Renewal, Settled
from stem.contracts.groups import Member
from stem.core.lease import RENEWS
from stem.core.ledger.waking import complete
from stem.core.settle import Again, Arrive, Bury, Complete, Effect, Enqueue, Finish, Settlement
from stem.core.states import JobState
from stem.memory.grouping import arrive
from stem.memory.limits import stop_running
from stem.memory.line import free_unique, publish, put, take_out
from stem.memory.run_rows import MemoryRows
from stem.memory.space import Space, StoredJob, StoredResult
from stem.values import Receipt


def held(space: Space, receipt: Receipt) -> StoredJob | None:
    job = space.jobs.get(receipt.job_id)
    return job if job is not None and job.state == "running" and job.fence == receipt.fence else None


def renew(space: Space, one: Renewal, now: int) -> Held:
    job = held(space, one.receipt)
    if job is None:
        return Held("lost")
    space.line(job.sub.queue).hold(job, now + (one.lease_ms or job.sub.lease_ms))
    job.doubt = min(job.doubt, RENEWS)
    return Held("held") if job.cancel_reason is None else Held("cancel", job.cancel_reason)


def release(space: Space, receipt: Receipt, again_in_ms: int | None, now: int) -> bool:
    job = held(space, receipt)
    if job is None:
        return False
    stop_running(space, job)
    job.losses = 0 if again_in_ms is None else job.losses
    job.ready_at = now if job.cancel_reason is not None else now + (again_in_ms or 0)
    put(space, job, now)
    space.changed(job)
    return True


def settle(space: Space, one: Settlement, now: int) -> Settled:
    """Store one settlement if its fence holds."""
    job = held(space, one.receipt)
    if job is None:
        return "repeated" if _stored_before(space, one.receipt, now) else "stale"
    stop_running(space, job)
    job.losses, job.settled = 0, job.fence
    _apply(space, job, one, now)
    return "done"


def _stored_before(space: Space, receipt: Receipt, now: int) -> bool:
    job = space.jobs.get(receipt.job_id)
    if job is not None:
        return job.settled == receipt.fence
    result = space.result(receipt.job_id, now)
    return result is not None and result.fence == receipt.fence


def _apply(space: Space, job: StoredJob, one: Settlement, now: int) -> None:
    """Carry out a settlement on a job that is out of every line."""
    action = one.action
    match action:
        case Finish():
            _finish(space, job, action, now)
        case Again():
            _again(space, job, action, now)
        case Bury():
            _bury(space, job, action, now)
        case _:
            assert_never(action)
    for effect in one.effects:
        _effect(space, effect, now)
    space.changed(job)


def _finish(space: Space, job: StoredJob, action: Finish, now: int) -> None:
    free_unique(space, job)
    del space.jobs[job.sub.id]
    space.line(job.sub.queue).numbers[action.state] += 1
    _keep(space, job, action.state, action.record, action.keep_ms, now)


def _again(space: Space, job: StoredJob, action: Again, now: int) -> None:
    if action.attempts > job.attempts:
        space.line(job.sub.queue).numbers["retried"] += 1
    job.attempts = action.attempts
    job.overrides = action.overrides or job.overrides
    job.error = action.error or job.error
    job.ready_at = now if job.cancel_reason is not None else now + action.delay_ms
    put(space, job, now)


def _bury(space: Space, job: StoredJob, action: Bury, now: int) -> None:
    free_unique(space, job)
    numbers = space.line(job.sub.queue).numbers
    numbers[action.state] += 1
    numbers["dead"] += 1
    job.state, job.reason, job.record = action.state, action.reason, action.record
    job.died_at, job.dead_until = now, now + action.dead_ms
    _keep(space, job, action.state, action.record, action.keep_ms, now)


def _keep(space: Space, job: StoredJob, state: JobState, record: bytes, keep_ms: int, now: int) -> None:
    sub = job.sub
    space.results[sub.id] = StoredResult(
        sub.id, sub.task, sub.queue, state, job.settled, job.deliveries, record, now, now + keep_ms, job.seq
    )


def _effect(space: Space, effect: Effect, now: int) -> None:
    match effect:
        case Enqueue(submission):
            publish(space, submission, now)
        case Arrive(group, member, ok, value):
            arrive(space, group, Member(member, ok, value), now)
        case Complete(run, key, source, outcome, value):
            complete(MemoryRows(space, now), run, key, source, outcome, value)
        case _:
            assert_never(effect)


def cancel(space: Space, job_id: str, reason: str, settlement: Settlement, now: int) -> Cancelling:
    job = space.jobs.get(job_id)
    if job is None:
        return _cancel_unknown(space, job_id, settlement, now)
    if job.state == "running":
        if job.cancel_reason is None:
            job.cancel_reason = reason
            space.changed(job)
        return Cancelling("requested")
    if job.state in {"failed", "cancelled"}:
        return Cancelling("finished", job.state)
    take_out(space, job)
    job.settled = -1
    _apply(space, job, settlement, now)
    return Cancelling("cancelled")


def _cancel_unknown(space: Space, job_id: str, settlement: Settlement, now: int) -> Cancelling:
    result = space.result(job_id, now)
    if result is not None:
        return Cancelling("finished", result.state)
    if isinstance(settlement.action, Finish):
        action = settlement.action
        space.results[job_id] = StoredResult(
            job_id, "", "", "cancelled", -1, 0, action.record, now, now + action.keep_ms, space.next_seq()
        )
        space.bells.ring(("job", job_id))
    return Cancelling("cancelled")
