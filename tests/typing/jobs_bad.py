"""Jobs, dead letters and queues, looked at and steered as other libraries' consoles are."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel

from stem import DeadLetter, Job, JobHandle, Queue, QueueStats, Stem, TaskDefinition


class Order(BaseModel):
    number: int


charge = TaskDefinition("jobs.charge", args=Order, returns=int)
app = Stem("memory://", tasks=[charge])
YESTERDAY = datetime(2026, 1, 1, tzinfo=UTC)


async def listing(handle: JobHandle[int]) -> None:
    await app.jobs.list(state="failed")  # E: it is called states
    await app.jobs.list(states="failed")  # E: one state for a tuple
    await app.jobs.list(states=("failed"))  # E: brackets make no tuple
    await app.jobs.list(states=("pending",))  # E: no such state
    await app.jobs.list(states=None)  # E: no tuple means all, None does not
    await app.jobs.list(50)  # E: the limit is given by name
    await app.jobs.list(limit=None)  # E: there is always a limit
    await app.jobs.list(limit="all")  # E: that is another method
    await app.jobs.list(offset=100)  # E: pages have cursors
    await app.jobs.list(page=2)  # E: pages have no numbers
    await app.jobs.list(cursor=None)  # E: the first page has an empty cursor
    await app.jobs.list(cursor=await app.jobs.list())  # E: a page for its cursor
    await app.jobs.list(task=charge)  # E: the task for its name
    await app.jobs.list(queue=Queue("mail"))  # E: the queue for its name
    await app.jobs.list(queues=["mail"])  # E: one queue, and singular
    await app.jobs.list(since=YESTERDAY)  # E: jobs are not asked by time
    await app.jobs.list(order_by="-enqueued_at")  # E: the newest come first, always
    await app.jobs.list(ids=["job-1"])  # E: one job is got by its id
    await app.jobs.list(reason="exhausted")  # E: reasons are for dead letters
    app.jobs.list()  # E: a forgotten await on a list
    for one in app.jobs.list():  # E: a forgotten await in a loop
        return
    async for one in app.jobs.list():  # E: a page is no stream
        return
    for job in await app.jobs.list():
        job.id  # E: a page is a list and a cursor, not the jobs
    (await app.jobs.list())[0].state  # E: the first part of a page is a list
    (await app.jobs.list()).cursor  # E: the page is a tuple here
    first: Job = (await app.jobs.list())[0]  # E: a list for a job
    jobs: list[Job] = await app.jobs.list()  # E: a page for its jobs
    found, more, total = await app.jobs.list()  # E: nobody counts them all
    page, cursor = await app.jobs.page()  # E: this page is an object
    whole = await app.jobs.page()
    whole.items  # E: it is called jobs
    whole.next_cursor  # E: it is called cursor
    whole.has_more  # E: the cursor says it
    whole[0]  # E: a page is no list
    len(whole)  # E: a page has no length
    for job in whole:  # E: a page is no list to go through
        return
    age = datetime.now(UTC) - whole.back_to  # E: it may be None
    await app.jobs.page(states=("failed",), after=whole.cursor)  # E: it is called cursor here


async def streams() -> None:
    await app.jobs.all()  # E: a stream is no awaitable
    async for job in await app.jobs.all():  # E: the stream itself is not awaited
        return
    for job in app.jobs.all():  # E: a stream in a plain loop
        return
    async for job in app.jobs.all:  # E: the method was not called
        return
    async for job in app.jobs.all(limit=10):  # E: all are all
        return
    async for job, cursor in app.jobs.all():  # E: jobs come alone
        return
    everything = list(app.jobs.all())  # E: list wants a plain stream
    count = len([job async for job in app.jobs.all()] + 1)  # E: a list and a number
    newest = sorted([job async for job in app.jobs.all()])  # E: jobs have no order
    app.jobs.all().cancel()  # E: streams are not cancelled
    async for job in app.jobs.all(states=("running",)):
        await app.jobs.cancel(job)  # E: a job for its id


async def steering(handle: JobHandle[int], ids: list[str]) -> None:
    await app.jobs.get(handle)  # E: a handle for its id
    await app.jobs.get(id="job-1")  # E: it is called job_id
    await app.jobs.get("job-1", None)  # E: no default when there is none
    await app.jobs["job-1"]  # E: a view is no mapping
    await app.jobs("job-1")  # E: a view is not called
    await app.jobs.show("job-1")  # E: that is the word of the command line
    app.jobs.get("job-1").state  # E: a forgotten await
    maybe = await app.jobs.get("job-1")
    if maybe is not None and maybe.result == 5:  # E: the result is JSON text
        pass
    await app.jobs.cancel(ids)  # E: one at a time
    await app.jobs.cancel()  # E: which one?
    await app.jobs.cancel("job-1", terminate=True)  # E: a word of another library
    await app.jobs.cancel("job-1", 9)  # E: a signal for the reason
    app.jobs.cancel("job-1")  # E: a forgotten await on a cancel
    await app.jobs.cancel(*ids, 5)  # E: many ids and a number
    await app.jobs.retry("job-1")  # E: a dead letter is replayed
    await app.jobs.purge()  # E: queues are purged
    await app.jobs.count()  # E: queues are counted
    await app.cancel("job-1")  # E: jobs have a view
    await app.result("job-1")  # E: results have handles
    await app.handle("job-1")  # E: a handle is made without await, and no awaitable
    app.handle(handle)  # E: a handle for an id
    app.handle("job-1", charge)  # E: it does not know the task
    of_letters: DeadLetter = await app.jobs.get("job-1")  # E: a job for a dead letter
    app.jobs = None  # E: views stay
    await app.health()  # E: health is asked on the command line
    await app.inspect().active()  # E: a method of another library, for what runs
    await app.control.revoke("job-1")  # E: another library's way to cancel


async def dead(letter: DeadLetter) -> None:
    await app.dlq.list()  # E: it is called dead_letters
    await app.dead_letter.list()  # E: it is plural
    app.dead_letters.list()  # E: a forgotten await on dead letters
    await app.dead_letters.list(states=("failed",))  # E: dead letters have reasons
    await app.dead_letters.list(since="1h")  # E: text for an instant
    await app.dead_letters.list(since=timedelta(hours=1))  # E: a span for an instant
    await app.dead_letters.list(before=date(2026, 1, 1))  # E: a day for an instant
    await app.dead_letters.list(before=time.time() - 3600)  # E: seconds for an instant
    await app.dead_letters.list(after=YESTERDAY)  # E: it is called since
    await app.dead_letters.list(reason=["expired", "exhausted"])  # E: one reason at a time
    await app.dead_letters.list(reason=TimeoutError)  # E: a reason is no error
    await app.dead_letters.list(error="ValueError")  # E: letters are not asked by error
    await app.dead_letters.all()  # E: pages are all there is
    await app.dead_letters.page()  # E: the page of letters is called list
    (await app.dead_letters.list()).letters  # E: the page is a tuple
    for one in await app.dead_letters.list():
        one.reason  # E: a page is a list and a cursor, not the letters
    async for one in app.dead_letters.list():  # E: a page of letters is no stream
        return
    page, _ = await app.dead_letters.list()
    page[0]["reason"]  # E: a letter is no dict
    page.reason  # E: a list has no reason
    await app.dead_letters.get(letter)  # E: a letter for its id
    job: Job = await app.dead_letters.get("job-1")  # E: a dead letter for a job
    letter.error.type  # E: there may be no error
    letter.error_type  # E: that is the word of JobFailed
    letter.exception  # E: an attribute of another library, of a letter
    letter.job_id  # E: it is called id
    letter.state  # E: a letter has a reason
    letter.retries  # E: it is called attempts
    letter.envelope["args"]  # E: bytes, not yet read
    letter.envelope.args  # E: bytes have no fields
    letter.envelope.decode().id  # E: text has no fields
    json.loads(letter.error)  # E: a record is no text
    age = time.time() - letter.died_at  # E: an instant and a number
    letter.reason = "expired"  # E: a letter cannot be changed
    await letter.replay()  # E: the view replays
    letter.died_at < "2026-01-01"  # E: an instant and text
    DeadLetter(id="job-1", reason="expired")  # E: letters are not written by users


async def replaying(letter: DeadLetter, ids: list[str]) -> None:
    await app.dead_letters.replay(letter)  # E: a letter for ids
    await app.dead_letters.replay([letter])  # E: letters for ids
    await app.dead_letters.replay("job-1", "job-2")  # E: ids one by one
    await app.dead_letters.replay(*ids, "job-1")  # E: ids spread out
    await app.dead_letters.replay(id="job-1")  # E: it is called ids
    await app.dead_letters.replay(5)  # E: how many is not asked
    await app.dead_letters.replay(limit=10)  # E: all that match
    await app.dead_letters.replay(ids, delay=None)  # E: no delay is 0
    await app.dead_letters.replay(ids, delay=YESTERDAY)  # E: an instant for a span
    await app.dead_letters.replay(ids, eta=YESTERDAY)  # E: only a delay
    await app.dead_letters.replay(ids, queue=None)  # E: any queue is the empty text
    await app.dead_letters.replay(ids, True)  # E: dry_run is given by name
    await app.dead_letters.replay(ids, dry_run="yes")  # E: text for a switch
    await app.dead_letters.replay(task=charge)  # E: the task for its name
    await app.dead_letters.replay(max_retries=5)  # E: attempts begin anew
    await app.dead_letters.retry("job-1")  # E: it is called replay
    app.dead_letters.replay(ids)  # E: a forgotten await on a replay
    count: int = await app.dead_letters.replay(ids)  # E: answers for their number
    if await app.dead_letters.replay(ids) > 0:  # E: answers and a number
        return
    for job_id, status in await app.dead_letters.replay(ids):  # E: an answer is no pair
        return
    for answer in await app.dead_letters.replay(ids):
        ok = answer.status == "ok"  # E: no such status
        answer.replayed  # E: it is called status
        answer.job_id  # E: it is called id
        answer.holder.id  # E: the holder is named by text
        await answer.result()  # E: an answer is no handle
    (await app.dead_letters.replay(ids)).status  # E: one answer for each
    handles: list[JobHandle[int]] = await app.dead_letters.replay(ids)  # E: answers for handles
    app.dead_letters.purge(ids)  # E: a forgotten await on a purge
    len(await app.dead_letters.purge(ids))  # E: a number has no length
    for gone in await app.dead_letters.purge(ids):  # E: only their number comes
        return
    await app.dead_letters.purge(dry_run=True)  # E: only a replay can be tried
    await app.dead_letters.purge(older_than="7d")  # E: it is called before, and an instant
    await app.dead_letters.purge("*", confirm=True)  # E: nobody asks twice


async def queues(stats: QueueStats) -> None:
    await app.queues.purge()  # E: which queue?
    await app.queues.purge("mail", 100)  # E: all of them
    await app.queues.purge(["mail", "default"])  # E: one queue at a time
    await app.queues.pause(Queue("mail"))  # E: the queue for its name
    await app.queues.pause("mail", True)  # E: pause and resume are two
    paused: bool = await app.queues.pause("mail")  # E: pausing gives nothing
    app.queues.pause("mail")  # E: a forgotten await on a pause
    app.queues.stats("mail").waiting  # E: a forgotten await on the numbers
    await app.queues.stats()  # E: the numbers of one
    await app.queues["mail"]  # E: a view is no mapping
    await app.queues.get("mail")  # E: it is called stats
    await app.queue("mail")  # E: it is plural
    for queue in await app.queues.list():
        await app.queues.pause(queue)  # E: numbers for a name
    for name, numbers in await app.queues.list():  # E: no pairs
        return
    (await app.queues.list())["mail"]  # E: a list is asked by number
    stats["queued"]  # E: numbers are fields
    stats.size  # E: it is called waiting
    stats.waiting()  # E: a property is no method
    stats.pending  # E: it is called queued
    stats.paused = True  # E: numbers are only read
    if stats.queued == "0":  # E: a number is never text
        return
    sum(stats)  # E: one queue is no list of numbers
    total: int = stats.dead + stats.name  # E: a number and a name
    app.queues.list().sort()  # E: a forgotten await before the list
