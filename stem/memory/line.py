"""Into the line and out of it: publishing, putting aside, and the unique key."""

from __future__ import annotations

from stem.contracts.broker import Published
from stem.core.envelope import Submission
from stem.memory.limits import pass_room_on
from stem.memory.space import Space, StoredJob


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


def take_out(space: Space, job: StoredJob) -> None:
    """Out of the line in which the job waits; heaps drop it when they meet it."""
    space.line(job.sub.queue).numbers[job.state] -= 1
    was_queued = job.state == "queued"
    if job.state == "parked":
        space.parked[job.parked_key][job.sub.queue].remove(job)
    job.state = "cancelled"
    if was_queued:
        pass_room_on(space, job)
