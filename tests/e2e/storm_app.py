"""The app of the storm: every execution leaves one line in a ledger, and the result tells which delivery it was."""

from __future__ import annotations

import asyncio
import os

from pydantic import BaseModel

from stem import Stem, TaskContext, task
from stem.worker.context import Attempt

LEDGER = os.environ.get("STORM_LEDGER", "")


class Work(BaseModel):
    number: int


@task("storm.work", visibility_timeout="1.5s")
async def work(ctx: TaskContext, work: Work) -> int:
    """The number of this delivery, after one line `job fence worker` was appended to the ledger."""
    assert isinstance(ctx, Attempt)
    fence = ctx._running.delivery.fence
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{ctx.id} {fence} {ctx.worker}\n".encode())
    os.close(ledger)
    await asyncio.sleep(0.0005)
    return fence


app = Stem.from_env(tasks=[work])


async def main() -> None:
    """One worker, until it is killed."""
    async with app:
        await app.worker(concurrency=20).run()


if __name__ == "__main__":
    asyncio.run(main())
