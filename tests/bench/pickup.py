"""From enqueue in one process to the start of the handler in another, on a queue that is idle."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from stem import Stem, task
from stem.worker.process import tune

SAMPLES = 200


class Sent(BaseModel):
    at: float


@task("bench.pickup")
async def lateness(sent: Sent) -> float:
    """Milliseconds since the enqueue began; both processes read the same monotonic clock."""
    return (time.monotonic() - sent.at) * 1000


async def _samples(url: str) -> list[float]:
    async with Stem(url, tasks=[lateness]) as app:
        await (await lateness.enqueue(app, Sent(at=0))).result("30s")
        taken: list[float] = []
        for _ in range(SAMPLES):
            handle = await lateness.enqueue(app, Sent(at=time.monotonic()))
            taken.append(await handle.result("30s"))
            await asyncio.sleep(0.005)
        return taken


def measure(url: str) -> dict[str, float]:
    """p50 and p99 of the pickup, a worker process on the other side."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.pickup", url],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        taken = sorted(asyncio.run(_samples(url)))
    finally:
        worker.kill()
        worker.wait()
    return {"p50 ms": statistics.median(taken), "p99 ms": taken[int(len(taken) * 0.99) - 1]}


async def _worker(url: str) -> None:
    tune()
    async with Stem(url, tasks=[lateness]) as app:
        await app.worker(concurrency=10).run()


if __name__ == "__main__":
    asyncio.run(_worker(sys.argv[1]))
