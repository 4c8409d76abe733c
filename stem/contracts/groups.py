"""Counting the members of a group, and firing its callback once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from stem.core.envelope import Submission


class Member(msgspec.Struct, frozen=True):
    """One member that has arrived: whether it succeeded, and its result as JSON."""

    id: str
    ok: bool
    value: bytes


class GroupState(msgspec.Struct, frozen=True, kw_only=True):
    """A group in numbers. `fired`: its callback was published. `failed` counts members that did not succeed."""

    id: str
    total: int
    arrived: int
    failed: int
    fired: bool
    expires_at: int


class Groups(Protocol):
    """Arrivals come as effects of settlements (`core.settle.Arrive`), each member counted once.

    When the last member has arrived, `core.group.verdict` decides whether the callback is published, in the step that
    stored the arrival.
    """

    async def create(
        self, group_id: str, members: Sequence[str], callback: Submission | None, *, collect: bool, ttl_ms: int
    ) -> bool:
        """Expect these members; False when the group exists (nothing changed). An empty group fires at once.

        `collect`: fire even when members failed. After `ttl_ms` the group is forgotten, arrivals included.
        """
        ...

    async def get(self, group_id: str) -> GroupState | None:
        """The group in numbers; None when unknown or expired."""
        ...

    async def members(self, group_id: str) -> list[Member]:
        """Those that have arrived, in the order given to `create`."""
        ...
