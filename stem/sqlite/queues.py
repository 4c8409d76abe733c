"""Looking at lines and steering them, in SQLite."""

from __future__ import annotations

from typing import Final

from stem.contracts.queues import QueueStats
from stem.core.states import WAITING
from stem.sqlite.line import delete, free_unique, take_out
from stem.sqlite.rows import JOB, NUMBER, Job, find
from stem.sqlite.step import NUMBERS, Step, View
from stem.sqlite.store import Store

_COUNTED: Final = [name for name in NUMBERS if name != "tick"]
_STATS: Final = f"SELECT name, paused, {', '.join(_COUNTED)} FROM queue WHERE ns = ?"  # noqa: S608


class SqliteQueues:
    """The Queues of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def stats(self, queue: str) -> QueueStats:
        return await self._store.read(lambda view: _stats(view, queue))

    async def all(self) -> list[QueueStats]:
        return await self._store.read(
            lambda view: [_row(row) for row in view.execute(f"{_STATS} ORDER BY name", (view.ns,)).fetchall()]
        )

    async def pause(self, queue: str) -> None:
        await self._store.write(lambda step: _set_paused(step, queue, paused=True))

    async def resume(self, queue: str) -> None:
        await self._store.write(lambda step: _set_paused(step, queue, paused=False))

    async def purge(self, queue: str, limit: int = 1_000) -> int:
        return await self._store.write(lambda step: _purge(step, queue, limit))


def _stats(view: View, queue: str) -> QueueStats:
    row = view.execute(f"{_STATS} AND name = ?", (view.ns, queue)).fetchone()
    return QueueStats(name=queue) if row is None else _row(row)


def _row(row: tuple[str, int, *tuple[int, ...]]) -> QueueStats:
    name, paused, *numbers = row
    return QueueStats(name=name, paused=bool(paused), **dict(zip(_COUNTED, numbers, strict=True)))


def _set_paused(step: Step, queue: str, *, paused: bool) -> None:
    qid = step.queue(queue)
    step.execute("UPDATE queue SET paused = ? WHERE qid = ?", (paused, qid))
    if not paused:
        (queued,) = step.execute("SELECT queued FROM queue WHERE qid = ?", (qid,)).fetchone()
        step.ring_workers(queue, max(1, queued))


def _purge(step: Step, queue: str, limit: int) -> int:
    qid = step.find_queue(queue)
    if qid is None:
        return 0
    waiting: list[Job] = []
    for state in WAITING:  # a literal state each, so that its partial index serves
        query = f"SELECT {JOB} FROM job WHERE qid = ? AND ns = ? AND state = {NUMBER[state]} LIMIT ?"  # noqa: S608
        rows = step.execute(query, (qid, step.ns, limit - len(waiting))).fetchall()
        waiting += [Job._make(row) for row in rows]
    for one in waiting:
        job = find(step, one.id)  # letting one out may have moved another
        assert job is not None
        take_out(step, job)
        free_unique(step, job.id, job.unique_key, job.unique_for_ms)
        step.ended(job.id, job.reply_to)
    delete(step, waiting)
    return len(waiting)
