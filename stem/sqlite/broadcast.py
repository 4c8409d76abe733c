"""Channels, in SQLite."""

from __future__ import annotations

from typing import Final

from stem.sqlite.desk import Answer
from stem.sqlite.step import Step, View
from stem.sqlite.store import NotYet, Store

#: Old messages that one new message clears away: more than come in, so a channel does not grow.
_TRIM: Final = 100


class SqliteBroadcast:
    """The Broadcast of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def send(self, channel: str, message: bytes, *, ttl_ms: int = 3_600_000) -> None:
        await self._store.write(lambda step: _send(step, channel, message, ttl_ms))

    async def position(self, channel: str, name: str = "") -> int:
        return await self._store.read(lambda view: _position(view, channel, name))

    async def read(self, channel: str, after: int, *, limit: int = 100, timeout_ms: int = 0) -> tuple[list[bytes], int]:
        found = await self._store.until(
            f"channel {channel}", lambda view: _read(view, channel, after, limit), timeout_ms
        )
        return found.value if found is not None else ([], after)

    async def keep(self, channel: str, name: str, position: int) -> None:
        await self._store.write(lambda step: _keep(step, channel, name, position))


def _send(step: Step, channel: str, message: bytes, ttl_ms: int) -> None:
    old = "DELETE FROM channel WHERE seq IN (SELECT seq FROM channel WHERE ns = ? AND until <= ? LIMIT ?)"
    step.execute(old, (step.ns, step.now, _TRIM))
    row = (step.next_seq(), step.ns, channel, step.now + ttl_ms, message)
    step.execute("INSERT INTO channel (seq, ns, name, until, message) VALUES (?, ?, ?, ?, ?)", row)
    step.ring(f"channel {channel}")


def _position(view: View, channel: str, name: str) -> int:
    query = """
    SELECT coalesce((SELECT position FROM position WHERE ns = ? AND channel = ? AND listener = ?),
        (SELECT value FROM counter WHERE name = 'sequence'))"""
    (position,) = view.execute(query, (view.ns, channel, name)).fetchone()
    return int(position)


def _read(view: View, channel: str, after: int, limit: int) -> Answer[tuple[list[bytes], int]] | NotYet:
    query = "SELECT seq, message FROM channel WHERE ns = ? AND name = ? AND seq > ? AND until > ? ORDER BY seq LIMIT ?"
    rows = view.execute(query, (view.ns, channel, after, view.now, limit)).fetchall()
    return Answer(([message for _, message in rows], rows[-1][0])) if rows else NotYet()


def _keep(step: Step, channel: str, name: str, position: int) -> None:
    step.execute("INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?)", (step.ns, channel, name, position))
