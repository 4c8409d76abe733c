"""Out of the line: one claim, from promoting what is due to going to sleep."""

from __future__ import annotations

from collections.abc import Sequence

from stem.contracts.broker import Claimed, Delivery
from stem.core.amounts import PROMOTE_LIMIT, SCAN_LIMIT
from stem.core.lease import DOUBTED, RENEWS, UNKNOWN, Ended, doubt_ms, ended
from stem.core.priority import first_nonempty, guarded_level, queue_order
from stem.memory.limits import over_limit, park, pass_room_on, stop_running, unpark_due
from stem.memory.line import free_unique
from stem.memory.space import Line, Space, StoredJob


def claim(
    space: Space, queues: Sequence[str], limit: int, worker: str, now: int, *, strict: bool, renews: bool
) -> Claimed:
    """See the contract."""
    unpark_due(space, now)
    taken: list[Delivery] = []
    doubt = RENEWS if renews else UNKNOWN
    looked = SCAN_LIMIT
    left: dict[str, int] = {}
    space.turns[worker] += 1
    for queue in queue_order(queues, space.turns[worker], strict=strict):
        line = space.lines.get(queue)
        if line is None:
            continue
        promoted = _promote(space, line, now)
        if not line.paused:
            before = len(taken)
            looked = _take(space, line, limit, worker, now, taken, looked, strict=strict, doubt=doubt)
            left[queue] = promoted - (len(taken) - before)
    if taken:
        space.doze.found_work(worker)
    elif looked:
        space.doze.lie_down(worker, frozenset(queues))
    for queue, jobs in left.items():
        space.doze.ring(queue, max(0, jobs))
    return Claimed(tuple(taken), 0 if not looked else _next_due(space, queues, now))


def _promote(space: Space, line: Line, now: int) -> int:
    """Back in line: what was put aside until now, and what was lost; how many."""
    due, over = list(line.due(now, PROMOTE_LIMIT)), list(line.lost(now, PROMOTE_LIMIT))
    for job in due:
        line.push_ready(job)
    lost = [job for job in over if job.doubt != RENEWS]
    for job in over:
        if job.doubt == RENEWS:
            job.doubt = DOUBTED
            line.hold(job, now + doubt_ms(job.sub.lease_ms))
    for job in lost:
        job.losses += 1
        line.numbers["lost"] += 1
        stop_running(space, job)
        line.push_ready(job)
        space.changed(job)
    return len(due) + len(lost)


def _take(
    space: Space,
    line: Line,
    limit: int,
    worker: str,
    now: int,
    taken: list[Delivery],
    looked: int,
    *,
    strict: bool,
    doubt: int,
) -> int:
    """Hand out of one line until `limit` deliveries are `taken`; how many more jobs may be looked at."""
    if len(taken) == limit or not looked or not any(line.waiting_levels()):
        return looked  # a claim counts for the queues that it takes jobs from
    first = guarded_level(line.tick, strict=strict)
    line.tick += 1
    if first is not None:
        first = first_nonempty(first, line.waiting_levels())
    while len(taken) < limit and looked:
        job = line.next_ready(first)
        first = None
        if job is None:
            break
        looked -= 1
        why = ended(losses=job.losses, max_losses=job.sub.max_losses, expires_at_ms=job.expires_at, now_ms=now)
        runs = why is None and job.cancel_reason is None
        over = over_limit(space, job, now) if runs else ""
        if not runs or over not in {"", job.sub.limit_key}:
            pass_room_on(space, job)
        if over:
            park(space, line, job, over)
            continue
        taken.append(_hand_out(space, line, job, worker, now, why))
        job.doubt = doubt
    return looked


def _hand_out(space: Space, line: Line, job: StoredJob, worker: str, now: int, why: Ended | None) -> Delivery:
    sub = job.sub
    job.state, job.worker, job.started_at = "running", worker, now
    job.fence = space.next_seq()
    job.deliveries += 1
    line.numbers["running"] += 1
    line.hold(job, now + sub.lease_ms)
    if sub.unique is not None and sub.unique.until == "start":
        free_unique(space, job)
    space.changed(job)
    return Delivery(
        id=sub.id,
        fence=job.fence,
        task=sub.task,
        queue=sub.queue,
        envelope=sub.envelope,
        attempt=job.attempts + 1,
        losses=job.losses,
        lease_ms=sub.lease_ms,
        enqueued_at=job.enqueued_at,
        priority=sub.priority,
        result_ttl_ms=sub.result_ttl_ms,
        max_losses=sub.max_losses,
        overrides=job.overrides,
        ended=why,
        cancel_reason=job.cancel_reason,
    )


def _next_due(space: Space, queues: Sequence[str], now: int) -> int | None:
    timers = [line.next_timer() for queue in queues if (line := space.lines.get(queue)) is not None]
    parked = [now if set_at > now else due for due, set_at in space.park_due.values()]
    known = [at for at in [*timers, *parked] if at is not None]
    return max(0, min(known) - now) if known else None
