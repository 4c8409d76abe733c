"""What holds for one attempt: the declaration, changed by the envelope, changed by what lies beside it."""

from __future__ import annotations

import msgspec

from stem.core.envelope import Envelope, Overrides
from stem.core.options import NOTHING_SAID, Options, resolve
from stem.core.retry import RetryPolicy
from stem.core.task import AnyDeclared
from stem.values import UNSET


class AttemptTerms(msgspec.Struct, frozen=True):
    """Retries and limits of one attempt; limits in ms, None where there is none."""

    max_retries: int
    retry: RetryPolicy
    soft_ms: int | None
    hard_ms: int | None
    ignore_result: bool


def attempt_terms(task: AnyDeclared, queue: Options = NOTHING_SAID) -> AttemptTerms:
    """What the declaration says, with its queue's layer below: computed once for each task and queue.

    A queue's default hard limit is for those that can be stopped: a plain def in a thread cannot.
    """
    below = msgspec.structs.replace(queue, hard_ms=UNSET) if task.is_plain else queue
    said = resolve(NOTHING_SAID, task.options.layer, below)
    return AttemptTerms(said.max_retries, said.retry, said.soft_ms, said.hard_ms, task.options.ignore_result)


def with_envelope(base: AttemptTerms, envelope: Envelope, beside: Overrides) -> AttemptTerms:
    """The same, where the call or an earlier attempt said otherwise; a travelling limit of 0 means 'no limit'."""
    max_retries = base.max_retries if envelope.max_retries is None else envelope.max_retries
    return AttemptTerms(
        max_retries if beside.max_retries is None else beside.max_retries,
        envelope.retry or base.retry,
        base.soft_ms if envelope.soft_ms is None else envelope.soft_ms or None,
        base.hard_ms if envelope.hard_ms is None else envelope.hard_ms or None,
        base.ignore_result,
    )


def says_nothing(envelope: Envelope) -> bool:
    """Whether the envelope leaves everything as declared, as most do."""
    return (
        envelope.max_retries is None
        and envelope.retry is None
        and envelope.soft_ms is None
        and envelope.hard_ms is None
    )
