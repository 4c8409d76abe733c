"""Forgetting what is over, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from stem.core import rate
from stem.memory.dead_letters import forget
from stem.memory.limits import bucket_of
from stem.memory.space import Space

K = TypeVar("K")
V = TypeVar("V")


def sweep(space: Space, now: int, limit: int) -> int:
    """Results and dead letters, up to `limit`, and everything else whose time is over; how much."""
    over = [result.id for result in space.results.values() if result.expires_at <= now][:limit]
    for job_id in over:
        del space.results[job_id]
    dead = [job for job in space.jobs.values() if job.died_at and job.dead_until <= now][: limit - len(over)]
    for job in dead:
        forget(space, job)
    return len(over) + len(dead) + _sweep_small_things(space, now)


def _sweep_small_things(space: Space, now: int) -> int:
    return (
        _drop(space.unique, lambda _, entry: entry[1] is not None and entry[1] <= now)
        + _drop(space.counts, lambda _, count: not count)
        + _drop(space.levels, lambda key, level: _says_nothing(space, key, level, now))
        + _drop(space.locks, lambda _, lock: lock.until <= now)
        + _drop(space.groups, lambda _, group: group.expires_at <= now)
        + _drop(space.inboxes, lambda _, messages: all(until <= now for until, _ in messages))
        + _drop(space.channels, lambda _, messages: all(until <= now for _, until, _ in messages))
    )


def _drop(kept: dict[K, V], is_over: Callable[[K, V], bool]) -> int:
    over = [key for key, value in kept.items() if is_over(key, value)]
    for key in over:
        del kept[key]
    return len(over)


def _says_nothing(space: Space, key: str, level: rate.Level, now: int) -> bool:
    """A bucket that is full again is as good as one that nobody has used."""
    bucket = bucket_of(space, key)
    return bucket is None or rate.available(bucket, level, now) >= bucket.burst
