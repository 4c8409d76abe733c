"""Right declarations: every shape of handler and result, every option, and definitions without a handler."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, assert_type

from pydantic import BaseModel

from stem import (
    AsyncTask,
    Limit,
    NoArgs,
    Rate,
    RetryPolicy,
    SyncTask,
    TaskContext,
    TaskDefinition,
    TaskEnqueueBuilder,
    Unique,
    task,
)


class Order(BaseModel):
    """An argument model."""

    number: int
    tenant: str = "acme"


class Rush(Order):
    """A model that extends another."""

    courier: str = "van"


class Receipt(BaseModel):
    """A result model."""

    number: int
    total: int


@dataclass
class Parcel:
    """A result that is no pydantic model."""

    weight: float


class CardDeclined(Exception):  # named as the payment provider names it
    """What is not worth a retry."""


ORDER = Order(number=1)


# ---------------------------------------------------------------- the eight shapes of a handler


@task("shape.async_both")
async def async_both(ctx: TaskContext, args: Order) -> Receipt:
    """Take the context and the arguments."""
    return Receipt(number=args.number, total=ctx.attempt)


@task("shape.async_ctx")
async def async_ctx(ctx: TaskContext) -> str:
    """Take the context."""
    return ctx.id


@task("shape.async_args")
async def async_args(args: Order) -> Receipt:
    """Take the arguments."""
    return Receipt(number=args.number, total=0)


@task("shape.async_nothing")
async def async_nothing() -> int:
    """Take nothing."""
    return 1


@task("shape.sync_both")
def sync_both(ctx: TaskContext, args: Order) -> Receipt:
    """Take the context and the arguments, in a thread."""
    return Receipt(number=args.number, total=ctx.attempt)


@task("shape.sync_ctx")
def sync_ctx(ctx: TaskContext) -> str:
    """Take the context, in a thread."""
    return ctx.id


@task("shape.sync_args")
def sync_args(args: Order) -> Receipt:
    """Take the arguments, in a thread."""
    return Receipt(number=args.number, total=0)


@task("shape.sync_nothing")
def sync_nothing() -> int:
    """Take nothing, in a thread."""
    return 1


assert_type(async_both, AsyncTask[[TaskContext, Order], Order, Receipt])
assert_type(async_ctx, AsyncTask[[TaskContext], NoArgs, str])
assert_type(async_args, AsyncTask[[Order], Order, Receipt])
assert_type(async_nothing, AsyncTask[[], NoArgs, int])
assert_type(sync_both, SyncTask[[TaskContext, Order], Order, Receipt])
assert_type(sync_ctx, SyncTask[[TaskContext], NoArgs, str])
assert_type(sync_args, SyncTask[[Order], Order, Receipt])
assert_type(sync_nothing, SyncTask[[], NoArgs, int])


# ---------------------------------------------------------------- what handlers return


@task("result.numbers")
async def numbers(args: Order) -> list[int]:
    """Return a list."""
    return [args.number]


@task("result.maybe")
async def maybe(args: Order) -> int | None:
    """Return a number or None."""
    return args.number or None


@task("result.nothing")
async def nothing(ctx: TaskContext, args: Order) -> None:
    """Return None."""


@task("result.sync_numbers")
def sync_numbers() -> dict[str, list[int]]:
    """Return a nested container, from a thread."""
    return {}


@task("result.sync_maybe")
def sync_maybe(ctx: TaskContext) -> Receipt | None:
    """Return a model or None, from a thread."""
    return None


@task("result.sync_nothing")
def sync_nothing_at_all(ctx: TaskContext, args: Order) -> None:
    """Return None, from a thread."""


@task("result.choice")
async def choice() -> Literal["paid", "open"]:
    """Return one of two words."""
    return "paid"


@task("result.parcel")
async def parcel() -> tuple[Parcel, timedelta]:
    """Return what JSON carries by way of pydantic."""
    return Parcel(0.5), timedelta(days=1)


assert_type(numbers, AsyncTask[[Order], Order, list[int]])
assert_type(maybe, AsyncTask[[Order], Order, int | None])
assert_type(nothing, AsyncTask[[TaskContext, Order], Order, None])
assert_type(sync_numbers, SyncTask[[], NoArgs, dict[str, list[int]]])
assert_type(sync_maybe, SyncTask[[TaskContext], NoArgs, Receipt | None])
assert_type(sync_nothing_at_all, SyncTask[[TaskContext, Order], Order, None])
assert_type(choice.build(), TaskEnqueueBuilder[Literal["paid", "open"]])
assert_type(parcel.build(), TaskEnqueueBuilder[tuple[Parcel, timedelta]])


# ---------------------------------------------------------------- options


@task(
    "option.all",
    queue="mail",
    priority=9,
    max_retries=5,
    retry=RetryPolicy.exponential(base="1s", longest=timedelta(minutes=1), retry_on=[OSError], give_up_on=["Refused"]),
    soft_time_limit="50s",
    time_limit=60,
    visibility_timeout=timedelta(minutes=2),
    rate_limit=Rate("100/m", key="tenant", burst=10),
    concurrency=Limit(2, key="tenant"),
    unique=Unique(until="start", key="number", conflict="raise"),
    expires="1h30m",
    result_ttl=1.5,
    ignore_result=True,
    isolate=True,
    tags=("mail", "slow"),
    description="Everything that can be said.",
)
async def everything(ctx: TaskContext, args: Order) -> None:
    """Say all options."""


@task("option.short", rate_limit="10/s", concurrency=3, unique=Unique(for_="1h"), tags=["a"], at_most_once=True)
def short_forms(args: Order) -> int:
    """Say options in their short forms."""
    return args.number


@task(
    "option.none", soft_time_limit=None, time_limit=None, expires=None, rate_limit=None, concurrency=None, unique=None
)
def none_of_them(args: Order) -> int:
    """Say that there is no limit."""
    return args.number


assert_type(everything, AsyncTask[[TaskContext, Order], Order, None])
assert_type(short_forms, SyncTask[[Order], Order, int])
assert_type(none_of_them, SyncTask[[Order], Order, int])

assert_type(RetryPolicy.exponential(), RetryPolicy)
assert_type(RetryPolicy.fixed("5s", retry_on=(OSError, "shop.Busy"), give_up_on={CardDeclined}), RetryPolicy)
assert_type(RetryPolicy.fixed(timedelta(seconds=5)).retry_on, tuple[str, ...])


# ---------------------------------------------------------------- definitions without a handler

priced = TaskDefinition("far.price", args=Order, returns=int)
looked_up = TaskDefinition("far.look_up", args=Order, returns=int | None)
told = TaskDefinition("far.tell", args=Order, returns=None)
listed = TaskDefinition("far.list", returns=list[int])
pinged = TaskDefinition("far.ping", returns=None)
receipted = TaskDefinition(
    "far.receipt",
    args=Order,
    returns=Receipt,
    queue="billing",
    priority=3,
    expires=None,
    visibility_timeout="90s",
    result_ttl=timedelta(days=2),
    rate_limit="10/s",
    concurrency=2,
    unique=Unique(),
    at_most_once=True,
)

assert_type(priced, TaskDefinition[Order, int])
assert_type(looked_up, TaskDefinition[Order, int | None])
assert_type(told, TaskDefinition[Order, None])
assert_type(listed, TaskDefinition[NoArgs, list[int]])
assert_type(pinged, TaskDefinition[NoArgs, None])
assert_type(receipted, TaskDefinition[Order, Receipt])

# A definition stands for any handler that takes no less and gives no more.
as_definition: TaskDefinition[Order, Receipt] = async_both
for_a_narrower_model: TaskDefinition[Rush, Receipt] = sync_args
with_a_wider_result: TaskDefinition[Order, int | None] = priced


# ---------------------------------------------------------------- called directly, as in a test


async def call_async_handlers(ctx: TaskContext) -> None:
    """Await them like the functions they were."""
    started = assert_type(async_both(ctx, ORDER), Coroutine[object, None, Receipt])
    assert_type(await started, Receipt)
    assert_type(await async_both(ctx, ORDER), Receipt)
    assert_type(await async_ctx(ctx), str)
    assert_type(await async_args(Rush(number=2)), Receipt)
    assert_type(await async_nothing(), int)
    assert_type(await numbers(ORDER), list[int])
    assert_type(await maybe(ORDER), int | None)
    await nothing(ctx, ORDER)


def call_sync_handlers(ctx: TaskContext) -> None:
    """Call them like the functions they were."""
    assert_type(sync_both(ctx, ORDER), Receipt)
    assert_type(sync_ctx(ctx), str)
    assert_type(sync_maybe(ctx), Receipt | None)
    sync_nothing_at_all(ctx, ORDER)


assert_type(sync_args(ORDER), Receipt)
assert_type(sync_nothing(), int)
assert_type(sync_numbers(), dict[str, list[int]])
