"""stem: app and worker in one process and one event loop."""

from __future__ import annotations

import asyncio
import platform
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel

from stem import Stem, WorkflowContext, workflow
from stem.worker.process import tune
from tests.bench.workflows.side import System, url


class Plan(BaseModel):
    steps: int


async def noop(number: int) -> int:
    return number


@workflow("bench.steps")
async def steps(ctx: WorkflowContext, plan: Plan) -> int:
    each = ctx.options(auto_version=True)
    for number in range(plan.steps):
        await each.step("noop", noop, number)
    return plan.steps


class StemSystem(System):
    async def open(self) -> None:
        """As `stem worker` does, for its process and its slots."""
        tune()
        self._open = AsyncExitStack()
        self._app = await self._open.enter_async_context(Stem(url(), workflows=[steps]))
        await self._open.enter_async_context(self._app.worker(concurrency=100))

    async def close(self) -> None:
        await self._open.aclose()

    async def run(self, workflows: int, steps_: int) -> None:
        handles = await asyncio.gather(*(steps.start(self._app, Plan(steps=steps_)) for _ in range(workflows)))
        await asyncio.gather(*(handle.result("300s") for handle in handles))

    async def open_producer(self) -> None:
        self._app = Stem(url(), workflows=[steps])
        await self._app.open()

    async def close_producer(self) -> None:
        await self._app.close()

    async def start(self) -> None:
        await steps.start(self._app, Plan(steps=1))

    async def about(self) -> dict[str, Any]:
        told = self._app.engine.describe()
        return {
            "versions": {"stem": version("stem-jobs"), "python": platform.python_version()},
            "usage": "async workflow and step, app and worker in one event loop",
            "store": told.get("server") or f"SQLite {told['sqlite']}",
            "journal_mode": told.get("journal_mode", ""),
            "synchronous": told.get("synchronous", ""),
            "durability": told["durability"],
        }


system = StemSystem()
