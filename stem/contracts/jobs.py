"""Looking at single jobs, by id and by index."""

from __future__ import annotations

from typing import Protocol

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


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs a list shows; an empty field shows all."""

    states: tuple[JobState, ...] = ()
    queue: str = ""
    task: str = ""


class Jobs(Protocol):
    """Single jobs. Finished ones are known while their result lives."""

    async def get(self, job_id: str) -> JobRow | None:
        """The job with its envelope while there is one; None when the id is not known."""
        ...

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[JobRow], str]:
        """A page of jobs, newest first, without envelopes, and the cursor of the next page ("" at the end).

        A page is cut by position, so jobs that come or go meanwhile neither repeat nor hide others.
        """
        ...
