"""Limits at the claim: what keeps a job from starting, parking it, and letting it back."""

from __future__ import annotations

from collections import deque
from typing import Final

from stem.core import rate
from stem.core.limit import admits, limit_name
from stem.memory.space import Line, Space, StoredJob

#: Jobs one claim looks at and parks before it answers, and parked jobs let back at once when their rate was lifted.
LOOK: Final = 1_000


def over_limit(space: Space, job: StoredJob, now: int) -> str:
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


def park(space: Space, line: Line, job: StoredJob, key: str) -> None:
    job.state, job.parked_key = "parked", key
    line.numbers["parked"] += 1
    space.parked.setdefault(key, deque()).append(job)
    space.changed(job)


def unpark_due(space: Space, now: int) -> None:
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


def stop_running(space: Space, job: StoredJob) -> None:
    """Out of the numbers of what runs; room for the next of its limit."""
    space.line(job.sub.queue).numbers["running"] -= 1
    job.lease_until = 0
    if job.counted:
        job.counted = False
        space.counts[job.sub.limit_key] -= 1
        unpark(space, job.sub.limit_key, 1)
