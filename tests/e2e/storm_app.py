"""The app of the storm: every execution leaves one line in a ledger, and the result tells which delivery it was."""

from __future__ import annotations

import asyncio
import math
import os

from pydantic import BaseModel

from stem import Stem, TaskContext, task
from stem.worker.context import Attempt

LEDGER = os.environ.get("STORM_LEDGER", "")


class Work(BaseModel):
    number: int


@task("storm.work", visibility_timeout="1.5s")
async def work(ctx: TaskContext, work: Work) -> int:
    """The number of this delivery, after one line `job fence worker` was appended to the ledger.

    Every 50th job takes long at its first two deliveries and is deaf: its worker neither renews its lease nor notices the loss of it, so that
    only the fence in the store stands between a thawed worker and a second settlement.
    """
    assert isinstance(ctx, Attempt)
    running = ctx._running
    fence = running.delivery.fence
    deaf = work.number % 50 == 0 and running.delivery.losses < 2
    if deaf:
        running.stop_by = running.renew_at = math.inf
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{ctx.id} {fence} {ctx.worker}\n".encode())
    os.close(ledger)
    await asyncio.sleep(1.2 if deaf else 0.0005)
    return fence


app = Stem.from_env(tasks=[work])


async def main() -> None:
    """One worker, until it is killed."""
    async with app:
        await app.worker(concurrency=20).run()


if __name__ == "__main__":
    asyncio.run(main())
