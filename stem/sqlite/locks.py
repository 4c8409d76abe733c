"""Named locks, in SQLite."""

from __future__ import annotations

from stem.contracts.locks import Lock
from stem.sqlite.desk import Answer
from stem.sqlite.step import Step, View
from stem.sqlite.store import NotYet, Store, Take


class SqliteLocks:
    """The Locks of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def acquire(self, name: str, owner: str, ttl_ms: int, *, wait_ms: int = 0) -> Lock | None:
        found = await self._store.until(
            f"lock {name}",
            lambda view: _free(view, name, owner),
            wait_ms,
            take=Take(lambda step: _acquire(step, name, owner, ttl_ms), _give_back),
        )
        return found.value if found is not None else None

    async def renew(self, lock: Lock, ttl_ms: int) -> Lock | None:
        return await self._store.write(lambda step: _renew(step, lock, ttl_ms))

    async def release(self, lock: Lock) -> bool:
        return await self._store.write(lambda step: _release(step, lock))

    async def holder(self, name: str) -> Lock | None:
        return await self._store.read(lambda view: _live(view, name))


def _live(view: View, name: str) -> Lock | None:
    query = "SELECT name, owner, token, until FROM lock WHERE ns = ? AND name = ? AND until > ?"
    row = view.execute(query, (view.ns, name, view.now)).fetchone()
    return None if row is None else Lock(*row)


def _holds(view: View, lock: Lock) -> bool:
    there = _live(view, lock.name)
    return there is not None and (there.owner, there.token) == (lock.owner, lock.token)


def _free(view: View, name: str, owner: str) -> Answer[Lock | None] | NotYet:
    """An Answer when the lock can be taken, or when it will be free."""
    there = _live(view, name)
    if there is None or there.owner == owner:
        return Answer(None)
    return NotYet(again_ms=there.until - view.now)


def _acquire(step: Step, name: str, owner: str, ttl_ms: int) -> Answer[Lock | None] | NotYet:
    free = _free(step, name, owner)
    if isinstance(free, NotYet):
        return free
    query = "UPDATE counter SET value = value + 1 WHERE name = 'token' RETURNING value"
    ((token,),) = step.execute(query).fetchall()
    lock = Lock(name, owner, token, step.now + ttl_ms)
    step.execute("INSERT OR REPLACE INTO lock VALUES (?, ?, ?, ?, ?)", (step.ns, name, owner, token, lock.until))
    return Answer(lock)


def _give_back(step: Step, lock: Lock | None) -> None:
    if lock is not None:
        _release(step, lock)


def _renew(step: Step, lock: Lock, ttl_ms: int) -> Lock | None:
    if not _holds(step, lock):
        return None
    until = step.now + ttl_ms
    step.execute("UPDATE lock SET until = ? WHERE ns = ? AND name = ?", (until, step.ns, lock.name))
    return Lock(lock.name, lock.owner, lock.token, until)


def _release(step: Step, lock: Lock) -> bool:
    if not _holds(step, lock):
        return False
    step.execute("DELETE FROM lock WHERE ns = ? AND name = ?", (step.ns, lock.name))
    step.ring(f"lock {lock.name}")
    return True
