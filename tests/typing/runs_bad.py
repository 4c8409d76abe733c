"""Runs that are started, looked at, steered and listed the wrong way."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

from pydantic import BaseModel

from stem import JobHandle, Mailbox, Run, RunCancelled, RunExistsError, RunFailed, RunHandle, RunTimeout, Stem
from stem import TaskDefinition, Topic, WorkflowCall, WorkflowClient, WorkflowContext, WorkflowDefinition, task, workflow
from stem.testing import FakeStem


class Order(BaseModel):
    id: str


class Rush(Order):
    courier: str


class Receipt(BaseModel):
    total: int


ORDER = Order(id="1")
NOW = datetime.now(timezone.utc)
shipped = Topic("order.shipped", payload=Receipt)
approval = Mailbox("approval", payload=bool)


@task("runs.invoice")
async def invoice(order: Order) -> int:
    return len(order.id)


@workflow("runs.small")
async def small(ctx: WorkflowContext) -> None: ...


@workflow("runs.rush")
async def rush(ctx: WorkflowContext, order: Rush) -> str:
    return order.courier


@workflow("runs.fulfil")
async def fulfil(ctx: WorkflowContext, order: Order) -> Receipt:
    return Receipt(total=1)


call = fulfil.build(ORDER)

# ---------------------------------------------------------------- a run, not yet started

fulfil.build()  # E: the parameters of a run are missing
fulfil.build(id="1")  # E: the fields of the parameters
fulfil.build(ORDER, id="order-1")  # E: an id is a method of the run
fulfil.build(ORDER.model_dump())  # E: dumped parameters
fulfil.build(Order)  # E: the class of the parameters
rush.build(ORDER)  # E: parameters without the narrower fields
small.build(ORDER)  # E: parameters for a workflow without
fulfil.build([ORDER])  # E: one run at a time
fulfil(ORDER)  # E: a workflow's function takes its context
fulfil.run(ORDER)  # E: a workflow is started
fulfil.enqueue  # E: a workflow is not enqueued
fulfil.version = 2  # E: a version cannot be set
fulfil.options["version"]  # E: a workflow's options are attributes
call.id(ORDER)  # E: a run's id is text, not the parameters
call.id()  # E: a run's id is missing
call.at("tomorrow")  # E: a run's instant is no text
call.at(timedelta(hours=1))  # E: a run's instant is no span
call.delay(NOW)  # E: a run's delay is no instant
call.eta(NOW)  # E: the word for jobs
call.keep(None)  # E: a run is not kept for ever
call.cancel_after(None)  # E: a run's limit is not taken back
call.max_suspend(["1h"])  # E: a list is no span of a run
call.if_exists(True)  # E: what to do is a word
call.if_exists(RunExistsError)  # E: what to do is no error
call.version(2)  # E: the version is the workflow's
call.retries(3)  # E: a run is not tried again
call.queue("mail")  # E: a run waits in no queue
call.unique("order-1")  # E: the id makes a run unique
call.meta("trace", "1")  # E: a run carries no metadata
call.request.id = "order-1"  # E: a run is changed by its methods
of_text: WorkflowCall[str] = call.delay("5s").id("x")  # E: no method changes a run's result
as_handle: RunHandle[Receipt] = call  # E: a run that was not started has no handle
as_task: TaskDefinition[Order, Receipt] = fulfil  # E: a workflow is no task
narrower: WorkflowDefinition[BaseModel, Receipt] = fulfil  # E: a workflow takes its own model, not every one


async def start(app: Stem, fake: FakeStem, client: WorkflowClient) -> None:
    await fulfil.start(ORDER)  # E: the app is missing
    await fulfil.start(ORDER, app)  # E: app and parameters the wrong way round
    await fulfil.start(app, ORDER, "order-1")  # E: an id is given by name
    await fulfil.start(app, ORDER, id=None)  # E: no id is said by leaving it out
    await fulfil.start(app, ORDER, id=1)  # E: an id is no number
    await fulfil.start(app, ORDER, workflow_id="order-1")  # E: the word of another library for an id
    await fulfil.start(app, ORDER, if_exists=None)  # E: what to do about a run is a word
    await fulfil.start(app, ORDER, delay=NOW)  # E: a start's delay is no instant
    await fulfil.start(app, ORDER, at=60.0)  # E: a start's instant is no number
    await fulfil.start(app, ORDER, cancel_after="1h")  # E: a policy belongs to the call
    await fulfil.start(app, ORDER, version=1)  # E: the version is the workflow's, in a start too
    await fulfil.start(app, params=ORDER)  # E: parameters are positional
    await fulfil.start(app, id="1")  # E: the parameters are missing beside an id
    await fulfil.start("sqlite:///shop.db", ORDER)  # E: a URL is no app for runs
    await fulfil.start(app.workflows, ORDER)  # E: the view starts nothing by itself
    await fulfil.start(app.sync, ORDER)  # E: code without a loop starts by sync.start
    await rush.start(app, ORDER)  # E: parameters without the narrower fields, started
    await app.start_run(fulfil)  # E: a workflow is built before it is started
    await app.start_run(fulfil, ORDER)  # E: parameters belong into the call
    await app.start_run(invoice.build(ORDER))  # E: a job is no run
    await app.submit(call)  # E: a run is no job
    await app.enqueue("runs.fulfil", ORDER)  # E: arguments by name are a mapping, not a model
    await app.enqueue_many([call])  # E: runs are not enqueued
    await app.workflows.start(fulfil, ORDER)  # E: the view starts by name
    await app.workflows.start("runs.fulfil", ORDER)  # E: parameters by name are a mapping
    await app.workflows.start("runs.fulfil", "1")  # E: parameters by name are no text
    await app.workflows.call(call)  # E: a call by name is given the name
    call.start(app)  # E: an await is missing before a start
    await call.start()  # E: a call is started on an app
    await call.start(app, id="order-1")  # E: an id is a method of the call
    await call  # E: a call of a run is not awaited
    number: RunHandle[int] = await call.start(client)  # E: a handle of another result
    job: JobHandle[Receipt] = await call.start(app)  # E: a run's handle is no job's
    unsent: RunHandle[Receipt] = fulfil.start(app, ORDER)  # E: an await is missing where a handle is assigned
    both: list[RunHandle[str]] = await asyncio.gather(call.start(app), call.start(app))  # E: handles of other results
    started: list[Order] = fake.started(small)  # E: a workflow without parameters was started without
    fake.answer(fulfil, Receipt)  # E: the class of the result
    fake.answer(fulfil, ORDER)  # E: the parameters are not the result
    fake.answer(small, 3)  # E: a workflow without result gives None


async def look(app: Stem, handle: RunHandle[Receipt]) -> Receipt:
    await handle  # E: a run's handle is no awaitable
    await handle.status  # E: the status is asked for by a call
    handle.id = "order-2"  # E: a handle's id cannot be changed
    handle.started()  # E: what the start found is a property
    if handle.started == "restart":  # E: a start never finds that
        return Receipt(total=0)
    if handle.started is True:  # E: what the start found is a word
        return Receipt(total=0)
    await handle.result(NOW)  # E: a result is waited for by a span
    await handle.result(timeout=("5", "s"))  # E: a span is one value
    await handle.result(default=None)  # E: a result has no default
    await handle.cancel(terminate="yes")  # E: terminate is a switch
    await handle.cancel("no use", True)  # E: terminate is given by name
    await handle.cancel(reason=None)  # E: a reason is left out
    await handle.cancel(RunCancelled)  # E: a reason is text, no error
    handle.cancel()  # E: an await is missing before a cancel
    reason: str = await handle.cancel()  # E: a cancel says whether it came in time
    await handle.watch()  # E: what is watched is looped over
    for seen in handle.watch():  # E: what is watched is looped over, awaited
        pass
    async for seen in await handle.watch():  # E: a watch is no coroutine
        pass
    async for seen in handle.watch():
        if seen.finished():  # E: finished is a property
            break
        if seen.state == "completed":  # E: no such state of a run
            break
        if seen.status == "running":  # E: a run's state is state
            break
    run = await handle.status()
    field: str = run.params["id"]  # E: a run shows its parameters as text
    took = run.finished_at - run.created_at  # E: a run may not have ended
    run.steps["charge"]  # E: steps are in order, not by name
    if run.steps[0].outcome == "succeeded":  # E: no such outcome of a step
        return Receipt(total=0)
    run.state = "cancelled"  # E: a view is not changed
    if "charge" in run:  # E: a view is no container
        pass
    try:
        return await handle.result()
    except RunFailed as fault:
        if fault.reason == "exhausted":  # E: only jobs fail for a reason
            raise fault.error  # E: the error itself is not kept
        raise
    except RunCancelled as fault:
        print(fault.by)  # E: who cancelled is in the view
    except RunTimeout as fault:
        print(fault.timeout)  # E: how long was waited is seconds
    return handle.result()  # E: an await is missing before what is returned


async def steer(app: Stem, handle: RunHandle[Receipt], run: Run) -> None:
    runs = app.workflows
    await runs.get(handle)  # E: a run is looked up by its id
    await runs.cancel(handle)  # E: a run is cancelled by its id
    await runs.cancel("order-1", True)  # E: a reason comes before the switches
    await runs.cancel("order-1", reason="no use", terminate=None)  # E: a switch is no None
    await runs.cancel(["order-1", "order-2"])  # E: one run is cancelled at a time
    await runs.cancel("order-1", by=run)  # E: who cancels is text
    await runs.rewind("order-1")  # E: the step is missing
    await runs.rewind("order-1", 3)  # E: a step is named, not numbered
    await runs.rewind("order-1", step=invoice)  # E: a step is named, not given
    await runs.rewind("order-1", run.steps[0])  # E: a step is named by its key
    await runs.resume(run)  # E: a run is resumed by its id
    await runs.handle("order-1")  # E: a handle is there at once
    runs.handle(run)  # E: a handle is of an id
    await runs.wait(handle)  # E: the view waits for an id
    runs.get("order-1")  # E: an await is missing before a look
    text: str = await runs.explain("order-1")  # E: there are several sentences
    await runs.watchers("order.shipped", "42")  # E: a watcher's key is given by name
    await runs.watchers(key="42")  # E: the event of the watchers is missing
    await runs.watchers(approval.message("order-1", True))  # E: watchers are of a mailbox, not of a message
    ids: list[str] = runs.runs_waiting_on(shipped)  # E: an await is missing before the ids
    await runs.emit("order.shipped", Receipt(total=1))  # E: the view emits to a topic
    await runs.emit(approval, True)  # E: the view emits to no mailbox
    await runs.emit_or_start(approval, "order-1", True)  # E: the run to begin is missing
    await runs.emit_or_start(shipped, "order-1", Receipt(total=1), call)  # E: a topic begins nothing
    await runs.emit_or_start(approval, "order-1", True, fulfil)  # E: the run to begin is built
    await runs.emit_or_start(approval, "order-1", True, start=invoice.build(ORDER))  # E: a job begins no run
    await runs.emit_or_start(approval, True, start=call)  # E: whom it is for is missing


async def pages(app: Stem) -> None:
    runs = app.workflows
    await runs.list("runs.fulfil")  # E: a list's workflow is given by name
    await runs.list(workflow=fulfil)  # E: a list's workflow is named by text
    await runs.list(states="failed")  # E: states are several
    await runs.list(states=("failed"))  # E: one state in brackets is no tuple
    await runs.list(states=("failed", "done"))  # E: no such state to list
    await runs.list(limit="50")  # E: a limit is a number
    await runs.list(limit=None)  # E: every run is all()
    await runs.list(cursor=50)  # E: a cursor is text
    await runs.list(parent=call)  # E: a parent is named by its id
    listed: list[Run] = await runs.list()  # E: a list comes with a cursor
    found, cursor = runs.list()  # E: an await is missing before a page
    for one in runs.list():  # E: a page is awaited, then looped over
        pass
    async for one in runs.list():  # E: a page is no stream
        pass
    for row in await runs.list():
        print(row.id)  # E: a page is a pair of runs and cursor
    await runs.all()  # E: all runs are looped over
    for one in runs.all():  # E: all runs are looped over, awaited
        pass
    everything: list[Run] = [*runs.all()]  # E: all runs are no plain iterable
    async for one in runs.all(limit=10):  # E: all runs have no limit
        pass
    count = len(runs.all())  # E: all runs have no length
    async for finding in runs.doctor():
        if finding.trouble == "dead":  # E: no such trouble
            pass
    for finding in runs.doctor():  # E: findings are looped over, awaited
        pass
    async for one in runs.check():
        print(one.id)  # E: a check gives a run and a sentence
    async for one, difference in runs.check():
        if difference.message:  # E: a difference is text
            pass
    await runs.check("runs.fulfil")  # E: a check's workflow is given by name, and is looped over


def without_a_loop(app: Stem) -> Receipt:
    with app.sync as sync:
        sync.start(fulfil)  # E: a workflow is built, without a loop too
        sync.start(fulfil, ORDER)  # E: parameters belong into the call, without a loop too
        sync.start(invoice.build(ORDER))  # E: a job is enqueued, not started
        sync.enqueue(call)  # E: a run is started, not enqueued
        sync.workflows.list()  # E: a page is run by the client
        found, cursor = sync.workflows.list()  # E: a page is run, then taken apart
        sync.run(sync.workflows.list)  # E: the page is asked for by a call
        sync.run(fulfil.start(sync, ORDER))  # E: a client without a loop is no app
        number: int = sync.start(call).result()  # E: another result, without a loop
        sync.start(call).result(timeout=["5s"])  # E: a list is no span, without a loop
        if sync.start(call).status().state == "done":  # E: no such state, without a loop
            pass
        for seen in sync.start(call).watch():  # E: runs are not watched without a loop
            pass
        sync.start(call).cancel(True)  # E: a reason is text, without a loop
    return sync.start(call)  # E: the handle instead of the result
