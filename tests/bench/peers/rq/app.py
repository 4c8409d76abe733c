"""rq."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from redis import Redis
from rq import Queue, Retry

from tests.bench.peers.board import ran
from tests.bench.peers.side import KEEP, TEXT, Peer, become, url

NOOP: Final = f"{__name__}.noop"


def noop(number: int, text: str) -> int:
    return ran(number)


class RqPeer(Peer):
    packages = ("rq", "redis", "hiredis")
    guarantee = "at-least-once with a Retry: a job whose worker is gone is found by the maintenance and tried again"
    results = "an entry of the job's result stream, in the transaction that ends the job"
    settings = (
        "SimpleWorker, which runs jobs in its own process: the default Worker forks for each job, which is slower"
    )
    concurrent = False
    bulk = True
    slots = (1,)
    weight = 0.25

    async def open(self) -> None:
        self._redis = Redis.from_url(url())
        self._queue = Queue("default", connection=self._redis)

    async def send(self, number: int) -> None:
        self._queue.enqueue(NOOP, number, TEXT, result_ttl=KEEP, retry=Retry(max=1))

    async def send_many(self, numbers: Sequence[int]) -> None:
        retry = Retry(max=1)
        self._queue.enqueue_many(
            [Queue.prepare_data(NOOP, (number, TEXT), result_ttl=KEEP, retry=retry) for number in numbers]
        )

    async def left(self) -> int:
        queued = int(self._redis.llen("rq:queue:default")) + int(self._redis.llen("rq:queue:default:intermediate"))
        return queued + int(self._redis.zcard("rq:wip:default"))

    async def stored(self) -> int:
        return sum(1 for _ in self._redis.scan_iter("rq:results:*", count=1000))

    def work(self) -> None:
        quiet = ("--quiet", "--disable-job-desc-logging")
        become("rq", "worker", "--worker-class", "rq.worker.SimpleWorker", "--url", url(), *quiet, "default")


peer = RqPeer()
