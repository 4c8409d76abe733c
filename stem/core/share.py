"""How the places of one claim are shared between lines."""

from __future__ import annotations

from collections.abc import Sequence


def shares(waiting: Sequence[int], limit: int) -> list[int]:
    """How many of `limit` places each line gets, as equally as what waits in the lines allows.

    A line that needs less than an equal share leaves the rest to the others, before and behind it: no place stays free
    while anything waits. Places that cannot be shared equally go to the first lines; whose turn it is to be first is
    `priority.queue_order`.
    """
    given = [0] * len(waiting)
    left = limit
    while left > 0 and (short := [place for place, most in enumerate(waiting) if given[place] < most]):
        equal = max(1, left // len(short))
        for place in short:
            more = min(equal, waiting[place] - given[place], left)
            given[place] += more
            left -= more
    return given
