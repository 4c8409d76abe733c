"""stem, by its public API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel

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
        count = 0
        async for job in app.jobs.all(states=("succeeded",)):
            if count % SAMPLE == 0:
                await app.handle(job.id).result("10s")
            count += 1
        return count

    def work(self) -> None:
        become("stem", "worker", "-A", f"{__name__}:app", "-c", str(slots()), "--log-level", "warning")


peer = StemPeer()
