"""Running one delivery: decode, validate, call the handler under its limits. Returns an outcome, never raises."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any, Final

from pydantic import BaseModel

from stem.contracts.broker import Broker, Delivery
from stem.core.accept import UnreadableError
from stem.core.codec import EncodeError
from stem.core.context import Enqueuer, RetryRequested, SnoozeRequested
from stem.core.envelope import Envelope, NewerVersionError, UndecodableError, decode, decode_overrides, undecodable
from stem.core.options import NOTHING_SAID, Options, no_hard_limit
from stem.core.outcome import (
    ErrorRecord,
    NotRun,
    Outcome,
    Raised,
    Refusal,
    Refused,
    RetryAsked,
    Returned,
    Snoozed,
    Stopped,
    Unknown,
    error_record,
)
from stem.core.registry import Registry
from stem.core.retry import DEFAULT_POLICY, error_names
from stem.core.settle import NO_OVERRIDES, Terms, follow_ups
from stem.core.task import AnyDeclared
from stem.core.terms import AttemptTerms, attempt_terms, says_nothing, with_envelope
from stem.core.trace import traceback_text
from stem.errors import JobCancelled, LeaseLost, PayloadTooLargeError, UnknownTaskError
from stem.observe.middleware import Middleware, execute_chain, overriding
from stem.observe.signals import JobEvent, Signals
from stem.worker.context import Attempt
from stem.worker.drive import Drive
from stem.worker.interrupt import Interrupted, ThreadRun
from stem.worker.running import DEAF, Running, TimeLimitExceeded

log = logging.getLogger("stem.worker")


class Runner:
    """Turns deliveries into outcomes."""

    def __init__(
        self,
        *,
        registry: Registry,
        broker: Broker,
        app: Enqueuer,
        threads: Executor,
        middleware: Sequence[Middleware],
        signals: Signals,
        queues: dict[str, Options],
        worker: str,
        unknown_for_ms: int,
        max_result: int,
    ) -> None:
        self._unknown_for_ms, self._max_result = unknown_for_ms, max_result
        self._registry, self._broker, self._app, self._threads = registry, broker, app, threads
        self._signals, self._queues, self._worker = signals, queues, worker
        self._around = overriding(middleware, "on_execute")
        self._on_error = overriding(middleware, "on_error")
        self._declared: dict[tuple[str, str], AttemptTerms] = {}

    async def run(self, running: Running, now_ms: int) -> tuple[Terms, Outcome | None]:
        """What became of the delivery; None when nothing may be stored: lost, or handed back."""
        delivery = running.delivery
        try:
            envelope = decode(delivery.envelope)
        except NewerVersionError as fault:
            return self._terms(delivery, now_ms), self._unknown(delivery, "undecodable", undecodable(fault))
        except UndecodableError as fault:
            return self._terms(delivery, now_ms), Refused("undecodable", undecodable(fault))
        task = self._registry.handler(envelope.task)
        if task is None:
            unknown = UnknownTaskError(envelope.task, (known.name for known in self._registry.handlers()))
            terms = self._terms(delivery, now_ms, envelope)
            return terms, self._unknown(delivery, "unknown_task", error_record("UnknownTaskError", str(unknown)))
        held = self._held(task, delivery, envelope)
        terms = self._terms(delivery, now_ms, envelope, held)
        if (unrun := _unrun(delivery)) is not None:
            return terms, unrun
        if held.hard_ms and not task.is_async:
            return terms, Refused("unsupported", error_record("ConfigError", no_hard_limit(task.name)))
        try:
            args = task.reads.read(bytes(envelope.args), envelope.schema)
        except UnreadableError as fault:
            error = error_record("ValidationError", str(fault))
            if task.reads.knows(envelope.schema):
                return terms, Refused("invalid_arguments", error)
            return terms, self._unknown(delivery, "invalid_arguments", error)
        ctx = Attempt(
            running,
            envelope,
            broker=self._broker,
            app=self._app,
            loop=asyncio.get_running_loop(),
            max_retries=held.max_retries,
            worker=self._worker,
        )
        if self._signals.job_started:
            self._signals.job_started.emit(
                JobEvent(job_id=delivery.id, task=task.name, queue=delivery.queue, attempt=delivery.attempt)
            )
        running.terms = terms
        return terms, await self._call(task, ctx, args, running, held)

    def broken(self, delivery: Delivery, fault: Exception, now_ms: int) -> tuple[Terms, Outcome]:
        """What to make of an attempt when code around its handler failed: it failed, like any other attempt."""
        try:
            envelope = decode(delivery.envelope)
            task = self._registry.handler(envelope.task)
            held = None if task is None else self._held(task, delivery, envelope)
            terms = self._terms(delivery, now_ms, envelope, held)
        except Exception:
            terms = self._terms(delivery, now_ms)
        return terms, Raised(_error(fault), error_names(type(fault)))

    async def _call(
        self, task: AnyDeclared, ctx: Attempt, args: BaseModel, running: Running, held: AttemptTerms
    ) -> Outcome | None:
        """Call the handler; every way it can end becomes an outcome."""
        given = [ctx if what == "ctx" else args for what in task.takes]
        now = time.monotonic()
        running.soft_at = now + held.soft_ms / 1000 if held.soft_ms else None
        running.hard_at = now + held.hard_ms / 1000 if held.hard_ms else None
        try:
            if self._around:
                value = await execute_chain(self._around, ctx, lambda: self._handler(task, given, running))()
            else:
                value = await self._handler(task, given, running)
            data = task.results.encode(value)
            return Returned(data) if len(data) <= self._max_result else _too_large(task, len(data), self._max_result)
        except BaseException as fault:
            outcome = _outcome(task, fault, running)
            if self._on_error and isinstance(outcome, Raised):
                await self._tell(ctx, fault)
            return outcome
        finally:
            running.soft_at = running.hard_at = running.leave_at = None

    async def _handler(self, task: AnyDeclared, given: list[Any], running: Running) -> object:
        _interrupt_late(running)
        running.once = task.options.at_most_once
        if task.is_async:
            drive: Drive[object] = Drive(task.fn(*given))
            running.drive = drive
            try:
                return await drive
            finally:
                running.drive = None
        thread = ThreadRun()
        running.thread = thread
        call = copy_context().run
        future = self._threads.submit(thread.run, partial(call, task.fn, *given))
        try:
            return await asyncio.wrap_future(future)
        finally:
            running.thread = None

    async def _tell(self, ctx: Attempt, fault: BaseException) -> None:
        for one in self._on_error:
            try:
                await one.on_error(ctx, fault)
            except Exception:
                log.exception("on_error of %r failed", one)

    def _held(self, task: AnyDeclared, delivery: Delivery, envelope: Envelope) -> AttemptTerms:
        key = (task.name, delivery.queue)
        base = self._declared.get(key)
        if base is None:
            base = attempt_terms(task, self._queues.get(delivery.queue, NOTHING_SAID))
            self._declared[key] = base
        if not delivery.overrides and says_nothing(envelope):
            return base
        return with_envelope(base, envelope, decode_overrides(delivery.overrides))

    def _terms(
        self,
        delivery: Delivery,
        now_ms: int,
        envelope: Envelope | None = None,
        held: AttemptTerms | None = None,
    ) -> Terms:
        return Terms(
            receipt=delivery.receipt,
            task=delivery.task,
            queue=delivery.queue,
            priority=delivery.priority,
            attempt=delivery.attempt,
            losses=delivery.losses,
            enqueued_at=delivery.enqueued_at,
            started_at=now_ms,
            worker=self._worker,
            result_ttl_ms=delivery.result_ttl_ms,
            max_retries=0 if held is None else held.max_retries,
            ignore_result=held is not None and held.ignore_result,
            retry=DEFAULT_POLICY if held is None else held.retry,
            effects=() if envelope is None else follow_ups(envelope, delivery.id),
            overrides=decode_overrides(delivery.overrides) if delivery.overrides else NO_OVERRIDES,
        )

    def _unknown(self, delivery: Delivery, reason: Refusal, error: ErrorRecord) -> Outcome:
        """Another worker may know it; whether it is to run at all comes first."""
        return _unrun(delivery) or Unknown(reason, error, self._unknown_for_ms)


def _unrun(delivery: Delivery) -> Outcome | None:
    """What becomes of a delivery that was handed out only to be settled; None for others."""
    if delivery.ended is not None:
        return NotRun(delivery.ended)
    return None if delivery.cancel_reason is None else Stopped(delivery.cancel_reason)


def _interrupt_late(running: Running) -> None:
    """A stop that was asked for before there was anything to throw it into."""
    if running.lost:
        raise LeaseLost(running.delivery.id)
    if running.cancel_reason is not None or running.handed_back:
        raise asyncio.CancelledError


def _outcome(task: AnyDeclared, fault: BaseException, running: Running) -> Outcome | None:
    if running.lost:
        return None
    match fault:
        case RetryRequested():
            return RetryAsked(error_record("RetryRequested", fault.reason), fault.delay_ms, fault.max_retries)
        case SnoozeRequested():
            return Snoozed(fault.delay_ms)
        case JobCancelled() if running.cancel_reason is not None:
            return Stopped(running.cancel_reason)
        case asyncio.CancelledError() | Interrupted():
            return _stopped(fault, running)
        case TimeLimitExceeded():
            return Raised(error_record("TimeLimitExceeded", str(fault)), error_names(TimeLimitExceeded))
        case EncodeError():
            text = (
                f"task {task.name!r} returned what cannot be stored as {task.signature.partition(' -> ')[2]}: {fault}"
            )
            return Raised(error_record("EncodeError", text), error_names(EncodeError))
        case _:
            return Raised(_error(fault), error_names(type(fault)))


def _too_large(task: AnyDeclared, size: int, most: int) -> Outcome:
    """Of a result that the store must not be filled with; it would be as large the next time."""
    text = (
        f"the result of task {task.name!r} takes {size:,} bytes, over the limit of {most:,}; "
        "store the data elsewhere and return a reference, or raise Stem(max_result=)"
    )
    return Raised(error_record("PayloadTooLargeError", text), error_names(PayloadTooLargeError), final=True)


def interrupted() -> Outcome:
    """Of a job that must not run twice, when its worker stops while it runs."""
    return Refused("interrupted", error_record("Interrupted", "the worker stopped while this at_most_once job ran"))


def left_behind() -> Outcome:
    """Of a coroutine that did not stop at its hard limit."""
    return Raised(error_record("TimeLimitExceeded", DEAF), error_names(TimeLimitExceeded))


def _stopped(fault: BaseException, running: Running) -> Outcome | None:
    if running.cancel_reason is not None:
        return Stopped(running.cancel_reason)
    if not running.handed_back:
        return Raised(_error(fault), error_names(type(fault)))
    return interrupted() if running.once else None


#: Whose frames stand just above the handler's: the one that drives coroutines, the one that calls in threads.
_LAST_OF_STEM: Final = frozenset({"stem.worker.drive", "stem.worker.interrupt"})


def _below_stem(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the handler on; all of it when the handler was never reached."""
    below, step = trace, trace
    while step is not None:
        if step.tb_frame.f_globals.get("__name__") in _LAST_OF_STEM:
            below = step.tb_next
        step = step.tb_next
    return below


def _error(fault: BaseException) -> ErrorRecord:
    lines = traceback_text(fault, _below_stem(fault.__traceback__))
    try:
        text = str(fault)
    except BaseException as broken:  # a sys.exit() in there must not end the worker
        text = f"<its __str__ raised {type(broken).__name__}>"
    return error_record(type(fault).__name__, text, lines)
