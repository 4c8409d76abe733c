"""Limits at the claim: what keeps a job from starting, parking it, and letting it back."""

from __future__ import annotations

import bisect

from stem.core import rate
from stem.core.amounts import SCAN_LIMIT
from stem.core.limit import admits, is_freed_by_time, limit_name
from stem.memory.space import Line, Space, StoredJob


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


def level_of(space: Space, key: str, bucket: rate.Bucket, now: int) -> rate.Level:
    """What the bucket of this key holds; full when nobody has used it."""
    return space.levels.get(key) or rate.full(bucket, now)


def _take_token(space: Space, key: str, now: int) -> bool:
    bucket = bucket_of(space, key)
    if bucket is None:
        return True
    level, ok = rate.take(bucket, level_of(space, key, bucket, now), now)
    space.levels[key] = level
    if not ok:
        _look_again_in(space, key, rate.wait_ms(bucket, level, now), now)
    return ok


def _look_again_in(space: Space, key: str, wait_ms: int, now: int) -> None:
    """Set the timer of a rate key; an earlier one stays. (A later one was set before the clock went back.)"""
    due = now + max(1, wait_ms)
    earlier, _ = space.park_due.get(key, (due, now))
    space.park_due[key] = min(due, earlier), now


def park(space: Space, line: Line, job: StoredJob, key: str) -> None:
    """Set a queued job aside until the limit of `key` has room; it keeps its place in the order of arrival."""
    job.state, job.parked_key = "parked", key
    line.numbers["parked"] += 1
    bisect.insort(space.parked.setdefault(key, {}).setdefault(line.name, []), job, key=lambda one: one.seq)
    space.changed(job)


def unpark_due(space: Space, now: int) -> None:
    """Move as many parked jobs back as there are tokens, for each rate key whose timer is due.

    Or was set before the clock went back: no timer is later than its bucket takes to fill.
    """
    for key in [key for key, (due, set_at) in space.park_due.items() if due <= now or set_at > now]:
        del space.park_due[key]
        bucket = bucket_of(space, key)
        if bucket is None:
            unpark(space, key, SCAN_LIMIT)
            first = [jobs[0].sub.limit_key for jobs in space.parked.get(key, {}).values()]
            if first and is_freed_by_time(key, _row_running(space, key), first):
                _look_again_in(space, key, 1, now)
            continue
        level = level_of(space, key, bucket, now)
        tokens = rate.available(bucket, level, now)
        unpark(space, key, max(1, tokens))
        if key in space.parked:
            _look_again_in(space, key, rate.wait_ms(bucket, level, now, tokens + 1), now)


def unpark(space: Space, key: str, most: int) -> None:
    """Put the first parked jobs back in their lines: up to `most` of each queue.

    Of each, for a queue may be paused, or served by nobody, and its job must not keep those of others waiting. Those
    that come too late are parked again at their claim.
    """
    waiting = space.parked.get(key, {})
    for queue, jobs in list(waiting.items()):
        line = space.line(queue)
        for job in jobs[:most]:
            line.numbers["parked"] -= 1
            job.parked_key = ""
            line.push_ready(job)
            space.doze.ring(queue)
        del jobs[:most]
        if not jobs:
            del waiting[queue]
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
