"""What became of jobs, in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from stem.contracts.results import Kept
from stem.memory.bells import sleep_on
from stem.memory.space import Space, StoredResult
from stem.memory.sweep import sweep


class MemoryResults:
    """The Results of a Space."""

    reply_to = ""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def get(self, ids: Sequence[str]) -> list[bytes | None]:
        with self._space.lock:
            return [self._record(job_id) for job_id in ids]

    async def wait(self, job_id: str, timeout_ms: int | None) -> bytes | None:
        deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        while True:
            with self._space.lock:
                record = self._record(job_id)
                if record is not None or self._version(job_id) == "gone":
                    return record
                bell = self._space.bells.arm(("job", job_id))
            if not await self._sleep(job_id, bell, deadline):
                return None

    async def changed(self, job_id: str, version: str, timeout_ms: int | None) -> str:
        deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        while True:
            with self._space.lock:
                here = self._version(job_id)
                if here != version:
                    return here
                bell = self._space.bells.arm(("job", job_id))
            if not await self._sleep(job_id, bell, deadline):
                return version

    async def keep(self, batch: Sequence[Kept]) -> None:
        space = self._space
        with space.lock:
            now = self._now()
            for one in batch:
                there = space.result(one.id, now)
                if there is not None and there.fence > one.fence:
                    continue
                space.results[one.id] = StoredResult(
                    id=one.id,
                    task=one.task,
                    queue=one.queue,
                    state=one.state,
                    fence=one.fence,
                    deliveries=0,
                    record=one.record,
                    finished_at=now,
                    expires_at=now + one.keep_ms,
                    seq=space.next_seq(),
                )
                space.bells.ring(("job", one.id))

    async def sweep(self, limit: int = 500) -> int:
        await asyncio.sleep(0)  # as in MemoryJobs.get
        with self._space.lock:
            return sweep(self._space, self._now(), limit)

    async def _sleep(self, job_id: str, bell: asyncio.Future[None], deadline: float | None) -> bool:
        left = None if deadline is None else max(0, round((deadline - time.monotonic()) * 1000))
        try:
            return await sleep_on(bell, left)
        finally:
            with self._space.lock:
                self._space.bells.disarm(("job", job_id), bell)

    def _record(self, job_id: str) -> bytes | None:
        """Of a finished job, while its result lives, or while it lies among the dead letters."""
        now = self._now()
        result, job = self._space.result(job_id, now), self._space.jobs.get(job_id)
        if result is None and job is not None and job.died_at and job.dead_until > now:
            return job.record
        return None if result is None else result.record

    def _version(self, job_id: str) -> str:
        job = self._space.jobs.get(job_id)
        if job is not None:
            return f"{job.seq}.{job.changes}"
        result = self._space.result(job_id, self._now())
        return "gone" if result is None else f"done.{result.seq}"
