"""Counting group members, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stem.contracts.groups import GroupState, Member
from stem.core.envelope import Submission
from stem.memory.grouping import fire_if_complete
from stem.memory.space import Space, StoredGroup


class MemoryGroups:
    """The Groups of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def create(
        self, group_id: str, members: Sequence[str], callback: Submission | None, *, collect: bool, ttl_ms: int
    ) -> bool:
        with self._space.lock:
            now = self._now()
            if self._find(group_id) is not None:
                return False
            group = StoredGroup(tuple(members), callback, collect, now + ttl_ms)
            self._space.groups[group_id] = group
            fire_if_complete(self._space, group, now)
            return True

    async def get(self, group_id: str) -> GroupState | None:
        with self._space.lock:
            group = self._find(group_id)
            if group is None:
                return None
            return GroupState(
                id=group_id,
                total=len(group.members),
                arrived=len(group.arrived),
                failed=sum(not member.ok for member in group.arrived.values()),
                fired=group.fired,
                expires_at=group.expires_at,
            )

    async def members(self, group_id: str) -> list[Member]:
        with self._space.lock:
            group = self._find(group_id)
            return [] if group is None else [group.arrived[m] for m in group.members if m in group.arrived]

    def _find(self, group_id: str) -> StoredGroup | None:
        group = self._space.groups.get(group_id)
        if group is not None and group.expires_at <= self._now():
            del self._space.groups[group_id]
            return None
        return group
