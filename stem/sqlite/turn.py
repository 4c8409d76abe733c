"""Taking turns at the write lock: who waits asks often, and who writes for long leaves gaps in which to ask."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from stem.sqlite.connect import is_busy

#: SQLite shall wait so long for a lock in one try, ms. Left to itself it would soon ask only every 100 ms, and never be
#: lucky between the transactions of somebody who writes one after the other.
ASK_MS: Final = 5
#: Seconds that a gap lasts: one try of everybody who waits falls into it.
GAP: Final = 0.007
#: After so many seconds with the lock a gap is left.
LONGEST: Final = 0.1
#: While the lock is free for a tenth of the time, who asks often finds it free soon enough.
TENTH: Final = 10


class Turn:
    """The turns of one connection."""

    def __init__(self, busy_ms: int) -> None:
        self._patience = busy_ms / 1000
        self._held = 0.0
        self._since = self._free = time.monotonic()

    def begin(self, conn: sqlite3.Connection) -> None:
        """Take the write lock; sqlite3.OperationalError (SQLITE_BUSY) when it was not free for `busy_ms`."""
        self._leave_a_gap()
        until = time.monotonic() + self._patience
        while True:
            try:
                conn.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as fault:
                if not is_busy(fault) or time.monotonic() >= until:
                    raise
            else:
                self._since = time.monotonic()
                return

    @property
    def is_long(self) -> bool:
        """Whether this transaction has held the lock for long enough."""
        return time.monotonic() - self._since > LONGEST / 2

    def end(self) -> None:
        """The lock is free again."""
        self._free = time.monotonic()
        self._held += self._free - self._since

    def _leave_a_gap(self) -> None:
        idle = time.monotonic() - self._free
        self._held = max(0.0, self._held - TENTH * idle)
        if self._held > LONGEST:
            time.sleep(GAP)
            self._held = 0.0
