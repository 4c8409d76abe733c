"""From outcome to settlement: what shall be stored about an attempt, decided once for every engine."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, assert_never

import msgspec

from stem.core import record as records
from stem.core.envelope import Envelope, Overrides, Submission
from stem.core.envelope import encode as encode_beside
from stem.core.options import DEAD_LETTER_TTL_MS
from stem.core.outcome import (
    ErrorRecord,
    NotRun,
    Outcome,
    Raised,
    Refused,
    RetryAsked,
    Returned,
    Snoozed,
    Stopped,
    Unknown,
)
from stem.core.record import JobRecord
from stem.core.retry import DEFAULT_POLICY, RetryPolicy, backoff_ms, worth_retrying
from stem.core.unknown import offer_again_ms
from stem.values import Receipt

#: Why a job lies among the dead letters.
DeadReason: TypeAlias = Literal[
    "exhausted",
    "worker_lost",
    "expired",
    "unknown_task",
    "undecodable",
    "invalid_arguments",
    "unsupported",
    "interrupted",
]
NO_OVERRIDES: Final = Overrides()
SignalName: TypeAlias = Literal["job_succeeded", "job_failed", "job_retried", "job_snoozed", "job_cancelled"]


class Terms(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What settling needs to know of the job, its envelope, its overrides and its task's declaration."""

    receipt: Receipt
    task: str = ""
    queue: str = ""
    priority: int = 0
    attempt: int = 1
    losses: int = 0
    enqueued_at: int = 0
    started_at: int = 0
    worker: str = ""
    max_retries: int = 0
    retry: RetryPolicy = DEFAULT_POLICY
    ignore_result: bool = False
    result_ttl_ms: int = 86_400_000
    effects: tuple[Effect, ...] = ()
    overrides: Overrides = NO_OVERRIDES


