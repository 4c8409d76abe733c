"""streaq."""

from __future__ import annotations

from collections.abc import Sequence

from streaq import Worker

from tests.bench.peers.board import ran
from tests.bench.peers.side import KEEP, TEXT, Peer, become, slots, url

worker = Worker(redis_url=url(), concurrency=slots())


async def noop(number: int, text: str) -> int:
    return ran(number)


task = worker.task(name="noop", ttl=KEEP, silent=True)(noop)


class StreaqPeer(Peer):
    packages = ("streaq", "coredis", "anyio")
    guarantee = "at-least-once: consumer group of a stream, claims renewed while it runs, handed on when idle (60 s)"
    results = "SET with expiry, in the transaction that acknowledges"
    settings = "concurrency 100 and as many prefetched, its default rule; silent tasks (no log line for each job)"
    bulk = True

    async def open(self) -> None:
        await worker.__aenter__()

    async def close(self) -> None:
        await worker.__aexit__(None, None, None)

    async def send(self, number: int) -> None:
        await task.enqueue(number, TEXT)

    async def send_many(self, numbers: Sequence[int]) -> None:
        await worker.enqueue_many([task.enqueue(number, TEXT) for number in numbers])

    async def left(self) -> int:
        return int(await worker.queue_size())  # an acknowledged entry is deleted

    async def stored(self) -> int:
        return len([key async for key in worker.redis.scan_iter(match=f"{worker.results_key}*", count=1000)])

    def work(self) -> None:
        become("streaq", "run", f"{__name__}:worker")


peer = StreaqPeer()
