"""Numbers that scripts use, as Python says them: a part with the line `-- numbers: A B` has them for A and B."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from stem.core import amounts
from stem.core.lease import LONGEST_DOUBT_MS, SHORTEST_RENEWAL_MS
from stem.core.priority import GUARD_EVERY, LEVELS
from stem.core.run import CLEANUP, MAX_TAKEOVERS
from stem.redis import recent

NUMBERS: Final[Mapping[str, int]] = {
    "SCAN_LIMIT": amounts.SCAN_LIMIT,
    "PROMOTE_LIMIT": amounts.PROMOTE_LIMIT,
    "LIMIT_KEYS": amounts.LIMIT_KEYS,
    "WAKE_LIMIT": amounts.WAKE_LIMIT,
    "POLICY_LIMIT": amounts.POLICY_LIMIT,
    "LISTED": recent.LISTED,
    "LISTED_UNSUCCESSFUL": recent.LISTED_UNSUCCESSFUL,
    "LISTED_OF_TASK": recent.LISTED_OF_TASK,
    "LISTED_TASKS": recent.LISTED_TASKS,
    "GUARD_EVERY": GUARD_EVERY,
    "LEVELS": LEVELS,
    "MAX_TAKEOVERS": MAX_TAKEOVERS,
    "CLEANUP": CLEANUP,
    "SHORTEST_RENEWAL_MS": SHORTEST_RENEWAL_MS,
    "LONGEST_DOUBT_MS": LONGEST_DOUBT_MS,
}
_USED: Final = re.compile(r"^-- numbers: (.+)$", re.MULTILINE)


def with_numbers(text: str) -> str:
    """`text`, with the number in place of each name that it lists; KeyError for a name that no number has.

    In place, for a script has room for 200 local variables.
    """
    found = _USED.search(text)
    if not found:
        return text
    names = found[1].split()
    numbers = {name: str(NUMBERS[name]) for name in names}
    return re.sub(rf"\b({'|'.join(names)})\b", lambda one: numbers[one[0]], text.replace(f"{found[0]}\n", ""))
