"""celery."""

from __future__ import annotations

import redis
from celery import Celery

from tests.bench.peers.board import ran
from tests.bench.peers.side import KEEP, TEXT, Peer, become, slots, url

app = Celery("bench", broker=url(), backend=url())
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    result_expires=KEEP,
    broker_connection_retry_on_startup=True,
)


def noop(number: int, text: str) -> int:
    return ran(number)


task = app.task(name="noop")(noop)


class CeleryPeer(Peer):
    packages = ("celery", "kombu", "redis", "hiredis")
    guarantee = "at-least-once: acks_late, handed out again after the visibility timeout (1 h)"
    results = "SETEX and PUBLISH, before the acknowledgement"
    settings = (
        "threads pool of 100: with jobs that do nothing it is faster than prefork, and as fast as solo; acks_late, "
        "reject_on_worker_lost; prefetch multiplier 1: more made no difference; no gossip, mingle, heartbeat"
    )
    concurrent = False
    weight = 0.5

    async def open(self) -> None:
        self._redis = redis.Redis.from_url(url())

    async def send(self, number: int) -> None:
        task.delay(number, TEXT)

    async def left(self) -> int:
        return int(self._redis.llen("celery")) + int(self._redis.hlen("unacked"))

    async def stored(self) -> int:
        return sum(1 for _ in self._redis.scan_iter("celery-task-meta-*", count=1000))

    def work(self) -> None:
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
        become("celery", "-A", __name__, "worker", "--pool", "threads", "--concurrency", str(slots()), *quiet)


peer = CeleryPeer()
