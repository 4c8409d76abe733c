"""stem, by its public API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel
from redis.asyncio import Redis

from stem import Stem, task
from tests.bench.peers.board import ran
from tests.bench.peers.side import TEXT, Peer, become, slots, url

#: Of this many results, one is fetched through its handle as a caller would.
SAMPLE: Final = 100


class Job(BaseModel):
    number: int
    text: str


@task("bench.noop")
async def noop(job: Job) -> int:
    return ran(job.number)


app = Stem(url(), tasks=[noop])


class StemPeer(Peer):
    packages = ("stem-jobs", "redis", "hiredis")
    guarantee = "at-least-once: a lease that the worker renews; settled on the condition of its fence"
    results = "stored with the settlement, in one step"
    settings = "stem worker -c 100, its default, and -c 10"
    bulk = True
    slots = (100, 10)
    weight = 5.0

    async def open(self) -> None:
        await app.open()

    async def close(self) -> None:
        await app.close()

    async def send(self, number: int) -> None:
        await noop.enqueue(app, Job(number=number, text=TEXT))

    async def send_many(self, numbers: Sequence[int]) -> None:
        await app.enqueue_many(noop.build(Job(number=number, text=TEXT)) for number in numbers)

    async def left(self) -> int:
        return sum(queue.waiting + queue.running for queue in await app.queues.list())

    async def stored(self) -> int:
        """Results are counted as keys on Redis: stem's own list of finished jobs ends at the last 10,000."""
        if not url().startswith("redis"):
            return await self._fetch([job.id async for job in app.jobs.all(states=("succeeded",))])
        async with Redis.from_url(url(), decode_responses=True) as client:
            ids = [str(key).rpartition(":r:")[2] async for key in client.scan_iter(f"{{{app.namespace}}}:r:*", 5_000)]
        return await self._fetch(ids)

    async def _fetch(self, ids: Sequence[str]) -> int:
        for job_id in ids[::SAMPLE]:
            await app.handle(job_id).result("10s")
        return len(ids)

    def work(self) -> None:
        become("stem", "worker", "-A", f"{__name__}:app", "-c", str(slots()), "--log-level", "warning")


peer = StemPeer()
