"""What runs carry has the size that the app allows: at the limit it is taken, one byte above it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from stem import PayloadTooLargeError, RunFailed, Stem, Topic, WorkflowContext, workflow

pytestmark = pytest.mark.anyio
MOST = 1_000


class Text(BaseModel):
    x: str = ""


@workflow("returns")
async def returns(ctx: WorkflowContext, size: Text) -> str:
    return "a" * int(size.x)


@workflow("steps")
async def steps(ctx: WorkflowContext, size: Text) -> int:
    return len(await ctx.step("a", "a".__mul__, int(size.x)))


@workflow("takes")
async def takes(ctx: WorkflowContext, text: Text) -> int:
    return len(text.x)


said = Topic("said", payload=str)


def app() -> Stem:
    return Stem.in_memory(workflows=[returns, steps, takes], max_payload=MOST)


@pytest.mark.parametrize("flow", [returns, steps], ids=lambda flow: str(flow.name))
async def test_results_of_runs_and_steps(flow: Any) -> None:
    """Two bytes are the quotes around text in JSON."""
    async with app() as here, here.worker():
        assert await (await flow.build(Text(x=str(MOST - 2))).start(here)).result("10s")
        with pytest.raises(RunFailed, match=r"1,001 bytes, over the limit of 1,000"):
            await (await flow.build(Text(x=str(MOST - 1))).start(here)).result("10s")


async def test_parameters_and_payloads() -> None:
    around = len('{"x":""}')
    async with app() as here, here.worker():
        run = await takes.build(Text(x="a" * (MOST - around))).start(here)
        assert await run.result("10s") == MOST - around
        with pytest.raises(PayloadTooLargeError, match="1,001 bytes"):
            await takes.build(Text(x="a" * (MOST - around + 1))).start(here)
        assert await here.workflows.emit(said, "a" * (MOST - 2), key="1")
        with pytest.raises(PayloadTooLargeError, match="1,001 bytes"):
            await here.workflows.emit(said, "a" * (MOST - 1), key="2")
