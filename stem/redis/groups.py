"""Counting group members, on Redis."""

from __future__ import annotations

from collections.abc import Sequence

from stem.contracts.groups import GroupState, Member
from stem.core.envelope import Submission
from stem.redis.rows import Outgoing, packed, pairs
from stem.redis.store import Store


class RedisGroups:
    """The Groups of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self,
        group_id: str,
        members: Sequence[str],
        callback: Submission | Outgoing | None,
        *,
        collect: bool,
        ttl_ms: int,
    ) -> bool:
        fired = b"" if callback is None else packed(callback)
        words = (group_id, "1" if collect else "", ttl_ms, fired, *members)
        return bool(await self._store.run("create_group", *words, again=False, durable="yes"))

    async def get(self, group_id: str) -> GroupState | None:
        said = await self._store.run("group", group_id)
        if not said:
            return None
        total, arrived, failed, fired, until = (int(number) for number in said[:5])
        return GroupState(id=group_id, total=total, arrived=arrived, failed=failed, fired=bool(fired), expires_at=until)

    async def members(self, group_id: str) -> list[Member]:
        said = await self._store.run("group", group_id)
        if not said:
            return []
        places, arrived = pairs(said[5]), pairs(said[6])
        order = sorted(arrived, key=lambda member: int(places[member]))
        return [Member(member, arrived[member][:1] == b"1", arrived[member][1:]) for member in order]
