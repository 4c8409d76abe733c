"""What became of one attempt, before anybody decided what to store about it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from stem.core.lease import Ended
from stem.core.unknown import UNKNOWN_FOR_MS

#: Why a job was not run: nobody here knows its task, its bytes are no envelope, its arguments do not fit the model,
#: the call asks for what this worker cannot do, or it had started under `at_most_once` and its worker had to stop.
Refusal: TypeAlias = Literal["unknown_task", "undecodable", "invalid_arguments", "unsupported", "interrupted"]


#: Longest message and longest traceback kept of a failed attempt, characters.
LONGEST_TEXT: Final = 8_000


class ErrorRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An error as stored: class name, message and the formatted traceback (empty when there is none)."""

    type: str
    message: str
    traceback: str = ""


def error_record(kind: str, message: str, traceback: str = "") -> ErrorRecord:
    """An error as stored, whatever its texts hold: what UTF-8 cannot carry is escaped, the rest cut to LONGEST_TEXT.

    Of a message the beginning is kept, of a traceback the end, where the error is.
    """
    return ErrorRecord(_carried(kind), _carried(message[:LONGEST_TEXT]), _carried(traceback[-LONGEST_TEXT:]))


def _carried(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class Returned(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The function came to its end; `value` is its result as JSON."""

    value: bytes


class Raised(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The function raised, ran over a limit, or returned what cannot be encoded; `names` as `error_names`.

    `final`: another attempt would come to the same.
    """

    error: ErrorRecord
    names: tuple[str, ...]
    final: bool = False


class RetryAsked(msgspec.Struct, frozen=True, tag=True):
    """The function called `ctx.retry(...)`: `delay_ms` None means the policy's own back-off."""

    error: ErrorRecord
    delay_ms: int | None = None
    max_retries: int | None = None


class Snoozed(msgspec.Struct, frozen=True, tag=True):
    """The function called `ctx.snooze(...)`: run me later, this attempt does not count."""

    delay_ms: int


class Stopped(msgspec.Struct, frozen=True, tag=True):
    """The job was cancelled while it ran, and the function has ended."""

    reason: str


class NotRun(msgspec.Struct, frozen=True, tag=True):
    """The claim handed the job out only to be settled."""

    ended: Ended


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """The function was never called: this worker does not know the job's task, schema or wire version; another one may.

    `unknown_for_ms`: how long the job waits for that one.
    """

    reason: Refusal
    error: ErrorRecord
    unknown_for_ms: int = UNKNOWN_FOR_MS


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The function was never called: the job cannot be understood here, and trying again would not help."""

    reason: Refusal
    error: ErrorRecord


Outcome: TypeAlias = Returned | Raised | RetryAsked | Snoozed | Stopped | NotRun | Unknown | Refused
