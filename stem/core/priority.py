"""Which jobs go first: priorities 0-9 with a guard against starvation, and the order of queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LOWEST: Final = 0
HIGHEST: Final = 9
LEVELS: Final = HIGHEST + 1
#: Every 8th claim gives its first slot to a rotating level, so a non-empty level waits at most 80 claims.
GUARD_EVERY: Final = 8


def guarded_level(tick: int, *, strict: bool = False) -> int | None:
    """The level that claim number `tick` of a queue serves first, or None when plain order holds.

    `tick` counts the claims that took jobs from one queue, from 0. If the level is empty, the next lower non-empty one
    is meant (`first_nonempty`), wrapping round.
    """
    if strict or tick % GUARD_EVERY != GUARD_EVERY - 1:
        return None
    return HIGHEST - tick // GUARD_EVERY % LEVELS


def first_nonempty(level: int, waiting: Sequence[bool]) -> int | None:
    """`level`, or the next lower level that has work, wrapping round; None when all are empty."""
    for step in range(LEVELS):
        here = (level - step) % LEVELS
        if waiting[here]:
            return here
    return None


def queue_order(queues: Sequence[str], turn: int, *, strict: bool = False) -> list[str]:
    """The queues in the order that claim number `turn` of a worker visits them: each is first in its turn."""
    if strict or not queues:
        return list(queues)
    start = turn % len(queues)
    return [*queues[start:], *queues[:start]]
