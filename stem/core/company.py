"""Which attempts may run beside each other: one that was lost with others runs with fewer and fewer, then alone.

When a process dies, everything that ran in it is lost with it, the one that killed it and the innocent. Who is lost again
and again is suspected; with less and less company only the killer comes to the number of losses that buries it.
"""

from __future__ import annotations

from typing import Final

#: How many others may run beside one that may be lost so many more times before it is given up.
_BESIDE: Final = {1: 0, 2: 3, 3: 10}
#: Longest a worker keeps slots idle for one suspect: while it makes room for it, and again while that one runs.
PATIENCE_MS: Final = 60_000
#: How long a suspect waits before it is offered to a worker again.
PUT_BACK_MS: Final = 1_000


def company(losses: int, most_losses: int) -> int | None:
    """How many others may run beside one that was lost so often in a row; None: any number."""
    return None if losses <= 0 else _BESIDE.get(most_losses - losses)


def may_start(own: int | None, *, beside: int, least: int | None) -> bool:
    """Whether one that tolerates `own` others starts now.

    `beside`: how many run already; `least`: the smallest company that one of them, or one for which room is being made,
    tolerates.
    """
    return all(beside <= most for most in (own, least) if most is not None)
