"""The blocking twin: forgotten and superfluous awaits, and the two sides mixed."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel
from warehouse_client import events, orders

from stem import Enqueuer, Job, JobHandle, Stem, SyncEnqueuer, SyncJobHandle, TaskContext, task
from stem.testing import FakeStem


class Order(BaseModel):
    number: int


ORDER = Order(number=1)


@task("sync.count")
async def count(args: Order) -> int:
    return args.number


@task("sync.thread")
def in_a_thread(ctx: TaskContext) -> str:
    ctx.sync.heartbeat()  # E: it blocks nowhere, so it has no twin
    ctx.sync.sync.progress(50)  # E: the twin has no twin
    ctx.sync.id  # E: facts are the context's own
    return ctx.sync.enqueue(call).id  # E: the id itself comes back


call = count.build(ORDER)
run = orders.fulfil(order=orders.Order(id="1", customer="a", cents=2), to=orders.Address(street="s", city="c"))
app = Stem("memory://", tasks=[count])


def plain(enqueuer: SyncEnqueuer) -> int:
    return enqueuer.enqueue(call).result("5s")


async def streaming(enqueuer: Enqueuer) -> int:
    return await (await call.enqueue(enqueuer)).result("5s")


def of_handle(handle: JobHandle[int]) -> str:
    return handle.id


def of_sync_handle(handle: SyncJobHandle[int]) -> int:
    return handle.result()


# ---------------------------------------------------------------- opening


def opening() -> None:
    with app:  # E: the app itself is opened in an event loop
        pass
    with app.sync() as sync:  # E: it is no method
        pass
    with app.sync.open() as sync:  # E: open gives nothing
        pass
    app.sync.open().enqueue(call)  # E: open gives nothing to send through
    with Stem.sync as sync:  # E: the class has no engine
        pass
    with app.worker():  # E: workers need an event loop
        pass
    with FakeStem() as fake:  # E: its sync is opened
        pass


async def opening_in_a_loop() -> None:
    async with app.sync as sync:  # E: it is opened without await
        pass
    async with app, app.sync as both:  # E: one of them is opened without await
        pass
    await app.sync.open()  # E: it is opened without await, and gives nothing


# ---------------------------------------------------------------- sending


def sending() -> None:
    with app.sync as sync:
        sync.submit(call)  # E: it is called enqueue here
        sync.enqueue("sync.count", {"number": 1})  # E: no calls by name here
        sync.enqueue(count)  # E: a task for a call
        sync.enqueue(count, ORDER)  # E: a task and its arguments
        sync.enqueue(call, timeout="5s")  # E: the timeout is the result's
        sync.enqueue(call.enqueue(app))  # E: a coroutine for a call
        call.enqueue(sync).close()  # E: the call is sent through an app with a loop
        sync.enqueue_many(call)  # E: one call for many
        sync.enqueue_many(call, call)  # E: calls one by one
        sync.enqueue_many([call]).result()  # E: a list has no result
        sync.enqueue_many([call])[0].result().bit_lenght()  # E: no such method of a number
        sync.enqueue(run)  # E: a run is started
        sync.start(call)  # E: a job is enqueued
        sync.start(orders.fulfil)  # E: a workflow is called first
        sync.start(run.start(app))  # E: a coroutine for a run
        sync.emit(events.order_packed, events.Packed(by="a"))  # E: an event is made first
        events.order_packed.emit(sync, events.Packed(by="a")).close()  # E: a topic is emitted in a loop
        sync.worker()  # E: workers are the app's
        sync.call("sync.count").close()  # E: calls by name are the app's
        sync.tasks  # E: no such attribute
        wrong: SyncJobHandle[str] = sync.enqueue(call)  # E: a handle with another result


async def sending_in_a_loop() -> None:
    with app.sync as sync:
        await sync.enqueue(call)  # E: nothing to await
        await sync.enqueue_many([call])  # E: nothing to await, for many
        await sync.enqueue(call).result()  # E: the result is there already
        await sync.handle("job-1").status()  # E: the status is there already
        await asyncio.to_thread(sync.enqueue(call))  # E: it was called before the thread could
        await asyncio.to_thread(sync.enqueue(call).result())  # E: it was awaited before the thread could
        handle: JobHandle[int] = await asyncio.to_thread(app.submit, call)  # E: a thread gives the coroutine back
        await count.enqueue(sync, ORDER)  # E: the blocking twin for the app
        await run.start(sync)  # E: the blocking twin for the app, with a run
        await streaming(sync)  # E: the blocking twin where an Enqueuer is taken
        await streaming(app.sync)  # E: the same, not even open
    await app.sync.jobs  # E: a view is no awaitable


# ---------------------------------------------------------------- results


def results() -> None:
    with app.sync as sync:
        handle = sync.enqueue(call)
        value: int = handle.result  # E: the method was not called
        text: str = handle.result()  # E: a number for text
        handle.result(["5s"])  # E: the timeout is a list
        handle.result(seconds=5)  # E: misnamed timeout
        handle.result().close()  # E: a number, no coroutine
        handle.get(timeout=5)  # E: a method of another library
        if handle.status().state == "success":  # E: no such state
            return
        if handle.enqueued == "exists":  # E: an enqueue never finds that
            return
        handle.state  # E: a handle has no state of its own
        asyncio.run(handle.result())  # E: a value for a coroutine
        asyncio.run(sync.enqueue(call))  # E: a handle for a coroutine
        sync.run(sync.enqueue(call))  # E: it was sent already
        sync.run(handle.result())  # E: it is there already
        of_handle(handle)  # E: a blocking handle for one with a loop
        values: list[int] = [one.result for one in sync.enqueue_many([call])]  # E: methods that were not called
        job: Job = handle.watch()  # E: a stream for a job
        handle.watch().state  # E: a stream has no state
        handle.cancel("because", True)  # E: jobs end in one way
        sync.handle(call)  # E: a call for an id
        sync.handle(handle)  # E: a handle for its id


async def results_in_a_loop() -> None:
    with app.sync as sync:
        async for job in sync.enqueue(call).watch():  # E: a plain stream
            return
    of_sync_handle(await app.submit(call))  # E: a handle with a loop for a blocking one
    number: int = of_sync_handle(call)  # E: a call for a handle


# ---------------------------------------------------------------- views


def views() -> None:
    with app.sync as sync:
        jobs, cursor = sync.jobs.list()  # E: the coroutine was not run
        for one in sync.jobs.list():  # E: the coroutine was not run, in a loop
            return
        sync.jobs.get("job-1").state  # E: the coroutine was not run, for an attribute
        sync.run(sync.jobs.get("job-1").state)  # E: the attribute is taken too early
        sync.run(sync.jobs.get)  # E: the method was not called
        sync.run(lambda: sync.jobs.get("job-1"))  # E: a function for a coroutine
        sync.run(sync.jobs)  # E: a view for a coroutine
        sync.run()  # E: nothing to run
        sync.run(sync.jobs.get("a"), sync.jobs.get("b"))  # E: one at a time
        sync.run(sync.jobs.get("a"), timeout="5s")  # E: run waits as long as it takes
        sync.run(sync.jobs.all())  # E: a stream for a coroutine
        for each in sync.jobs.all():  # E: an async stream in a plain loop
            return
        gone: int = sync.dead_letters.purge()  # E: the coroutine was not run, for a number
        for answer in sync.dead_letters.replay(["job-1"]):  # E: the coroutine was not run, for a list
            return
        sync.run(sync.dead_letters.replay(["job-1"])).status  # E: a list has no status
        sync.run(sync.queues.stats("mail")).waiting()  # E: a property is no method
        sync.run(sync.queues.pause("mail")).paused  # E: pausing gives nothing
        sync.queues.stats("mail").waiting  # E: the coroutine was not run, for a queue
        sync.dead_letters["job-1"]  # E: a view is no mapping
        len(sync.jobs)  # E: a view has no length
        text: str = sync.run(sync.queues.purge("mail"))  # E: a number for text
        sync.run(sync.workflows.cancel(run))  # E: a call for a run's id


# ---------------------------------------------------------------- handed in

plain(app)  # E: the app where its blocking twin is taken
plain(FakeStem())  # E: the fake where its blocking twin is taken
plain(FakeStem().sync())  # E: the fake's twin is no method
plain(app.sync.jobs)  # E: a view for the twin
plain(app.sync.enqueue)  # E: a method for the twin


async def fakes(fake: FakeStem) -> None:
    await streaming(fake.sync)  # E: the fake's twin for the fake
    number: int = fake.sync.enqueue(call).result  # E: the method was not called in a test
    async with fake.sync:  # E: it is opened without await in a test, too
        return


def of_protocol(enqueuer: SyncEnqueuer, other: Enqueuer) -> None:
    enqueuer.run(call)  # E: the protocol only sends
    enqueuer.jobs  # E: the protocol has no views
    other.sync  # E: this protocol has no blocking twin
    enqueuer.enqueue_many([call]).append(enqueuer.enqueue(call))  # E: what comes back is only read
