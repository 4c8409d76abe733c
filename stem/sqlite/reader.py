"""The reading thread: looks at the store without ever waiting for a writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from stem.sqlite.connect import meaning, roll_back
from stem.sqlite.desk import Desk, Reopen
from stem.sqlite.step import View


class Reader(Desk):
    """Runs each call in a short transaction of its own, so that a call sees one instant."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        conn: sqlite3.Connection,
        *,
        path: Path,
        ns: int,
        now: Callable[[], int],
        busy_ms: int,
        reopen: Reopen,
    ) -> None:
        super().__init__("stem-sqlite-reader", loop, conn, path=path, ns=ns, reopen=reopen)
        self._now, self._busy_ms = now, busy_ms

    def serve_next(self) -> bool:
        call = self._calls.get()
        if call is None:
            return False
        try:
            self.follow_the_file()
            self._conn.execute("BEGIN")
            call.value = call.run(View(self._conn, self._ns, self._now(), self._names))
            self._conn.execute("COMMIT")
        except (sqlite3.Error, OSError) as fault:
            call.error = meaning(fault, self._path, self._busy_ms)
        except Exception as fault:
            call.error = fault
        roll_back(self._conn)
        self.deliver([call])
        return True
