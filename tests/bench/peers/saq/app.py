"""saq."""

from __future__ import annotations

from typing import Any

from saq import Queue

from tests.bench.peers.board import ran
from tests.bench.peers.side import KEEP, TEXT, Peer, become, slots, url

queue = Queue.from_url(url(), max_concurrent_ops=100)


async def noop(context: dict[str, Any], *, number: int, text: str) -> int:
    return ran(number)


settings = {"queue": queue, "functions": [noop], "concurrency": slots()}


class SaqPeer(Peer):
    packages = ("saq", "redis", "hiredis")
    guarantee = "at-least-once with retries=2: a job past its timeout is found by the sweep (60 s) and tried again"
    results = "in the job's own key, in the transaction that takes it off the active list"
    settings = (
        "concurrency 100, max_concurrent_ops 100 instead of 20; retries 2, as 1 (its default) means one attempt; a sweep "
        "just before each phase, because one at the start of a worker can abort the job that is taken at that moment"
    )

    async def open(self) -> None:
        await queue.connect()
        await queue.sweep()  # workers that start within the next minute leave it out: see `settings`

    async def close(self) -> None:
        await queue.disconnect()

    async def send(self, number: int) -> None:
        await queue.enqueue("noop", number=number, text=TEXT, retries=2, ttl=KEEP)

    async def left(self) -> int:
        return int(await queue.count("incomplete"))

    async def stored(self) -> int:
        return len([job async for job in queue.iter_jobs(statuses=["complete"], batch_size=1000)])

    def work(self) -> None:
        become("saq", f"{__name__}.settings", "--quiet")


peer = SaqPeer()
