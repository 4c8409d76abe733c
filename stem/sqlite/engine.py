"""All roles over one SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Final

from stem.contracts.engine import Finding
from stem.sqlite.broadcast import SqliteBroadcast
from stem.sqlite.broker import SqliteBroker
from stem.sqlite.connect import SOUND_RESET, Durability, open_to_others
from stem.sqlite.dead_letters import SqliteDeadLetters
from stem.sqlite.groups import SqliteGroups
from stem.sqlite.inbox import SqliteInbox
from stem.sqlite.jobs import SqliteJobs
from stem.sqlite.limiter import SqliteLimiter
from stem.sqlite.locks import SqliteLocks
from stem.sqlite.presence import SqlitePresence
from stem.sqlite.queues import SqliteQueues
from stem.sqlite.renewals import SqliteRenewals
from stem.sqlite.results import SqliteResults
from stem.sqlite.schedules import SqliteSchedules
from stem.sqlite.schemas import SqliteSchemas
from stem.sqlite.store import Store
from stem.sqlite.workflows import SqliteWorkflows

#: How long a call waits for the lock of another process, ms. Rails sets 5 s; migrations and backups take longer.
BUSY_MS: Final = 10_000
#: Longest sleep between two looks at the truth, ms. A bell can only be lost with the process that rings it.
LOOK_MS: Final = 5_000


class SqliteEngine:
    """The engine in a file, shared by all processes of one machine (never over a network file system).

    `durability="normal"`: what was acknowledged survives any crash of a process; a power cut may take the last
    commits. `"full"`: it survives that too, at one disk flush a commit. `busy_ms` is how long a call waits while
    another process holds the file. Who sleeps is rung; `look_ms` is the longest it sleeps without a look of its own, so
    what a ring that was lost costs.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        namespace: str = "stem",
        durability: Durability = "normal",
        busy_ms: int = BUSY_MS,
        look_ms: int = LOOK_MS,
    ) -> None:
        self.url = f"sqlite:///{path}"
        self.namespace = namespace
        self.skew_ms = 0
        self.durability: Durability = durability
        self.path = Path(path).absolute()
        self._store = store = Store(self.path, namespace, durability, busy_ms=busy_ms, look_ms=look_ms, now=self._now)
        self.broker = SqliteBroker(store)
        self.queues = SqliteQueues(store)
        self.jobs = SqliteJobs(store)
        self.dead_letters = SqliteDeadLetters(store)
        self.results = SqliteResults(store)
        self.groups = SqliteGroups(store)
        self.locks = SqliteLocks(store)
        self.limiter = SqliteLimiter(store)
        self.inbox = SqliteInbox(store)
        self.broadcast = SqliteBroadcast(store)
        self.presence = SqlitePresence(store)
        self.schedules = SqliteSchedules(store)
        self.schemas = SqliteSchemas(store)
        self.workflows = SqliteWorkflows(store)

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._store.close()

    async def now_ms(self) -> int:
        return self._now()

    def renewals(self) -> SqliteRenewals:
        return SqliteRenewals(self._store)

    async def findings(self) -> list[Finding]:
        """Whether others than its user can use the file."""
        mode = await asyncio.to_thread(open_to_others, self.path)
        if not mode:
            return []
        return [Finding(f"other users of this machine can use {self.path} ({mode}): chmod 600 {self.path}")]

    def describe(self) -> dict[str, str]:
        told = {
            "engine": "sqlite",
            "file": str(self.path),
            "sqlite": sqlite3.sqlite_version,
            "journal_mode": "wal",
            "synchronous": self.durability,
            "durability": _PROMISES[self.durability],
        }
        if sqlite3.sqlite_version_info < SOUND_RESET:
            told["warning"] = (
                f"SQLite {sqlite3.sqlite_version} can lose a commit when two connections checkpoint at once "
                f"(fixed in {'.'.join(map(str, SOUND_RESET))}). stem's own never do, for they hold the write lock; "
                "let no other program write to this file"
            )
        return told

    def _now(self) -> int:
        return time.time_ns() // 1_000_000 + self.skew_ms


_PROMISES: Final = {
    "normal": "survives a crash of any process; a power cut may take the last commits",
    "full": "survives a crash of any process and a power cut",
}
