"""What became of jobs, in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stem.contracts.results import Kept
from stem.sqlite.dead_letters import forget
from stem.sqlite.desk import Answer
from stem.sqlite.ending import INSTEAD, KEEP
from stem.sqlite.rows import JOB, NUMBER, Job, record_of
from stem.sqlite.step import Step, View
from stem.sqlite.store import NotYet, Store

_DEAD: Final = f"SELECT {JOB} FROM job INDEXED BY job_rotten WHERE ns = ? AND died_at > 0 AND dead_until <= ? LIMIT ?"  # noqa: S608
_KEPT: Final = f"""
{KEEP} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
{INSTEAD} WHERE result.fence <= excluded.fence OR result.expires_at <= ?"""
#: What else is over at some time: the table, its key and the column that says when.
_ALSO: Final = (
    ("uniq", "key", "until"),
    ("bucket", "key", "full_at"),
    ("lock", "name", "until"),
    ("inbox", "seq", "until"),
    ("channel", "seq", "until"),
    ("present", "worker", "until"),
)


class SqliteResults:
    """The Results of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def reply_to(self) -> str:
        return self._store.address

    async def get(self, ids: Sequence[str]) -> list[bytes | None]:
        return await self._store.read(lambda view: [record_of(view, job_id) for job_id in ids])

    async def wait(self, job_id: str, timeout_ms: int | None) -> bytes | None:
        address = self._store.address
        found = await self._store.until(f"end {job_id}", lambda view: _ended(view, job_id, address), timeout_ms)
        return found.value if found is not None else None

    async def changed(self, job_id: str, version: str, timeout_ms: int | None) -> str:
        found = await self._store.until(f"job {job_id}", lambda view: _changed(view, job_id, version), timeout_ms)
        return found.value if found is not None else version

    async def keep(self, batch: Sequence[Kept]) -> None:
        await self._store.write(lambda step: _keep(step, batch), weight=len(batch))

    async def sweep(self, limit: int = 500) -> int:
        return await self._store.write(lambda step: _sweep(step, limit))


def _ended(view: View, job_id: str, address: str) -> Answer[bytes | None] | NotYet:
    """The record, or None for a job that is not known; one that was enqueued from here rings by itself."""
    record = record_of(view, job_id)
    if record is not None:
        return Answer(record)
    row = view.execute("SELECT reply_to FROM job WHERE ns = ? AND id = ?", (view.ns, job_id)).fetchone()
    return Answer(None) if row is None else NotYet(told=row[0] == address)


def _changed(view: View, job_id: str, version: str) -> Answer[str] | NotYet:
    here = _version(view, job_id)
    return Answer(here) if here != version else NotYet()


def _version(view: View, job_id: str) -> str:
    row = view.execute("SELECT seq, changes FROM job WHERE ns = ? AND id = ?", (view.ns, job_id)).fetchone()
    if row is not None:
        return f"{row[0]}.{row[1]}"
    query = "SELECT seq FROM result WHERE ns = ? AND id = ? AND expires_at > ?"
    row = view.execute(query, (view.ns, job_id, view.now)).fetchone()
    return "gone" if row is None else f"done.{row[0]}"


def _keep(step: Step, batch: Sequence[Kept]) -> None:
    for one in batch:
        row = (step.next_seq(), step.ns, one.id, one.task, step.queue(one.queue), NUMBER[one.state], one.fence)
        step.execute(_KEPT, (*row, 0, step.now, step.now + one.keep_ms, one.record, step.now))
        step.ended(one.id, "")


def _sweep(step: Step, limit: int) -> int:
    over = _trim(step, "result", "seq", "expires_at", limit)
    dead = [Job._make(row) for row in step.execute(_DEAD, (step.ns, step.now, limit - over)).fetchall()]
    for job in dead:
        forget(step, job)
    also = sum(_trim(step, table, key, until, limit) for table, key, until in _ALSO)
    return over + len(dead) + also + _trim_groups(step, limit)


def _trim(step: Step, table: str, key: str, until: str, limit: int) -> int:
    """Delete up to `limit` rows of this namespace whose time is over; how many."""
    which = f"SELECT {key} FROM {table} WHERE ns = ?1 AND {until} <= ?2 LIMIT ?3"  # noqa: S608
    # a number is unique in the file; asked for `ns` too, SQLite would read the index of times from end to end
    here = "" if key == "seq" else "ns = ?1 AND "
    query = f"DELETE FROM {table} WHERE {here}{key} IN ({which})"  # noqa: S608
    return step.execute(query, (step.ns, step.now, limit)).rowcount


def _trim_groups(step: Step, limit: int) -> int:
    query = "SELECT id FROM grp WHERE ns = ? AND expires_at <= ? LIMIT ?"
    over = [(step.ns, group) for (group,) in step.execute(query, (step.ns, step.now, limit)).fetchall()]
    step.executemany("DELETE FROM grp_member WHERE ns = ? AND grp = ?", over)
    step.executemany("DELETE FROM grp WHERE ns = ? AND id = ?", over)
    return len(over)
