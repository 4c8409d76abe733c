"""A handle on one job."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any, Final, Generic, TypeVar, cast

import msgspec
from pydantic import ValidationError

from stem.client.known import why_it_waits
from stem.client.views import envelope_of
from stem.client.views import job as job_view
from stem.clock import Clock
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobRow
from stem.core.codec import faults
from stem.core.commands import COMMAND_TTL_MS, RENEW, inbox_of
from stem.core.context import Enqueued
from stem.core.duration import Duration, milliseconds
from stem.core.job import Job
from stem.core.options import DEFAULT_RESULT_TTL_MS, text
from stem.core.outcome import Stopped
from stem.core.record import JobRecord, decode_record
from stem.core.settle import Terms, follow_ups, settle
from stem.core.states import FINAL
from stem.core.task import AnyTask
from stem.errors import JobCancelled, JobError, JobFailed, ResultNotKept, ResultTimeout, UnknownJobError
from stem.values import Receipt

R_co = TypeVar("R_co", covariant=True)
log = logging.getLogger("stem.client")

#: After so long without a result it is looked whether any worker knows the task.
PATIENCE_MS: Final = 2_000


class Handle(Generic[R_co]):
    """The JobHandle of an engine; without a task (`stem result ID`) values come as plain JSON."""

    def __init__(
        self, engine: Engine, job_id: str, task: AnyTask | None, *, enqueued: Enqueued = "new", clock: Clock
    ) -> None:
        self._engine, self._task, self._clock = engine, task, clock
        self._id, self._enqueued = job_id, enqueued

    def __repr__(self) -> str:
        return f"<job {self._id} ({self._enqueued})>"

    @property
    def id(self) -> str:
        return self._id

    @property
    def enqueued(self) -> Enqueued:
        return self._enqueued

    async def result(self, timeout: Duration | None = None) -> R_co:  # noqa: ASYNC109 - the public name in this field
        """See JobHandle."""
        wait_ms = None if timeout is None else milliseconds(timeout, what="timeout")
        first_ms = PATIENCE_MS if wait_ms is None else min(wait_ms, PATIENCE_MS)
        stored = await self._engine.results.wait(self._id, first_ms)
        if stored is None and first_ms != wait_ms:
            if why := await self._why_it_waits():
                log.warning("job %s has no result yet: %s", self._id, why)
            stored = await self._engine.results.wait(self._id, None if wait_ms is None else wait_ms - first_ms)
        if stored is None:
            row = await self._engine.jobs.get(self._id)
            if row is None:
                raise UnknownJobError(self._id)
            if row.state not in FINAL:
                why = await self._why_it_waits()
                raise ResultTimeout(self._id, seconds=(wait_ms or 0) / 1000, state=row.state, why=why)
            stored = row.record  # it has ended since the wait did
        return cast("R_co", self._value(decode_record(stored)))

    async def _why_it_waits(self) -> str:
        row = await self._engine.jobs.get(self._id)
        if row is None:
            return ""
        return await why_it_waits(self._engine, task=row.task, queue=row.queue, state=row.state)

    async def status(self) -> Job:
        """See JobHandle."""
        row = await self._engine.jobs.get(self._id)
        if row is None:
            raise UnknownJobError(self._id)
        return job_view(row, whole=True)

    async def cancel(self, reason: str = "cancelled by the caller") -> bool:
        """See JobHandle."""
        return await cancel(self._engine, self._id, reason, now_ms=self._clock.now_ms())

    async def watch(self) -> AsyncIterator[Job]:
        """See JobHandle."""
        version = ""
        while True:
            version = await self._engine.results.changed(self._id, version, None)
            seen = await self.status()
            yield seen
            if seen.finished:
                return

    def _value(self, record: JobRecord) -> Any:
        if record.state == "cancelled":
            raise JobCancelled(self._id, reason=record.reason)
        if record.state == "failed":
            error = record.error
            raise JobFailed(
                self._id,
                reason=record.reason,
                error_type=error.type if error else "",
                error_message=error.message if error else "",
                traceback=error.traceback if error else "",
            )
        if isinstance(record.value, msgspec.UnsetType):
            if record.elsewhere:
                raise UnknownJobError(
                    self._id,
                    f"job {self._id} succeeded, but its value is not in the engine of results: it was lost there",
                )
            raise ResultNotKept(self._id)
        if self._task is None:
            return msgspec.json.decode(record.value)
        try:
            return self._task.results.decode(bytes(record.value))
        except ValidationError as fault:
            text = f"the stored result of job {self._id} no longer fits {self._task.signature}: "
            raise JobError(self._id, text + "; ".join(faults(fault, self._task.returns))) from None


async def cancel(engine: Engine, job_id: str, reason: str, *, now_ms: int) -> bool:
    """Cancel a job in whatever state it is; False when it had ended otherwise already."""
    text(reason, "the reason of a cancel")
    row = await engine.jobs.get(job_id)
    terms = Terms(receipt=Receipt(job_id, -1), attempt=0) if row is None else _terms(row)
    settlement = settle(terms, Stopped(reason), now_ms=now_ms, jitter=0.0)
    answer = await engine.broker.cancel(job_id, reason, settlement)
    if answer.status == "requested" and row is not None and row.worker:
        await engine.inbox.send(inbox_of(row.worker), RENEW, ttl_ms=COMMAND_TTL_MS)
    return answer.status != "finished" or answer.state == "cancelled"


def _terms(row: JobRow) -> Terms:
    """Of a job that waits, should it be cancelled now: nothing of it has run since its last settlement."""
    envelope = envelope_of(row)
    return Terms(
        receipt=Receipt(row.id, row.fence),
        task=row.task,
        queue=row.queue,
        priority=row.priority,
        attempt=row.attempts,
        losses=row.losses,
        enqueued_at=row.enqueued_at,
        result_ttl_ms=row.result_ttl_ms or DEFAULT_RESULT_TTL_MS,
        effects=() if envelope is None else follow_ups(envelope, row.id),
    )
