"""Limits, on Redis."""

from __future__ import annotations

from collections.abc import Sequence

from stem.contracts.limiter import Grant
from stem.core.limit import LimitRow
from stem.core.rate import Bucket, check_request
from stem.redis.line import Word
from stem.redis.rows import pairs
from stem.redis.store import Store


class RedisLimiter:
    """The Limiter of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def define(self, rows: Sequence[LimitRow], *, force: bool = False) -> None:
        words: list[Word] = []
        for row in rows:
            words += (row.name, _packed(row))
        if words:
            await self._store.run("define_limits", "1" if force else "", *words, durable="yes")

    async def rows(self) -> list[LimitRow]:
        said = pairs(await self._store.ask("HGETALL", f"{self._store.prefix}lim", flat=True))
        return [_row(name, value.decode()) for name, value in sorted(said.items())]

    async def acquire(self, key: str, tokens: int = 1) -> Grant:
        ok, wait_ms, *bucket = await self._store.run("acquire_tokens", key, tokens, again=False)
        if ok < 0:
            check_request(Bucket(*bucket), key, tokens)
        return Grant(ok == 1, wait_ms)


def _packed(row: LimitRow) -> str:
    bucket = row.bucket
    rate = "||" if bucket is None else f"{bucket.count}|{bucket.per_ms}|{bucket.burst}"
    return f"{rate}|{'' if row.running is None else row.running}"


def _row(name: str, packed: str) -> LimitRow:
    count, per_ms, burst, running = packed.split("|")
    bucket = Bucket(int(count), int(per_ms), int(burst)) if count else None
    return LimitRow(name, bucket, int(running) if running else None)
