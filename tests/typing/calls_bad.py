"""Options of calls, sent one by one and in batches, as people who come from other queues would write them."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from pydantic import BaseModel

from stem import Enqueuer, JobHandle, Queue, RetryPolicy, Stem, TaskDefinition, TaskEnqueueBuilder, Unique, task


class Order(BaseModel):
    number: int


ORDER = Order(number=1)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@task("calls.count")
async def count(args: Order) -> int:
    return args.number


@task("calls.sweep")
def sweep() -> None:
    return None


@task("calls.look")
async def look(args: Order) -> list[int]:
    return [args.number]


charge = TaskDefinition("calls.charge", args=Order, returns=str)
call = count.build(ORDER)

# ---------------------------------------------------------------- when

call.delay(LATER)  # E: an instant where a span is taken
call.delay(timedelta)  # E: the class of spans
call.eta(time.time() + 60)  # E: seconds since 1970 for an instant
call.eta(date(2030, 1, 1))  # E: a day without a time
call.eta(LATER, "UTC")  # E: the zone belongs to the instant
call.expires(LATER)  # E: an instant where the time to live is a span
call.expires()  # E: no span; "never" is said with None
call.at(LATER)  # E: that is the word of a workflow call
call.not_before("5m")  # E: no such method
call.enqueue_in("5m", count)  # E: the delay is a method of its own
call.timeout("5s")  # E: limits are set by time_limit

# ---------------------------------------------------------------- how often, where, under which name

call.retries(None)  # E: no number does not mean for ever
call.retries(math.inf)  # E: no fraction, also not infinity
call.retries(max_retries=3)  # E: the option of @task, not the parameter
call.retries(3, delay="5s")  # E: the wait belongs into a policy
call.retries(3, RetryPolicy.exponential)  # E: the policy was not made
call.retries(3, [RetryPolicy.fixed("5s")])  # E: a list of policies
call.retry(3)  # E: one letter short of retries
call.priority(high=True)  # E: a priority is a number
call.priority += 1  # E: a method is no number to add to
call.id = "order-1"  # E: set like an attribute
call.id(uuid4())  # E: a UUID is not text
call.id()  # E: an id is not made by asking for one
call.queue(Queue("mail"))  # E: the queue's object for its name
call.queue("mail", 5)  # E: the priority is not the queue's affair
call.unique(key="order-1")  # E: a key without a rule
call.unique(Unique)  # E: the rule was not made
call.unique(Unique(key="number"), until="start")  # E: until belongs into the rule
call.unique(Unique(until="done", for_=["1h"]))  # E: a list for a span
call.limit_key(lambda order: "acme")  # E: a function for the computed key
call.limit_key("acme", "payments")  # E: two keys
call.result_ttl("1h")  # E: said by the task, not by a call
call.ignore_result()  # E: also said by the task alone
call.tags("urgent")  # E: tags are for tasks

# ---------------------------------------------------------------- what travels with it

call.headers({"x-tenant": "acme"})  # E: one header at a time, and singular
call.header(x_tenant="acme")  # E: header names are no keywords
call.header(b"x-tenant", b"acme")  # E: bytes for text
call.header(("x-tenant", "acme"))  # E: a pair for two arguments
call.meta({"campaign": 7})  # E: metadata is added name by name
call.meta(campaign=7)  # E: names of metadata are no keywords
call["x-tenant"] = "acme"  # E: a call is no mapping
call.request.priority  # E: options lie deeper, and are not for users
call.request.id = "order-1"  # E: what a call holds cannot be changed

# ---------------------------------------------------------------- making a call

count.build(**ORDER.model_dump())  # E: fields as keywords, from a dump
count.build(*[ORDER, ORDER], priority=5)  # E: an option for build
count.build(ORDER, id="order-1")  # E: the id is a method of the call
count.s(ORDER)  # E: a signature of another library
count.signature(ORDER)  # E: the signature is text for people
count.si()  # E: an immutable signature of another library
count.send(ORDER)  # E: an actor's method of another library
count.apply_async((ORDER,))  # E: a method of another library, with a tuple of arguments
count.delay(ORDER)  # E: an option of calls, and another library's way to send
count(ORDER).enqueue  # E: the handler was run, not a call made
count.with_options(queue="mail")  # E: options are for calls
charge.fn  # E: a definition has no handler
count.build(Order)(number=1)  # E: the class, and a call that is called
TaskEnqueueBuilder(count, ORDER)  # E: calls are made by build
of_name: TaskEnqueueBuilder[count] = call  # E: a task is no type
count.build([Order(number=1), Order(number=2)])  # E: many arguments in one call
either = call if ORDER.number else sweep
either.priority(3)  # E: a call or a task, and only one has priorities


# ---------------------------------------------------------------- sending


async def calls(n: int) -> AsyncIterator[TaskEnqueueBuilder[int]]:
    for number in range(n):
        yield count.build(Order(number=number))


async def send(app: Enqueuer, whole: Stem, task_of_any: count) -> None:  # E: a task is no type of parameters
    await call.enqueue(app, delay="5s")  # E: options come before the enqueue
    await call.enqueue(Stem)  # E: the class for the app
    await call.enqueue(whole.engine)  # E: the engine for the app
    await call.enqueue(whole.worker())  # E: a worker for the app
    await call.delay("5s")  # E: still a call, not sent
    await call.enqueue  # E: the method was not called
    await call.enqueue(app).id  # E: the await reaches further than meant
    await call.submit(app)  # E: app and call are the wrong way round
    await call.apply_async(countdown=5)  # E: a method of another library
    await app.submit(call, call)  # E: two calls
    await app.submit(call=call)  # E: the call is positional
    await app.submit(call.enqueue(app))  # E: a coroutine for a call
    await app.submit(await call.enqueue(app))  # E: a handle for a call
    await app.submit([call])  # E: a list for a call
    await app.submit(count(ORDER))  # E: the handler was run
    await app.submit("calls.count")  # E: a name for a call
    await app.enqueue_many([call.enqueue(app)])  # E: coroutines for calls
    await app.enqueue_many([await call.enqueue(app)])  # E: handles for calls
    await app.enqueue_many(calls(3))  # E: an async generator for a plain one
    await app.enqueue_many([call, None])  # E: a hole among the calls
    await app.enqueue_many(count, [ORDER])  # E: a task and its arguments
    await app.enqueue_many([(count, ORDER)])  # E: pairs for calls
    await app.enqueue_many([call], chunk=100)  # E: slices are cut by the app
    await app.enqueue_many()  # E: nothing to send
    await count.enqueue_many(app, [ORDER])  # E: a task sends one
    await count.map([ORDER])  # E: a method of another library, over many arguments
    await look.enqueue(app, ORDER, timeout="5s")  # E: a timeout is for the result
    await sweep.enqueue()  # E: no app for a task without arguments
    await sweep.enqueue(app, {})  # E: an empty dict for no arguments
    for handle in app.enqueue_many([call]):  # E: a forgotten await in a loop
        return
    async for handle in app.enqueue_many([call]):  # E: a list comes, not a stream
        return
    (await app.enqueue_many([call])).result()  # E: a list has no result
    handles = await app.enqueue_many([call])
    total = sum(handle.result() for handle in handles)  # E: coroutines cannot be added
    first, second = await call.enqueue(app)  # E: one handle for two names
    count.enqueue(app, ORDER).add_done_callback(print)  # E: a coroutine is no future
    with await call.enqueue(app):  # E: a handle is no context manager
        pass
    await whole.enqueue("calls.count", number=1)  # E: fields as keywords beside a name
    await whole.enqueue("calls.count", ORDER)  # E: a model where a mapping is taken
    await whole.enqueue("calls.count", {1: 1})  # E: field names are text
    await whole.enqueue(name=count)  # E: a task for its name
    await whole.enqueue("calls.count", {"number": 1}, queue="mail")  # E: options beside a name
    await whole.call("calls.count", {"number": 1})  # E: a call by name is not sent yet
    await whole.send_task("calls.count", [1])  # E: a method of another library, by name
    await whole.enqueue_job("calls.count", 1)  # E: a pool's method of another library
    whole.enqueue("calls.count", {"number": 1})  # E: a forgotten await by name
    wrong: JobHandle[str] = await whole.submit(call)  # E: the app keeps the type
