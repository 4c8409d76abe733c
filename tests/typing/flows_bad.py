"""Wrong flows, and wrong uses of the context of their steps."""

from __future__ import annotations

from datetime import datetime, timezone

from pydantic import BaseModel

from stem import Flow, Stem, StepContext, TaskContext, WorkflowContext, WorkflowDefinition, task
from stem import Topic


class Order(BaseModel):
    id: str


class Other(BaseModel):
    number: int


ORDER = Order(id="1")
shipped = Topic("order.shipped", payload=Order)


def greet(step: StepContext) -> str:
    return step.workflow


async def measure(step: StepContext) -> int:
    return step.step_index


async def with_order(step: StepContext, order: Order) -> str:
    return order.id


async def of_order(order: Order) -> str:
    return order.id


async def of_run(ctx: WorkflowContext) -> str:
    return ctx.run_id


async def of_job(ctx: TaskContext) -> str:
    return ctx.id


async def of_nothing() -> str:
    return "a"


async def of_keyword(*, step: StepContext) -> str:
    return step.run_id


async def clean(ctx: WorkflowContext, params: Order) -> None: ...


@task("flows.invoice")
async def invoice(order: Order) -> int:
    return len(order.id)


Flow()  # E: a flow has a name
Flow("a", Order)  # E: parameters are given by name
Flow("b", params=ORDER)  # E: an instance of the parameters
Flow("c", params=str)  # E: parameters are a model
Flow("d", params=Order | Other)  # E: parameters are one model
Flow("e", params=None)  # E: no parameters are said by leaving them out
Flow("f", returns=str)  # E: the last step says what comes out
Flow("g", steps=[greet, measure])  # E: steps are added one by one
Flow("h", on_cancel=clean)  # E: a flow has no clean-up
Flow("i", cancel_budget="5m")  # E: a flow has no clean-up that could take time
Flow("j", max_retries=3)  # E: a flow has no retries
Flow("k", on_change="ignore")  # E: no such answer to a change
Flow("l", version="1.0")  # E: a flow's version is a number
Flow("m", compensate=clean)  # E: a flow undoes nothing
Flow("n", schedule="0 5 * * *")  # E: a flow is not scheduled

base = Flow("base", params=Order)
base.step(greet)  # E: a flow's step has a name
base.step("a")  # E: a flow's step has a function
base.step(greet, "a")  # E: the name of a flow's step comes first
base.step("b", greet())  # E: a flow's function is given, not called
base.step("c", of_order)  # E: a flow's function takes a StepContext, not the parameters
base.step("d", of_run)  # E: a flow's function takes no run's context
base.step("e", of_job)  # E: a flow's function takes no job's context
base.step("f", of_nothing)  # E: a flow's function takes a StepContext
base.step("g", with_order)  # E: a flow's function takes nothing else
base.step("h", with_order, ORDER)  # E: a flow's function has no arguments
base.step("i", of_keyword)  # E: a flow's function takes its context by position
base.step("j", invoice)  # E: a job is no step of a flow
base.step("k", invoice.build(ORDER))  # E: a call is no step of a flow
base.step("l", greet, max_retries=3)  # E: a flow's step has no retries of its own
base.step("p", greet, auto_version="item")  # E: numbering a flow's step is a switch
base.step("q", greet, True)  # E: numbering is given by name
base.step("r", [greet, measure])  # E: a flow's steps are added one by one
base.then(greet)  # E: a flow's steps are added by step
base | greet  # E: a flow is no chain
base >> greet  # E: a flow is no graph
base.start_step("t", greet)  # E: the word of another library
base.parallel(greet, measure)  # E: a flow has one line
base.steps.append(greet)  # E: a flow's steps cannot be changed
base(ORDER)  # E: a flow is no function


@base.step("u")  # E: a flow's step is no decorator
def decorated(step: StepContext) -> str:
    return step.run_id


hello = base.step("greet", greet)
counted = hello.step("measure", measure)
first_wins: Flow[Order, str] = counted  # E: the last step's result is the flow's
other_params: Flow[Other, str] = hello  # E: a flow of other parameters
nothing_yet: Flow[Order, str] = base  # E: a flow without steps gives nothing
as_definition: WorkflowDefinition[Order, str] = counted  # E: a definition of another result
half_said: Flow[Order] = hello  # E: a flow has parameters and a result
WorkflowDefinition("b", Order, str)  # E: a definition's types are given by name
WorkflowDefinition("c", params=Order, returns=ORDER)  # E: a value is no result type
WorkflowDefinition("d", params=dict[str, str], returns=str)  # E: a definition's parameters are a model
WorkflowDefinition("g", params=Order, returns=str).step("a", greet)  # E: a definition has no steps
WorkflowDefinition("h", params=Order, returns=str)(ORDER)  # E: a definition has no code
WorkflowDefinition("i", returns=str).build(ORDER)  # E: parameters for a definition without


async def start(app: Stem) -> None:
    await base.start(app)  # E: the flow's parameters are missing
    await hello.start(app, Other(number=1))  # E: other parameters for a flow
    await hello.run(app, ORDER)  # E: a flow is started
    hello.start(app, ORDER)  # E: an await is missing before a flow
    text: str = await (await counted.start(app, ORDER)).result()  # E: the flow gives a number
    nothing: str = await (await base.start(app, ORDER)).result()  # E: a flow without steps gives None


async def steps(step: StepContext) -> int:
    await step.sleep("nap", "5m")  # E: a step's sleep has no name
    await step.sleep("5m", "data")  # E: a sleep's data is given by name
    await step.sleep(datetime.now(timezone.utc))  # E: a step's sleep is no instant
    step.sleep("5m")  # E: an await is missing before a step's sleep
    seen: str = await step.sleep("5m", data="x")  # E: a sleep gives nothing; its data is taken
    await step.wait(shipped)  # E: a step waits by wait_event
    await step.step("inner", of_order, ORDER)  # E: a step has no steps
    await step.call(invoice.build(ORDER))  # E: a step enqueues, it does not call
    await step.enqueue(invoice.build(ORDER))  # E: a step's enqueue is no coroutine
    step.enqueue(invoice)  # E: a job that a step enqueues is built
    step.enqueue(invoice, ORDER)  # E: arguments belong into the call that a step enqueues
    step.step_index()  # E: the place of a step is a property
    step.iteration += 1  # E: the iteration cannot be set
    step.params = ORDER  # E: the parameters cannot be set
    step.previous_result = 3  # E: the result of the step before cannot be set
    step.idempotency_key(step.iteration)  # E: a key's scope is text
    key: str = step.idempotency_key  # E: a step's key is made by a call
    data: str = step.take_resume_data  # E: what a sleep gave is taken by a call
    if step.attempt == "1":  # E: an attempt of a step is never text
        return 0
    StepContext()  # E: a step's context is given, not made
    return step.run_id  # E: a step's id instead of a number
