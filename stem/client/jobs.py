"""`app.jobs`: single jobs and lists of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import TypeAlias

import msgspec

from stem.client.handle import cancel
from stem.client.views import job as job_view
from stem.clock import Clock
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter
from stem.core.cursor import page_size
from stem.core.duration import instant
from stem.core.job import Job
from stem.core.states import JobState
from stem.errors import UnknownJobError

#: Several states; a tuple, too, is named, because mypy reads one against its own type alone.
JobStates: TypeAlias = tuple[JobState, ...] | list[JobState] | set[JobState] | frozenset[JobState]


class JobsPage(msgspec.Struct, frozen=True):
    """Jobs, newest first; the cursor of the next page ("" at the end); how many jobs were looked at, and back to when."""

    jobs: list[Job]
    cursor: str
    looked: int
    back_to: datetime | None


class JobsView:
    """Looking at jobs, and ending them."""

    def __init__(self, engine: Callable[[], Engine], clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    async def get(self, job_id: str) -> Job:
        """One job; UnknownJobError when it is not known, or its result has passed its time."""
        row = await self._engine().jobs.get(job_id)
        if row is None:
            raise UnknownJobError(job_id)
        return job_view(row, whole=True)

    async def list(
        self, *, states: JobStates = (), queue: str = "", task: str = "", limit: int = 50, cursor: str = ""
    ) -> tuple[list[Job], str]:
        """A page of jobs, newest first, and the cursor of the next page ("" at the end)."""
        page = await self.page(states=states, queue=queue, task=task, limit=limit, cursor=cursor)
        return page.jobs, page.cursor

    async def page(
        self, *, states: JobStates = (), queue: str = "", task: str = "", limit: int = 50, cursor: str = ""
    ) -> JobsPage:
        """The same, and how far back it looked: a page looks at 2,000 jobs at most, and may be short for that."""
        page_size(limit)
        which = JobFilter(states=tuple(states), queue=queue, task=task)
        page = await self._engine().jobs.page(which, limit=limit, cursor=cursor)
        back_to = None if page.back_to is None else instant(page.back_to)
        return JobsPage([job_view(row) for row in page.rows], page.cursor, page.looked, back_to)

    async def all(self, *, states: JobStates = (), queue: str = "", task: str = "") -> AsyncIterator[Job]:
        """Every such job, page by page."""
        cursor = ""
        while True:
            page, cursor = await self.list(states=states, queue=queue, task=task, limit=500, cursor=cursor)
            for one in page:
                yield one
            if not cursor:
                return

    async def cancel(self, job_id: str, reason: str = "cancelled by an operator") -> bool:
        """End it, or ask its worker to. False: it had ended. An unknown id is remembered and never runs."""
        return await cancel(self._engine(), job_id, reason, now_ms=self._clock.now_ms())
