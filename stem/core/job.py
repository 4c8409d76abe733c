"""A job as people see it: what `JobHandle.status()`, `app.jobs` and the CLI show."""

from __future__ import annotations

from datetime import datetime

import msgspec

from stem.core.outcome import ErrorRecord
from stem.core.record import Progress
from stem.core.states import FINAL, JobState


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job at one moment. Instants are aware UTC; what is not known yet, or no longer, is None or empty.

    `arguments` and `result` are JSON text, for a single job and not in lists: `arguments` and `headers` until it has ended
    well, `result` from then on.
    """

    id: str
    task: str
    queue: str
    state: JobState
    priority: int = 0
    attempt: int = 0
    deliveries: int = 0
    losses: int = 0
    enqueued_at: datetime | None = None
    ready_at: datetime | None = None
    expires_at: datetime | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str = ""
    reason: str = ""
    error: ErrorRecord | None = None
    progress: Progress | None = None
    unique_key: str = ""
    waiting_for: str = ""
    arguments: str = ""
    result: str = ""
    headers: dict[str, str] = {}
    cancel_requested: bool = False

    @property
    def finished(self) -> bool:
        """Whether the job will not change by itself any more."""
        return self.state in FINAL
