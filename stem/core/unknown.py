"""A job that this worker does not know: another one may, as in the middle of a deploy, so it waits for a bounded time."""

from __future__ import annotations

from typing import Final

#: How long a job waits for a worker that knows its task, its schema or its wire version.
UNKNOWN_FOR_MS: Final = 600_000
#: Shortest and longest time until it is offered to a worker again.
_SHORTEST_MS: Final = 1_000
_LONGEST_MS: Final = 15_000


def offer_again_ms(waited_ms: int, unknown_for_ms: int) -> int | None:
    """In how many ms it is offered again: a quarter of the time that it has waited; None when its time is over."""
    left = unknown_for_ms - waited_ms
    return None if left <= 0 else min(max(_SHORTEST_MS, waited_ms // 4), _LONGEST_MS, left)
