"""A job that ends the process it runs in, and innocent ones that happen to run beside it."""

from __future__ import annotations

import asyncio
import os

from pydantic import BaseModel

from stem import Stem, WorkflowContext, task, workflow


class Work(BaseModel):
    seconds: float = 1.0


@task("killer", visibility_timeout="1s")
async def kill(work: Work) -> None:
    await asyncio.sleep(0.2)
    os._exit(9)


@task("innocent", visibility_timeout="1s")
async def work(work: Work) -> str:
    await asyncio.sleep(work.seconds)
    return "done"


@workflow("innocent.run", visibility_timeout="1s")
async def run(ctx: WorkflowContext, work: Work) -> str:
    return await ctx.step("work", wait, work.seconds)


async def wait(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


app = Stem(os.environ.get("KILLER_URL", "memory://"), tasks=[kill, work], workflows=[run])
