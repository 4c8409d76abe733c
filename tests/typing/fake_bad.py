"""Tests that are wrong: fakes, clocks, contexts and simulations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from stem import Enqueuer, JobFailed, Stem, TaskContext, TaskDefinition, Topic, WorkflowContext, WorkflowDefinition, task, workflow
from stem.testing import FakeClock, FakeStem, Report, simulate, task_context


class Order(BaseModel):
    id: str


class Receipt(BaseModel):
    total: int


class Gateway:
    async def charge(self, order_id: str) -> Receipt:
        return Receipt(total=1)


ORDER = Order(id="1")
gateway = Gateway()
shipped = Topic("fake.shipped", payload=Receipt)


@task("fake.charge")
async def charge(ctx: TaskContext, order: Order) -> Receipt:
    await ctx.progress(50, "half")
    return Receipt(total=1)


@task("fake.tick")
async def tick() -> None: ...


@task("fake.names")
def names(order: Order) -> list[str]:
    return [order.id]


@workflow("fake.flow")
async def flow(ctx: WorkflowContext, order: Order) -> Receipt:
    return Receipt(total=1)


@workflow("fake.bare")
async def bare(ctx: WorkflowContext) -> None: ...


bill = TaskDefinition("fake.bill", args=Order, returns=Receipt)
far = WorkflowDefinition("fake.far", params=Order, returns=Receipt)
fake = FakeStem()
clock = FakeClock()
call = charge.build(ORDER)

# ---------------------------------------------------------------- making a fake

FakeStem(charge)  # E: one task for a list of them
FakeStem(charge, names)  # E: tasks one by one
FakeStem(tasks=["fake.charge"])  # E: names for tasks
FakeStem("memory://")  # E: a fake has no URL
FakeStem(tasks=[Order])  # E: a model is no task
FakeStem(workflows=[flow])  # E: runs need no registry
FakeStem.in_memory(tasks=[charge])  # E: that is another app
FakeStem(answers={charge: Receipt(total=1)})  # E: answers are given later
FakeStem[str]()  # E: a fake takes any name

# ---------------------------------------------------------------- answers

fake.answer(charge)  # E: no answer
fake.answer("fake.charge", Receipt(total=1))  # E: a name for the task
fake.answer(call, Receipt(total=1))  # E: a call for the task
fake.answer(charge, {"total": 1})  # E: a dict for the model
fake.answer(charge, Receipt)  # E: the class for an instance
fake.answer(charge, ValueError)  # E: the class of an error for an instance
fake.answer(charge, JobFailed)  # E: the class of stem's own error
fake.answer(charge, JobFailed("job-1", "exhausted"))  # E: its facts are given by name
fake.answer(charge, lambda order: Receipt(total=1))  # E: a function for the answer
fake.answer(charge, [Receipt(total=1), Receipt(total=2)])  # E: one answer for each call, in vain
fake.answer(charge, charge(task_context(), ORDER))  # E: a coroutine for what it gives
fake.answer(charge, result=Receipt(total=1))  # E: the answer is called value
fake.answer(names, "ada")  # E: text for a list of text
fake.answer(names, ["ada", 5])  # E: a number among the names
fake.answer(tick, True)  # E: the task gives nothing
fake.answer(bill, ORDER)  # E: the definition gives a receipt
fake.answer({charge: Receipt(total=1)})  # E: a dict for task and answer
fake.answer(Receipt(total=1), charge)  # E: the wrong way round
fake.answer(flow.build(ORDER), Receipt(total=1))  # E: a call for the workflow
fake.answers[charge] = Receipt(total=1)  # E: no such attribute
fake.answer(charge, Receipt(total=1)).answer(tick, None)  # E: answers do not chain
fake.return_value = Receipt(total=1)  # E: that is a mock's

# ---------------------------------------------------------------- what was remembered

fake.enqueued()  # E: of which task?
fake.enqueued("fake.charge")  # E: a name for the task, when looking
fake.enqueued(charge, tick)  # E: one task at a time
fake.enqueued(charge)[0].total  # E: arguments have no such field
fake.enqueued(charge)["1"]  # E: a list has no keys
fake.enqueued(charge).id  # E: a list has no fields
fake.enqueued(charge)[0] == call  # E: arguments are no call
receipts: list[Receipt] = fake.enqueued(charge)  # E: arguments, not results
one: Order = fake.enqueued(charge)  # E: a list for one
fake.started(flow)[0].total  # E: parameters have no such field
fake.started("fake.flow")  # E: a name for the workflow
fake.calls[0].args  # E: they lie in the request
fake.calls[0]["order"]  # E: a call is no mapping
fake.calls(charge)  # E: all calls lie in a list
fake.calls[charge]  # E: a list is asked by number
if fake.calls == 1:  # E: a list is no number
    pass
fake.events[0].key  # E: an event has its topic
fake.messages[0].mailbox  # E: it is called box
fake.reset_mock()  # E: it is called reset
fake.reset(charge)  # E: all is forgotten
fake.jobs  # E: nothing runs, so there are no jobs
fake.worker()  # E: nothing runs, so there is no worker
fake.handle("fake-1")  # E: handles come from calls


async def use_fake() -> None:
    async with fake:  # E: a fake is not opened
        pass
    fake.submit(call)  # E: a forgotten await in a test
    await fake.submit(call).result()  # E: a forgotten await in the middle
    number: int = await (await fake.submit(call)).result()  # E: the result is a receipt
    await fake.remember(call)  # E: it is remembered at once
    await fake.enqueue(charge)  # E: by name, or by submit
    await fake.enqueue("fake.charge", ORDER)  # E: a model for a mapping
    await fake.answer(charge, Receipt(total=1))  # E: nothing to await
    await fake.enqueued(charge)  # E: it is remembered, nothing to await
    if (await fake.submit(call)).enqueued == "fake":  # E: an enqueue never finds that
        return
    await fake.emit(shipped, Receipt(total=1))  # E: a topic emits itself
    await shipped.emit(fake.sync, Receipt(total=1))  # E: the twin has no events


# ---------------------------------------------------------------- contexts

task_context(headers={"depth": 1})  # E: a header is text
task_context(headers=[("x-tenant", "acme")])  # E: pairs for a mapping
task_context(meta="campaign")  # E: text for a mapping
task_context(canceled=True)  # E: with two l
task_context(lease_remaining=30)  # E: a number for a span
task_context(app=Stem)  # E: the class for an app
task_context(app=FakeStem().sync)  # E: the twin for the fake
task_context(args=ORDER)  # E: arguments go to the handler
task_context(task=charge)  # E: the task's name is text
task_context(retries=3)  # E: it is called max_retries
task_context(notes=[])  # E: notes are taken by the handler
task_context({"attempt": 2})  # E: a dict for keywords
task_context(**{"attempt": 2, "queue": 3})  # E: whatever is spread must fit
task_context().progresses  # E: it is called notes
task_context().notes[0].message  # E: a note is a tuple
task_context().notes[0]["message"]  # E: a note is no dict
task_context().notes.percent  # E: notes are many
task_context().sync.notes  # E: notes are the context's
task_context(id=5)  # E: an id is text
charge(task_context, ORDER).close()  # E: the context was not made
charge(FakeStem(), ORDER).close()  # E: a fake for the context
charge(ctx=task_context()).close()  # E: no arguments
charge(ORDER, task_context()).close()  # E: the wrong way round in a test
charge.build(task_context(), ORDER)  # E: a context for a call


async def call_handler() -> None:
    ctx = task_context()
    total: str = (await charge(ctx, ORDER)).total  # E: a number for text
    charge(ctx, ORDER)  # E: a forgotten await on the handler
    charge(ctx, ORDER).total  # E: a forgotten await on the handler, for a field
    await names(ORDER)  # E: a plain handler gives its result
    await ctx.sync.progress(5)  # E: the blocking twin gives nothing to await
    handle: str = await ctx.enqueue(call)  # E: a handle for its id


# ---------------------------------------------------------------- clocks

FakeClock(datetime(2026, 1, 1, tzinfo=UTC))  # E: milliseconds for the start
FakeClock("2026-01-01")  # E: text for the start
FakeClock(start=0)  # E: it is called start_ms
clock.advance()  # E: by how much?
clock.advance(seconds=5)  # E: spans have no keywords
clock.advance(datetime(2026, 1, 1, tzinfo=UTC))  # E: an instant for a span
clock.now()  # E: a property is no method
clock.now = datetime(2026, 1, 1, tzinfo=UTC)  # E: time is moved, not set
clock.now + 5  # E: an instant and a number
clock.tick(5)  # E: a method of another library
clock.now_ms.bit_length()  # E: the method was not called
clock += timedelta(hours=1)  # E: clocks are advanced
Stem(clock=clock)  # E: only an app in memory takes a clock
Stem.in_memory(clock=FakeClock)  # E: the class for a clock
Stem.in_memory(clock=datetime.now)  # E: a function for a clock
Stem.in_memory("memory://")  # E: it has no URL
Stem.in_memory(results="memory://")  # E: results lie in memory
Stem.in_memory(charge)  # E: tasks are given by name


async def use_clock() -> None:
    await clock.advance("1h")  # E: time passes at once
    with clock.advance("1h"):  # E: time does not come back
        return


# ---------------------------------------------------------------- simulations


async def check_later(life: object) -> None: ...


async def simulations() -> None:
    await simulate(flow(None, ORDER))  # E: no context is made by hand
    await simulate(flow.build(ORDER))  # E: a call for the workflow
    await simulate(flow, ORDER.id)  # E: a field for the parameters
    await simulate(flow, [ORDER])  # E: one run at a time
    await simulate(flow, order=ORDER)  # E: parameters are given by position
    await simulate(bare, ORDER)  # E: the workflow has no parameters
    await simulate(far, ORDER)  # E: a definition has no code
    await simulate("fake.flow", ORDER)  # E: a name for the workflow
    await simulate(flow, ORDER, events=shipped.event(Receipt(total=1)))  # E: one event for a list
    await simulate(flow, ORDER, events=[Receipt(total=1)])  # E: a payload for an event
    await simulate(flow, ORDER, events=[shipped])  # E: a topic for an event
    await simulate(flow, ORDER, effects={"charge": gateway.charge})  # E: a method for where it lies
    await simulate(flow, ORDER, effects=[(gateway, "charge")])  # E: effects have names
    await simulate(flow, ORDER, effects={"charge": (gateway, gateway.charge)})  # E: the method's name is text
    await simulate(flow, ORDER, tasks=[bill])  # E: a definition has no code to run
    await simulate(flow, ORDER, tasks=charge)  # E: one task for a list
    await simulate(flow, ORDER, workflows=[far])  # E: a definition has no code to run, of workflows
    await simulate(flow, ORDER, check=check_later)  # E: a check is a plain function
    await simulate(flow, ORDER, pairs=None)  # E: how many pairs is a number
    await simulate(flow, ORDER, clock=clock)  # E: time is the simulation's
    simulate(flow, ORDER)  # E: a forgotten await on a simulation
    simulate(flow, ORDER).effects  # E: a forgotten await before the report
    report = await simulate(flow, ORDER)
    report.effects.charge  # E: effects are a mapping
    report["effects"]  # E: a report is no dict
    report.result.total  # E: the result may be anything
    report.per_second()  # E: a property is no method, of reports
    report.passed  # E: what fails raises
    result: Receipt = report.result  # E: plain JSON values for a model
    if report.effects == 1:  # E: a mapping is no number
        return
    Report(5)  # E: fields are given by name


def takes(app: Enqueuer) -> None: ...


takes(FakeStem)  # E: the class for the fake
takes(fake.submit)  # E: a method for the fake
takes(task_context())  # E: a context for an app
