"""Jobs from publish to settlement, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from stem.contracts.broker import Cancelling, Claimed, Delivery, Held, Published, Renewal, Settled
from stem.contracts.groups import Member
from stem.core import rate
from stem.core.envelope import Submission
from stem.core.group import verdict
from stem.core.lease import Ended, ended
from stem.core.limit import admits, limit_name
from stem.core.priority import first_nonempty, guarded_level, queue_order
from stem.core.settle import Again, Arrive, Bury, Effect, Enqueue, Finish, Settlement
from stem.core.states import JobState
from stem.memory.bells import sleep_on
from stem.memory.space import Line, Space, StoredGroup, StoredJob, StoredResult
from stem.values import Receipt

#: Timers handled by one claim; the rest waits for the next, which follows at once.
PROMOTE: Final = 500
#: Jobs one claim looks at and parks before it answers.
LOOK: Final = 1_000


class MemoryBroker:
    """The Broker of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def publish(self, batch: Sequence[Submission]) -> list[Published]:
        with self._space.lock:
            return [publish(self._space, sub, self._now()) for sub in batch]

    async def claim(self, queues: Sequence[str], limit: int, worker: str, *, strict: bool = False) -> Claimed:
        with self._space.lock:
            return claim(self._space, queues, limit, worker, self._now(), strict=strict)

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
            return [_renew(self._space, one, self._now()) for one in batch]

    async def release(self, batch: Sequence[Receipt]) -> list[bool]:
        with self._space.lock:
            return [_release(self._space, receipt, self._now()) for receipt in batch]

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        with self._space.lock:
            return [settle(self._space, one, self._now()) for one in batch]

    async def cancel(self, job_id: str, reason: str, settlement: Settlement) -> Cancelling:
        with self._space.lock:
            return _cancel(self._space, job_id, reason, settlement, self._now())

    async def progress(self, receipt: Receipt, progress: bytes) -> bool:
        with self._space.lock:
            job = _held(self._space, receipt)
            if job is None:
                return False
            job.progress = progress
            self._space.changed(job)
            return True


# ---------------------------------------------------------------- publish


def publish(space: Space, sub: Submission, now: int) -> Published:
    """Put one job in its line, unless its id or unique key is taken."""
    if sub.id in space.jobs or space.result(sub.id, now) is not None:
        return Published("duplicate")
    holder = take_unique(space, sub, now)
    if holder:
        return Published("held", holder)
    job = StoredJob(
        sub=sub,
        seq=space.next_seq(),
        enqueued_at=now,
        ready_at=sub.ready_at if sub.ready_at is not None else now + sub.delay_ms,
        expires_at=None if sub.expires_ms is None else now + sub.expires_ms,
        holds_unique=sub.unique is not None,
    )
    space.jobs[sub.id] = job
    put(space, job, now)
    space.bells.ring(("job", sub.id))
    return Published("new")


def put(space: Space, job: StoredJob, now: int) -> None:
    """Into the line, or aside until its time; and wake a worker either way, for its timer may now be too late."""
    line = space.line(job.sub.queue)
    if job.ready_at > now:
        earliest = line.next_timer()
        line.push_delayed(job, job.ready_at)
        if earliest is None or job.ready_at < earliest:
            space.doze.ring(job.sub.queue)
    else:
        line.push_ready(job)
        space.doze.ring(job.sub.queue)


def take_unique(space: Space, sub: Submission, now: int) -> str:
    """Take the unique key for this job; the id of the holder when somebody else has it."""
    if sub.unique is None:
        return ""
    holder, until = space.unique.get(sub.unique.key, ("", 0))
    if holder and holder != sub.id and _still_holds(space, holder, until, now):
        return holder
    fixed = sub.unique.for_ms
    space.unique[sub.unique.key] = (sub.id, None if fixed is None else now + fixed)
    return ""


def _still_holds(space: Space, holder: str, until: int | None, now: int) -> bool:
    if until is not None:
        return until > now
    job = space.jobs.get(holder)
    return job is not None and job.state not in {"failed", "cancelled"}


def free_unique(space: Space, job: StoredJob) -> None:
    """Let the key go, unless it is held for a fixed time or by somebody else."""
    unique = job.sub.unique
    if unique is not None and unique.for_ms is None and space.unique.get(unique.key, ("",))[0] == job.sub.id:
        del space.unique[unique.key]
    job.holds_unique = False


