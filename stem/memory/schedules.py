"""Schedule entries, in memory."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from stem.contracts.schedules import Entry, Fired
from stem.core.envelope import Submission
from stem.memory.bells import sleep_on
from stem.memory.line import publish
from stem.memory.space import Space

_CHANGED = ("schedules",)


class MemorySchedules:
    """The Schedules of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now
        self._seen: int | None = None

    async def put(self, entry: Entry, *, expect: int | None = None) -> Entry | None:
        with self._space.lock:
            there = self._space.entries.get(entry.id)
            version = there.version if there else 0
            if expect is not None and expect != version:
                return None
            stored = msgspec.structs.replace(entry, version=version + 1)
            self._store(stored)
            return stored

    async def get(self, entry_id: str) -> Entry | None:
        with self._space.lock:
            return self._space.entries.get(entry_id)

    async def all(self) -> list[Entry]:
        with self._space.lock:
            return [entry for _, entry in sorted(self._space.entries.items())]

    async def delete(self, entry_id: str) -> bool:
        with self._space.lock:
            self._note_change()
            return self._space.entries.pop(entry_id, None) is not None

    async def due(self, limit: int = 100) -> tuple[list[Entry], int | None]:
        with self._space.lock:
            now, self._seen = self._now(), self._space.entry_changes
            timed = [(e.next_at, e.id, e) for e in self._space.entries.values() if e.enabled and e.next_at is not None]
            timed.sort(key=lambda triple: triple[:2])
            due = [entry for at, _, entry in timed if at <= now][:limit]
            rest = timed[len(due) :]
            return due, max(0, rest[0][0] - now) if rest else None

    async def fire(self, entry_id: str, version: int, *, at: int, next_at: int | None, job: Submission | None) -> Fired:
        with self._space.lock:
            there = self._space.entries.get(entry_id)
            if there is None or there.version != version:
                return "moved"
            if job is not None:
                publish(self._space, job, self._now())
            fired = there.fired + (job is not None)
            moved = msgspec.structs.replace(there, version=version + 1, last_at=at, next_at=next_at, fired=fired)
            self._store(moved)
            return "fired"

    async def wait(self, timeout_ms: int) -> bool:
        before, self._seen = self._seen, None  # what changed since `due` must not be slept through
        with self._space.lock:
            if before is not None and before != self._space.entry_changes:
                return True
            bell = self._space.bells.arm(_CHANGED)
        try:
            return await sleep_on(bell, timeout_ms)
        finally:
            with self._space.lock:
                self._space.bells.disarm(_CHANGED, bell)

    def _store(self, entry: Entry) -> None:
        self._space.entries[entry.id] = entry
        self._note_change()

    def _note_change(self) -> None:
        self._space.entry_changes += 1
        self._space.bells.ring(_CHANGED)
