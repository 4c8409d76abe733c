"""Counting the members of groups."""

from __future__ import annotations

from stem.contracts.groups import Member
from stem.core.group import verdict
from stem.memory.line import publish
from stem.memory.space import Space, StoredGroup


def arrive(space: Space, group_id: str, member: Member, now: int) -> None:
    """Count one member, once, and fire when all are there."""
    group = space.groups.get(group_id)
    if group is None or group.expires_at <= now or member.id not in group.members or member.id in group.arrived:
        return
    group.arrived[member.id] = member
    fire_if_complete(space, group, now)


def fire_if_complete(space: Space, group: StoredGroup, now: int) -> None:
    """Publish the callback of a group that has all it waits for."""
    failed = sum(not member.ok for member in group.arrived.values())
    said = verdict(total=len(group.members), arrived=len(group.arrived), failed=failed, collect=group.collect)
    if said == "fire" and not group.fired:
        group.fired = True
        if group.callback is not None:
            publish(space, group.callback, now)
