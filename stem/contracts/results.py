"""What became of jobs, and waiting for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from stem.core.states import JobState


class Kept(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A record of a job that lives in another engine; `fence` is that of the delivery which made it."""

    id: str
    task: str
    queue: str
    state: JobState
    fence: int
    record: bytes
    keep_ms: int


class Results(Protocol):
    """Finished records by job id, kept for the job's result ttl; of a buried job as long as it is a dead letter too."""

    @property
    def reply_to(self) -> str:
        """The address to put into a Submission, so that this process is told when the job ends; "" if it has none."""
        ...

    async def get(self, ids: Sequence[str]) -> list[bytes | None]:
        """The JobRecords, in order; None where the job has not finished or is not known."""
        ...

    async def wait(self, job_id: str, timeout_ms: int | None) -> bytes | None:
        """The JobRecord as soon as there is one, whatever process stores it; None at the time-out. No polling.

        Also answers None at once when the id is not known at all, neither as a job nor as a result.
        """
        ...

    async def changed(self, job_id: str, version: str, timeout_ms: int | None) -> str:
        """The version of the job, as soon as it differs from `version` ("" differs from all). No polling.

        State changes and progress make new versions; the version of an unknown id is "gone". At the time-out the
        same version comes back.
        """
        ...

    async def keep(self, batch: Sequence[Kept]) -> None:
        """Store records of jobs that live in another engine; a record of a later fence stays, the same again is fine."""
        ...

    async def sweep(self, limit: int = 500) -> int:
        """Forget up to `limit` results and dead letters whose time is over, and as much of whatever else is; how much.

        Workers call it now and then, until the answer is 0.
        """
        ...
