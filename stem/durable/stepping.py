"""One step: found in the record, or done now with its retries, its limit and its checkpoint."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from stem.core.codec import EncodeError
from stem.core.notes import Tries
from stem.core.outcome import ErrorRecord, error_record
from stem.core.replay import Reached
from stem.core.retry import backoff_ms, error_names, worth_retrying
from stem.core.run import RunEffect, Step, encode
from stem.core.step import (
    Kind,
    StepCodec,
    StepMeta,
    StepOptions,
    codec_of,
    encode_meta,
    fingerprint,
    qualified,
    step_name,
)
from stem.durable.faults import error_of
from stem.durable.leaving import PASSING, Blocked, Leaving, Recalled, StepAgain
from stem.durable.pending import Pending
from stem.errors import ConfigError, StepFailed, WorkflowError
from stem.worker.drive import Drive
from stem.worker.interrupt import Interrupted, ThreadRun

if TYPE_CHECKING:
    from stem.durable.execution import Execution

log = logging.getLogger("stem.durable")
#: Steps of one run: each time it goes on, all of them are read.
MAX_STEPS: Final = 10_000
#: How long a branch that is cancelled waits for the store's answer, seconds.
_LAST_ANSWER: Final = 2.0
#: How long a plain function that is told to end is waited for, seconds.
LAST_WORD: Final = 10.0
_error: Final = msgspec.json.Decoder(ErrorRecord)


class Doing(msgspec.Struct, eq=False):
    """A step that is being done: its place, its attempt, and the effects that its function asked for."""

    key: str
    pos: int
    iteration: int
    attempt: int
    previous: Any
    effects: list[RunEffect] = []
    failed: bool = False


async def do_step(
    execution: Execution,
    name: str,
    options: StepOptions,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    kind: Kind = "step",
    inside: Callable[[Doing], Any] | None = None,
    branch: bool = False,
    plain_name: bool = False,
) -> Any:
    """The step's value. `inside` makes the StepContext that `fn` takes first. Raises StepFailed."""
    started = begin_step(execution, name, options, fn, args, kwargs, kind=kind, plain_name=plain_name)
    return await finish_step(execution, started, options, fn, args, kwargs, inside=inside, branch=branch)


class Begun(msgspec.Struct, eq=False):
    """A step whose place in the run is taken."""

    reached: Reached
    meta: StepMeta
    codec: StepCodec
    iteration: int


def begin_step(
    execution: Execution,
    name: str,
    options: StepOptions,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    kind: Kind = "step",
    plain_name: bool = False,
) -> Begun:
    """Take the next place of the run, at the moment of the call."""
    if not callable(fn):
        raise ConfigError(f"step {name!r} must be given a function and its arguments, found {fn!r}")
    if execution.replay.next_pos >= MAX_STEPS and not execution.cleaning:
        raise WorkflowError(
            f"a run may have {MAX_STEPS:,} steps, for every replay reads them all; give parts of it to children (ctx.run)"
        )
    key = execution.replay.name(name if plain_name else step_name(name), auto_version=options.auto_version)
    codec = codec_of(fn)
    meta = StepMeta(
        kind=kind,
        fn=qualified(fn),
        inputs=fingerprint(args, kwargs),
        schema=codec.digest,
        undo=options.compensate is not None,
    )
    iteration = int(key.rpartition("#")[2]) if options.auto_version else 0
    return Begun(execution.replay.reach(key, meta), meta, codec, iteration)


async def finish_step(
    execution: Execution,
    begun: Begun,
    options: StepOptions,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    inside: Callable[[Doing], Any] | None = None,
    branch: bool = False,
) -> Any:
    """From the record, or from doing it."""
    reached = begun.reached
    again = bool(reached.change) and execution.differs(reached.change)
    if reached.step is not None and not again:
        value = _recorded(execution, reached.step, begun.codec, options)
    else:
        if execution.recalling:
            raise Recalled
        doing = Doing(reached.key, reached.pos, begun.iteration, 1, execution.previous)
        value = await _do(execution, begun, doing, options, fn, args, kwargs, inside, branch, again=again)
    if options.compensate is not None:
        execution.undo.note(reached.key, reached.pos, options.compensate, value)
    if branch:
        leave_if_told()
    else:
        execution.previous = value
        execution.check()
    return value


