"""Stored rows as the values people see."""

from __future__ import annotations

from datetime import datetime

import msgspec

from stem.contracts.jobs import JobRow
from stem.core.duration import instant
from stem.core.envelope import Envelope, UndecodableError, decode
from stem.core.job import Job
from stem.core.limit import shown
from stem.core.outcome import ErrorRecord
from stem.core.record import JobRecord, decode_progress, decode_record

_error = msgspec.json.Decoder(ErrorRecord)


def job(row: JobRow, *, whole: bool = False) -> Job:
    """The Job of a stored row; `whole` with its result."""
    record = decode_record(row.record) if row.record else None
    error = record.error if record is not None else None
    if error is None and row.error:
        error = _error.decode(row.error)
    envelope = envelope_of(row)
    running = row.state == "running"
    return Job(
        id=row.id,
        task=row.task or (record.task if record else ""),
        queue=row.queue or (record.queue if record else ""),
        state=row.state,
        priority=record.priority if record else row.priority,
        attempt=record.attempts if record else row.attempts + running,
        deliveries=row.deliveries,
        losses=record.losses if record else row.losses,
        enqueued_at=_at(row.enqueued_at or (record.enqueued_at if record else 0)),
        ready_at=_at(row.ready_at) if row.state == "delayed" else None,
        expires_at=_at(row.expires_at),
        lease_until=_at(row.lease_until),
        started_at=_at(row.started_at or (record.started_at if record else 0)),
        finished_at=_at(row.finished_at),
        worker=row.worker or (record.worker if record else ""),
        reason=row.reason or (record.reason if record else ""),
        error=error,
        progress=decode_progress(row.progress) if row.progress else None,
        unique_key=row.unique_key,
        waiting_for=shown(row.parked_key),
        cancel_requested=row.cancel_requested,
        arguments=bytes(envelope.args).decode() if envelope else "",
        result=_value(record) if whole and record is not None else "",
        headers=envelope.headers if envelope else {},
    )


def envelope_of(row: JobRow) -> Envelope | None:
    """What the job was sent with, where it is still kept and can be read."""
    try:
        return decode(row.envelope) if row.envelope else None
    except UndecodableError:
        return None


def _value(record: JobRecord) -> str:
    return "" if isinstance(record.value, msgspec.UnsetType) else bytes(record.value).decode()


def _at(ms: int | None) -> datetime | None:
    return instant(ms) if ms else None
