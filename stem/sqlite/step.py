"""One operation on the store: what it reads and writes, counts, and whom it will wake."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

import msgspec

#: Columns of `queue` that are counted up and down. `tick` counts claims, the others as in QueueStats.
NUMBERS: Final = (
    "tick",
    "queued",
    "delayed",
    "parked",
    "running",
    "dead",
    "succeeded",
    "failed",
    "cancelled",
    "retried",
    "lost",
)
_COUNT: Final = f"UPDATE queue SET {', '.join(f'{name} = {name} + ?' for name in NUMBERS)} WHERE qid = ?"  # noqa: S608

#: So many topics are looked up one by one, which is cheaper than a list of them.
FEW: Final = 3
#: Rows written by one statement; few sizes, so that prepared statements are found again.
CHUNKS: Final = (100, 50, 10, 1)


@lru_cache(maxsize=64)
def _insert(head: str, width: int, size: int, tail: str) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{head} VALUES {', '.join([row] * size)} {tail}"


class Bell(NamedTuple):
    """One wake-up: to the process at `address`, about `topic`; `queue` when any other sleeper would do as well."""

    address: str
    topic: str
    queue: str = ""


class Names:
    """Queues by name and by number. They are never deleted, so what was committed can be remembered."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        self.name: dict[int, str] = {0: ""}

    def know(self, name: str, qid: int) -> None:
        """Remember one."""
        self.number[name] = qid
        self.name[qid] = name

    def forget(self) -> None:
        """After a rollback: some of them may never have been."""
        self.__init__()  # type: ignore[misc]


class View:
    """Reading the store at one instant: rows of the namespace number `ns`, `now` in unix ms."""

    __slots__ = ("_names", "conn", "execute", "executemany", "now", "ns")

    def __init__(self, conn: sqlite3.Connection, ns: int, now: int, names: Names) -> None:
        self.conn = conn
        self.execute = conn.execute
        self.executemany = conn.executemany
        self.ns = ns
        self.now = now
        self._names = names

    def find_queue(self, name: str) -> int | None:
        """The number of a queue, None for one that was never used."""
        known = self._names.number.get(name)
        if known is not None:
            return known
        row = self.execute("SELECT qid FROM queue WHERE ns = ? AND name = ?", (self.ns, name)).fetchone()
        if row is None:
            return None
        self._names.know(name, row[0])
        return int(row[0])

    def queue_name(self, qid: int) -> str:
        """The name of a queue by its number; "" for 0."""
        known = self._names.name.get(qid)
        if known is None:
            (known,) = self.execute("SELECT name FROM queue WHERE qid = ?", (qid,)).fetchone()
            self._names.know(known, qid)
        return known

    def is_watched(self, topic: str, address: str) -> bool:
        """Whether the process at `address` will be rung about this topic."""
        asked = (self.ns, topic, address)
        query = "SELECT 1 FROM watcher WHERE ns = ? AND topic = ? AND address = ?"
        return self.execute(query, asked).fetchone() is not None


