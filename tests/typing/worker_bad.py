"""Apps, workers, middleware and signals that are composed the wrong way."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta, timezone
from typing import Literal

from pydantic import BaseModel
from typing_extensions import override

import stem
from stem import AnyCall, ConsumeNext, Delivery, ExecuteNext, Flow, JobHandle, Middleware, Queue, SendNext, Signal, Stem
from stem import TaskContext, TaskDefinition, Topic, WorkflowContext, WorkflowDefinition, task, workflow
from stem.testing import FakeClock, FakeStem


class Order(BaseModel):
    id: str


ORDER = Order(id="1")
NOW = datetime.now(timezone.utc)
log = logging.getLogger(__name__)
shipped = Topic("order.shipped", payload=Order)


@task("apps.charge")
async def charge(order: Order) -> int:
    return len(order.id)


@workflow("apps.fulfil")
async def fulfil(ctx: WorkflowContext, order: Order) -> str:
    return order.id


async def plain(order: Order) -> str:
    return order.id


class Timing(Middleware):
    def __init__(self, name: str) -> None:
        self.name = name


async def around(ctx: TaskContext, proceed: ExecuteNext) -> object:
    return await proceed()


# ---------------------------------------------------------------- composed

Stem("memory://", [charge])  # E: tasks are given by name
Stem(broker="redis://localhost", backend="redis://localhost")  # E: one URL says where
Stem(url=None)  # E: the default URL is left out
Stem("memory://", engine=None)  # E: the URL says which engine
Stem(tasks=charge)  # E: one task instead of a list
Stem(tasks=["apps.charge"])  # E: a task is no name
Stem(tasks={"apps.charge": charge})  # E: tasks know their names
Stem(tasks=[plain])  # E: a function that is no task
Stem(tasks=[charge.build(ORDER)])  # E: a call is no task
Stem(tasks=[charge, fulfil])  # E: a workflow among tasks
Stem(tasks=[(charge, "mail")])  # E: a task is no pair
Stem(tasks=None)  # E: no tasks are left out
Stem(tasks=[TaskDefinition])  # E: the class of definitions
Stem(tasks=stem)  # E: a module is named by include
Stem(workflows=fulfil)  # E: one workflow instead of a list
Stem(workflows=[charge])  # E: a task among workflows
Stem(workflows=["apps.fulfil"])  # E: a workflow is no name
Stem(workflows=[fulfil.build(ORDER)])  # E: a run is no workflow
Stem(workflows=[Flow])  # E: the class of flows
Stem(workflows=[TaskDefinition("a", args=Order, returns=int)])  # E: a task's definition among workflows
Stem(tasks=[WorkflowDefinition("a", returns=int)])  # E: a workflow's definition among tasks
Stem(events=[shipped])  # E: events need no registration
Stem(activities=[plain])  # E: steps need no registration
Stem(include=[stem])  # E: a module is named
Stem(include=True)  # E: modules are named one by one
Stem(queues=["mail"])  # E: a queue is given with its options
Stem(queues={"mail": Queue("mail")})  # E: queues know their names
Stem(queues=Queue("mail"))  # E: one queue instead of a list
Stem(queues={"mail": {"priority": 5}})  # E: a queue is no dict of options
Stem(default_queue="mail")  # E: a task says its queue
Stem(middleware=[Timing])  # E: the class of a middleware
Stem(middleware=Timing("a"))  # E: one middleware instead of a list
Stem(middleware=[around])  # E: a function is no middleware
Stem(middleware={"timing": Timing("a")})  # E: middleware has an order
Stem(max_payload="1MB")  # E: a size is a number of bytes
Stem(max_payload=1.5e6)  # E: a size is a whole number
Stem(max_result=None)  # E: a size has a limit
Stem(namespace=None)  # E: the default namespace is left out
Stem(results=False)  # E: results are kept somewhere
Stem(concurrency=10)  # E: slots belong to the worker
Stem(max_retries=5)  # E: retries belong to tasks and queues
Stem(lifespan=around)  # E: the block around the app is the lifespan
Stem.in_memory("memory://")  # E: memory has no URL
Stem.in_memory([charge])  # E: tasks are given by name, in memory too
Stem.in_memory(clock=FakeClock)  # E: the class of clocks
Stem.in_memory(clock=time.time)  # E: a function is no clock
Stem.in_memory(clock=NOW)  # E: an instant is no clock
Stem.from_url("redis://localhost")  # E: the URL is the first argument
Stem[int]("memory://")  # E: names are text
typed = Stem[Literal["apps.charge"]]("memory://", tasks=[charge])
as_fake: FakeStem = Stem.in_memory()  # E: an app is no fake
as_worker: stem.Worker = typed  # E: an app is no worker
any_name: Stem[str] = typed  # E: an app of few names does not take all
typed.url()  # E: the URL is an attribute


# ---------------------------------------------------------------- registered later

typed.task("apps.other")  # E: an app does not declare
typed.register(charge)  # E: tasks are given when the app is made
typed.include("shop.tasks")  # E: modules are named when the app is made
typed.conf.timezone = "UTC"  # E: an app has no settings to change
typed.tasks["apps.charge"]  # E: tasks are loaded by load()
typed.add_middleware(Timing("a"))  # E: middleware is given when the app is made
typed.control.revoke("job-1")  # E: jobs are cancelled by app.jobs


@typed.on_startup  # E: an app has no hooks
async def startup() -> None: ...


@typed.signals.worker_started  # E: a signal is connected to
def begun(event: object) -> None: ...


# ---------------------------------------------------------------- workers


async def work(app: Stem) -> None:
    app.worker(4)  # E: slots are given by name
    app.worker(concurrency="4")  # E: slots are a number
    app.worker(concurrency=None)  # E: the number of slots has a default
    app.worker(concurrency={"mail": 4})  # E: slots are for all queues
    app.worker(workflows=[fulfil])  # E: workflows are named to a worker
    app.worker(workflows=True)  # E: a worker takes all workflows by default
    app.worker(queues=[Queue("mail")])  # E: queues are named to a worker
    app.worker(queues={"mail": 4}.items())  # E: queues have no slots
    app.worker(queues=None)  # E: all queues are an empty list
    app.worker(name=None)  # E: the default name is left out
    app.worker(strict="yes")  # E: a worker's switch is True or False
    app.worker(burst=10)  # E: a burst has no number
    app.worker(unknown_for=None)  # E: unknown jobs are not kept for ever
    app.worker(unknown_for=NOW)  # E: unknown jobs are kept for a span
    await app.worker()  # E: a worker is run or entered
    await app.worker  # E: a worker is made by a call
    app.worker().run()  # E: an await is missing before a run of the worker
    await app.worker().start(4)  # E: a start has no slots
    with app.worker():  # E: a worker is entered, awaited
        pass
    async with app.worker:  # E: a worker is made, then entered
        pass
    async with app.worker() as worker:
        await worker.stop("cold")  # E: no such way to stop
        worker.stop()  # E: an await is missing before a stop
        worker.ask_to_stop()  # E: how to stop is missing
        await worker.ask_to_stop("warm")  # E: to ask is no coroutine
        worker.running()  # E: how many run is a property
        if worker.running == []:  # E: how many run is a number
            pass
    async with app, app.worker as worker:  # E: a worker is made, in a longer block too
        pass
    with app:  # E: an app is entered, awaited
        pass
    async with app.open():  # E: to open is no block
        pass
    app.open()  # E: an await is missing before open
    app.close()  # E: an await is missing before close
    async with Stem as other:  # E: the class of apps is not entered
        pass
    async with app.sync as sync:  # E: code without a loop enters plainly
        pass
    app.sync().enqueue(charge.build(ORDER))  # E: the twin of an app is a property
    app.engine()  # E: the engine is a property


asyncio.run(typed.worker())  # E: a worker is no coroutine
asyncio.run(typed.worker().run)  # E: a run of the worker is called


# ---------------------------------------------------------------- middleware


class Wrong(Middleware):
    def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:  # E: a plain def around the handler
        return proceed()

    async def on_consume(self, delivery: Delivery) -> None:  # E: what goes on is missing
        log.info("%s", delivery.id)

    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> None:  # E: the handle is given back
        await proceed(call)

    async def on_error(self, ctx: TaskContext, error: ValueError) -> None:  # E: every error comes here
        log.info("%s", error)


class Other(Middleware):
    async def on_execute(self, ctx: WorkflowContext, proceed: ExecuteNext) -> object:  # E: runs do not come here
        return await proceed()

    async def on_consume(self, delivery: Delivery, proceed: ConsumeNext, retries: int) -> None:  # E: a parameter too many
        await proceed(delivery)

    async def on_enqueue(self, call: JobHandle[int], proceed: SendNext) -> JobHandle[int]:  # E: a call comes, not a handle
        return call

    def on_error(self, ctx: TaskContext, error: BaseException) -> None:  # E: a plain def for errors
        log.info("%s", error)


class Misspelt(Middleware):
    @override
    async def on_exec(self, ctx: TaskContext, proceed: ExecuteNext) -> object:  # E: overrides nothing, and says so
        return await proceed()


class Inside(Middleware):
    @override
    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
        await proceed(ctx)  # E: the handler is gone on to without arguments
        number: int = await proceed()  # E: a result may be anything
        if proceed().ok:  # E: going on is awaited
            return None
        return await ctx.next()  # E: a context does not go on

    @override
    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> JobHandle[int]:
        await proceed()  # E: the call is passed on
        await proceed(charge)  # E: a call is passed on, not a task
        call.header("trace", 1)  # E: a header is text, in a middleware too
        return proceed(call)  # E: an await is missing before what goes on

    @override
    async def on_consume(self, delivery: Delivery, proceed: ConsumeNext) -> None:
        await proceed()  # E: the delivery is passed on
        delivery.attempt = 1  # E: a delivery is not changed
        result: int = await proceed(delivery)  # E: a delivery gives nothing back

    @override
    async def on_error(self, ctx: TaskContext, error: BaseException) -> None:
        return error  # E: an error is not given back


# ---------------------------------------------------------------- signals


def sender_and_more(sender: str, result: object) -> None: ...


def of_order(order: Order) -> None: ...


def of_signal(signal: Signal) -> None: ...


def no_parameters() -> None: ...


signals = typed.signals
signals.job_failed.connect(sender_and_more)  # E: an observer is given one signal
signals.job_failed.connect(no_parameters)  # E: an observer is given the signal
signals.job_failed.connect(of_order)  # E: an observer is not given the arguments
signals.job_started.connect(of_signal)  # E: a start is told by another class
signals.run_failed.connect(of_signal)  # E: a run is told by another class
signals.job_failed.connect(plain(ORDER))  # E: an observer is not called
signals.job_failed.connect("apps.charge", of_signal)  # E: the observer comes first
signals.job_failed.connect(of_signal, "apps.*")  # E: a pattern is given by name
signals.job_failed.connect(of_signal, task=charge)  # E: a task is matched by its name
signals.job_failed.connect(of_signal, task=["apps.a", "apps.b"])  # E: one pattern
signals["job_failed"].connect(of_signal)  # E: signals are no mapping
subscription = signals.job_failed.connect(of_signal)
subscription()  # E: a subscription is not called
signals.job_failed.disconnect(of_signal)  # E: the subscription is disconnected, not its function
signals.job_failed.emit("apps.charge")  # E: a signal is an object


@signals.job_failed.connect(task="apps.*")  # E: to connect with a filter is no decorator
def failed(signal: Signal) -> None: ...


# ---------------------------------------------------------------- views


async def views(app: Stem, handle: JobHandle[int]) -> None:
    await app.jobs.get(handle)  # E: a job is looked up by its id
    await app.jobs.cancel(handle)  # E: a job is cancelled by its id
    await app.jobs.list(states="failed")  # E: states of jobs are several
    await app.jobs.list(states=("success",))  # E: no such state of a job
    await app.jobs.list(task=charge)  # E: a task is named to a list
    await app.jobs.list(queue=Queue("mail"))  # E: a queue is named to a list
    await app.jobs.all()  # E: all jobs are looped over
    await app.jobs  # E: jobs are looked at by methods
    await app.queues.stats()  # E: the queue is missing
    await app.queues.stats(Queue("mail"))  # E: a queue is named to look at
    (await app.queues.stats("mail")).waiting()  # E: waiting is a property
    await app.queues.pause(["mail", "slow"])  # E: one queue is paused at a time
    for queue in app.queues.list():  # E: queues are awaited, then looped over
        pass
    await app.dead_letters.list(since="1h")  # E: since is an instant
    await app.dead_letters.list(since=timedelta(hours=1))  # E: since is no span
    await app.dead_letters.replay(handle)  # E: dead letters are named by their ids
    await app.dead_letters.replay(["job-1"], delay=None)  # E: no delay is left out
    count: int = await app.dead_letters.replay()  # E: a replay answers for each
    if (await app.dead_letters.replay())[0].status == "failed":  # E: no such answer to a replay
        pass
    await typed.enqueue("apps.chrage", {})  # E: no task of this name
    await app.enqueue(charge, {"id": "1"})  # E: a task is named by text
    await app.enqueue("apps.charge", ["1"])  # E: arguments by name are no list
    await app.enqueue("apps.charge", args=ORDER)  # E: arguments by name are no model
    await app.call("apps.charge", {"id": "1"})  # E: a call by name is sent
    app.enqueue("apps.charge", {"id": "1"})  # E: an await is missing before an enqueue by name
    await app.submit(charge, ORDER)  # E: arguments belong into the call, for an app too
    app.handle(handle)  # E: a handle is of a job's id
    await app.handle("job-1")  # E: a job's handle is there at once
