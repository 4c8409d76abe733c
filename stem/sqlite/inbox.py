"""Commands for one worker, in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from stem.sqlite.desk import Answer
from stem.sqlite.step import Step, View
from stem.sqlite.store import NotYet, Store, Take

#: A message as it lies in the store: its number, until when it is kept, its bytes.
_Row: TypeAlias = tuple[int, int, bytes]


class SqliteInbox:
    """The Inbox of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def send(self, address: str, message: bytes, *, ttl_ms: int) -> None:
        await self._store.write(lambda step: _send(step, address, message, ttl_ms))

    async def receive(self, address: str, *, limit: int = 100, timeout_ms: int = 0) -> list[bytes]:
        found = await self._store.until(
            f"inbox {address}",
            lambda view: _look(view, address),
            timeout_ms,
            take=Take(lambda step: _take(step, address, limit), lambda step, rows: _put_back(step, address, rows)),
        )
        return [message for _, _, message in found.value] if found is not None else []


def _send(step: Step, address: str, message: bytes, ttl_ms: int) -> None:
    row = (step.next_seq(), step.ns, address, step.now + ttl_ms, message)
    step.execute("INSERT INTO inbox (seq, ns, address, until, message) VALUES (?, ?, ?, ?, ?)", row)
    step.ring(f"inbox {address}")


def _look(view: View, address: str) -> Answer[list[_Row]] | NotYet:
    """An Answer when there is something to take."""
    query = "SELECT 1 FROM inbox WHERE ns = ? AND address = ? AND until > ? LIMIT 1"
    there = view.execute(query, (view.ns, address, view.now)).fetchone()
    return NotYet() if there is None else Answer([])


def _take(step: Step, address: str, limit: int) -> Answer[list[_Row]] | NotYet:
    """The messages, taken away; those whose time is over go with them."""
    over = "DELETE FROM inbox WHERE ns = ? AND address = ? AND until <= ?"
    step.execute(over, (step.ns, address, step.now))
    query = "SELECT seq, until, message FROM inbox WHERE ns = ? AND address = ? ORDER BY seq LIMIT ?"
    rows = step.execute(query, (step.ns, address, limit)).fetchall()
    step.executemany("DELETE FROM inbox WHERE seq = ?", [(seq,) for seq, _, _ in rows])
    return Answer(rows) if rows else NotYet()


def _put_back(step: Step, address: str, rows: Sequence[_Row]) -> None:
    """Where they were: whoever took them is gone."""
    step.insert(
        "INSERT INTO inbox (seq, ns, address, until, message)", [(n, step.ns, address, u, m) for n, u, m in rows]
    )
    step.ring(f"inbox {address}")
