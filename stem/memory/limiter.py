"""Limits, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stem.contracts.limiter import Grant
from stem.core import rate
from stem.core.amounts import SCAN_LIMIT
from stem.core.limit import LimitRow, limit_name
from stem.memory.limits import bucket_of, level_of, unpark
from stem.memory.space import DefinedLimit, Space


class MemoryLimiter:
    """The Limiter of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def define(self, rows: Sequence[LimitRow], *, force: bool = False) -> None:
        with self._space.lock:
            for row in rows:
                self._define(row, force=force)

    async def rows(self) -> list[LimitRow]:
        with self._space.lock:
            return [defined.row for _, defined in sorted(self._space.limits.items())]

    async def acquire(self, key: str, tokens: int = 1) -> Grant:
        space, now = self._space, self._now()
        with space.lock:
            bucket = bucket_of(space, key)
            if bucket is None:
                return Grant(ok=True)
            rate.check_request(bucket, key, tokens)
            level, ok = rate.take(bucket, level_of(space, key, bucket, now), now, tokens)
            space.levels[key] = level
            return Grant(ok, 0 if ok else rate.wait_ms(bucket, level, now, tokens))

    def _define(self, row: LimitRow, *, force: bool) -> None:
        limits = self._space.limits
        there = limits.get(row.name)
        if force:
            limits[row.name] = DefinedLimit(there.declared if there else row, row)
        elif there is None or there.declared != row:
            limits[row.name] = DefinedLimit(row)
        else:
            return
        self._look_again(row.name)

    def _look_again(self, name: str) -> None:
        """Jobs parked under the old limit are looked at under the new one."""
        for key in [key for key in self._space.parked if limit_name(key) == name]:
            unpark(self._space, key, SCAN_LIMIT)
            self._space.park_due[key] = self._now() + 1, self._now()  # what is left
