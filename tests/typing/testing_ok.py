"""Right uses in tests and of what stands around them."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from stem import NoArgs, Stem, WorkflowContext, task, workflow
from stem.testing import FakeStem, simulate, task_context


class Order(BaseModel):
    id: str


@task("testing.charge")
async def charge(order: Order) -> int:
    return len(order.id)


@task("testing.maybe")
async def maybe(order: Order) -> int | None:
    return len(order.id) or None


@task("testing.tick")
async def tick() -> None: ...


@workflow("testing.flow")
async def flow(ctx: WorkflowContext, order: Order) -> int:
    return len(order.id)


@workflow("testing.bare")
async def bare(ctx: WorkflowContext) -> None: ...


fake = FakeStem()
fake.answer(charge, 5)
fake.answer(charge, ValueError("as if it had failed"))
fake.answer(maybe, 5)
fake.answer(maybe, None)
fake.answer(tick, None)
fake.answer(flow, 5)
assert_type(fake.enqueued(charge), list[Order])
assert_type(fake.enqueued(tick), list[NoArgs])
assert_type(fake.started(flow), list[Order])
assert_type(task_context(attempt=2, headers={"a": "b"}).attempt, int)


def an_app() -> Stem:
    return Stem.from_env(namespace="x", tasks=[charge, maybe], workflows=[flow], include=["shop.tasks"])


async def lives() -> None:
    await simulate(flow, Order(id="1"), pairs=10)
    await simulate(bare)
