"""Apps, workers, middleware and signals with options that are wrong, misspelt, or another library's."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import stem
from stem import (
    AnyCall,
    ConfigError,
    Delivery,
    ExecuteNext,
    JobHandle,
    Middleware,
    Queue,
    Rate,
    RetryPolicy,
    SendNext,
    Signal,
    Stem,
    TaskContext,
    Worker,
    WorkflowContext,
    task,
    workflow,
)
from stem.testing import FakeClock


class Order(BaseModel):
    number: int


@task("app.charge")
async def charge(ctx: TaskContext, order: Order) -> int:
    return order.number


@task("app.tick")
def tick() -> None: ...


@workflow("app.flow")
async def flow(ctx: WorkflowContext, order: Order) -> int:
    return order.number


def plain(order: Order) -> int:
    return order.number


class Log(Middleware):
    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
        return await proceed()


ORDER = Order(number=1)
URL = "redis://localhost"
app = Stem(URL, tasks=[charge, tick])

# ---------------------------------------------------------------- where it lives

Stem(Path("stem.db"))  # E: a path for a URL
Stem(["redis://a", "redis://b"])  # E: many servers are one URL
Stem(None)  # E: no URL is left out
Stem({"url": URL})  # E: settings for the URL
Stem("localhost", 6379)  # E: the port is part of the URL
Stem(URL, [charge])  # E: tasks are given by name
Stem("shop", broker=URL)  # E: a word of another library
Stem(URL, backend=URL)  # E: it is called results
Stem(URL, results=Stem(URL))  # E: an app for the URL of results
Stem(URL, results=None)  # E: no other engine is the empty text
Stem(URL, namespace=stem)  # E: a module for a name
Stem(URL, db=3)  # E: the database is part of the URL
Stem(URL, decode_responses=True)  # E: options of the client are part of the URL

# ---------------------------------------------------------------- what it knows

Stem(URL, task=[charge])  # E: it is plural
Stem(URL, tasks=charge)  # E: one task for a list
Stem(URL, tasks=[plain])  # E: a function without its decorator
Stem(URL, tasks=["app.charge"])  # E: names for tasks
Stem(URL, tasks={"app.charge": charge})  # E: tasks know their names
Stem(URL, tasks=[charge.build(ORDER)])  # E: a call for a task
Stem(URL, tasks=[flow])  # E: a workflow among the tasks
Stem(URL, workflows=[charge])  # E: a task among the workflows
Stem(URL, tasks=[charge, [tick]])  # E: a list among the tasks
Stem(URL, tasks=[charge, None])  # E: a hole among the tasks
Stem(URL, tasks=None)  # E: no tasks are left out
Stem(URL, include=[logging])  # E: a module for its name
Stem(URL, include={"shop.tasks"})  # E: a set has no order
Stem(URL, imports=["shop.tasks"])  # E: it is called include
Stem(URL, queues=["mail"])  # E: names for queues
Stem(URL, queues=Queue("mail"))  # E: one queue for a list
Stem(URL, queues={"mail": {"priority": 5}})  # E: a dict for queues
Stem(URL, default_queue="mail")  # E: tasks say their queue
Stem(URL, middleware=[Log])  # E: the class for an instance
Stem(URL, middleware=Log())  # E: one for a list
Stem(URL, middleware=[plain])  # E: a function is no middleware
Stem(URL, middlewares=[Log()])  # E: it is singular
Stem(URL, max_payload="1MB")  # E: text for a number of bytes
Stem(URL, max_payload=1e6)  # E: a fraction of a byte
Stem(URL, max_result=None)  # E: there is always a limit
Stem(URL, result_ttl="1h")  # E: said by tasks and queues
Stem(URL, serializer="json")  # E: there is only one
Stem(URL, always_eager=True)  # E: tests have a fake
Stem(URL, timezone="UTC")  # E: instants are aware
Stem.from_env("shop")  # E: options are given by name
Stem.from_env(url=URL)  # E: the URL comes from outside
Stem.from_env(queues=["mail"])  # E: names for queues, from outside
Stem.from_env(clock=FakeClock())  # E: only an app in memory takes a clock
Stem.from_url(URL)  # E: the class itself takes the URL
Stem.in_memory(namespace=None)  # E: a namespace is left out
app.url.host  # E: a URL is text
app.engine()  # E: a property is no method
app.conf.update(task_acks_late=True)  # E: settings of another library
app.autodiscover_tasks(["shop"])  # E: it is called include
app.register(charge)  # E: tasks are given when the app is made
app.tasks["app.charge"]  # E: the app has no such list
app.load()["app.charge"]  # E: what is loaded is no mapping
later: Stem[Order] = app  # E: names are text, not models


@app.task("app.later")  # E: tasks do not belong to an app
async def later_task(order: Order) -> int:
    return order.number


# ---------------------------------------------------------------- queues of an app

Queue()  # E: a queue has a name
Queue(5)  # E: the name is a number
Queue("mail", 5)  # E: the priority is given by name
Queue("mail", priority="high")  # E: text for a number
Queue("mail", max_retries=None)  # E: no number does not mean for ever
Queue("mail", retry=3)  # E: how often is max_retries
Queue("mail", concurrency=3)  # E: limits are for tasks
Queue("mail", rate_limit=Rate("10/s"))  # E: rates are for tasks
Queue("mail", routing_key="mail.#")  # E: a word of another library
Queue("mail", connection=URL)  # E: queues do not know where they live
Queue("mail", visibility_timeout=None)  # E: there is always a lease
Queue("mail").enqueue(charge, ORDER)  # E: calls are sent through apps
Queue("mail").priority  # E: options lie deeper
RetryPolicy(max_retries=3)  # E: policies are made by their kinds
RetryPolicy.exponential(jitter=False)  # E: there always is
RetryPolicy.exponential(factor=2)  # E: it doubles, always
RetryPolicy.exponential(retry_on=lambda error: True)  # E: a function for classes
RetryPolicy.fixed("5s", "10s", "1m")  # E: one wait for all
RetryPolicy.fixed(["5s", "10s"])  # E: a list of waits
RetryPolicy.none()  # E: no retries are max_retries=0


# ---------------------------------------------------------------- workers


async def workers(name: str) -> None:
    app.worker(4)  # E: options are given by name
    app.worker(concurrency="4")  # E: text for a number
    app.worker(concurrency=None)  # E: there is always a number
    app.worker(concurrency=asyncio.Semaphore(4))  # E: a semaphore for a number
    app.worker(processes=4)  # E: one process for one worker
    app.worker(pool="prefork")  # E: a word of another library
    app.worker(queues=[Queue("mail")])  # E: queues for their names
    app.worker(queue="mail")  # E: it is plural
    app.worker(queues={"mail": 3})  # E: queues have no weights
    app.worker(queues=None)  # E: all queues are left out
    app.worker(tasks=[charge])  # E: tasks are the app's
    app.worker(workflows=[flow])  # E: workflows for their names
    app.worker(workflows=False)  # E: none of them is an empty list
    app.worker(name=None)  # E: a name is left out
    app.worker(burst=1)  # E: a number for a switch
    app.worker(burst="yes")  # E: text for a switch
    app.worker(unknown_for=None)  # E: there is always a time
    app.worker(loglevel="INFO")  # E: logging is Python's
    app.worker(middleware=[Log()])  # E: middleware is the app's
    app.worker(clock=FakeClock())  # E: the clock is the app's
    app.worker(app)  # E: it knows its app
    Stem.worker(burst=True)  # E: the class has no worker
    Worker(app)  # E: workers are made by their app
    Worker([Queue("mail")], connection=URL)  # E: a worker of another library
    await app.worker()  # E: a worker is no awaitable
    app.worker(burst=True).run()  # E: a forgotten await on a run
    await app.worker().run(burst=True)  # E: said when it is made
    await app.worker(burst=True).run(timeout="5s")  # E: it runs until nothing is ready
    done: int = await app.worker(burst=True).run()  # E: a run gives nothing
    await app.run()  # E: workers run
    asyncio.run(app.worker())  # E: a worker for a coroutine
    asyncio.run(app.worker().run)  # E: the method was not called
    asyncio.create_task(app.worker())  # E: a worker for a coroutine, in a task
    with app.worker():  # E: it is opened with an await
        pass
    async with app.worker:  # E: the method was not called, in a with
        pass
    async with app, app.worker as both:  # E: the second was not called
        pass
    async with Stem:  # E: the class for an app
        pass
    async with app.open():  # E: open is awaited, or the app is
        pass
    async with await app:  # E: an app is no awaitable
        pass
    async with app.worker() as worker:
        worker.shutdown()  # E: it is called stop
        worker.stop()  # E: a forgotten await on the stop
        await worker.stop("graceful")  # E: no such way to stop
        await worker.stop(timeout="10s")  # E: it takes as long as it takes
        await worker.ask_to_stop("warm")  # E: asking is done at once
        worker.ask_to_stop()  # E: in which way?
        worker.running()  # E: a property is no method
        worker.queues.append("mail")  # E: queues stay as they are
        worker.queues = "mail"  # E: text for a tuple of names
        worker.concurrency = 4  # E: said when it is made
        await worker  # E: a worker is no awaitable, opened or not
        for job in worker.running:  # E: a number is no list of jobs
            break
    async with app as opened:
        opened.closed  # E: no such attribute
        await opened.enqueue(5)  # E: a number for a name
    app.close()  # E: a forgotten await on the close


# ---------------------------------------------------------------- middleware


class NoProceed(Middleware):
    async def on_execute(self, ctx: TaskContext) -> object:  # E: nothing to go on with
        return None


class Plain(Middleware):
    def on_error(self, ctx: TaskContext, error: BaseException) -> None:  # E: it is awaited
        return None


class NoHandle(Middleware):
    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> None:  # E: the handle goes nowhere
        await proceed(call)


class Kwargs(Middleware):
    async def on_consume(self, delivery: Delivery, **more: Any) -> None:  # E: to go on is given by position
        return None


class Swapped(Middleware):
    async def on_execute(self, proceed: ExecuteNext, ctx: TaskContext) -> object:  # E: the wrong way round
        return await proceed()


class Narrow(Middleware):
    async def on_error(self, ctx: TaskContext, error: ConfigError) -> None:  # E: any error may come
        return None


class Right(Middleware):
    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> JobHandle[Any]:
        call.headers["x"] = "y"  # E: headers are added
        await proceed()  # E: the call must be passed on
        return proceed(call)  # E: a promise for the handle

    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
        await proceed(ctx)  # E: the context is known already
        number: int = await proceed()  # E: it may be anything
        ctx.headers["x"] = "y"  # E: headers are only read
        delivery = ctx.delivery  # E: no such attribute of a context
        return await super().on_execute(proceed)  # E: the context is missing


# ---------------------------------------------------------------- signals


def of_signal(signal: Signal) -> None:
    signal.exception  # E: it is called error
    signal.error.message  # E: there may be none
    signal.result  # E: results have handles
    if signal.name == "task_failed":  # E: no such signal
        return
    signal.retry_in_ms + 5  # E: there may be no retry


def of_text(text: str) -> None: ...


def of_nothing() -> None: ...


def of_sender(sender: object, **more: object) -> None: ...


async def of_other(signal: Signal) -> int:
    return 1


app.signals.job_failed.connect(of_text)  # E: an observer of text
app.signals.job_failed.connect(of_nothing)  # E: an observer of nothing
app.signals.job_enqueued.connect(of_signal)  # E: an observer of ends
app.signals.job_failed.connect(of_other)  # E: an observer that gives a number
app.signals.job_failed.connect(of_signal, task=charge)  # E: the task for a pattern
app.signals.job_failed.connect(of_signal, tasks="app.*")  # E: it is singular
app.signals.job_failed.connect(of_signal("x"))  # E: it was called
app.signals.job_failed.connect("notify")  # E: a name for the observer
app.signals.job_failed(of_signal)  # E: a source is not called
app.signals.task_failure.connect(of_sender)  # E: a signal of another library
app.signals.on("job_failed", of_signal)  # E: sources are attributes
app.signals["job_failed"].connect(of_signal)  # E: signals are no mapping
app.signals.job_failed += of_signal  # E: observers are connected
app.signals.job_failed.connect(of_signal).disconnect()  # E: a subscription is cancelled
app.signals.job_failed.disconnect(of_signal)  # E: an observer for its subscription
app.signals.job_failed.emit("job-1")  # E: text for a signal
