"""Wrong declarations: handlers, options, policies and definitions that both checkers refuse."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from stem import Limit, Rate, RetryPolicy, TaskContext, TaskDefinition, Unique, task


class Order(BaseModel):
    number: int


class Letter(BaseModel):
    text: str


@dataclass
class Plain:
    number: int


# ---------------------------------------------------------------- handlers


@task("handler.text")  # E: the argument is text, not a model
def takes_text(args: str) -> int:
    return len(args)


@task("handler.async_text")  # E: the argument of an async handler is text, not a model
async def takes_text_async(args: str) -> int:
    return len(args)


@task("handler.number")  # E: the second argument is a number, not a model
async def takes_number(ctx: TaskContext, number: int) -> int:
    return number


@task("handler.dict")  # E: the argument is a dict, not a model
def takes_dict(args: dict[str, int]) -> int:
    return len(args)


@task("handler.dataclass")  # E: the argument is a dataclass, not a model
async def takes_dataclass(args: Plain) -> int:
    return args.number


@task("handler.swapped")  # E: arguments before the context
async def swapped(args: Order, ctx: TaskContext) -> int:
    return args.number


@task("handler.two_models")  # E: two models and no context
def two_models(order: Order, letter: Letter) -> int:
    return order.number


@task("handler.three")  # E: a third parameter
async def three(ctx: TaskContext, order: Order, letter: Letter) -> int:
    return order.number


@task("handler.keyword_only")  # E: a keyword-only parameter without a default
async def keyword_only(*, args: Order) -> int:
    return args.number


@task  # E: the decorator without its parentheses
async def bare(args: Order) -> int:
    return args.number


task("handler.not_a_function")(3)  # E: a number is no handler
task("handler.a_value")(Order(number=1))  # E: a model instance is no handler
task("handler.definition")(TaskDefinition("far.away", returns=int))  # E: a definition is no handler


# ---------------------------------------------------------------- options of @task

task()  # E: no name
task(3)  # E: the name is a number
task("option.positional", "mail")  # E: the queue is given by position
task("option.misspelt", retires=3)  # E: misspelt option
task("option.foreign", countdown=3)  # E: an option of another library
task("option.queue", queue=7)  # E: the queue is a number
task("option.priority", priority="high")  # E: the priority is a word
task("option.priority_none", priority=None)  # E: the priority is None
task("option.max_retries", max_retries="3")  # E: the number of retries is text
task("option.max_retries_none", max_retries=None)  # E: the number of retries is None
task("option.retry", retry=3)  # E: the policy is a number
task("option.retry_text", retry="fixed")  # E: the policy is text
task("option.soft", soft_time_limit=[30])  # E: the soft limit is a list
task("option.hard", time_limit={"minutes": 1})  # E: the hard limit is a dict
task("option.lease", visibility_timeout=None)  # E: the lease is None
task("option.rate", rate_limit=100)  # E: the rate is a bare number
task("option.rate_is_limit", rate_limit=Limit(2))  # E: a Limit where a Rate belongs
task("option.concurrency", concurrency="2")  # E: the concurrency is text
task("option.concurrency_is_rate", concurrency=Rate("10/s"))  # E: a Rate where a Limit belongs
task("option.unique", unique=True)  # E: uniqueness is a bool
task("option.unique_text", unique="number")  # E: uniqueness is text
task("option.expires", expires=("1h",))  # E: the expiry is a tuple
task("option.result_ttl", result_ttl=None)  # E: the lifetime of results is None
task("option.ignore_result", ignore_result="yes")  # E: a switch is text
task("option.at_most_once", at_most_once=None)  # E: a switch is None
task("option.tags", tags=[1, 2])  # E: the tags are numbers
task("option.description", description=None)  # E: the description is None


# ---------------------------------------------------------------- policies and rules

RetryPolicy.exponential(max_retries=3)  # E: the number of retries is no part of the policy
RetryPolicy.exponential("2s")  # E: the base is given by position
RetryPolicy.exponential(base=None)  # E: the base is None
RetryPolicy.exponential(longest=["5m"])  # E: the longest wait is a list
RetryPolicy.exponential(retry_on=[OSError()])  # E: an exception instance instead of its class
RetryPolicy.fixed()  # E: no wait
RetryPolicy.fixed(delay="5s")  # E: misnamed wait
RetryPolicy.fixed("5s", give_up_on=[404])  # E: a number is no error
RetryPolicy.linear("5s")  # E: no such policy
RetryPolicy("linear", 1_000, 5_000)  # E: no such kind
RetryPolicy.fixed("5s").base_ms = 1  # E: a policy cannot be changed

Rate(100)  # E: the rate is a bare number
Rate("10/s", burst="2")  # E: the burst is text
Rate(key="tenant")  # E: no rate
Limit("2")  # E: the count is text
Limit(2, by="tenant")  # E: misnamed key
Unique("done")  # E: the rule is given by position
Unique(until="ended")  # E: no such end
Unique(conflict="ignore")  # E: no such conflict rule
Unique(key=["tenant"])  # E: the key is a list
Unique(ttl="1h")  # E: misnamed duration


# ---------------------------------------------------------------- definitions

TaskDefinition("far.task")  # E: no result type
TaskDefinition("far.task", args=Order)  # E: arguments, but no result type
TaskDefinition("far.task", Order, int)  # E: model and result by position
TaskDefinition(returns=int)  # E: no name
TaskDefinition("far.task", args=Order(number=1), returns=int)  # E: an instance instead of the model
TaskDefinition("far.task", args=str, returns=int)  # E: the arguments are text, not a model
TaskDefinition("far.task", args=None, returns=int)  # E: no arguments, said with None
TaskDefinition("far.task", args=Order, returns=3)  # E: a value instead of a result type
TaskDefinition("far.task", args=Order, returns=int, retires=3)  # E: misspelt option
TaskDefinition("far.task", args=Order, returns=int, max_retries=3)  # E: an option that only the worker has
TaskDefinition("far.task", args=Order, returns=int, queue=7)  # E: the queue is a number
TaskDefinition("far.task", args=Order, returns=int, rate_limit=100)  # E: the rate is a bare number


@task("right.count")
async def count(args: Order) -> int:
    return args.number


wrong_result: TaskDefinition[Order, str] = TaskDefinition("far.task", args=Order, returns=int)  # E: another result
wrong_args: TaskDefinition[Letter, int] = TaskDefinition("far.task", args=Order, returns=int)  # E: another model
wrong_handler_result: TaskDefinition[Order, str] = count  # E: the handler returns a number
wrong_handler_args: TaskDefinition[Letter, int] = count  # E: the handler takes an order
too_wide: TaskDefinition[BaseModel, int] = count  # E: the handler does not take every model
count.max_retries = 3  # E: options cannot be set afterwards
count.name = 3  # E: the name is a number


# ---------------------------------------------------------------- called directly


@task("right.both")
def both(ctx: TaskContext, args: Order) -> str:
    return ctx.id


@task("right.nothing")
def nothing() -> list[int]:
    return []


async def call(ctx: TaskContext, order: Order) -> None:
    await count(Letter(text="a"))  # E: called with another model
    await count()  # E: called without its argument
    await count(ctx, order)  # E: called with a context it does not take
    await count({"number": 1})  # E: called with a dict
    await count(number=1)  # E: called with the fields of its model
    both(order)  # E: called without the context
    both(order, ctx)  # E: called with context and arguments swapped
    nothing(order)  # E: called with an argument it does not take
    await both(ctx, order)  # E: a sync handler is awaited
    count(order)  # E: a forgotten await
    number: int = count(order)  # E: a forgotten await, assigned
    text: str = await count(order)  # E: a number assigned to text
    numbers: list[str] = nothing()  # E: a list of numbers assigned to a list of text
