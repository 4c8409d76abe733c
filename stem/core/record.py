"""What is kept of a finished job: state, value or error, and when everything happened."""

from __future__ import annotations

from typing import Final

import msgspec

from stem.core.outcome import ErrorRecord
from stem.core.states import JobState


class JobRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A finished job. Times are unix ms; `value` is the result as JSON, absent when none was kept."""

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