# ---------------------------------------------------------------- claim


def claim(space: Space, queues: Sequence[str], limit: int, worker: str, now: int, *, strict: bool) -> Claimed:
    """See the contract."""
    _unpark_due(space, now)
    taken: list[Delivery] = []
    looked = LOOK
    space.turn += 1
    for queue in queue_order(queues, space.turn, strict=strict):
        line = space.lines.get(queue)
        if line is None:
            continue
        _promote(space, line, now)
        if not line.paused:
            looked = _take(space, line, limit, worker, now, taken, looked, strict=strict)
    if taken:
        space.doze.found_work(worker)
    elif looked:
        space.doze.lie_down(worker, frozenset(queues))
    return Claimed(tuple(taken), 0 if not looked else _next_due(space, queues, now))


def _promote(space: Space, line: Line, now: int) -> None:
    for job in line.due(now, PROMOTE):
        line.push_ready(job)
    for job in list(line.lost(now, PROMOTE)):
        job.losses += 1
        line.numbers["lost"] += 1
        _stop_running(space, job)
        line.push_ready(job)
        space.changed(job)


def _take(
    space: Space, line: Line, limit: int, worker: str, now: int, taken: list[Delivery], looked: int, *, strict: bool
) -> int:
    """Hand out of one line until `limit` deliveries are `taken`; how many more jobs may be looked at."""
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
        over = _over_limit(space, job, now) if runs else ""
        if not runs or over not in {"", job.sub.limit_key}:
            pass_room_on(space, job)
        if over:
            _park(space, line, job, over)
            continue
        taken.append(_hand_out(space, line, job, worker, now, why))
    return looked


def _hand_out(space: Space, line: Line, job: StoredJob, worker: str, now: int, why: Ended | None) -> Delivery:
    sub = job.sub
    job.state, job.worker, job.started_at = "running", worker, now
    job.fence += 1
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
        overrides=job.overrides,
        ended=why,
        cancel_reason=job.cancel_reason,
    )


def _next_due(space: Space, queues: Sequence[str], now: int) -> int | None:
    timers = [line.next_timer() for queue in queues if (line := space.lines.get(queue)) is not None]
    known = [at for at in [*timers, *space.park_due.values()] if at is not None]
    return max(0, min(known) - now) if known else None


# ---------------------------------------------------------------- limits


def _over_limit(space: Space, job: StoredJob, now: int) -> str:
    """The key of the limit that keeps this job from starting; "" when it may start, and then it is counted."""
    sub = job.sub
    limit = _row_running(space, sub.limit_key)
    if limit is not None and not admits(limit, space.counts[sub.limit_key]):
        return sub.limit_key
    if sub.rate_key and not _take_token(space, sub.rate_key, now):
        return sub.rate_key
    if sub.limit_key:
        space.counts[sub.limit_key] += 1
        job.counted = True
    return ""


def _row_running(space: Space, key: str) -> int | None:
    defined = space.limits.get(limit_name(key)) if key else None
    return defined.row.running if defined else None


def bucket_of(space: Space, key: str) -> rate.Bucket | None:
    """The bucket that this rate key falls under."""
    defined = space.limits.get(limit_name(key))
    return defined.row.bucket if defined else None


def _take_token(space: Space, key: str, now: int) -> bool:
    bucket = bucket_of(space, key)
    if bucket is None:
        return True
    level, ok = rate.take(bucket, space.levels.get(key) or rate.full(bucket, now), now)
    space.levels[key] = level
    if not ok and key not in space.park_due:
        space.park_due[key] = now + max(1, rate.wait_ms(bucket, level, now))
    return ok


def _park(space: Space, line: Line, job: StoredJob, key: str) -> None:
    job.state, job.parked_key = "parked", key
    line.numbers["parked"] += 1
    space.parked.setdefault(key, deque()).append(job)
    space.changed(job)


def _unpark_due(space: Space, now: int) -> None:
    """Move as many parked jobs back as there are tokens, for each rate key whose timer is due."""
    for key in [key for key, at in space.park_due.items() if at <= now]:
        del space.park_due[key]
        bucket = bucket_of(space, key)
        tokens = LOOK if bucket is None else rate.available(bucket, space.levels[key], now)
        unpark(space, key, max(1, tokens))
        if bucket is not None and space.parked.get(key):
            space.park_due[key] = now + max(1, rate.wait_ms(bucket, space.levels[key], now, tokens + 1))


