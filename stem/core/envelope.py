"""The envelope: the bytes of a job from enqueue to grave, and what travels beside them.

The bytes never change. Attempt, fence, losses, ready time and overrides lie beside them in the engine, so that a
signature made at enqueue verifies on every retry and replay.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stem.core.outcome import ErrorRecord
from stem.core.retry import RetryPolicy
from stem.core.unique import UniqueClaim
from stem.errors import ConfigError

#: Version of the envelope's format. A job of a newer one waits for a worker that can read it: see `core.unknown`.
WIRE_VERSION: Final = 1

Headers = dict[str, str]
Meta = dict[str, object]


class Envelope(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One call as it travels. Limits and retry terms are there only when the call itself set them.

    `run` and `step`: the workflow run that waits for its end, and under which key.
    """

    v: int
    id: str
    task: str
    enqueued_at: int
    args: msgspec.Raw
    headers: Headers = {}
    meta: Meta = {}
    schema: str = ""
    group: str = ""
    run: str = ""
    step: str = ""
    max_retries: int | None = None
    retry: RetryPolicy | None = None
    soft_ms: int | None = None
    hard_ms: int | None = None


class Submission(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One job on its way into an engine: the envelope, and what the engine must know before any worker sees it.

    `delay_ms` and `expires_ms` are spans from the store's own now; `ready_at` an instant (unix ms) that wins over
    `delay_ms`. `reply_to` is the address that the engine's own `results` role gave out, rung when the job ends.
    """

    id: str
    task: str
    queue: str
    envelope: bytes
    priority: int = 0
    delay_ms: int = 0
    ready_at: int | None = None
    expires_ms: int | None = None
    lease_ms: int = 30_000
    max_losses: int = 5
    unique: UniqueClaim | None = None
    rate_key: str = ""
    limit_key: str = ""
    result_ttl_ms: int = 86_400_000
    reply_to: str = ""


class Overrides(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a delivery left for its successors, beside the envelope and never in it.

    `max_retries`: as `ctx.retry(max_retries=...)` asked; `unknown_since` (unix ms): when a worker first found that it does
    not know this job, if none that does has had it since.
    """

    max_retries: int | None = None
    unknown_since: int = 0


class UndecodableError(Exception):
    """The bytes are no envelope that this version understands; the message says why."""


class NewerVersionError(UndecodableError):
    """The envelope was written by a newer stem; a worker of that version can read it."""


class _Versioned(msgspec.Struct, frozen=True):
    """What all versions of the envelope have."""

    v: int


#: What foreign bytes can raise; ConfigError comes from a retry policy that no declaration would have accepted.
_FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ConfigError)
_decoder: Final = msgspec.json.Decoder(Envelope)
_version: Final = msgspec.json.Decoder(_Versioned)
_encoder: Final = msgspec.json.Encoder()
_overrides: Final = msgspec.json.Decoder(Overrides)
encode: Final = _encoder.encode


def decode(data: bytes) -> Envelope:
    """The envelope in these bytes, or UndecodableError."""
    try:
        made = _decoder.decode(data)
    except _FAULTS as fault:
        _refuse_newer(data)
        raise UndecodableError(f"not an envelope: {fault}") from None
    if made.v > WIRE_VERSION:
        _refuse_newer(data)
    if made.v < 1:
        raise UndecodableError(f"wire version {made.v} never existed")
    return made


def _refuse_newer(data: bytes) -> None:
    """A newer version may have changed anything but the field that says so."""
    try:
        version = _version.decode(data).v
    except _FAULTS:
        return
    if version > WIRE_VERSION:
        raise NewerVersionError(f"wire version {version} is newer than {WIRE_VERSION}; update this worker") from None


def decode_overrides(data: bytes) -> Overrides:
    """The overrides beside a job, or UndecodableError; empty bytes mean none."""
    try:
        return _overrides.decode(data) if data else Overrides()
    except _FAULTS as fault:
        raise UndecodableError(f"not the overrides of a job: {fault}") from None


def undecodable(fault: UndecodableError) -> ErrorRecord:
    """The fault as stored in the dead letter."""
    return ErrorRecord("UndecodableError", str(fault))
