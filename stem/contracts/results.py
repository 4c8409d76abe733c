"""What became of jobs, and waiting for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


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

    async def sweep(self, limit: int = 500) -> int:
        """Forget up to `limit` results and dead letters whose time is over, and as much of whatever else is; how much.

        Workers call it now and then, until the answer is 0.
        """
        ...