def unpark(space: Space, key: str, most: int) -> None:
    """Put the jobs parked longest back in their lines."""
    waiting = space.parked.get(key)
    while waiting and most:
        job = waiting.popleft()
        if job.state != "parked" or job.parked_key != key:
            continue
        most -= 1
        line = space.line(job.sub.queue)
        line.numbers["parked"] -= 1
        job.parked_key = ""
        line.push_ready(job)
        space.doze.ring(job.sub.queue)
    if not waiting:
        space.parked.pop(key, None)


def pass_room_on(space: Space, job: StoredJob) -> None:
    """A job that was let back for the room under its key leaves the line without taking it: the next one may."""
    if job.sub.limit_key:
        unpark(space, job.sub.limit_key, 1)


def _stop_running(space: Space, job: StoredJob) -> None:
    """Out of the numbers of what runs; room for the next of its limit."""
    space.line(job.sub.queue).numbers["running"] -= 1
    job.lease_until = 0
    if job.counted:
        job.counted = False
        space.counts[job.sub.limit_key] -= 1
        unpark(space, job.sub.limit_key, 1)


# ---------------------------------------------------------------- renew, release, settle, cancel


def _held(space: Space, receipt: Receipt) -> StoredJob | None:
    job = space.jobs.get(receipt.job_id)
    return job if job is not None and job.state == "running" and job.fence == receipt.fence else None


def _renew(space: Space, one: Renewal, now: int) -> Held:
    job = _held(space, one.receipt)
    if job is None:
        return Held("lost")
    space.line(job.sub.queue).hold(job, now + (one.lease_ms or job.sub.lease_ms))
    return Held("held") if job.cancel_reason is None else Held("cancel", job.cancel_reason)


def _release(space: Space, receipt: Receipt, now: int) -> bool:
    job = _held(space, receipt)
    if job is None:
        return False
    _stop_running(space, job)
    job.losses, job.ready_at = 0, now
    put(space, job, now)
    space.changed(job)
    return True


def settle(space: Space, one: Settlement, now: int) -> Settled:
    """Store one settlement if its fence holds."""
    job = _held(space, one.receipt)
    if job is None:
        return "repeated" if _stored_before(space, one.receipt, now) else "stale"
    _stop_running(space, job)
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
        sub.id, sub.task, sub.queue, state, job.settled, record, now, now + keep_ms, space.next_seq()
    )


def _effect(space: Space, effect: Effect, now: int) -> None:
    match effect:
        case Enqueue(submission):
            publish(space, submission, now)
        case Arrive(group, member, ok, value):
            arrive(space, group, Member(member, ok, value), now)
        case _:
            assert_never(effect)


def arrive(space: Space, group_id: str, member: Member, now: int) -> None:
    """Count one member, once, and fire when all are there."""
    group = space.groups.get(group_id)
    if group is None or group.expires_at <= now or member.id not in group.members or member.id in group.arrived:
        return
    group.arrived[member.id] = member
    fire_if_complete(space, group, now)


def fire_if_complete(space: Space, group: StoredGroup, now: int) -> None:
    """Publish the callback of a group that has all it waits for."""
    failed = sum(not member.ok for member in group.arrived.values())
    said = verdict(total=len(group.members), arrived=len(group.arrived), failed=failed, collect=group.collect)
    if said == "fire" and not group.fired:
        group.fired = True
        if group.callback is not None:
            publish(space, group.callback, now)


def _cancel(space: Space, job_id: str, reason: str, settlement: Settlement, now: int) -> Cancelling:
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
            job_id, "", "", "cancelled", -1, action.record, now, now + action.keep_ms, space.next_seq()
        )
        space.bells.ring(("job", job_id))
    return Cancelling("cancelled")


def take_out(space: Space, job: StoredJob) -> None:
    """Out of the line in which the job waits; heaps drop it when they meet it."""
    space.line(job.sub.queue).numbers[job.state] -= 1
    was_queued = job.state == "queued"
    if job.state == "parked":
        space.parked[job.parked_key].remove(job)
    job.state = "cancelled"
    if was_queued:
        pass_room_on(space, job)
