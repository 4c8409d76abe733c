"""Schedule entries, on Redis."""

from __future__ import annotations

from stem.contracts.schedules import Entry, Fired
from stem.core.envelope import Submission
from stem.redis.rows import Outgoing, handed_on, pairs
from stem.redis.store import Store


class RedisSchedules:
    """The Schedules of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: int | None = None

    async def put(self, entry: Entry, *, expect: int | None = None) -> Entry | None:
        words = (
            entry.id,
            "" if expect is None else expect,
            _time(entry.next_at),
            "1" if entry.enabled else "0",
            _time(entry.last_at),
            entry.fired,
            entry.spec,
        )
        stored = await self._store.run("put_entry", *words, again=False, durable="yes")
        return None if stored is None else _entry(entry.id, stored)

    async def get(self, entry_id: str) -> Entry | None:
        stored = await self._store.ask("HGET", f"{self._store.prefix}sch", entry_id)
        return None if stored is None else _entry(entry_id, stored)

    async def all(self) -> list[Entry]:
        said = pairs(await self._store.ask("HGETALL", f"{self._store.prefix}sch", flat=True))
        return [_entry(entry_id, stored) for entry_id, stored in sorted(said.items())]

    async def delete(self, entry_id: str) -> bool:
        return bool(await self._store.run("delete_entry", entry_id, again=False, durable="yes"))

    async def due(self, limit: int = 100) -> tuple[list[Entry], int | None]:
        changes, wait, *found = await self._store.run("due_entries", limit)
        self._seen = int(changes)
        entries = [_entry(found[i].decode(), found[i + 1]) for i in range(0, len(found), 2)]
        return entries, None if wait == b"" else int(wait)

    async def fire(
        self, entry_id: str, version: int, *, at: int, next_at: int | None, job: Submission | Outgoing | None
    ) -> Fired:
        words = (entry_id, version, at, _time(next_at), *(handed_on(job) if job is not None else ()))
        # a lost reply is not asked for again here: the second try would say `moved` of a firing of its own
        return "fired" if await self._store.run("fire", *words, again=False, durable="yes") else "moved"

    async def wait(self, timeout_ms: int) -> bool:
        before, self._seen = self._seen, None  # what changed since `due` must not be slept through
        if before is None:
            before = int(await self._store.ask("GET", f"{self._store.prefix}schn") or 0)

        async def look(me: str) -> bool | None:
            return bool(await self._store.run("await_schedules", before, me)) or None

        return await self._store.until("s", look, timeout_ms) is not None


def _time(at: int | None) -> str:
    return "" if at is None else str(at)


def _entry(entry_id: str, stored: bytes) -> Entry:
    version, next_at, enabled, last_at, fired, spec = stored.split(b"|", 5)
    return Entry(
        id=entry_id,
        spec=spec,
        next_at=int(next_at) if next_at else None,
        enabled=enabled == b"1",
        last_at=int(last_at) if last_at else None,
        fired=int(fired),
        version=int(version),
    )
