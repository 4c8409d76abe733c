"""Schemas by digest, in SQLite."""

from __future__ import annotations

from stem.sqlite.step import Step, View
from stem.sqlite.store import Store


class SqliteSchemas:
    """The Schemas of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def publish(self, digest: str, document: bytes) -> bool:
        return await self._store.write(lambda step: _publish(step, digest, document))

    async def get(self, digest: str) -> bytes | None:
        return await self._store.read(lambda view: _get(view, digest))

    async def digests(self) -> list[str]:
        return await self._store.read(_digests)


def _publish(step: Step, digest: str, document: bytes) -> bool:
    kept = step.execute("INSERT OR IGNORE INTO schema_doc VALUES (?, ?, ?)", (step.ns, digest, document))
    return kept.rowcount == 1


def _get(view: View, digest: str) -> bytes | None:
    query = "SELECT document FROM schema_doc WHERE ns = ? AND digest = ?"
    row = view.execute(query, (view.ns, digest)).fetchone()
    return None if row is None else bytes(row[0])


def _digests(view: View) -> list[str]:
    query = "SELECT digest FROM schema_doc WHERE ns = ? ORDER BY digest"
    return [digest for (digest,) in view.execute(query, (view.ns,)).fetchall()]
