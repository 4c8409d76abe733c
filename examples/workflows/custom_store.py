"""A store of one's own: everything that runs write goes through it, here to keep a diary.

A whole engine has more to do; `stem.testing.contracts` has the suites that hold it to what workflows need.

    python examples/workflows/custom_store.py
"""

import asyncio
from typing import Any

from stem import Stem, WorkflowContext, workflow
from stem.contracts.engine import Engine
from stem.core.run import Change, Committed
from stem.values import Receipt


class Diary:
    """The workflows of another engine, and a line for each change that was stored."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.lines: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, receipt: Receipt, change: Change) -> Committed:
        said: Committed = await self._store.commit(receipt, change)
        steps = ", ".join(step.key for step in change.steps) or "no step"
        self.lines.append(f"{receipt.job_id}: {steps}, then {type(change.then).__name__}: {said.status}")
        return said


class DiaryStem(Stem):
    """A Stem on such a store."""

    def make_engine(self) -> Engine:
        engine: Any = super().make_engine()
        self.diary = engine.workflows = Diary(engine.workflows)
        made: Engine = engine
        return made


async def double(number: int) -> int:
    return 2 * number


@workflow("numbers.double")
async def doubled(ctx: WorkflowContext) -> int:
    return await ctx.step("double", double, 21)


async def main() -> None:
    async with DiaryStem("memory://", workflows=[doubled]) as app, app.worker():
        print(await (await doubled.start(app, id="run-1")).result(timeout="10s"))
        print("\n".join(app.diary.lines))


if __name__ == "__main__":
    asyncio.run(main())
