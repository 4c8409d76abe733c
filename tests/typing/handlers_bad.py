"""Handlers of the wrong shape, and decorators in the wrong order."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypedDict, TypeVar

from pydantic import BaseModel

from stem import Stem, StepContext, TaskContext, WorkflowContext, task, workflow

P = ParamSpec("P")
R = TypeVar("R")


class Order(BaseModel):
    id: str


class Letter(BaseModel):
    text: str


class Fields(TypedDict):
    id: str


class Bank:
    def open(self) -> None: ...


def timed(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def wrap(fn: Callable[P, R]) -> Callable[P, R]:
        return fn

    return wrap


def guarded(fn: Callable[P, R]) -> Callable[P, R | None]:
    return fn


def with_bank(fn: Callable[[Bank, Order], R]) -> Callable[[Order], R]:
    return lambda order: fn(Bank(), order)


app = Stem.in_memory()

# ---------------------------------------------------------------- contexts


@task("ctx.workflow")  # E: a workflow's context in a task
async def of_workflow(ctx: WorkflowContext, order: Order) -> str:
    return order.id


@task("ctx.step")  # E: a step's context in a task
async def of_step(ctx: StepContext) -> str:
    return ctx.run_id


@task("ctx.text")  # E: the context is no dict
async def of_dict(ctx: dict[str, Any], order: Order) -> str:
    return order.id


@task("ctx.last")  # E: the context comes first, in a thread too
def last(order: Order, ctx: TaskContext) -> str:
    return order.id


@task("ctx.twice")  # E: two contexts
async def twice(ctx: TaskContext, again: TaskContext) -> str:
    return ctx.id


@task("ctx.bank")  # E: a dependency is no parameter
async def of_bank(ctx: TaskContext, order: Order, bank: Bank) -> str:
    return order.id


@task("ctx.only_bank")  # E: a dependency in place of the model
async def only_bank(ctx: TaskContext, bank: Bank) -> None:
    bank.open()


@task("ctx.app")  # E: the app is no parameter
async def of_app(app: Stem, order: Order) -> str:
    return order.id


# ---------------------------------------------------------------- arguments


@task("args.fields")  # E: the fields of the model one by one
async def fields(id: str, tenant: str) -> str:
    return id + tenant


@task("args.typed_dict")  # E: a TypedDict is no model
async def typed_dict(order: Fields) -> str:
    return order["id"]


@task("args.list")  # E: many models at once
async def many(orders: list[Order]) -> int:
    return len(orders)


@task("args.class")  # E: the class of the model
async def of_class(order: type[Order]) -> str:
    return order.__name__


@task("args.keyword_only")  # E: the model as a keyword beside the context
async def keyword_only(ctx: TaskContext, *, order: Order) -> str:
    return order.id


@task("args.unannotated")
async def unannotated(order) -> str:  # E: the model is not annotated
    return "order"


@task("args.unannotated_ctx")
async def unannotated_ctx(ctx, order: Order) -> str:  # E: the context is not annotated
    return order.id


# ---------------------------------------------------------------- methods


class Shop:
    @task("method.plain")  # E: a method takes itself first
    async def charge(self, ctx: TaskContext, order: Order) -> str:
        return order.id

    @task("method.sync")  # E: a method without context takes itself first
    def refund(self, order: Order) -> str:
        return order.id

    @task("method.class")  # E: a class method is not a function yet
    @classmethod
    async def of_class(cls, order: Order) -> str:
        return order.id

    @task("method.property")  # E: a property is no function
    @property
    def name(self) -> str:
        return "shop"

    @task("method.celery")  # E: the task itself is no parameter
    def bound(self: TaskContext, order: Order, retries: int) -> str:
        return order.id


# ---------------------------------------------------------------- decorators


@task.defn("deco.temporal")  # E: an attribute of another library
async def defn(order: Order) -> str:
    return order.id


@app.task("deco.app")  # E: an app has no decorators
async def of_the_app(order: Order) -> str:
    return order.id


@task()  # E: a decorator without the name
async def nameless(order: Order) -> str:
    return order.id


@task("deco.both")  # E: a workflow is no handler
@workflow("deco.both")
async def both(ctx: WorkflowContext, order: Order) -> str:
    return order.id


@workflow("deco.task_inside")  # E: a task is no workflow
@task("deco.task_inside")
async def task_inside(ctx: TaskContext, order: Order) -> str:
    return order.id


@task("deco.dropped")  # E: the decorator below gives None
@print
async def dropped(order: Order) -> str:
    return order.id


@with_bank  # E: the decorator that fills a parameter stands above the task
@task("deco.order")
async def order_of_decorators(order: Order) -> str:
    return order.id


@task("deco.guarded")
@guarded
def may_be_none(order: Order) -> str:
    return order.id


@task("deco.inner")
async def inner(order: Order) -> str:
    return order.id


@functools.cache
@task("deco.cached")
def cached(order: Order) -> str:
    return order.id


@timed("charge")
@task("deco.outside")
async def outside(order: Order) -> str:
    return order.id


# ---------------------------------------------------------------- what is decorated


task("what.name")("shop.tasks.charge")  # E: a handler is not named by text
task("what.list")([inner])  # E: a list of handlers
task("what.none")(None)  # E: no handler at all
task("what.coroutine")(inner(Order(id="1")))  # E: a coroutine, called already
task("what.call")(inner.build(Order(id="1")))  # E: a call instead of a handler
task("what.awaitable")(inner, max_retries=3)  # E: options belong to the name, not to the handler
task("what.two")(inner, outside)  # E: one handler for one name

# ---------------------------------------------------------------- what comes out

ORDER = Order(id="1")
of_guarded: str = may_be_none(ORDER)  # E: the wrapper may give None
cached.build(ORDER)  # E: a cached function is no task any more
outside.enqueue(app, ORDER)  # E: a wrapped task is a function again
inner.delay(ORDER)  # E: calls are built and sent
inner.apply_async(args=[ORDER], countdown=5)  # E: calls are built and sent, with options
inner.map([ORDER, ORDER])  # E: a group is of calls
inner.with_options(max_retries=5)  # E: a declaration is not changed
inner.retry()  # E: the context retries
inner.request.id  # E: the context knows the id
inner.options["queue"]  # E: options are attributes
inner[ORDER]  # E: a task is no mapping
inner << ORDER  # E: nothing is shifted into a task


@task("body.sync")
def in_a_thread(ctx: TaskContext, order: Order) -> int:
    handle = ctx.enqueue(inner.build(order))
    return len(handle.id)  # E: the handle was not awaited, and cannot be in a thread


@task("body.none")
async def returns_nothing(order: Order) -> str:  # E: a branch without a result
    if order.id:
        return order.id


@task("body.result")
async def forgets_inner(order: Order) -> str:
    return inner(order)  # E: another handler is called without an await