class Finish(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The job is over: store `record`, keep it `keep_ms`, forget the envelope."""

    state: Literal["succeeded", "cancelled"]
    record: bytes
    keep_ms: int


class Again(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Run it again in `delay_ms`; `attempts` have been used up so far; `error` is the last one, as JSON."""

    delay_ms: int
    attempts: int
    overrides: bytes = b""
    error: bytes = b""


class Bury(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Keep the job as a dead letter for `dead_ms`, and `record` as its result for `keep_ms`."""

    state: Literal["failed", "cancelled"]
    reason: DeadReason
    record: bytes
    keep_ms: int
    dead_ms: int


Action: TypeAlias = Finish | Again | Bury


class Enqueue(msgspec.Struct, frozen=True, tag=True):
    """Effect: publish another job in the same step (idempotent by its id)."""

    submission: Submission


class Arrive(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Effect: tell a group that one member has ended; counted once for each member, in any order."""

    group: str
    member: str
    ok: bool
    value: bytes


class Complete(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Effect: tell the run that waits under `key` how the job `source` ended. `value`: the result, or a `Broken` as JSON."""

    run: str
    key: str
    source: str
    outcome: Literal["done", "failed", "cancelled"]
    value: bytes


class Broken(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a job or a run ended that did not succeed, as its waiting run is told; or why it was not begun at all."""

    id: str
    reason: str = ""
    error: ErrorRecord | None = None
    refused: Literal["", "held", "exists", "duplicate"] = ""


#: What else happens in the same atomic step.
Effect: TypeAlias = Enqueue | Arrive | Complete


class Signal(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What observers are told once the settlement is stored."""

    name: SignalName
    job_id: str
    task: str
    queue: str
    attempt: int
    reason: str = ""
    error: ErrorRecord | None = None
    retry_in_ms: int | None = None
    run_ms: int = 0


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """Everything about one ended delivery, stored in one atomic step or not at all."""

    receipt: Receipt
    action: Action
    effects: tuple[Effect, ...]
    signal: Signal


def follow_ups(envelope: Envelope, job_id: str) -> tuple[Effect, ...]:
    """What the end of this job brings with it, for its group and for the run that waits. `settle` says how it ended."""
    found: list[Effect] = []
    if envelope.group:
        found.append(Arrive(envelope.group, job_id, ok=False, value=b"null"))
    if envelope.run:
        found.append(Complete(envelope.run, envelope.step, job_id, "failed", b""))
    return tuple(found)


def settle(terms: Terms, outcome: Outcome, *, now_ms: int, jitter: float) -> Settlement:
    """What to store about `outcome`. Pure: the same arguments give the same settlement.

    `now_ms` is the worker's wall clock, for the record only; `jitter` is uniform in [0, 1).
    """
    match outcome:
        case Returned(value):
            return _succeed(terms, value, now_ms)
        case Raised(error, _, final=True):
            return _bury(terms, "exhausted", error, now_ms)
        case Raised(error, names):
            return _after_error(terms, error, names, now_ms, jitter)
        case RetryAsked():
            return _asked(terms, outcome, now_ms, jitter)
        case Unknown():
            return _unknown(terms, outcome, now_ms)
        case Snoozed(delay_ms):
            again = Again(delay_ms, terms.attempt - 1, _known_again(terms))
            return Settlement(terms.receipt, again, (), _signal(terms, "job_snoozed", now_ms, retry_in_ms=delay_ms))
        case Stopped(reason):
            return _cancel(terms, reason, now_ms)
        case NotRun("expired"):
            return _expire(_without_attempt(terms), now_ms)
        case NotRun():
            return _lose(terms, now_ms)  # the attempt had begun, each time that it was lost
        case Refused(reason, error):
            # an interrupted attempt had begun; the other refusals come before the function is called
            return _bury(terms if reason == "interrupted" else _without_attempt(terms), reason, error, now_ms)
        case _:
            assert_never(outcome)


def _without_attempt(terms: Terms) -> Terms:
    """The terms of a delivery that used no attempt up: record and signal tell of those before it."""
    return msgspec.structs.replace(terms, attempt=terms.attempt - 1)


def _succeed(terms: Terms, value: bytes, now_ms: int) -> Settlement:
    kept = msgspec.UNSET if terms.ignore_result else msgspec.Raw(value)
    record = records.encode(_record(terms, "succeeded", now_ms, value=kept))
    action = Finish("succeeded", record, terms.result_ttl_ms)
    effects = tuple(_with_value(effect, value) for effect in terms.effects)
    return Settlement(terms.receipt, action, effects, _signal(terms, "job_succeeded", now_ms))


def _after_error(terms: Terms, error: ErrorRecord, names: tuple[str, ...], now_ms: int, jitter: float) -> Settlement:
    if not worth_retrying(terms.retry, attempt=terms.attempt, max_retries=terms.max_retries, names=names):
        return _bury(terms, "exhausted", error, now_ms)
    return _again(terms, error, backoff_ms(terms.retry, terms.attempt, jitter=jitter), None, now_ms)


def _asked(terms: Terms, asked: RetryAsked, now_ms: int, jitter: float) -> Settlement:
    allowed = terms.max_retries if asked.max_retries is None else asked.max_retries
    if terms.attempt > allowed:
        return _bury(terms, "exhausted", asked.error, now_ms)
    delay = asked.delay_ms
    if delay is None:
        delay = backoff_ms(terms.retry, terms.attempt, jitter=jitter)
    return _again(terms, asked.error, delay, asked.max_retries, now_ms)


def _again(terms: Terms, error: ErrorRecord, delay_ms: int, max_retries: int | None, now_ms: int) -> Settlement:
    overrides = _known_again(terms) if max_retries is None else encode_beside(Overrides(max_retries))
    action = Again(delay_ms, terms.attempt, overrides, records.encode(error))
    signal = _signal(terms, "job_retried", now_ms, error=error, retry_in_ms=delay_ms)
    return Settlement(terms.receipt, action, (), signal)


def _known_again(terms: Terms) -> bytes:
    """Overrides without the time since which nobody knew the job; nothing when they stay as they are."""
    beside = terms.overrides
    return encode_beside(Overrides(beside.max_retries)) if beside.unknown_since else b""


def _unknown(terms: Terms, outcome: Unknown, now_ms: int) -> Settlement:
    """Wait for a worker that knows it, as long as that is allowed."""
    reason, error = outcome.reason, outcome.error
    since = terms.overrides.unknown_since or now_ms
    delay_ms = offer_again_ms(now_ms - since, outcome.unknown_for_ms)
    unused = _without_attempt(terms)
    if delay_ms is None:
        waited = f"; it waited {(now_ms - since) // 1000:,} s for a worker that knows it, and none came"
        text = waited if now_ms > since else ""
        return _bury(unused, reason, msgspec.structs.replace(error, message=error.message + text), now_ms)
    overrides = encode_beside(Overrides(terms.overrides.max_retries, since))
    again = Again(delay_ms, unused.attempt, overrides, records.encode(error))
    told = error if since == now_ms else None  # once: it is offered every few seconds
    signal = _signal(unused, "job_snoozed", now_ms, reason, error=told, retry_in_ms=delay_ms)
    return Settlement(terms.receipt, again, (), signal)


def _cancel(terms: Terms, reason: str, now_ms: int) -> Settlement:
    record = records.encode(_record(terms, "cancelled", now_ms, reason=reason))
    action = Finish("cancelled", record, terms.result_ttl_ms)
    effects = _unsuccessful(terms, "cancelled", reason)
    return Settlement(terms.receipt, action, effects, _signal(terms, "job_cancelled", now_ms, reason))


def _expire(terms: Terms, now_ms: int) -> Settlement:
    record = records.encode(_record(terms, "cancelled", now_ms, reason="expired"))
    action = Bury("cancelled", "expired", record, terms.result_ttl_ms, DEAD_LETTER_TTL_MS)
    effects = _unsuccessful(terms, "cancelled", "expired")
    return Settlement(terms.receipt, action, effects, _signal(terms, "job_cancelled", now_ms, "expired"))


def _lose(terms: Terms, now_ms: int) -> Settlement:
    text = f"{terms.losses} leases in a row ended without a word from the worker: it crashed, hung or was cut off"
    return _bury(terms, "worker_lost", ErrorRecord("WorkerLost", text), now_ms)


def _bury(terms: Terms, reason: DeadReason, error: ErrorRecord, now_ms: int) -> Settlement:
    record = records.encode(_record(terms, "failed", now_ms, error=error, reason=reason))
    action = Bury("failed", reason, record, terms.result_ttl_ms, DEAD_LETTER_TTL_MS)
    signal = _signal(terms, "job_failed", now_ms, reason, error=error)
    return Settlement(terms.receipt, action, _unsuccessful(terms, "failed", reason, error), signal)


def _with_value(effect: Effect, value: bytes) -> Effect:
    match effect:
        case Arrive(group, member):
            return Arrive(group, member, ok=True, value=value)
        case Complete(run, key, source):
            return Complete(run, key, source, "done", value)
        case _:
            return effect


def _unsuccessful(
    terms: Terms, outcome: Literal["failed", "cancelled"], reason: str, error: ErrorRecord | None = None
) -> tuple[Effect, ...]:
    """Follow-ups of a success do not happen, but a group still hears of its member, and a run of what it waits for."""
    found: list[Effect] = []
    for effect in terms.effects:
        if isinstance(effect, Arrive):
            found.append(Arrive(effect.group, effect.member, ok=False, value=b"null"))
        elif isinstance(effect, Complete):
            told = records.encode(Broken(terms.receipt.job_id, reason, error))
            found.append(Complete(effect.run, effect.key, effect.source, outcome, told))
    return tuple(found)


def _record(
    terms: Terms,
    state: Literal["succeeded", "failed", "cancelled"],
    now_ms: int,
    *,
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET,
    error: ErrorRecord | None = None,
    reason: str = "",
) -> JobRecord:
    return JobRecord(
        state=state,
        task=terms.task,
        queue=terms.queue,
        value=value,
        error=error,
        reason=reason,
        priority=terms.priority,
        attempts=terms.attempt,
        losses=terms.losses,
        enqueued_at=terms.enqueued_at,
        started_at=terms.started_at,
        finished_at=now_ms,
        worker=terms.worker,
    )


def _signal(
    terms: Terms,
    name: SignalName,
    now_ms: int,
    reason: str = "",
    *,
    error: ErrorRecord | None = None,
    retry_in_ms: int | None = None,
) -> Signal:
    return Signal(
        name=name,
        job_id=terms.receipt.job_id,
        task=terms.task,
        queue=terms.queue,
        attempt=terms.attempt,
        reason=reason,
        error=error,
        retry_in_ms=retry_in_ms,
        run_ms=max(0, now_ms - terms.started_at) if terms.started_at else 0,
    )
