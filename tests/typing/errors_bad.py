"""Errors caught and raised, `Timeout` and `default`, in ways that do not work."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

import stem
from stem import (
    ConfigError,
    EngineUnavailableError,
    Enqueuer,
    InvalidArgumentsError,
    JobCancelled,
    JobFailed,
    JobHandle,
    LeaseLost,
    Mailbox,
    PayloadTooLargeError,
    ResultNotKept,
    ResultTimeout,
    RunFailed,
    RunTimeout,
    SoftTimeLimit,
    StemError,
    StepFailed,
    TaskContext,
    Timeout,
    Topic,
    UniqueConflictError,
    UnknownJobError,
    UnknownTaskError,
    WorkflowContext,
    default,
    task,
    workflow,
)
from stem import JobExpired  # E: an expired job is cancelled
from stem import MaxRetriesExceededError  # E: an error of another library
from stem import Retry  # E: a retry is asked for by the context
from stem import TaskError  # E: no such error


class Order(BaseModel):
    number: int


class Receipt(BaseModel):
    total: int


ORDER = Order(number=1)
shipped = Topic("errors.shipped", payload=Receipt)
approval = Mailbox("errors.approval", payload=bool)


@task("errors.charge")
async def charge(ctx: TaskContext, order: Order) -> Receipt:
    return Receipt(total=order.number)


# ---------------------------------------------------------------- caught from a result


async def catching(handle: JobHandle[Receipt], app: Enqueuer) -> None:
    try:
        await handle.result("5s")
    except JobFailed as failed:
        failed.exception  # E: the error lives with its worker
        failed.error.message  # E: it is called error_message
        failed.message  # E: it is called error_message, or str of it
        failed.result  # E: a failed job has none
        failed.attempts  # E: the status knows
        failed.id  # E: it is called job_id
        failed.job_id.state  # E: an id is text
        raise failed.error_type  # E: the name of a class
    except JobCancelled as gone:
        gone.cancelled_by  # E: only the reason is known
        gone.error_type  # E: nothing has failed
        gone.expired  # E: the reason says so
    except ResultTimeout as late:
        late.timeout  # E: it is called seconds
        late.seconds.total_seconds()  # E: a number of them
        late.state.finished  # E: a state is text
        late.handle.cancel()  # E: the handle is yours
        late.result  # E: there is none yet
        await late.cancel()  # E: an error cancels nothing
        late.job_id = 5  # E: an id is text, assigned
    except ResultNotKept as nothing:
        nothing.value  # E: no value was kept
    except UnknownJobError as unknown:
        unknown.nearest  # E: ids have no neighbours
    except TimeoutError as slow:
        slow.job_id  # E: Python's own time-out


async def catching_by(handle: JobHandle[Receipt]) -> None:
    try:
        await handle.result()
    except JobFailed():  # E: an instance for the class
        pass
    try:
        await handle.result()
    except [JobFailed, JobCancelled]:  # E: a list for a tuple
        pass
    try:
        await handle.result()
    except "JobFailed":  # E: a name for the class
        pass
    try:
        await handle.result()
    except Timeout:  # E: what a wait gives, not an error
        pass
    try:
        await handle.result()
    except stem.Timeout as late:  # E: what a wait gives, not an error, by its module
        pass
    try:
        await handle.result()
    except stem.errors:  # E: the module of errors
        pass
    try:
        await handle.result()
    except charge.Failed:  # E: tasks have no errors of their own
        pass
    try:
        await handle.result()
    except handle.Failed:  # E: handles have no errors of their own
        pass
    try:
        await handle.result()
    except (JobFailed, JobCancelled) as ended:
        ended.error_type  # E: only one of them has it
    try:
        await handle.result()
    except StemError as fault:
        fault.job_id  # E: not every error is about a job
        fault.code  # E: it is called exit_code
        fault.exit_code.value  # E: a number, no enum
        fault.message  # E: the message is its text
        fault.retryable  # E: nobody knows
        raise fault(1)  # E: an error is no class
    except SoftTimeLimit as limit:
        limit.seconds  # E: it carries nothing
        limit.job_id  # E: the context knows


# ---------------------------------------------------------------- caught from an enqueue


async def enqueueing(app: Enqueuer) -> None:
    try:
        await charge.enqueue(app, ORDER)
    except UniqueConflictError as held:
        held.job_id  # E: it is called holder
        held.holder.id  # E: the holder is an id
        await held.holder.result()  # E: an id has no result
        held.unique_key  # E: it is called key
    except PayloadTooLargeError as big:
        big.max_size  # E: it is called limit
        big.size - big.task  # E: a number and a name
        big.size.human  # E: a number of bytes
    except InvalidArgumentsError as wrong:
        wrong.errors()  # E: it is called details
        wrong.details[0].loc  # E: a detail is a sentence
        wrong.details[0]["loc"]  # E: a detail is no dict
        wrong.details.append("more")  # E: details are a tuple
        wrong.json()  # E: a method of pydantic's
        wrong.model  # E: the task is known, and the details
    except UnknownTaskError as unknown:
        unknown.suggestion  # E: it is called nearest
        unknown.nearest.upper()  # E: there may be none
        unknown.known["orders.charge"]  # E: names are a list
        unknown.task  # E: it is called name
    except EngineUnavailableError as away:
        away.retry_after  # E: nobody knows when
        away.errno  # E: it is no OSError
    except LeaseLost as lost:
        lost.holder  # E: nobody knows who
    except ConfigError as fault:
        fault.problems.append("more")  # E: problems are a tuple
        fault.errors  # E: it is called problems
        fault.problem  # E: there may be many


# ---------------------------------------------------------------- raised


def raising(how: int) -> None:
    match how:
        case 0:
            raise JobFailed("boom")  # E: the facts are missing
        case 1:
            raise JobFailed("job-1", "exhausted", "ValueError", "boom")  # E: facts are given by name
        case 2:
            raise JobFailed("job-1", reason="exhausted", error=ValueError("boom"))  # E: an error for its words
        case 3:
            raise JobCancelled(reason="why not")  # E: which job?
        case 4:
            raise JobCancelled("job-1", "why not")  # E: the reason is given by name
        case 5:
            raise ResultTimeout("job-1", timeout=5)  # E: it is called seconds, and the state is missing
        case 6:
            raise InvalidArgumentsError("charge", ValueError("boom"))  # E: an error for sentences
        case 7:
            raise UnknownTaskError("charge")  # E: what is known?
        case 8:
            raise ConfigError  # E: what is the problem?
        case 9:
            raise SoftTimeLimit(seconds=5)  # E: it carries nothing
        case 10:
            raise Timeout()  # E: what a wait gives, raised
        case 11:
            raise Timeout  # E: what a wait gives, its class raised
        case 12:
            raise "JobFailed"  # E: a name, raised
        case 13:
            raise StepFailed("a", ValueError("boom"))  # E: an error for its words, of steps
        case 14:
            raise UniqueConflictError(holder="job-1")  # E: which key?
        case 15:
            raise PayloadTooLargeError("charge", size="1MB", limit=5)  # E: text for a number of bytes
        case 16:
            raise ValueError from "the bank said no"  # E: a cause is an error
        case _:
            raise stem.JobDied("job-1")  # E: no such error of the module


@task("errors.retried")
async def retried(ctx: TaskContext, order: Order) -> Receipt:
    try:
        return Receipt(total=order.number)
    except ValueError as fault:
        raise ctx.retry(fault, countdown=5)  # E: words of another library
    except KeyError as fault:
        ctx.retry(fault)  # E: an error for the delay
    except OSError:
        ctx.retry("5s", reason=OSError)  # E: a class for the reason
    except ArithmeticError:
        ctx.fail("no")  # E: what fails raises
    except LookupError:
        ctx.reject(requeue=False)  # E: a method of another library
    return Receipt(total=0)


# ---------------------------------------------------------------- Timeout


def late(event: Receipt | Timeout, flag: bool | Timeout, nothing: Timeout) -> int:
    event.total  # E: it may be too late
    if event is Timeout:  # E: the class, not what is given
        return 0
    if event == "timeout":  # E: it is no text
        return 0
    flag.real  # E: it may be too late, for a switch
    if flag == "timeout":  # E: it is no text, beside a switch
        return 0
    nothing.seconds  # E: it carries nothing
    if isinstance(event, TimeoutError):
        return 0
    issubclass(event, Timeout)  # E: it is a value
    return event.total if event else event.seconds  # E: it carries nothing, where it is known


@workflow("errors.waits")
async def waits(ctx: WorkflowContext, order: Order) -> int:
    sure: Receipt = await ctx.wait(shipped, timeout=60)  # E: it may be too late, with a number
    event = await ctx.wait(shipped, timeout="1h")
    if isinstance(event, Timeout):
        event.total  # E: nothing has come
        return 0
    if not event:
        return 0
    event.carrier  # E: no such field of the payload
    yes: bool = await ctx.wait(approval, timeout="1d")  # E: a time-out is no answer
    await ctx.wait(shipped, timeout=Timeout)  # E: the class for a span
    await ctx.wait(shipped, timeout=Timeout())  # E: what a wait gives, for a span
    await ctx.wait(shipped, "1h")  # E: the span is given by name
    try:
        await ctx.wait(shipped, timeout="1h")
    except Timeout:  # E: a wait raises nothing
        return 0
    always = (await ctx.wait(shipped)).seconds  # E: without a span it cannot be late
    return event.total


async def runs(handle: stem.RunHandle[Receipt]) -> None:
    try:
        await handle.result("5s")
    except RunTimeout as late_run:
        late_run.job_id  # E: it is called run_id
        late_run.why  # E: only jobs say why
    except RunFailed as failed_run:
        failed_run.reason  # E: only jobs have one
        failed_run.step  # E: the status knows
    except JobFailed as failed_job:
        failed_job.run_id  # E: it is about a job
    except StepFailed as failed_step:
        failed_step.job_id  # E: it is about a step
        failed_step.error_type.__name__  # E: the name of a class has no name


# ---------------------------------------------------------------- default

of_number: int = default("5")  # E: text for a number
of_literal: Literal["slow", "fast"] = default("quick")  # E: no such literal
of_class: int = default(int)  # E: the class for a value
of_factory: list[str] = default(list)  # E: a class that makes one
of_lambda: list[str] = default(lambda: [])  # E: a function that makes one
of_none: str = default(None)  # E: nothing for text
of_mixed: list[str] = default(["a", 1])  # E: a number among the texts
default(shown=5)  # E: it is positional
default(5, 6)  # E: one default
default(default_factory=list)  # E: a word of another library
default.shown  # E: a function has no such attribute
default[int](5)  # E: a function is not subscripted
stem.Default(5)  # E: the class is its own affair


def speed(to: str, how: Literal["slow", "fast"] = default("fats")) -> str:  # E: no such literal to show
    return how


def bare(number: int = default) -> int:  # E: the function was not called
    return number
