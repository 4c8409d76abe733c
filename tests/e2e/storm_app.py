"""The app of the storm: every execution leaves one line in a ledger, and the result tells which delivery it was."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import threading
from collections.abc import Callable

from pydantic import BaseModel

from stem import Stem, TaskContext, task
from stem.errors import EngineUnavailableError
from stem.worker.context import Attempt
from stem.worker.worker import Worker

LEDGER = os.environ.get("STORM_LEDGER", "")
#: What a worker process says when it works and hears SIGTERM.
READY = b"ready\n"


class Work(BaseModel):
    number: int


def deaf_for(number: int, losses: int) -> float | None:
    """For how long a delivery takes no notice of its lease, seconds; None: it is an ordinary one.

    Every 50th job is deaf at its first two deliveries: its worker neither renews its lease nor notices the loss of it,
    so that only the fence in the store stands between a thawed worker and a second settlement. Every 100th one
    outlives its lease the first time, whatever the weather, and comes to its end while the second delivery runs.
    """
    if number % 100 == 25 and losses == 0:
        return 2.2
    return 1.2 if number % 25 == 0 and number % 100 != 75 and losses < 2 else None


@task("storm.work", visibility_timeout="1.5s")
async def work(ctx: TaskContext, work: Work) -> int:
    """The number of this delivery, after one line `job fence worker` was appended to the ledger."""
    assert isinstance(ctx, Attempt)
    running = ctx._running
    fence = running.delivery.fence
    deaf = deaf_for(work.number, running.delivery.losses)
    if deaf is not None:
        running.stop_by = running.renew_at = math.inf
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{ctx.id} {fence} {ctx.worker}\n".encode())
    os.close(ledger)
    await asyncio.sleep(0.0005 if deaf is None else deaf)
    return fence


def unnoticed(made: Worker) -> None:
    """Nobody looks at the worker."""


async def main(app: Stem, made: Callable[[Worker], None] = unnoticed) -> None:
    """One worker, until it is killed or asked to stop; it tries again while the store is away at its start.

    `made` is given the worker before it runs. SystemExit when one of its parts broke.
    """
    started = asyncio.Event()
    app.signals.worker_started.connect(lambda event: started.set())
    while not started.is_set():
        try:
            await serve(app, started, made)
        except EngineUnavailableError:
            if started.is_set():
                raise
            await asyncio.sleep(0.05)


async def serve(app: Stem, started: asyncio.Event, made: Callable[[Worker], None]) -> None:
    async with app:
        worker = app.worker(concurrency=20, name=f"storm-{os.getpid()}")
        made(worker)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.ask_to_stop, "warm")
        telling = asyncio.create_task(tell(started))
        try:
            await worker.run()
        finally:
            telling.cancel()
        if worker.failed is not None:
            sys.exit(f"the worker broke: {worker.failed!r}")


def end_with_parent() -> None:
    """End at once when standard input does: whoever strikes us is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


async def tell(started: asyncio.Event) -> None:
    await started.wait()
    os.write(1, READY)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(main(Stem.from_env(tasks=[work])))
