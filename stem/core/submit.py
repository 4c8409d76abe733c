"""From a call to what an engine stores: arguments encoded, options resolved, keys computed."""

from __future__ import annotations

import msgspec

from stem.core.call import Request
from stem.core.codec import EncodeError, canonical
from stem.core.duration import words
from stem.core.envelope import WIRE_VERSION, Envelope, Submission, encode
from stem.core.limit import limit_key
from stem.core.options import NOTHING_SAID, Options, Resolved, resolve
from stem.core.paths import value_at
from stem.core.sizes import MAX_PAYLOAD, check_beside
from stem.core.unique import Unique, UniqueClaim, unique_key
from stem.errors import ConfigError, InvalidArgumentsError, PayloadTooLargeError
from stem.values import Unset


def submission(
    request: Request,
    *,
    job_id: str,
    now_ms: int,
    queues: dict[str, Options],
    max_payload: int = MAX_PAYLOAD,
    reply_to: str = "",
    run: str = "",
    step: str = "",
) -> Submission:
    """What to publish for this call. InvalidArgumentsError, PayloadTooLargeError, ConfigError: nothing should be.

    `queues` are the queues' own option layers by name; `job_id` is used unless the call has an id of its own.
    `run` and `step`: the workflow run that waits for the job, and under which key.
    """
    task, call = request.task, request.options
    layer = queues.get(resolve(call, task.options.layer).queue, NOTHING_SAID)
    terms = resolve(call, task.options.layer, layer)
    if terms.expires_ms is not None and request.delay_ms >= terms.expires_ms:
        raise ConfigError(
            f"a call of task {task.name!r} could never run: its delay of {words(request.delay_ms)} "
            f"is not shorter than its expiry of {words(terms.expires_ms)}"
        )
    try:
        args = task.arguments.encode(request.args)
    except EncodeError as fault:
        raise InvalidArgumentsError(task.name, [str(fault)]) from None
    if request.headers or request.meta:
        check_beside(request.headers, request.meta)
    made_id = request.id or job_id
    envelope = encode(_envelope(request, made_id, args, now_ms, run, step))
    if len(envelope) > max_payload:
        raise PayloadTooLargeError(task.name, len(envelope), max_payload)
    return _travelling(request, terms, made_id, envelope, reply_to)


def _envelope(request: Request, job_id: str, args: bytes, now_ms: int, run: str, step: str) -> Envelope:
    call = request.options
    return Envelope(
        v=WIRE_VERSION,
        id=job_id,
        task=request.task.name,
        schema=request.task.schema,
        enqueued_at=now_ms,
        args=msgspec.Raw(args),
        headers=request.headers,
        meta=request.meta,
        run=run,
        step=step,
        max_retries=None if isinstance(call.max_retries, Unset) else call.max_retries,
        retry=None if isinstance(call.retry, Unset) else call.retry,
        soft_ms=_limit_said(call.soft_ms),
        hard_ms=_limit_said(call.hard_ms),
    )


def _limit_said(value: int | Unset | None) -> int | None:
    """A limit as it travels: None when the call said nothing, 0 when it said 'no limit'."""
    return None if isinstance(value, Unset) else value or 0


def _travelling(request: Request, terms: Resolved, job_id: str, envelope: bytes, reply_to: str) -> Submission:
    task = request.task
    rate, limit = task.options.rate_limit, task.options.concurrency
    return Submission(
        id=job_id,
        task=task.name,
        queue=terms.queue,
        envelope=envelope,
        priority=terms.priority,
        delay_ms=request.delay_ms,
        ready_at=request.eta_ms,
        expires_ms=terms.expires_ms,
        lease_ms=terms.lease_ms,
        max_losses=task.options.max_losses,
        unique=_claim(request),
        rate_key="" if rate is None else _key(request, rate.key),
        limit_key="" if limit is None else _key(request, limit.key),
        result_ttl_ms=terms.result_ttl_ms,
        reply_to=reply_to,
    )


def _key(request: Request, path: str | None) -> str:
    if request.limit_key is not None:
        return limit_key(request.task.name, request.limit_key)
    return limit_key(request.task.name, value_at(request.args, path) if path else "")


def unique_rule(request: Request) -> Unique | None:
    """The rule that holds for this call: its own if it has said something, else the task's."""
    return request.task.options.unique if isinstance(request.unique, Unset) else request.unique


def _claim(request: Request) -> UniqueClaim | None:
    rule = unique_rule(request)
    if rule is None:
        return None
    key = f"{request.task.name}:{request.unique_key}" if request.unique_key else ""
    if not key:
        args = request.task.arguments.identity(request.args)
        key = unique_key(request.task.name, canonical(args, rule.key))
    return UniqueClaim(key, rule.until, rule.for_ms)
