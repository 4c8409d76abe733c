"""Packed values as Python sees them; their layout is written in `lua/lib/packed.lua` and `lua/lib/line.lua`."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from stem.contracts.broker import Delivery
from stem.core.envelope import Submission
from stem.core.lease import Ended
from stem.core.settle import Again, Arrive, Bury, Complete, Effect, Enqueue, Finish, Settlement
from stem.core.states import JobState
from stem.redis.line import Word
from stem.redis.names import plain, safe

#: The states by their number in the store.
STATES: Final[tuple[JobState, ...]] = ("queued", "delayed", "parked", "running", "succeeded", "failed", "cancelled")
PARKED, RUNNING, SUCCEEDED, FAILED, CANCELLED = range(2, 7)
NUMBER: Final[dict[str, int]] = {state: number for number, state in enumerate(STATES)}
_ENDED: Final[dict[bytes, Ended]] = {b"lost": "lost", b"expired": "expired"}
#: The flag of a job that somebody wants to end.
CANCEL: Final = 32

_HEAD: Final = struct.Struct("<BBHddIIIIdddddIdd")
_TAIL: Final = struct.Struct("<Idd")
_RESULT: Final = struct.Struct("<BddddI")
_LENGTH: Final = struct.Struct("<I")
_LINE: Final = struct.Struct("<BI" + "IId" * 10)


class State(NamedTuple):
    """A live job or a dead letter. Instants are unix ms; -1 where there is none."""

    state: int
    priority: int
    flags: int
    seq: int
    fence: int
    deliveries: int
    changes: int
    attempts: int
    losses: int
    settled: int
    enqueued_at: int
    ready_at: int
    expires_at: int
    started_at: int
    max_losses: int
    lease_ms: int
    result_ttl_ms: int
    queue: str
    task: str
    worker: str


def unpack_state(value: bytes) -> State:
    """The state in a packed value."""
    numbers = _HEAD.unpack_from(value)
    queue, task, worker, _ = value[_HEAD.size :].split(b"\0")
    return State._make((*map(int, numbers), *(plain(name.decode()) for name in (queue, task, worker))))


#: Of a job just handed out: priority, fence, attempts, losses, time of enqueue; behind them what many jobs share.
_HANDED: Final = struct.Struct("<xB2x8xd4x4xII8xd24x")
_SHARED: Final = struct.Struct("<Idd")


def unpack_delivery(job_id: bytes, packed: bytes, envelope: bytes, *more: Any) -> Delivery:
    """A delivery; `more` is there when one of it is not empty: why it ended, why it is cancelled, its overrides."""
    priority, fence, attempts, losses, enqueued_at = _HANDED.unpack_from(packed)
    max_losses, lease_ms, ttl_ms, queue, task = _shared(packed[_HANDED.size :])
    ended, reason, overrides = more or (b"", None, b"")
    return Delivery(
        id=job_id.decode(),
        fence=int(fence),
        task=task,
        queue=queue,
        envelope=envelope,
        attempt=attempts + 1,
        losses=losses,
        lease_ms=lease_ms,
        enqueued_at=int(enqueued_at),
        priority=priority,
        result_ttl_ms=ttl_ms,
        max_losses=max_losses,
        overrides=overrides,
        ended=_ENDED.get(ended),
        cancel_reason=None if reason is None else reason.decode(),
    )


@lru_cache(maxsize=1024)
def _shared(packed: bytes) -> tuple[int, int, int, str, str]:
    """Losses allowed, lease, result ttl, queue and task: the same bytes for all jobs of a task that one worker claims."""
    max_losses, lease_ms, ttl_ms = _SHARED.unpack_from(packed)
    queue, task, _, _ = packed[_SHARED.size :].split(b"\0")
    return max_losses, int(lease_ms), int(ttl_ms), plain(queue.decode()), plain(task.decode())


class Over(NamedTuple):
    """What is kept of a finished job; of one that was cancelled before anybody enqueued it queue and task are empty."""

    state: int
    finished_at: int
    expires_at: int
    seq: int
    fence: int
    deliveries: int
    queue: str
    task: str
    worker: str
    record: bytes


def unpack_result(value: bytes) -> Over:
    """The result in a packed value."""
    *names, record = value[_RESULT.size :].split(b"\0", 3)
    return Over._make((*map(int, _RESULT.unpack_from(value)), *(plain(name.decode()) for name in names), record))


def unpack_line(value: bytes) -> tuple[bool, int]:
    """Whether a queue is paused, and how many of its jobs are ready."""
    numbers = _LINE.unpack(value)
    return bool(numbers[0]), sum(numbers[2::3])


def pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    """Names and values in turn as a dict."""
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


# ---------------------------------------------------------------- what is sent


def submission_words(sub: Submission) -> tuple[Word, ...]:
    """A job to be published: eight words, as `lua/lib/publishing.lua` says."""
    when = f"={sub.ready_at}" if sub.ready_at is not None else f"+{sub.delay_ms}" if sub.delay_ms > 0 else ""
    return (
        sub.id,
        safe(sub.queue),
        sub.priority,
        when,
        "" if sub.expires_ms is None else sub.expires_ms,
        _tail(sub.max_losses, sub.lease_ms, sub.result_ttl_ms, sub.queue, sub.task),
        sub.envelope,
        _more(sub) if sub.unique is not None or sub.rate_key or sub.limit_key else b"",
    )


@lru_cache(maxsize=1024)
def _tail(max_losses: int, lease_ms: int, ttl_ms: int, queue: str, task: str) -> bytes:
    return _TAIL.pack(max_losses, lease_ms, ttl_ms) + f"{safe(queue)}\0{safe(task)}\0\0".encode()


def _more(sub: Submission) -> bytes:
    unique = sub.unique
    if unique is None:
        return _words((sub.limit_key, sub.rate_key, "", "", ""))
    for_ms = "" if unique.for_ms is None else unique.for_ms
    return _words((sub.limit_key, sub.rate_key, unique.key, for_ms, "1" if unique.until == "start" else ""))


class Outgoing(msgspec.Struct, frozen=True):
    """In the place of an effect that belongs to another partition: what is put out, under a token that never comes again."""

    token: str
    what: bytes


StoredEffect: TypeAlias = Effect | Outgoing


def settlement_words(one: Settlement, effects: Sequence[StoredEffect]) -> tuple[Word, ...]:
    """A settlement with these effects: nine words, as `lua/lib/ending.lua` says."""
    job_id, fence = one.receipt
    packed = b"".join(map(packed_effect, effects)) if effects else b""
    action = one.action
    match action:
        case Finish():
            return (job_id, fence, "F", NUMBER[action.state], action.record, action.keep_ms, "", "", packed)
        case Again():
            return (job_id, fence, "A", action.delay_ms, action.attempts, action.overrides, action.error, "", packed)
        case Bury():
            state = NUMBER[action.state]
            return (job_id, fence, "B", state, action.record, action.keep_ms, action.reason, action.dead_ms, packed)


def handed_on(what: Submission | Outgoing) -> tuple[Word, ...]:
    """A job that is published here, or put out: `hand_on` in `lua/lib/groups.lua`."""
    return (what.token, what.what) if isinstance(what, Outgoing) else submission_words(what)


def packed(what: Submission | Outgoing) -> bytes:
    """The same in one word."""
    return _words(handed_on(what))


def packed_effect(effect: StoredEffect) -> bytes:
    """One effect, as `lua/lib/effects.lua` says."""
    match effect:
        case Enqueue(submission):
            return _words(("E", *submission_words(submission)))
        case Arrive(group, member, ok, value):
            return _words(("A", group, member, "1" if ok else "", value))
        case Complete(run, key, source, outcome, value):
            return _words(("C", run, key, source, outcome, value))
        case Outgoing(token, what):
            return _words(("O", token, what))


def _words(words: Sequence[Word]) -> bytes:
    """Words packed into one: each with its length in front."""
    parts: list[bytes] = []
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)
