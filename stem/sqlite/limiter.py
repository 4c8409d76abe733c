"""Limits, in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stem.contracts.limiter import Grant
from stem.core import rate
from stem.core.amounts import SCAN_LIMIT
from stem.core.limit import LimitRow, limit_key
from stem.sqlite.limits import bucket_of, decode_row, encode_row, look_again_in, take_tokens, unpark
from stem.sqlite.step import Step, View
from stem.sqlite.store import Store

#: Above every text that starts with a name and a joint.
_LAST: Final = "\U0010ffff"
_PARKED: Final = """
SELECT DISTINCT parked_key FROM job WHERE ns = ? AND state = 2 AND (parked_key = ? OR parked_key BETWEEN ? AND ?)"""


class SqliteLimiter:
    """The Limiter of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def define(self, rows: Sequence[LimitRow], *, force: bool = False) -> None:
        def run(step: Step) -> None:
            for row in rows:
                _define(step, row, force=force)

        await self._store.write(run)

    async def rows(self) -> list[LimitRow]:
        return await self._store.read(_rows)

    async def acquire(self, key: str, tokens: int = 1) -> Grant:
        return await self._store.write(lambda step: _acquire(step, key, tokens))


def _rows(view: View) -> list[LimitRow]:
    query = "SELECT coalesce(forced, declared) FROM limit_row WHERE ns = ? ORDER BY name"
    return [decode_row(row) for (row,) in view.execute(query, (view.ns,)).fetchall()]


def _acquire(step: Step, key: str, tokens: int) -> Grant:
    bucket = bucket_of(step, key)
    if bucket is None:
        return Grant(ok=True)
    rate.check_request(bucket, key, tokens)
    level, ok = take_tokens(step, key, bucket, tokens)
    return Grant(ok, 0 if ok else rate.wait_ms(bucket, level, step.now, tokens))


def _define(step: Step, row: LimitRow, *, force: bool) -> None:
    query = "SELECT declared FROM limit_row WHERE ns = ? AND name = ?"
    there = step.execute(query, (step.ns, row.name)).fetchone()
    data = encode_row(row)
    stored: tuple[bytes, bytes | None]
    if force:
        stored = (there[0] if there is not None else data, data)
    elif there is None or decode_row(there[0]) != row:
        stored = (data, None)
    else:
        return
    step.execute("INSERT OR REPLACE INTO limit_row VALUES (?, ?, ?, ?)", (step.ns, row.name, *stored))
    _look_again(step, row.name)


def _look_again(step: Step, name: str) -> None:
    """Jobs parked under the old limit are looked at under the new one: some at once, the rest when their timer is due."""
    first = limit_key(name, " ")[:-1]
    for (key,) in step.execute(_PARKED, (step.ns, name, first, first + _LAST)).fetchall():
        step.execute("DELETE FROM park_timer WHERE ns = ? AND key = ?", (step.ns, key))
        unpark(step, key, SCAN_LIMIT)
        look_again_in(step, key, 1)
