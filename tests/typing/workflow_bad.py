"""Wrong workflows: declared, started, stepped and waited for in ways that both checkers refuse."""

from __future__ import annotations

from pydantic import BaseModel

from stem import Flow, Mailbox, Stem, StepContext, Topic, Transaction, WorkflowContext, WorkflowDefinition, task, workflow


class Order(BaseModel):
    id: str


class Receipt(BaseModel):
    total: int


ORDER = Order(id="1")
shipped = Topic("order.shipped", payload=Receipt)
approval = Mailbox("approval", payload=bool)


async def charge(order_id: str, total: int, *, fast: bool = False) -> Receipt:
    return Receipt(total=total)


def count(numbers: list[int]) -> int:
    return len(numbers)


async def poll(step: StepContext, order: Order) -> str:
    return order.id


def book(tx: Transaction, total: int) -> int:
    return total


async def refund(receipt: Receipt) -> None: ...


@task("invoices.make")
async def invoice(order: Order) -> int:
    return len(order.id)


@workflow("orders.small")
async def small(ctx: WorkflowContext) -> str:
    return ctx.run_id


@workflow("orders.fulfil")
async def fulfil(ctx: WorkflowContext, order: Order) -> Receipt:
    await ctx.step("a", charge, order.id)  # E: an argument is missing
    await ctx.step("b", charge, order.id, "five")  # E: the total is a number
    await ctx.step("c", charge, order.id, 5, fats=True)  # E: no such keyword
    await ctx.step("d", charge, 5, order.id)  # E: the arguments are the wrong way round
    await ctx.step("e", count, ["x"])  # E: a list of numbers is wanted
    await ctx.step(charge, order.id, 5)  # E: the name is missing
    await ctx.step("f", poll, order)  # E: poll takes a StepContext; step_in gives it
    await ctx.step_in("g", charge, order.id, 5)  # E: charge takes no StepContext
    await ctx.step_in("h", poll, "order")  # E: an Order is wanted
    text: str = await ctx.step("i", charge, order.id, 5)  # E: a step gives what its function gives
    ctx.step("j", charge, order.id, 5)  # E: an await is missing
    await ctx.options(compensate=refund).step("k", count, [1])  # E: refund takes a Receipt, count gives an int
    await ctx.options(max_retry=3).step("l", charge, order.id, 5)  # E: no such option
    await ctx.options(timeout="5s").step("m", charge, order.id)  # E: an argument is missing
    await ctx.sleep("10m")  # E: the name is missing
    await ctx.sleep("n", [10])  # E: a list is no duration
    ctx.sleep("o", "10m")  # E: an await is missing
    late: Receipt = await ctx.wait(shipped, timeout="1h")  # E: it may be a Timeout
    flag: int = (await ctx.wait(shipped)).totl  # E: a payload has no such field
    yes: str = await ctx.wait(approval)  # E: the payload is a bool
    await ctx.wait("order.shipped")  # E: a Topic or Mailbox is wanted
    number: str = await ctx.call(invoice.build(order))  # E: the task gives a number
    await ctx.call(invoice)  # E: a call is wanted, not the task
    await ctx.call(small.build())  # E: a workflow is run, not called
    await ctx.run(invoice.build(order))  # E: a task is called, not run
    child: int = await ctx.run(small.build())  # E: the child gives text
    await ctx.run(small.build(), on_cancel="kill")  # E: no such policy
    await ctx.transaction("p", charge, order.id, 5)  # E: charge takes no Transaction
    await ctx.transaction("q", book, "five")  # E: a number is wanted
    await ctx.emit(shipped, "payload")  # E: a Receipt is wanted
    await ctx.send(approval, "run", "yes")  # E: a bool is wanted
    async with ctx.gather() as g:
        g.step("r", charge, order.id)  # E: an argument is missing
        wrong = g.call(invoice.build(order))
        g.wait(shipped, tmeout="1h")  # E: no such keyword
    result: str = await wrong  # E: the branch gives a number
    with ctx.gather():  # E: it is an async context manager
        pass
    new: bool = ctx.patched("new")  # E: an await is missing
    return "receipt"  # E: a Receipt is wanted


@workflow("orders.plain")  # E: a workflow is an async def
def plain(ctx: WorkflowContext) -> str:
    return ctx.run_id


@workflow("orders.noctx")  # E: a workflow takes the context first
async def noctx(order: Order) -> str:
    return order.id


@workflow("orders.words")  # E: parameters are a pydantic model
async def words(ctx: WorkflowContext, order_id: str) -> str:
    return order_id


@workflow("orders.option", cancel_after=["1h"])  # E: a list is no duration
async def option(ctx: WorkflowContext) -> str:
    return ctx.run_id


@workflow("orders.change", on_change="ignore")  # E: no such word
async def change(ctx: WorkflowContext) -> str:
    return ctx.run_id


flow = Flow("demo.flow", params=Order).step("greet", charge)  # E: a flow's step takes a StepContext
remote = WorkflowDefinition("orders.remote", params=Order)  # E: the result type is missing


async def use(app: Stem) -> None:
    await fulfil.start(app)  # E: the parameters are missing
    await fulfil.start(app, Receipt(total=1))  # E: an Order is wanted
    await fulfil.start(app, ORDER, idd="x")  # E: no such word
    await small.start(app, ORDER)  # E: it takes no parameters
    fulfil.start(app, ORDER)  # E: an await is missing
    fulfil.build(ORDER).id(5)  # E: an id is text
    fulfil.build(ORDER).if_exists("maybe")  # E: no such word
    text: str = await (await fulfil.start(app, ORDER)).result()  # E: it gives a Receipt
    await shipped.emit(app, {"total": 1})  # E: a Receipt is wanted
    await shipped.emit(app, Receipt(total=1), key=42)  # E: a key is text
    shipped.emit(app, Receipt(total=1))  # E: an await is missing
    await shipped.emit(Receipt(total=1))  # E: the app is missing
    await approval.send(app, True)  # E: the run is missing
    await approval.send(app, "run", "yes")  # E: a bool is wanted
    await approval.send(app, "run", True, start=fulfil)  # E: a call is wanted, not the workflow
    await app.workflows.cancel()  # E: the run is missing
