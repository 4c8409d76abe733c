"""Limits as rows that workers write and operators change; the same buckets and counts that `claim` respects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from stem.core.limit import LimitRow


class Grant(msgspec.Struct, frozen=True):
    """Whether the tokens were taken, and if not, in how many ms they could be."""

    ok: bool
    retry_after_ms: int = 0


class Limiter(Protocol):
    """A limit is found by the name of its key (`core.limit.limit_name`); no row, no limit."""

    async def define(self, rows: Sequence[LimitRow], *, force: bool = False) -> None:
        """Write limits: those already there stay as an operator set them unless the declaration itself changed.

        `force` is the operator's own hand: it wins until the next `force` or a changed declaration.
        """
        ...

    async def rows(self) -> list[LimitRow]:
        """All limits in force, by name."""
        ...

    async def acquire(self, key: str, tokens: int = 1) -> Grant:
        """Take tokens outside of a claim; ConfigError for more than the burst, which would never be granted."""
        ...
