"""Handles, results, states and jobs, looked at as other libraries would have it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID

from pydantic import BaseModel

from stem import Enqueuer, Job, JobHandle, TaskContext, TaskDefinition


class Receipt(BaseModel):
    total: int


def state_of(job: Job) -> str:
    match job.state:
        case "queued" | "delayed" | "running":
            return "going on"
        case "succeeded" | "failed" | "cancelled":
            return "over"
        case other:
            assert_never(other)  # E: parked was forgotten


def found(handle: JobHandle[int]) -> bool:
    if handle.enqueued == "new":
        return True
    elif handle.enqueued == "duplicate":
        return False
    else:
        assert_never(handle.enqueued)  # E: held was forgotten


async def results(handle: JobHandle[Receipt], numbers: JobHandle[list[int]], gone: JobHandle[Receipt | None]) -> None:
    total = await handle.result().total  # E: the await reaches further than meant
    (await handle.result())["total"]  # E: a model is no dict
    (await gone.result()).total  # E: there may be no receipt
    (await numbers.result()).total  # E: the list has no such field
    for number in numbers.result():  # E: a forgotten await in a loop
        return
    async for number in numbers.result():  # E: results do not stream
        return
    a_receipt: Receipt = (await handle.status()).result  # E: a job's result is JSON text
    narrower: JobHandle[Receipt] = gone  # E: a handle that may give None
    as_awaitable: Awaitable[Receipt] = handle  # E: a handle is no awaitable
    await handle.result(timeout=datetime.now())  # E: an instant for a span
    await handle.result(timeout="5s", propagate=False)  # E: a word of another library
    await handle.result("5s", None)  # E: no default when it is late
    await handle.result(timeout=5, interval=0.5)  # E: nothing is polled
    await handle.result.get()  # E: the method was not called
    await handle.ready()  # E: a method of another library
    await handle.get_status()  # E: a method of yet another library
    await handle.revoke(terminate=True)  # E: it is called cancel
    await handle.cancel("because", terminate=True)  # E: a word of runs, not of jobs
    await handle.info()  # E: it is called status
    handle.state  # E: a handle has no state of its own
    handle.args  # E: arguments are in the job
    handle.id()  # E: an id is no method
    an_id: UUID = handle.id  # E: the id is text
    finding: Literal["new", "held"] = handle.enqueued  # E: it may be a duplicate
    handle.enqueued = "held"  # E: what was found cannot be changed
    if handle.enqueued is True:  # E: a word, not a switch
        return
    if await handle.result == 3:  # E: a method is no value
        return
    if await handle.cancel() == "cancelled":  # E: an answer is yes or no
        return
    if handle.cancel() is False:  # E: a coroutine is never False
        return


async def together(handle: JobHandle[int], other: JobHandle[str], handles: list[JobHandle[int]]) -> None:
    await asyncio.gather(*handles)  # E: handles are no awaitables
    await asyncio.gather(*[one.result for one in handles])  # E: methods that were not called
    await asyncio.wait_for(handle, 5)  # E: a handle is no awaitable, also not for asyncio
    await asyncio.wait_for(handle.result, 5)  # E: a method that was not called
    asyncio.create_task(handle)  # E: a handle is no coroutine
    await asyncio.wait([one.result() for one in handles])  # E: coroutines must be tasks first
    sum([await one.status() for one in handles])  # E: jobs cannot be added
    handles.result()  # E: a list has no result
    largest = max(handles)  # E: handles have no order
    text: list[str] = [await one.result() for one in handles]  # E: a list of numbers
    JobHandle("job-1")  # E: a protocol cannot be made
    if isinstance(handle, JobHandle):  # E: a protocol for checkers only
        return


async def watching(handle: JobHandle[int]) -> None:
    async for job in await handle.watch():  # E: the stream itself is not awaited
        return
    async for job in handle.watch:  # E: the method was not called
        return
    async for job in handle.watch(timeout="5s"):  # E: a watch has no timeout
        return
    async for job, state in handle.watch():  # E: jobs come alone
        return
    jobs = [job for job in handle.watch()]  # E: a plain comprehension over a stream
    first = next(handle.watch())  # E: a plain next on a stream
    first_job: Job = anext(handle.watch())  # E: a forgotten await on anext
    async for job in handle.watch():
        job.progress.percent  # E: there may be no progress yet
        if job.progress and job.progress > 50:  # E: the percentage is a field of it
            return
        if job.progress is not None and job.progress.percent == "50%":  # E: a percentage is a number
            return


async def looking(handle: JobHandle[int]) -> None:
    handle.status().state  # E: a forgotten await on the status
    (await handle.status()).state()  # E: a state is no method
    job = await handle.status()
    waits = job.state != "finished"  # E: it is another property that says so
    job.error.message  # E: there may be no error
    took = job.finished_at - job.started_at  # E: instants that may be None
    if job.lease_until and job.lease_until > time.time():  # E: an instant and a number
        return
    if job.expires_at and job.expires_at < timedelta(0):  # E: an instant and a span
        return
    if job.attempt > job.max_retries:  # E: the declaration knows how often, not the job
        return
    job.result["total"]  # E: JSON text, not yet read
    job.arguments.number  # E: JSON text, not yet read, of the arguments
    tenant: int = job.headers["x-tenant"]  # E: headers are text
    job.exc_info  # E: an attribute of another library
    job.created_at  # E: it is called enqueued_at
    job.args  # E: it is called arguments
    job.meta["campaign"]  # E: metadata is for the handler
    await job.refresh()  # E: a job is a look at one moment
    await job.cancel()  # E: the handle cancels, not the look
    await job  # E: a job is no awaitable
    job["state"]  # E: a job is no dict
    if job.error == "ValueError: no":  # E: an error is a record
        return
    if job.finished and job.priority == "high":  # E: a priority is a number
        return
    Job("job-1", "calls.count", "default", "queued")  # E: fields are given by name
    Job(id="job-1", task="calls.count", queue="default", state="pending")  # E: no such state to make up


def raising(job: Job) -> None:
    if job.error:
        raise job.error  # E: a record is no exception


def returned(app: Enqueuer, charge: TaskDefinition[Receipt, int]) -> JobHandle[int]:
    return charge.enqueue(app, Receipt(total=1))  # E: a coroutine for the handle


async def id_only(app: Enqueuer, charge: TaskDefinition[Receipt, int]) -> str:
    return await charge.enqueue(app, Receipt(total=1))  # E: a handle for its id


async def as_context(ctx: TaskContext, charge: TaskDefinition[Receipt, int]) -> int:
    handle = await charge.enqueue(ctx, Receipt(total=1))  # E: a context is no app
    ctx["job_id"]  # E: a context is no dict, as in another library
    ctx.request.id  # E: an attribute of another library
    ctx.job_id  # E: it is called id
    ctx.job_try  # E: it is called attempt
    ctx.update_state("PROGRESS", {"current": 5})  # E: it is called progress
    TaskContext()  # E: tests have task_context for this
    return 1
