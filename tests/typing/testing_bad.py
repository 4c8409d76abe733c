"""Misuses in tests and of what stands around them, each flagged on its own line."""

from __future__ import annotations

from pydantic import BaseModel

from stem import Stem, WorkflowContext, task, workflow
from stem.testing import FakeStem, simulate, task_context


class Order(BaseModel):
    id: str


class Bigger(Order):
    cents: int = 0


class Other(BaseModel):
    number: int


@task("testing.charge")
async def charge(order: Order) -> int:
    return len(order.id)


@workflow("testing.flow")
async def flow(ctx: WorkflowContext, order: Order) -> int:
    return len(order.id)


fake = FakeStem()
fake.answer(charge, "text")  # E: the task gives a number
fake.answer(charge, None)  # E: the task gives a number
fake.answer(flow, "text")  # E: the workflow gives a number
fake.answer(flow, [1])  # E: the workflow gives a number
bigger: list[Bigger] = fake.enqueued(charge)  # E: the task takes orders, not what extends them
others: list[Other] = fake.enqueued(charge)  # E: the task takes orders
parameters: list[Bigger] = fake.started(flow)  # E: the workflow takes orders, not what extends them
fake.enqueued(Order)  # E: a model is no task
fake.started(charge.build(Order(id="1")))  # E: a call is no workflow
task_context(atempt=2)  # E: no such fact
task_context(attempt="2")  # E: an attempt is a number
task_context("id")  # E: facts are given by name
Stem.from_env(namepsace="x")  # E: no such option
Stem.from_env(namespace=5)  # E: a namespace is text
Stem.from_env(tasks=[Order])  # E: a model is no task
Stem.from_env("memory://")  # E: the URL comes from the environment


async def live() -> None:
    await simulate(flow, Other(number=1))  # E: the workflow takes an order
    await simulate(charge, Order(id="1"))  # E: a task is no workflow
    await simulate(flow, Order(id="1"), seeds=3)  # E: no such option
