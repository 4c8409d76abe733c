"""The full cycle, with and without app and worker around the engine."""

from __future__ import annotations

import time

from pydantic import BaseModel

from stem import Stem, task
from stem.core.envelope import Submission
from stem.core.outcome import Returned
from stem.core.settle import Terms, settle

#: Jobs of one engine call; the worker's own batches are about half of its slots.
BATCH = 50


class Number(BaseModel):
    value: int


@task("bench.noop")
async def noop(number: Number) -> int:
    return number.value


async def raw(url: str, jobs: int) -> dict[str, float]:
    """Engine calls alone: publish, claim and settle with a result, in batches."""
    engine = Stem(url).make_engine()
    await engine.open()
    envelope = b'{"v":1,"id":"x","task":"bench.noop","enqueued_at":0,"args":{"value":1}}'
    try:
        begun = time.perf_counter()
        for start in range(0, jobs, 500):
            await engine.broker.publish(
                [
                    Submission(id=f"job-{n}", task="bench.noop", queue="default", envelope=envelope)
                    for n in range(start, min(start + 500, jobs))
                ]
            )
        published, cpu = time.perf_counter(), time.process_time()
        done = 0
        while done < jobs:
            claimed = await engine.broker.claim(["default"], BATCH, "bench")
            settled = [
                settle(Terms(receipt=d.receipt, task=d.task), Returned(b"1"), now_ms=1, jitter=0.0)
                for d in claimed.deliveries
            ]
            done += len(await engine.broker.settle(settled))
        ended, cpu = time.perf_counter(), time.process_time() - cpu
    finally:
        await engine.close()
    return {
        "publish us/job": (published - begun) / jobs * 1e6,
        "claim+settle us/job": (ended - published) / jobs * 1e6,
        "claim+settle cpu us/job": cpu / jobs * 1e6,
        "full cycle jobs/s": jobs / (ended - begun),
    }


async def full(url: str, jobs: int) -> dict[str, float]:
    """The app's `enqueue_many` and one worker with 100 slots, results stored; then single enqueues."""
    async with Stem(url, tasks=[noop]) as app:
        begun = time.perf_counter()
        await app.enqueue_many(noop.build(Number(value=n)) for n in range(jobs))
        published, cpu = time.perf_counter(), time.process_time()
        await app.worker(concurrency=100, burst=True).run()
        ended, cpu = time.perf_counter(), time.process_time() - cpu
        one_by_one = max(100, jobs // 20)
        for n in range(one_by_one):
            await noop.enqueue(app, Number(value=n))
        singles = time.perf_counter()
    return {
        "enqueue_many jobs/s": jobs / (published - begun),
        "enqueue one by one jobs/s": one_by_one / (singles - ended),
        "drain jobs/s": jobs / (ended - published),
        "drain us/job": (ended - published) / jobs * 1e6,
        "drain cpu us/job": cpu / jobs * 1e6,
    }
