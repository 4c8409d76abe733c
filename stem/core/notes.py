"""What the runtime keeps beside a run between two claims: failed attempts, and how far an ending has come."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from stem.core.outcome import ErrorRecord


class Tries(msgspec.Struct, frozen=True, omit_defaults=True):
    """Failed attempts at a step, and when the next may be made (unix ms, by the store)."""

    count: int
    error: ErrorRecord
    again_at: int = 0


class Notes(msgspec.Struct, omit_defaults=True):
    """`phase`: undoing what was done, after a failure or a cancellation. `doing`: the step that was begun last, noted
    only while workers die over the run. `params`: the parameters with the defaults of the code that began the run, if its
    producer left some out; a default of a later deploy does not reach a run that has begun.
    """

    tries: dict[str, Tries] = {}
    phase: Literal["", "failing", "cancelling"] = ""
    error: ErrorRecord | None = None
    doing: str = ""
    params: msgspec.Raw = msgspec.Raw()


_decoder: Final = msgspec.json.Decoder(Notes)


def decode_notes(data: bytes) -> Notes:
    """What was kept; nothing when there is nothing."""
    return _decoder.decode(data) if data else Notes()


def encode_notes(notes: Notes) -> bytes:
    """As stored."""
    return msgspec.json.encode(notes)
