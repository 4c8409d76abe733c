"""What belongs to no queue, and brings jobs about in queues: groups and schedules."""

from __future__ import annotations

from collections.abc import Sequence

from stem.contracts.groups import GroupState, Member
from stem.contracts.schedules import Entry, Fired
from stem.core.envelope import Submission
from stem.redis.partition.parts import Parts
from stem.redis.partition.post import Post, outgoing_job


class PartitionedGroups:
    """The Groups of a namespace in parts."""

    def __init__(self, parts: Parts, post: Post) -> None:
        self._root, self._post = parts.root, post

    async def create(
        self, group_id: str, members: Sequence[str], callback: Submission | None, *, collect: bool, ttl_ms: int
    ) -> bool:
        away = outgoing_job(callback)
        new = await self._root.groups.create(group_id, members, away, collect=collect, ttl_ms=ttl_ms)
        if new and away is not None and not members:
            await self._post.carry(self._root, [away.token])
        return new

    async def get(self, group_id: str) -> GroupState | None:
        return await self._root.groups.get(group_id)

    async def members(self, group_id: str) -> list[Member]:
        return await self._root.groups.members(group_id)


class PartitionedSchedules:
    """The Schedules of a namespace in parts."""

    def __init__(self, parts: Parts, post: Post) -> None:
        self._root, self._post = parts.root, post

    async def put(self, entry: Entry, *, expect: int | None = None) -> Entry | None:
        return await self._root.schedules.put(entry, expect=expect)

    async def get(self, entry_id: str) -> Entry | None:
        return await self._root.schedules.get(entry_id)

    async def all(self) -> list[Entry]:
        return await self._root.schedules.all()

    async def delete(self, entry_id: str) -> bool:
        return await self._root.schedules.delete(entry_id)

    async def due(self, limit: int = 100) -> tuple[list[Entry], int | None]:
        return await self._root.schedules.due(limit)

    async def fire(self, entry_id: str, version: int, *, at: int, next_at: int | None, job: Submission | None) -> Fired:
        away = outgoing_job(job)
        fired = await self._root.schedules.fire(entry_id, version, at=at, next_at=next_at, job=away)
        if fired == "fired" and away is not None:
            await self._post.carry(self._root, [away.token])
        return fired

    async def wait(self, timeout_ms: int) -> bool:
        return await self._root.schedules.wait(timeout_ms)
