"""Stored schedule entries, and firing each due instant once."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import msgspec

from stem.core.envelope import Submission


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `spec` is opaque here; `next_at` (unix ms) is None when it will not fire again. `version` grows."""

    id: str
    spec: bytes
    next_at: int | None
    enabled: bool = True
    last_at: int | None = None
    fired: int = 0
    version: int = 0


#: `fired`: published, and the entry moved on. `moved`: somebody else fired it or changed it; nothing happened.
Fired: TypeAlias = Literal["fired", "moved"]


class Schedules(Protocol):
    """No leader: any number of schedulers may ask, each firing happens once."""

    async def put(self, entry: Entry, *, expect: int | None = None) -> Entry | None:
        """Store the rule, with the next version; None when `expect` is not the stored version (0: not there)."""
        ...

    async def get(self, entry_id: str) -> Entry | None: ...

    async def all(self) -> list[Entry]:
        """All entries, by id."""
        ...

    async def delete(self, entry_id: str) -> bool: ...

    async def due(self, limit: int = 100) -> tuple[list[Entry], int | None]:
        """Enabled entries whose time has come, earliest first, and in how many ms the next one's will (None: never)."""
        ...

    async def fire(self, entry_id: str, version: int, *, at: int, next_at: int | None, job: Submission | None) -> Fired:
        """One firing in one step: version as expected → publish `job` (idempotent by its id), set `last_at`, move on.

        `job` None: the instant is skipped, but the entry moves on.
        """
        ...

    async def wait(self, timeout_ms: int) -> bool:
        """Sleep until an entry may have changed since the last `due` here (True) or the time-out (False). No polling."""
        ...
