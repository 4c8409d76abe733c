"""Counting group members, in SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from stem.contracts.groups import GroupState, Member
from stem.core.envelope import Submission
from stem.sqlite.grouping import encode_callback, fire_if_complete
from stem.sqlite.step import Step, View
from stem.sqlite.store import Store


class SqliteGroups:
    """The Groups of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self, group_id: str, members: Sequence[str], callback: Submission | None, *, collect: bool, ttl_ms: int
    ) -> bool:
        called = None if callback is None else encode_callback(callback)
        return await self._store.write(
            lambda step: _create(step, group_id, members, called, collect=collect, ttl_ms=ttl_ms)
        )

    async def get(self, group_id: str) -> GroupState | None:
        return await self._store.read(lambda view: _get(view, group_id))

    async def members(self, group_id: str) -> list[Member]:
        return await self._store.read(lambda view: _members(view, group_id))


def _create(
    step: Step, group_id: str, members: Sequence[str], callback: bytes | None, *, collect: bool, ttl_ms: int
) -> bool:
    if _get(step, group_id) is not None:
        return False
    step.execute("DELETE FROM grp_member WHERE ns = ? AND grp = ?", (step.ns, group_id))
    made = "INSERT OR REPLACE INTO grp (ns, id, total, collect, expires_at, callback) VALUES (?, ?, ?, ?, ?, ?)"
    step.execute(made, (step.ns, group_id, len(members), collect, step.now + ttl_ms, callback))
    rows = [(step.ns, group_id, member, place) for place, member in enumerate(members)]
    step.executemany("INSERT OR IGNORE INTO grp_member (ns, grp, id, place) VALUES (?, ?, ?, ?)", rows)
    fire_if_complete(step, group_id)
    return True


def _get(view: View, group_id: str) -> GroupState | None:
    query = """
    SELECT total, arrived, failed, fired, expires_at FROM grp WHERE ns = ? AND id = ? AND expires_at > ?"""
    row = view.execute(query, (view.ns, group_id, view.now)).fetchone()
    if row is None:
        return None
    total, arrived, failed, fired, expires_at = row
    return GroupState(
        id=group_id, total=total, arrived=arrived, failed=failed, fired=bool(fired), expires_at=expires_at
    )


def _members(view: View, group_id: str) -> list[Member]:
    if _get(view, group_id) is None:
        return []
    query = "SELECT id, ok, value FROM grp_member WHERE ns = ? AND grp = ? AND ok IS NOT NULL ORDER BY place"
    rows = view.execute(query, (view.ns, group_id)).fetchall()
    return [Member(member, bool(ok), value) for member, ok, value in rows]
