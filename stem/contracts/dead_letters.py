"""Jobs we stopped trying, with the reason and their original bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A buried job. `record` is its JobRecord with the error; `envelope` its bytes, as at enqueue."""

    id: str
    task: str
    queue: str
    reason: str
    died_at: int
    enqueued_at: int
    attempts: int = 0
    losses: int = 0
    replays: int = 0
    priority: int = 0
    unique_key: str = ""
    record: bytes = b""
    envelope: bytes = b""


class DeadFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; an empty field means all. `since` and `before` are unix ms of the death."""

    queue: str = ""
    task: str = ""
    reason: str = ""
    since: int | None = None
    before: int | None = None


class Replayed(msgspec.Struct, frozen=True):
    """Answer to one replay: back in its line, `gone` (replayed or purged meanwhile), or the key held by `holder`."""

    id: str
    status: Literal["replayed", "gone", "held"]
    holder: str = ""


class DeadLetters(Protocol):
    """Kept 30 days from the death, independent of the result."""

    async def get(self, job_id: str) -> DeadLetter | None:
        """One, with its envelope."""
        ...

    async def page(self, which: DeadFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[DeadLetter], str]:
        """A page, newest death first, and the cursor of the next page ("" at the end)."""
        ...

    async def replay(self, ids: Sequence[str], *, delay_ms: int = 0) -> list[Replayed]:
        """Put them back in their lines with attempts and losses at 0, each once however many ask at the same time.

        The unique key is taken again, or the holder named. The old result is forgotten, an expiry is lifted.
        """
        ...

    async def purge(self, ids: Sequence[str]) -> int:
        """Forget them; how many there were."""
        ...
