"""When a group's callback fires."""

from __future__ import annotations

from typing import Literal


def verdict(*, total: int, arrived: int, failed: int, collect: bool) -> Literal["wait", "fire", "broken"]:
    """What the latest arrival means: members are missing, publish the callback, or it will never be published.

    With `collect` failed members count as arrived; without it one failure breaks the group once all have arrived.
    """
    if arrived < total:
        return "wait"
    return "fire" if collect or not failed else "broken"
