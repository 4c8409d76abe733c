"""Commands that travel to one worker's inbox."""

from __future__ import annotations

from typing import Final

#: Renew all leases now: somebody asked for a job to end, and renewal is how a worker hears of it.
RENEW: Final = b'{"command":"renew"}'
#: How long a command may lie unread, ms.
COMMAND_TTL_MS: Final = 30_000


def inbox_of(worker: str) -> str:
    """The address of a worker's inbox."""
    return f"worker:{worker}"
