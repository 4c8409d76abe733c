"""Jobs we stopped trying, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stem.contracts.dead_letters import DeadFilter, DeadLetter, Replayed
from stem.core import cursor as cursors
from stem.memory.line import put, take_unique
from stem.memory.space import Space, StoredJob


class MemoryDeadLetters:
    """The DeadLetters of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def get(self, job_id: str) -> DeadLetter | None:
        with self._space.lock:
            job = self._dead(job_id)
            return _letter(job, envelope=True) if job is not None else None

    async def page(self, which: DeadFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[DeadLetter], str]:
        with self._space.lock:
            now = self._now()
            dead = [j for j in self._space.jobs.values() if j.died_at and j.dead_until > now and _fits(j, which)]
        dead.sort(key=_place, reverse=True)
        before = cursors.moment(cursor)
        if before is not None:
            dead = [job for job in dead if _place(job) < before]
        page = dead[:limit]
        more = f"{page[-1].died_at}:{page[-1].sub.id}" if len(dead) > limit else ""
        return [_letter(job) for job in page], more

    async def replay(self, ids: Sequence[str], *, delay_ms: int = 0) -> list[Replayed]:
        with self._space.lock:
            return [self._replay(job_id, delay_ms, self._now()) for job_id in ids]

    async def purge(self, ids: Sequence[str]) -> int:
        space = self._space
        with space.lock:
            dead = [job for job_id in dict.fromkeys(ids) if (job := self._dead(job_id)) is not None]
            for job in dead:
                forget(space, job)
            return len(dead)

    def _dead(self, job_id: str) -> StoredJob | None:
        job = self._space.jobs.get(job_id)
        return job if job is not None and job.died_at and job.dead_until > self._now() else None

    def _replay(self, job_id: str, delay_ms: int, now: int) -> Replayed:
        space = self._space
        job = self._dead(job_id)
        if job is None:
            return Replayed(job_id, "gone")
        holder = take_unique(space, job.sub, now)
        if holder:
            return Replayed(job_id, "held", holder)
        space.line(job.sub.queue).numbers["dead"] -= 1
        space.results.pop(job_id, None)
        job.attempts = job.losses = job.died_at = 0
        job.reason, job.record, job.error, job.expires_at, job.cancel_reason = "", b"", b"", None, None
        job.overrides = job.progress = b""
        job.worker, job.started_at = "", None
        job.replays += 1
        job.ready_at = now + delay_ms
        put(space, job, now)
        space.changed(job)
        return Replayed(job_id, "replayed")


def forget(space: Space, job: StoredJob) -> None:
    """Drop a dead letter; its result lives on for its own time."""
    space.line(job.sub.queue).numbers["dead"] -= 1
    del space.jobs[job.sub.id]
    space.changed(job)


def _place(job: StoredJob) -> tuple[int, str]:
    return job.died_at, job.sub.id


def _fits(job: StoredJob, which: DeadFilter) -> bool:
    return (
        which.queue in {"", job.sub.queue}
        and which.task in {"", job.sub.task}
        and which.reason in {"", job.reason}
        and (which.since is None or job.died_at >= which.since)
        and (which.before is None or job.died_at < which.before)
    )


def _letter(job: StoredJob, *, envelope: bool = False) -> DeadLetter:
    return DeadLetter(
        id=job.sub.id,
        task=job.sub.task,
        queue=job.sub.queue,
        reason=job.reason,
        died_at=job.died_at,
        enqueued_at=job.enqueued_at,
        attempts=job.attempts,
        losses=job.losses,
        replays=job.replays,
        priority=job.sub.priority,
        unique_key=job.sub.unique.key if job.sub.unique is not None else "",
        record=job.record,
        envelope=job.sub.envelope if envelope else b"",
    )
