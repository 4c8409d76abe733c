"""Looking at single jobs, by id and by index."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from stem.core.states import JobState


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job as stored. Times are unix ms; `record` is the JobRecord of a finished job, `error` the last ErrorRecord."""

    id: str
    task: str
    queue: str
    state: JobState
    priority: int = 0
    attempts: int = 0
    fence: int = 0
    deliveries: int = 0
    losses: int = 0
    result_ttl_ms: int = 0
    enqueued_at: int = 0
    ready_at: int | None = None
    expires_at: int | None = None
    lease_until: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    worker: str = ""
    unique_key: str = ""
    parked_key: str = ""
    reason: str = ""
    cancel_requested: bool = False
    progress: bytes = b""
    error: bytes = b""
    record: bytes = b""
    envelope: bytes = b""


#: Jobs that one page looks at, at most.
LOOK: Final = 2_000


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs a list shows; an empty field shows all."""

    states: tuple[JobState, ...] = ()
    queue: str = ""
    task: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it shows all."""
        return not self.states and not self.queue and not self.task

    def shows(self, row: JobRow) -> bool:
        """Whether this job is shown."""
        return (
            (not self.states or row.state in self.states)
            and self.queue in {"", row.queue}
            and self.task in {"", row.task}
        )


class JobPage(msgspec.Struct, frozen=True):
    """Some jobs, newest first, and the cursor of the next page ("" at the end).

    A page that is short is not the end: a filter may have left nothing of the `looked` jobs that were looked at, back to
    the one that was enqueued, or that ended, at `back_to` (unix ms; None when no job was looked at).
    """

    rows: list[JobRow]
    cursor: str = ""
    looked: int = 0
    back_to: int | None = None


class Jobs(Protocol):
    """Single jobs. Finished ones are known while their result lives."""

    async def get(self, job_id: str) -> JobRow | None:
        """The job with its envelope while there is one; None when the id is not known."""
        ...

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "", look: int = LOOK) -> JobPage:
        """A page of jobs, newest first, without envelopes. It looks at no more than `look` jobs.

        A page is cut by position, so jobs that come or go meanwhile neither repeat nor hide others.
        """
        ...
