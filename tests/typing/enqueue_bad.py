"""Wrong calls: built, sent, watched, or sent from inside a handler in ways that both checkers refuse."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from stem import Enqueuer, JobHandle, RetryPolicy, TaskContext, TaskDefinition, TaskEnqueueBuilder, Unique, task


class Order(BaseModel):
    number: int


class Letter(BaseModel):
    text: str


class Rush(Order):
    courier: str


ORDER = Order(number=1)


@task("shop.count")
async def count(args: Order) -> int:
    return args.number


@task("shop.rush")
async def rush(args: Rush) -> int:
    return args.number


@task("shop.sweep")
def sweep() -> None:
    return None


charge = TaskDefinition("shop.charge", args=Order, returns=str)
ping = TaskDefinition("shop.ping", returns=list[int])
call = count.build(ORDER)

# ---------------------------------------------------------------- a call, not yet sent

count.build(Letter(text="a"))  # E: another model
count.build()  # E: no arguments
count.build(None)  # E: None for arguments
count.build({"number": 1})  # E: a dict for the model
count.build(1)  # E: a field for the model
count.build(number=1)  # E: fields as keywords
count.build(args=ORDER)  # E: the arguments are positional
count.build(ORDER, ORDER)  # E: arguments twice
count.build(Order)  # E: the class instead of an instance
count.build(Order())  # E: a field of the model is missing
count.build(Order(number="one"))  # E: a field of the model has the wrong type
rush.build(ORDER)  # E: a model that is too narrow
sweep.build(ORDER)  # E: arguments for a task that takes none
sweep.build(3)  # E: a number for a task that takes none
ping.build(ORDER)  # E: arguments for a definition that takes none
charge.build(Letter(text="a"))  # E: another model for a definition
charge.build()  # E: no arguments for a definition
charge(ORDER)  # E: a definition has no handler to call

call.id(7)  # E: the id is a number
call.header("x-tenant", 3)  # E: the header is a number
call.header("x-tenant")  # E: the header has no value
call.header({"x-tenant": "acme"})  # E: the headers are a dict
call.meta(3, "value")  # E: the name is a number
call.meta("name")  # E: the metadata has no value
call.queue(3)  # E: the queue is a number
call.queue(None)  # E: the queue is None
call.priority("high")  # E: the priority is a word
call.priority(0.5)  # E: the priority is a fraction
call.delay(None)  # E: the delay is None
call.delay([30])  # E: the delay is a list
call.delay(seconds=30)  # E: the delay has no such keyword
call.eta("tomorrow")  # E: the instant is text
call.eta(timedelta(days=1))  # E: the instant is a span
call.expires(["1h"])  # E: the expiry is a list
call.retries("3")  # E: the number of retries is text
call.retries(3, "fixed")  # E: the policy is text
call.retries(RetryPolicy.fixed("5s"))  # E: a policy without the number of retries
call.time_limit(60, 50)  # E: the soft limit is given by position
call.time_limit(["60s"])  # E: the limit is a list
call.unique(True)  # E: uniqueness is a bool
call.unique(Unique(), "order-1")  # E: the key is given by position
call.unique(Unique(), key=3)  # E: the key is a number
call.limit_key(None)  # E: the limit key is None
call.prio(3)  # E: no such method
call.countdown(3)  # E: a method of another library
call.result()  # E: a call that was not sent has no result

of_text: TaskEnqueueBuilder[str] = call  # E: a call with another result
of_text_later: TaskEnqueueBuilder[str] = call.priority(3).delay("5s")  # E: no method changes the result
still_int: TaskEnqueueBuilder[int] = charge.build(ORDER).header("a", "b")  # E: no method changes the result, once more


# ---------------------------------------------------------------- sent


async def send(app: Enqueuer, ctx: TaskContext) -> None:
    await call  # E: a call is no awaitable
    await call.enqueue()  # E: sent to nowhere
    await call.enqueue("redis://localhost")  # E: sent to a URL
    await call.enqueue(ctx)  # E: sent to a context
    await call.enqueue(app, ORDER)  # E: arguments twice
    await call.enqueue(app).result()  # E: a forgotten await before the result
    call.enqueue(app)  # E: a forgotten await
    call.priority(3).enqueue(app)  # E: a forgotten await after a method
    count.enqueue(app, ORDER)  # E: a forgotten await on the task itself
    app.submit(call)  # E: a forgotten await on the app
    unsent: JobHandle[int] = call.enqueue(app)  # E: a forgotten await, assigned
    await count.enqueue(app, Letter(text="a"))  # E: another model
    await count.enqueue(ORDER, app)  # E: app and arguments swapped
    await count.enqueue(ORDER)  # E: no app
    await count.enqueue(app)  # E: no arguments
    await count.enqueue(app, number=1)  # E: fields as keywords
    await count.enqueue(app, ORDER, priority=3)  # E: options belong to the builder
    await rush.enqueue(app, ORDER)  # E: a model that is too narrow
    await sweep.enqueue(app, ORDER)  # E: arguments for a task that takes none
    await ping.enqueue(app, ORDER)  # E: arguments for a definition that takes none
    await app.submit(count)  # E: a task instead of a call
    await app.submit(ORDER)  # E: arguments instead of a call
    await app.enqueue(call)  # E: no such method of an Enqueuer
    of_str: JobHandle[str] = await call.enqueue(app)  # E: a handle with another result

    await app.enqueue_many(call)  # E: one call instead of many
    await app.enqueue_many([count, count])  # E: tasks instead of calls
    await app.enqueue_many([ORDER])  # E: arguments instead of calls
    await app.enqueue_many(call, call)  # E: calls one by one
    app.enqueue_many([call])  # E: a forgotten await
    many: list[JobHandle[str]] = await app.enqueue_many([call])  # E: handles with another result
    single: JobHandle[int] = await app.enqueue_many([call])  # E: a list instead of a handle


# ---------------------------------------------------------------- watched


async def watch(handle: JobHandle[int], maybe: JobHandle[int | None], none: JobHandle[None]) -> None:
    text: str = await handle.result()  # E: a number assigned to text
    number: int = handle.result()  # E: a forgotten await, assigned
    handle.result()  # E: a forgotten await
    sure: int = await maybe.result()  # E: a number or None assigned to a number
    total = await maybe.result() + 1  # E: None cannot be added to
    length = len(await handle.result())  # E: a number has no length
    await handle.result(["5s"])  # E: the timeout is a list
    await handle.result(seconds=5)  # E: misnamed timeout
    await handle.get()  # E: no such method of a handle
    await handle.value  # E: no such attribute of a handle
    await handle  # E: a handle is no awaitable
    handle.id = "other"  # E: the id cannot be changed
    if handle.enqueued == "old":  # E: an enqueue never finds that
        return
    handle.cancel()  # E: a forgotten await
    await handle.cancel(3)  # E: the reason is a number
    done: str = await handle.cancel()  # E: a bool assigned to text
    state: str = await handle.status()  # E: a job assigned to text
    job = await handle.status()
    if job.state == "done":  # E: no such state
        return
    job.stage  # E: no such attribute of a job
    job.state = "running"  # E: a job cannot be changed
    job.finished()  # E: a property is no method
    since = job.enqueued_at.isoformat()  # E: an instant that may be None
    await handle.watch()  # E: an iterator is no awaitable
    for seen in handle.watch():  # E: an async iterator in a plain loop
        return


# ---------------------------------------------------------------- in a handler


@task("shop.context")
async def use_context(ctx: TaskContext, args: Order) -> int:
    await ctx.progress("half")  # E: the progress is a word
    await ctx.progress()  # E: no progress
    await ctx.progress(50, 3)  # E: the message is a number
    ctx.progress(50)  # E: a forgotten await
    ctx.extend_lease("5m")  # E: a forgotten await on the lease
    await ctx.extend_lease(["5m"])  # E: the lease is a list
    await ctx.heartbeat()  # E: a heartbeat is no awaitable
    await ctx.enqueue(count)  # E: a task instead of a call
    await ctx.enqueue(count, args)  # E: task and arguments instead of a call
    ctx.enqueue(call)  # E: a forgotten await on the enqueue
    text: JobHandle[str] = await ctx.enqueue(call)  # E: a handle with another result
    await ctx.submit(call)  # E: no such method of a context
    ctx.app  # E: no such attribute of a context
    if ctx.attempt == "1":  # E: a number is never text
        return 0
    ctx.attempt = 1  # E: the attempt cannot be changed
    ctx.headers["a"] = "b"  # E: the headers cannot be changed
    number: int = ctx.headers["b"]  # E: a header is text
    total = ctx.meta["a"] + 1  # E: metadata must be looked at first
    if ctx.cancelled():  # E: a property is no method
        return 0
    ctx.idempotency_key(3)  # E: the scope is a number
    return ctx.id  # E: the handler returns text instead of a number


def leave(ctx: TaskContext, how: int) -> None:
    if how == 0:
        ctx.retry(["5s"])  # E: the delay is a list
    if how == 1:
        ctx.retry("5s", 3)  # E: the number of retries is given by position
    if how == 2:
        ctx.retry(exc=ValueError())  # E: a keyword of another library
    if how == 3:
        ctx.retry(max_retries="3")  # E: the number of retries is text
    if how == 4:
        ctx.snooze()  # E: no delay
    if how == 5:
        ctx.snooze(None)  # E: the delay is None


@task("shop.thread")
def use_context_in_a_thread(ctx: TaskContext) -> int:
    ctx.progress(50)  # E: the coroutine instead of its blocking twin
    ctx.sync.progress("half")  # E: the progress is a word
    ctx.sync.extend_lease(["5m"])  # E: the lease is a list
    ctx.sync.enqueue(count)  # E: a task instead of a call
    text: JobHandle[str] = ctx.sync.enqueue(call)  # E: a handle with another result
    ctx.sync.retry()  # E: no such method of the blocking twin
    number: int = ctx.sync.enqueue(call).result()  # E: the result of a handle is a coroutine
    return 1