def _recorded(execution: Execution, step: Step, codec: StepCodec, options: StepOptions) -> Any:
    if step.outcome == "failed":
        raise step_failed(step)
    try:
        return codec.read(step.value, options.upcast)
    except ValueError as fault:
        raise Blocked(
            f"the result of step {step.key!r}, stored by version {execution.claimed.version} of the workflow, does not fit "
            f"the type of today: {fault}; give ctx.options(upcast=...) to make the new one from the old"
        ) from None


def step_failed(step: Step) -> StepFailed:
    """What a recorded failure raises, now and in every replay."""
    error = _error.decode(step.value)
    return StepFailed(step.key, error_type=error.type, error_message=error.message, attempts=step.attempts)


async def _do(
    execution: Execution,
    begun: Begun,
    doing: Doing,
    options: StepOptions,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    inside: Callable[[Doing], Any] | None,
    branch: bool,  # noqa: FBT001 - handed through
    *,
    again: bool,
) -> Any:
    """Attempt after attempt, until there is a checkpoint."""
    journal, key = execution.journal, doing.key
    await wait_for_turn(execution, key, branch=branch)
    await execution.waiting.flush()
    if execution.claimed.takeovers and journal.notes.doing != key:
        journal.moved(doing=key)
        await journal.commit()
    while True:
        journal.act()
        tries = journal.notes.tries.get(key)
        doing.attempt, doing.effects = (tries.count if tries else 0) + 1, []
        began = time.time_ns() // 1_000_000
        fault: BaseException
        try:
            given = (inside(doing), *args) if inside is not None else args
            data, value = begun.codec.carried(await _call(execution, fn, given, kwargs, options.timeout_ms))
            check_size(execution, key, data)
        except StepAgain:
            continue
        except PASSING:
            raise
        except EncodeError as found:
            fault = WorkflowError(f"what step {key!r} gave cannot be stored: {found}")
        except asyncio.CancelledError as found:
            execution.leave_if_cancelled(found)
            execution.check()
            fault = found
        except BaseException as found:
            fault = found
        else:
            step = _checkpoint(doing, begun.meta, began, value=data)
            _forget_tries(execution, key)
            commit = journal.commit(
                steps=(step,),
                effects=tuple(doing.effects),
                rerun=again,
                cleans_up=True if begun.meta.undo else None,
            )
            await (to_its_end(commit) if branch else commit)
            return value
        await _after_failure(execution, begun, doing, options, fault, began, branch=branch, again=again)


async def _after_failure(
    execution: Execution,
    begun: Begun,
    doing: Doing,
    options: StepOptions,
    fault: BaseException,
    began: int,
    *,
    branch: bool,
    again: bool,
) -> None:
    """Note the failure and wait for the next attempt; StepFailed, with its checkpoint, when there is none."""
    journal, key = execution.journal, doing.key
    error = error_of(fault)
    final = isinstance(fault, WorkflowError | ConfigError)
    names = error_names(type(fault))
    if final or not worth_retrying(options.retry, attempt=doing.attempt, max_retries=options.max_retries, names=names):
        step = _checkpoint(doing, begun.meta, began, value=encode(error), failed=True)
        _forget_tries(execution, key)
        await journal.commit(steps=(step,), rerun=again)
        raise step_failed(step) from fault
    wait_ms = backoff_ms(options.retry, doing.attempt, jitter=random.random())
    journal.moved(tries={**journal.notes.tries, key: Tries(doing.attempt, error, journal.now + wait_ms)})
    text = "run %s, step %s: attempt %d failed, again in %d ms: %s: %s"
    log.info(text, execution.claimed.id, key, doing.attempt, wait_ms, error.type, error.message)
    await wait_for_turn(execution, key, branch=branch)


async def record_failure(execution: Execution, begun: Begun, fault: BaseException, began: int) -> NoReturn:
    """Store that a step has failed for good; StepFailed."""
    doing = Doing(begun.reached.key, begun.reached.pos, begun.iteration, 1, None)
    step = _checkpoint(doing, begun.meta, began, value=encode(error_of(fault)), failed=True)
    await execution.journal.commit(steps=(step,))
    raise step_failed(step) from fault


async def to_its_end(commit: Coroutine[Any, Any, object]) -> None:
    """Also when this branch is cancelled meanwhile: what is stored has to be known, or it would not be undone."""
    task = asyncio.ensure_future(commit)
    patience: float | None = None
    while not task.done():
        try:
            await asyncio.wait({task}, timeout=patience)
        except asyncio.CancelledError:  # `leave_if_told` raises it again
            patience = _LAST_ANSWER
        else:
            task.cancel()  # of no effect once it is done
    task.result()


