"""Schedule entries, in SQLite."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stem.contracts.schedules import Entry, Fired
from stem.core.envelope import Submission
from stem.sqlite.desk import Answer
from stem.sqlite.line import publish
from stem.sqlite.step import Step, View
from stem.sqlite.store import NotYet, Store

_COLUMNS: Final = "id, spec, next_at, enabled, last_at, fired, version"
_TOPIC: Final = "schedules"


class SqliteSchedules:
    """The Schedules of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: int | None = None

    async def put(self, entry: Entry, *, expect: int | None = None) -> Entry | None:
        return await self._store.write(lambda step: _put(step, entry, expect))

    async def get(self, entry_id: str) -> Entry | None:
        return await self._store.read(lambda view: _get(view, entry_id))

    async def all(self) -> list[Entry]:
        return await self._store.read(_all)

    async def delete(self, entry_id: str) -> bool:
        return await self._store.write(lambda step: _delete(step, entry_id))

    async def due(self, limit: int = 100) -> tuple[list[Entry], int | None]:
        found, self._seen = await self._store.read(lambda view: (_due(view, limit), _changes(view)))
        return found

    async def fire(self, entry_id: str, version: int, *, at: int, next_at: int | None, job: Submission | None) -> Fired:
        return await self._store.write(lambda step: _fire(step, entry_id, version, at, next_at, job))

    async def wait(self, timeout_ms: int) -> bool:
        before, self._seen = self._seen, None  # what changed since `due` must not be slept through
        if before is None:
            before = await self._store.read(_changes)
        found = await self._store.until(
            _TOPIC, lambda view: Answer(None) if _changes(view) != before else NotYet(), timeout_ms
        )
        return found is not None


def _put(step: Step, entry: Entry, expect: int | None) -> Entry | None:
    there = _get(step, entry.id)
    version = there.version if there is not None else 0
    if expect is not None and expect != version:
        return None
    stored = msgspec.structs.replace(entry, version=version + 1)
    _store(step, stored)
    return stored


def _fire(step: Step, entry_id: str, version: int, at: int, next_at: int | None, job: Submission | None) -> Fired:
    there = _get(step, entry_id)
    if there is None or there.version != version:
        return "moved"
    if job is not None:
        publish(step, [job])
    fired = there.fired + (job is not None)
    _store(step, msgspec.structs.replace(there, version=version + 1, last_at=at, next_at=next_at, fired=fired))
    return "fired"


def _delete(step: Step, entry_id: str) -> bool:
    gone = step.execute("DELETE FROM entry WHERE ns = ? AND id = ?", (step.ns, entry_id)).rowcount
    _note_change(step)
    return gone == 1


def _store(step: Step, entry: Entry) -> None:
    row = (entry.id, entry.spec, entry.next_at, entry.enabled, entry.last_at, entry.fired, entry.version)
    query = f"INSERT OR REPLACE INTO entry (ns, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    step.execute(query, (step.ns, *row))
    _note_change(step)


def _note_change(step: Step) -> None:
    """Count it, so that one who sleeps can see that there was a change even when its ring was lost."""
    counted = "INSERT INTO counter VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1"
    step.execute(counted, (f"{_TOPIC} {step.ns}",))
    step.ring(_TOPIC)


def _changes(view: View) -> int:
    row = view.execute("SELECT value FROM counter WHERE name = ?", (f"{_TOPIC} {view.ns}",)).fetchone()
    return 0 if row is None else int(row[0])


def _get(view: View, entry_id: str) -> Entry | None:
    query = f"SELECT {_COLUMNS} FROM entry WHERE ns = ? AND id = ?"  # noqa: S608
    row = view.execute(query, (view.ns, entry_id)).fetchone()
    return None if row is None else _entry(row)


def _all(view: View) -> list[Entry]:
    query = f"SELECT {_COLUMNS} FROM entry WHERE ns = ? ORDER BY id"  # noqa: S608
    return [_entry(row) for row in view.execute(query, (view.ns,)).fetchall()]


def _due(view: View, limit: int) -> tuple[list[Entry], int | None]:
    """The entries that are due, and the wait for the one behind them: one row more than asked shows it."""
    query = (
        f"SELECT {_COLUMNS} FROM entry WHERE ns = ? AND enabled AND next_at IS NOT NULL "  # noqa: S608
        "ORDER BY next_at, id LIMIT ?"
    )
    timed = [_entry(row) for row in view.execute(query, (view.ns, limit + 1)).fetchall()]
    due = [entry for entry in timed if entry.next_at is not None and entry.next_at <= view.now][:limit]
    rest = timed[len(due) :]
    return due, max(0, rest[0].next_at - view.now) if rest and rest[0].next_at is not None else None


def _entry(row: tuple[Any, ...]) -> Entry:
    entry_id, spec, next_at, enabled, last_at, fired, version = row
    return Entry(
        id=entry_id, spec=spec, next_at=next_at, enabled=bool(enabled), last_at=last_at, fired=fired, version=version
    )
