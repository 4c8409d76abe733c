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

#: Version of the envelope's format. A worker refuses a newer one and buries the job with that reason.
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
    """What an attempt asked for its successors (`ctx.retry(max_retries=...)`): beside the envelope, never in it."""

    max_retries: int | None = None


class UndecodableError(Exception):
    """The bytes are no envelope that this version understands; the message says why."""


#: What foreign bytes can raise; ConfigError comes from a retry policy that no declaration would have accepted.
_FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ConfigError)
_decoder: Final = msgspec.json.Decoder(Envelope)
_encoder: Final = msgspec.json.Encoder()
_overrides: Final = msgspec.json.Decoder(Overrides)
encode: Final = _encoder.encode


def decode(data: bytes) -> Envelope:
    """The envelope in these bytes, or UndecodableError."""
    try:
        made = _decoder.decode(data)
    except _FAULTS as fault:
        raise UndecodableError(f"not an envelope: {fault}") from None
    if made.v > WIRE_VERSION:
        raise UndecodableError(f"wire version {made.v} is newer than {WIRE_VERSION}; update this worker")
    if made.v < 1:
        raise UndecodableError(f"wire version {made.v} never existed")
    return made


def decode_overrides(data: bytes) -> Overrides:
    """The overrides beside a job, or UndecodableError; empty bytes mean none."""
    try:
        return _overrides.decode(data) if data else Overrides()
    except _FAULTS as fault:
        raise UndecodableError(f"not the overrides of a job: {fault}") from None


def undecodable(fault: UndecodableError) -> ErrorRecord:
    """The fault as stored in the dead letter."""
    return ErrorRecord("UndecodableError", str(fault))
