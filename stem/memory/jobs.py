"""Single jobs, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stem.contracts.jobs import LOOK, JobFilter, JobPage, JobRow
from stem.core import cursor as cursors
from stem.memory.space import Space, StoredJob, StoredResult


class MemoryJobs:
    """The Jobs of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def get(self, job_id: str) -> JobRow | None:
        await asyncio.sleep(0)  # who asks in a loop must not keep the jobs it asks about from running
        with self._space.lock:
            job, result = self._space.jobs.get(job_id), self._space.result(job_id, self._now())
            if job is not None:
                return _live(job, envelope=True)
            return _finished(result) if result is not None else None

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "", look: int = LOOK) -> JobPage:
        space, now = self._space, self._now()
        with space.lock:
            live = [(job.seq, _live(job)) for job in space.jobs.values()]
            over = [
                (result.seq, _finished(result))
                for result in list(space.results.values())
                if result.expires_at > now and result.id not in space.jobs
            ]
        before = cursors.number(cursor)
        rows = sorted(
            ((seq, row) for seq, row in live + over if _is_behind(seq, row, before, which)), key=lambda pair: -pair[0]
        )
        seen = rows[:look]
        end = seen[-1][0] if len(rows) > look else 0
        page, more = cursors.cut([pair for pair in seen if which.shows(pair[1])], end, limit)
        last = seen[-1][1] if seen else None
        back_to = None if last is None else last.finished_at or last.enqueued_at
        return JobPage([row for _, row in page], more, len(seen), back_to)


def _is_behind(seq: int, row: JobRow, before: int | None, which: JobFilter) -> bool:
    """Whether a page would come to it: of other states it sees nothing, as by an index."""
    return (before is None or seq < before) and (not which.states or row.state in which.states)


def _live(job: StoredJob, *, envelope: bool = False) -> JobRow:
    sub = job.sub
    running = job.state == "running"
    dead = bool(job.died_at)
    return JobRow(
        id=sub.id,
        task=sub.task,
        queue=sub.queue,
        state=job.state,
        priority=sub.priority,
        attempts=job.attempts,
        fence=job.fence,
        deliveries=job.deliveries,
        losses=job.losses,
        result_ttl_ms=sub.result_ttl_ms,
        enqueued_at=job.enqueued_at,
        ready_at=job.ready_at,
        expires_at=job.expires_at,
        lease_until=job.lease_until if running else None,
        started_at=job.started_at,
        finished_at=job.died_at if dead else None,
        worker=job.worker,
        unique_key=sub.unique.key if sub.unique is not None else "",
        parked_key=job.parked_key,
        reason=job.reason,
        cancel_requested=job.cancel_reason is not None,
        progress=job.progress,
        error=job.error,
        record=job.record,
        envelope=sub.envelope if envelope else b"",
    )


def _finished(result: StoredResult) -> JobRow:
    return JobRow(
        id=result.id,
        task=result.task,
        queue=result.queue,
        state=result.state,
        fence=max(0, result.fence),
        deliveries=result.deliveries,
        finished_at=result.finished_at,
        record=result.record,
    )