class Step(View):
    """Writing the store: numbers and wake-ups are collected, and written once by `finish`."""

    __slots__ = ("_sequence", "_tally", "_topics", "_work", "bells")

    def __init__(self, conn: sqlite3.Connection, ns: int, now: int, names: Names) -> None:
        super().__init__(conn, ns, now, names)
        self._sequence: int | None = None
        self._tally: dict[int, dict[str, int]] = {}
        self._work: dict[str, int] = {}
        self._topics: set[str] = set()
        self.bells: list[Bell] = []

    def queue(self, name: str) -> int:
        """The number of a queue, made on first use."""
        found = self.find_queue(name)
        if found is None:
            self.execute("INSERT INTO queue (ns, name) VALUES (?, ?)", (self.ns, name))
            found = self.find_queue(name)
            assert found is not None
        return found

    def next_seq(self) -> int:
        """The next number in order of arrival."""
        if self._sequence is None:
            (self._sequence,) = self.execute("SELECT value FROM counter WHERE name = 'sequence'").fetchone()
        self._sequence += 1
        return self._sequence

    def count(self, qid: int, number: str, by: int = 1) -> None:
        """Count one of NUMBERS up or down."""
        tally = self._tally.get(qid)
        if tally is None:
            tally = self._tally[qid] = dict.fromkeys(NUMBERS, 0)
        tally[number] += by

    def ring_workers(self, queue: str, jobs: int = 1) -> None:
        """Wake up to `jobs` workers that sleep on this queue."""
        self._work[queue] = self._work.get(queue, 0) + jobs

    def ring(self, topic: str) -> None:
        """Wake everybody who watches this topic."""
        self._topics.add(topic)

    def changed(self, job_id: str) -> None:
        """Tell who watches this job."""
        self._topics.add(f"job {job_id}")

    def ended(self, job_id: str, reply_to: str = "") -> None:
        """Tell who watches this job or waits for its end, first of all the process that enqueued it."""
        self._topics.add(f"job {job_id}")
        self._topics.add(f"end {job_id}")
        if reply_to:
            self.bells.append(Bell(reply_to, f"end {job_id}"))

    def insert(self, head: str, rows: Sequence[tuple[object, ...]], tail: str = "") -> None:
        """`head` VALUES rows `tail`, in few statements.

        SQLite lets go of the interpreter at every step, and while another thread is busy getting it back costs more
        than the row: so many rows are one step.
        """
        start = 0
        for size in CHUNKS:
            while len(rows) - start >= size:
                statement = _insert(head, len(rows[0]), size, tail)
                self.execute(statement, list(chain.from_iterable(rows[start : start + size])))
                start += size

    def watch(self, topic: str, address: str) -> None:
        """Have the process at `address` rung, once, when the topic changes."""
        self.execute("INSERT OR IGNORE INTO watcher VALUES (?, ?, ?)", (self.ns, topic, address))

    def finish(self) -> None:
        """Write what was collected; `bells` are to be rung once this is committed."""
        if self._sequence is not None:
            self.execute("UPDATE counter SET value = ? WHERE name = 'sequence'", (self._sequence,))
        for qid, tally in self._tally.items():
            self.execute(_COUNT, (*tally.values(), qid))
        for queue, jobs in self._work.items():
            self._call_sleepers(queue, jobs)
        if self._topics:
            self._call_watchers()

    def _call_sleepers(self, queue: str, jobs: int) -> None:
        query = "SELECT worker, address FROM sleeper WHERE ns = ? AND queue = ? ORDER BY since LIMIT ?"
        for worker, address in self.execute(query, (self.ns, queue, jobs)).fetchall():
            self.execute("DELETE FROM sleeper WHERE ns = ? AND worker = ?", (self.ns, worker))
            self.bells.append(Bell(address, f"work {worker}", queue))

    def _call_watchers(self) -> None:
        if self.execute("SELECT 1 FROM watcher WHERE ns = ? LIMIT 1", (self.ns,)).fetchone() is None:
            return
        if len(self._topics) <= FEW:
            for topic in self._topics:
                query = "DELETE FROM watcher WHERE ns = ? AND topic = ? RETURNING address"
                self.bells += [Bell(row[0], topic) for row in self.execute(query, (self.ns, topic)).fetchall()]
            return
        query = """
        DELETE FROM watcher WHERE ns = ? AND topic IN (SELECT value FROM json_each(?)) RETURNING address, topic"""
        topics = msgspec.json.encode([*self._topics]).decode()
        self.bells += [Bell(address, topic) for address, topic in self.execute(query, (self.ns, topics)).fetchall()]


@contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """What happens inside is undone with the whole transaction when it fails."""
    try:
        yield
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


@contextmanager
def savepoint(conn: sqlite3.Connection) -> Iterator[None]:
    """What happens inside is undone alone when it fails; other operations of the transaction stand."""
    conn.execute("SAVEPOINT one")
    try:
        yield
    except BaseException:
        if conn.in_transaction:  # some faults make SQLite roll everything back by itself
            conn.execute("ROLLBACK TO one")
            conn.execute("RELEASE one")
        raise
    conn.execute("RELEASE one")
