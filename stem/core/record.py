"""What is kept of a finished job: state, value or error, and when everything happened."""

from __future__ import annotations

from typing import Final

import msgspec

from stem.core.outcome import ErrorRecord
from stem.core.states import JobState


class JobRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A finished job. Times are unix ms; `value` is the result as JSON, absent when none was kept.

    `elsewhere`: the engine of results has the same record with its value.
    """

    state: JobState
    task: str
    queue: str
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: ErrorRecord | None = None
    reason: str = ""
    priority: int = 0
    attempts: int = 0
    losses: int = 0
    enqueued_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    worker: str = ""
    elsewhere: bool = False


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a running job says it is."""

    percent: float
    message: str = ""
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decoder: Final = msgspec.json.Decoder(JobRecord)
_progress: Final = msgspec.json.Decoder(Progress)
encode: Final = msgspec.json.Encoder().encode
decode_record: Final = _decoder.decode
decode_progress: Final = _progress.decode


def without_value(record: bytes) -> bytes | None:
    """The record that says that its value is elsewhere; None for one that has no value."""
    whole = decode_record(record)
    if isinstance(whole.value, msgspec.UnsetType):
        return None
    return encode(msgspec.structs.replace(whole, value=msgspec.UNSET, elsewhere=True))


def is_elsewhere(record: bytes) -> bool:
    """Whether the value of this record is in the engine of results."""
    return decode_record(record).elsewhere