def leave_if_told() -> None:
    """Raise the cancellation that came while a branch stored what it has done."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def wait_for_turn(execution: Execution, key: str, *, branch: bool) -> None:
    """Until the next attempt at this step may be made."""
    tries = execution.journal.notes.tries.get(key)
    if tries is None or tries.again_at <= execution.journal.now:
        return
    pending = execution.waiting.add(Pending(f"{key}/retry", None, again_at=tries.again_at))
    park = execution.waiting.park_branch if branch else execution.waiting.park
    await park(lambda: pending.is_over)


def _checkpoint(doing: Doing, meta: StepMeta, began: int, *, value: bytes, failed: bool = False) -> Step:
    return Step(
        key=doing.key,
        pos=doing.pos,
        outcome="failed" if failed else "done",
        value=value,
        meta=encode_meta(meta),
        started_at=began,
        attempts=doing.attempt,
    )


def _forget_tries(execution: Execution, key: str) -> None:
    tries = execution.journal.notes.tries
    if key in tries or execution.journal.notes.doing:
        execution.journal.moved(tries={other: one for other, one in tries.items() if other != key}, doing="")


def check_size(execution: Execution, key: str, data: bytes) -> None:
    most = execution.means.max_payload
    if len(data) > most:
        raise WorkflowError(
            f"the result of step {key!r} takes {len(data):,} bytes, over the limit of {most:,}; "
            "store the data elsewhere and return a reference, or raise Stem(max_payload=)"
        )


async def _call(
    execution: Execution,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    timeout_ms: int | None,
) -> Any:
    """Call a function of either kind, for at most so long."""
    if timeout_ms is None or not execution.means.real:
        return await _called(execution, fn, args, kwargs, None)
    limit = asyncio.timeout(timeout_ms / 1000)
    try:
        async with limit:
            return await _called(execution, fn, args, kwargs, limit)
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(f"it took longer than {timeout_ms} ms") from None
        raise


async def _called(
    execution: Execution,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    limit: asyncio.Timeout | None,
) -> Any:
    threads = execution.means.threads
    if inspect.iscoroutinefunction(fn) or threads is None:
        made = fn(*args, **kwargs)
        if inspect.iscoroutine(made):
            return await Drive(made)
        return await made if inspect.isawaitable(made) else made
    made = await _in_a_thread(execution, threads, partial(fn, *args, **kwargs), limit)
    return await made if inspect.isawaitable(made) else made


async def _in_a_thread(
    execution: Execution, threads: Executor, call: Callable[[], Any], limit: asyncio.Timeout | None
) -> Any:
    """What it returns. Told to end, it is interrupted and waited for, so that neither another attempt nor the undoing runs
    beside it; what it gives then counts, unless its own time-out ended it.
    """
    run = ThreadRun()
    submitted = threads.submit(run.run, partial(contextvars.copy_context().run, call))
    future = asyncio.wrap_future(submitted)
    future.add_done_callback(_look_at)
    try:
        return await asyncio.shield(future)
    except (asyncio.CancelledError, Leaving) as fault:
        if submitted.cancel():
            raise
        timed_out = limit is not None and limit.expired()
        run.interrupt(Interrupted)
        stop = await _last_word(execution, future, fault)
    if not future.done() and not execution.is_leaving:
        log.warning("run %s: %s was told to end and goes on in its thread", execution.claimed.id, qualified(call))
    if not future.done() or timed_out or future.exception() is not None:
        raise stop
    return future.result()


async def _last_word(execution: Execution, future: asyncio.Future[Any], stop: BaseException) -> BaseException:
    """Wait for the end of what was interrupted; gives the last of what told it to end."""
    until = time.monotonic() + LAST_WORD
    while not future.done() and not execution.is_leaving and (left := until - time.monotonic()) > 0:
        try:
            await asyncio.wait({future}, timeout=left)
        except (asyncio.CancelledError, Leaving) as fault:
            stop = fault
    return stop


def _look_at(future: asyncio.Future[Any]) -> None:
    """What nobody waits for any more need not be logged."""
    if not future.cancelled():
        future.exception()


def recorded_error(kind: str, text: str) -> bytes:
    """A failure without an exception, as stored."""
    return encode(error_record(kind, text))
