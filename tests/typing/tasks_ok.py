"""Right declarations of tasks that are less usual: decorators, generics, earlier models, keywords, aliases."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Generic, Literal, NewType, ParamSpec, Self, TypeVar, assert_type
from uuid import UUID

from pydantic import BaseModel, Field, RootModel
from typing_extensions import TypedDict

from stem import (
    AsyncTask,
    Enqueuer,
    JobHandle,
    Limit,
    Queue,
    Rate,
    RetryPolicy,
    Stem,
    SyncTask,
    TaskContext,
    TaskDefinition,
    TaskEnqueueBuilder,
    Unique,
    task,
)
from stem.testing import task_context

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Cents = NewType("Cents", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    id: str
    tenant: str = "acme"
    total: Annotated[int, Field(ge=0)] = 0


class Rush(Order):
    courier: str = "van"


class Box(BaseModel, Generic[T]):
    item: T


class OrderIds(RootModel[list[str]]):
    pass


class Line(TypedDict):
    sku: str
    count: int


class OrderV1(BaseModel):
    id: str

    def upgrade(self) -> Order:
        return Order(id=self.id, tenant="old")


class OrderV0(BaseModel):
    number: int

    def upgrade(self, prefix: str = "no-") -> Order:
        return Order(id=f"{prefix}{self.number}")


class Declined(Exception): ...


def logged(fn: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    @functools.wraps(fn)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        logging.getLogger("shop").debug("called")
        return await fn(*args, **kwargs)

    return wrapper


def timed(unit: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def decorate(fn: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fn)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            return fn(*args, **kwargs)

        return wrapper

    return decorate


ORDER = Order(id="1")

# ---------------------------------------------------------------- shapes


@task(name="ok.named")
async def named(order: Order) -> str:
    return order.id


@task("ok.logged", queue="mail")
@logged
async def wrapped(ctx: TaskContext, order: Order) -> Decimal:
    return Decimal(order.total)


@task("ok.timed")
@timed("ms")
def wrapped_plain(order: Order) -> float:
    return 0.5


@task("ok.positional")
async def positional(ctx: TaskContext, order: Order, /) -> str:
    return order.id


@task("ok.other_names")
async def other_names(context: TaskContext, o: Rush) -> str:
    return o.courier


@task("ok.box")
async def boxed(box: Box[int]) -> Box[str]:
    return Box(item=str(box.item))


@task("ok.root")
def rooted(ids: OrderIds) -> int:
    return len(ids.root)


@task("ok.lines")
async def lines(order: Order) -> list[Line]:
    return [{"sku": "a", "count": 1}]


@task("ok.enum")
def coloured(order: Order) -> Colour:
    return Colour.RED


@task("ok.newtype")
def cents(order: Order) -> Cents:
    return Cents(order.total)


@task("ok.many_types")
def many_types() -> dict[str, tuple[UUID, date, datetime | None]]:
    return {}


@task("ok.union")
async def union(order: Order) -> Order | Rush | Literal["none"]:
    return order


@task("ok.annotated")
async def annotated(order: Order) -> Annotated[int, Field(ge=0)]:
    return 1


@task("ok.accepts", accepts=[OrderV1, OrderV0])
async def upgraded(order: Order) -> str:
    return order.id


@task("ok.accepts_tuple", accepts=(OrderV1,))
def upgraded_plain(ctx: TaskContext, order: Order) -> None:
    return None


assert_type(named, AsyncTask[[Order], Order, str])
assert_type(wrapped, AsyncTask[[TaskContext, Order], Order, Decimal])
assert_type(wrapped_plain, SyncTask[[Order], Order, float])
assert_type(positional, AsyncTask[[TaskContext, Order], Order, str])
assert_type(other_names, AsyncTask[[TaskContext, Rush], Rush, str])
assert_type(boxed, AsyncTask[[Box[int]], Box[int], Box[str]])
assert_type(rooted, SyncTask[[OrderIds], OrderIds, int])
assert_type(lines, AsyncTask[[Order], Order, list[Line]])
assert_type(coloured, SyncTask[[Order], Order, Colour])
assert_type(cents, SyncTask[[Order], Order, Cents])
assert_type(many_types.build(), TaskEnqueueBuilder[dict[str, tuple[UUID, date, datetime | None]]])
assert_type(union, AsyncTask[[Order], Order, Order | Rush | Literal["none"]])
assert_type(annotated.build(ORDER), TaskEnqueueBuilder[int])
assert_type(upgraded, AsyncTask[[Order], Order, str])
assert_type(upgraded_plain, SyncTask[[TaskContext, Order], Order, None])
assert_type(wrapped_plain(ORDER), float)
assert_type(named.build(Rush(id="2")), TaskEnqueueBuilder[str])
assert_type(named.name, str)
assert_type(named.args_model, type[BaseModel])
assert_type(named.signature, str)


def declare(name: str, queue: str) -> AsyncTask[[Order], Order, str]:
    """A task made in a function."""

    @task(name, queue=queue)
    async def made(order: Order) -> str:
        return order.id

    return made


first = declare("ok.first", "a")
assert_type(first.build(ORDER), TaskEnqueueBuilder[str])


class Shop:
    """Tasks that are kept in a class."""

    @staticmethod
    @task("ok.static")
    async def static(order: Order) -> int:
        return order.total

    kept = named


assert_type(Shop.static.build(ORDER), TaskEnqueueBuilder[int])
assert_type(Shop.kept.build(ORDER), TaskEnqueueBuilder[str])

# ---------------------------------------------------------------- options

POLICY: Final = RetryPolicy.exponential(retry_on=(ConnectionError, "httpx.HTTPError"), give_up_on=Declined)


class Common(TypedDict):
    queue: str
    max_retries: int


COMMON: Common = {"queue": "mail", "max_retries": 5}
TAGS: Sequence[str] = ("mail", "slow")
FACTS: Mapping[str, str | int | float | bool] = {"team": "billing", "level": 2, "share": 0.5, "on": True}


@task("ok.common", **COMMON, retry=POLICY, tags=TAGS, attributes=FACTS, idempotent=True, stub="common_task")
async def common(order: Order) -> None: ...


@task("ok.spans", soft_time_limit=timedelta(seconds=5), time_limit=10, expires=0.5, result_ttl="1d")
async def spans(order: Order) -> None: ...


@task("ok.rates", rate_limit=Rate(text="5/30s", key="tenant", burst=2), concurrency=Limit(count=2))
async def rates(order: Order) -> None: ...


@task("ok.unique", unique=Unique(key="id", until="done", for_="1h", conflict="raise"), attributes=None, idempotent=None)
async def uniquely(order: Order) -> None: ...


assert_type(common, AsyncTask[[Order], Order, None])
assert_type(RetryPolicy.fixed(wait=5, retry_on={OSError, TimeoutError}), RetryPolicy)
assert_type(RetryPolicy.exponential(give_up_on=[Declined, "Refused"]).give_up_on, tuple[str, ...])
assert_type(RetryPolicy.exponential(retry_on=(error for error in (OSError, ValueError))), RetryPolicy)
assert_type(Queue("mail", priority=5, retry=POLICY, expires=None, time_limit=None, result_ttl=5).name, str)
if Rate("10/s") == Rate("10/s", burst=None):
    LIMITS: dict[str, Limit | int] = {"a": Limit(2), "b": 3}

far = TaskDefinition(name="ok.far", args=Order, returns=Annotated[int, Field(ge=0)], tags=["far"], idempotent=False)
assert_type(far.build(ORDER), TaskEnqueueBuilder[int])
either: TaskDefinition[Rush, str | None] = named
tasks: list[TaskDefinition[Order, object]] = [named, wrapped, coloured, far]
by_name: dict[str, TaskDefinition[Order, Any]] = {one.name: one for one in tasks}
app = Stem.in_memory(tasks=(one for one in tasks), queues=(Queue("mail"),), include=())


# ---------------------------------------------------------------- contexts


@task("ok.context")
async def context(ctx: TaskContext, order: Order) -> str:
    assert_type(ctx.meta.get("trace"), object | None)
    assert_type(ctx.headers.get("trace", ""), str)
    assert_type(ctx.lease_remaining > timedelta(seconds=5), bool)
    for key, value in ctx.headers.items():
        assert_type((key, value), tuple[str, str])
    await ctx.progress(percent=12.5, message="half", data={"done": 3})
    await ctx.extend_lease(by=timedelta(minutes=5))
    await ctx.extend_lease()
    ctx.heartbeat()
    sent = await ctx.enqueue(wrapped.build(order).priority(3))
    assert_type(sent, JobHandle[Decimal])
    assert_type(await sent.result(timeout=timedelta(seconds=5)), Decimal)
    if ctx.cancelled:
        ctx.snooze(timedelta(minutes=5))
    if ctx.attempt < ctx.max_retries:
        ctx.retry(max_retries=ctx.max_retries + 1, reason="once more")
    return ctx.idempotency_key(scope="a")


@task("ok.thread")
def in_a_thread(ctx: TaskContext, order: Order) -> str:
    ctx.sync.progress(50, "half", [1, 2])
    ctx.sync.extend_lease("5m")
    if order.total:
        return ctx.retry("5s")
    return assert_type(ctx.sync.enqueue(named.build(order)), str)


def helper(ctx: TaskContext) -> str:
    """A context is passed on."""
    return f"{ctx.worker} {ctx.queue} {ctx.task} {ctx.attempt}"


@asynccontextmanager
async def stage(ctx: TaskContext, name: str) -> AsyncGenerator[Callable[[float], Coroutine[Any, Any, None]], None]:
    """A block of one's own around progress."""
    yield lambda percent: ctx.progress(percent, name)


@task("ok.staged")
async def staged(ctx: TaskContext) -> str:
    async with stage(ctx, "reading") as progress:
        await progress(10)
    return helper(ctx)


class Fake:
    """What tests may hand in for an app."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send_all(self, app: Enqueuer, orders: Sequence[Order]) -> Self:
        for handle in await app.enqueue_many(named.build(one) for one in orders):
            self.sent.append(assert_type(handle, JobHandle[str]).id)
        return self


assert_type(helper(task_context(attempt=2)), str)
