"""Two engines as one: jobs in one, the values that they return in another.

What a job became is always said by the engine of the jobs; the other one only has the values, which may be large. A value
is stored first, under the fence of its delivery, and then the job is settled: a crash between the two leaves a value that
nobody asks for, and the next delivery writes its own over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from stem.contracts.broker import Broker, Settled
from stem.contracts.engine import Engine, Finding
from stem.contracts.jobs import LOOK, JobFilter, JobPage, JobRow, Jobs
from stem.contracts.results import Kept, Results
from stem.core.record import is_elsewhere, without_value
from stem.core.settle import Finish, Settlement


class SplitEngine:
    """`jobs` for everything, with the values of results in `values`."""

    def __init__(self, jobs: Engine, values: Engine) -> None:
        self._jobs, self._values = jobs, values
        self.url, self.namespace = jobs.url, jobs.namespace
        self.broker = SplitBroker(jobs.broker, values.results)
        self.results = SplitResults(jobs.results, values.results)
        self.jobs = SplitJobs(jobs.jobs, self.results)

    def __getattr__(self, role: str) -> Any:
        return getattr(self._jobs, role)

    @property
    def skew_ms(self) -> int:
        return self._jobs.skew_ms

    @skew_ms.setter
    def skew_ms(self, skew_ms: int) -> None:
        self._jobs.skew_ms = self._values.skew_ms = skew_ms

    async def open(self) -> None:
        await self._jobs.open()
        try:
            await self._values.open()
        except BaseException:
            await self._jobs.close()
            raise

    async def close(self) -> None:
        try:
            await self._values.close()
        finally:
            await self._jobs.close()

    async def findings(self) -> list[Finding]:
        return [*await self._jobs.findings(), *await self._values.findings()]

    def describe(self) -> dict[str, str]:
        values = {f"results {name}": said for name, said in self._values.describe().items()}
        return {**self._jobs.describe(), **values}


class SplitBroker:
    """The broker of the jobs; a settlement with a value stores the value first."""

    def __init__(self, broker: Broker, values: Results) -> None:
        self._broker, self._values = broker, values

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._broker, operation)

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        """See the contract; both steps are safe to repeat."""
        parted = [_parted(one) for one in batch]
        kept = [value for _, value in parted if value is not None]
        if kept:
            await self._values.keep(kept)
        return await self._broker.settle([settlement for settlement, _ in parted])


class SplitResults:
    """Records of the jobs' engine, their values from the other one."""

    def __init__(self, results: Results, values: Results) -> None:
        self._results, self._values = results, values

    @property
    def reply_to(self) -> str:
        return self._results.reply_to

    async def get(self, ids: Sequence[str]) -> list[bytes | None]:
        records = await self._results.get(ids)
        asked = [i for i, record in enumerate(records) if record is not None and is_elsewhere(record)]
        values = await self._values.get([ids[i] for i in asked]) if asked else []
        for i, value in zip(asked, values, strict=True):
            records[i] = value or records[i]
        return records

    async def wait(self, job_id: str, timeout_ms: int | None) -> bytes | None:
        if await self._results.wait(job_id, timeout_ms) is None:
            return None
        (record,) = await self.get([job_id])
        return record

    async def changed(self, job_id: str, version: str, timeout_ms: int | None) -> str:
        return await self._results.changed(job_id, version, timeout_ms)

    async def keep(self, batch: Sequence[Kept]) -> None:
        await self._results.keep(batch)

    async def sweep(self, limit: int = 500) -> int:
        over = await self._results.sweep(limit)
        await self._values.sweep(limit)  # there are no more of them than of records
        return over


class SplitJobs:
    """Jobs with the records of the other engine."""

    def __init__(self, jobs: Jobs, results: SplitResults) -> None:
        self._jobs, self._results = jobs, results

    async def get(self, job_id: str) -> JobRow | None:
        row = await self._jobs.get(job_id)
        if row is None or not row.record:
            return row
        (record,) = await self._results.get([job_id])
        return msgspec.structs.replace(row, record=record or row.record)

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "", look: int = LOOK) -> JobPage:
        return await self._jobs.page(which, limit=limit, cursor=cursor, look=look)


def _parted(one: Settlement) -> tuple[Settlement, Kept | None]:
    """The settlement without its value, and the value by itself."""
    action = one.action
    stub = without_value(action.record) if isinstance(action, Finish) else None
    if stub is None or not isinstance(action, Finish):
        return one, None
    kept = Kept(
        id=one.receipt.job_id,
        task=one.signal.task,
        queue=one.signal.queue,
        state=action.state,
        fence=one.receipt.fence,
        record=action.record,
        keep_ms=action.keep_ms,
    )
    return msgspec.structs.replace(one, action=msgspec.structs.replace(action, record=stub)), kept
