"""Who is alive, in SQLite."""

from __future__ import annotations

from stem.contracts.presence import Present
from stem.sqlite.step import Step, View
from stem.sqlite.store import Store


class SqlitePresence:
    """The Presence of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def beat(self, worker: str, info: bytes, *, ttl_ms: int) -> None:
        await self._store.write(lambda step: _beat(step, worker, info, ttl_ms))

    async def leave(self, worker: str) -> None:
        await self._store.write(
            lambda step: step.execute("DELETE FROM present WHERE ns = ? AND worker = ?", (step.ns, worker))
        )

    async def alive(self) -> list[Present]:
        return await self._store.read(_alive)


def _beat(step: Step, worker: str, info: bytes, ttl_ms: int) -> None:
    row = (step.ns, worker, info, step.now, step.now + ttl_ms)
    step.execute("INSERT OR REPLACE INTO present (ns, worker, info, seen_at, until) VALUES (?, ?, ?, ?, ?)", row)


def _alive(view: View) -> list[Present]:
    query = "SELECT worker, info, seen_at FROM present WHERE ns = ? AND until > ? ORDER BY worker"
    return [Present(*row) for row in view.execute(query, (view.ns, view.now)).fetchall()]
