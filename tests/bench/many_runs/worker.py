"""The worker process of the bench, and the workflows that both sides know: `python -m tests.bench.many_runs.worker URL`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from stem import Stem, Topic, WorkflowContext, workflow
from stem.worker.process import tune


class Nap(BaseModel):
    seconds: float


class Number(BaseModel):
    number: int


never = Topic("bench.never", payload=int)


@workflow("bench.nap")
async def nap(ctx: WorkflowContext, params: Nap) -> float:
    """When it went on, unix ms: the only time that the code behind the sleep is reached."""
    await ctx.sleep("nap", params.seconds)
    return time.time() * 1000


@workflow("bench.wait")
async def wait(ctx: WorkflowContext, params: Number) -> int:
    return await ctx.wait(never, key=str(params.number))


@workflow("bench.none")
async def none(ctx: WorkflowContext) -> int:
    return 0


WORKFLOWS: Final = (nap, wait, none)


async def work(url: str) -> None:
    """A worker that answers every line on its stdin with its memory and its processor time."""
    tune()
    loop = asyncio.get_running_loop()
    async with Stem(url, workflows=WORKFLOWS) as app, app.worker(concurrency=100):
        over = loop.create_future()

        def asked() -> None:
            if sys.stdin.readline():
                say({"MB": resident(), "cpu": time.process_time()})
            else:
                over.set_result(None)

        loop.add_reader(sys.stdin, asked)
        say({"ready": True})
        await over


def resident() -> float:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
