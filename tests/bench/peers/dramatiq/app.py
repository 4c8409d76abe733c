"""dramatiq."""

from __future__ import annotations

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from tests.bench.peers.board import ran
from tests.bench.peers.side import KEEP, TEXT, Peer, become, url

broker = RedisBroker(url=url())
backend = RedisBackend(url=url(), use_namespace_prefix_keys=True)
broker.add_middleware(Results(backend=backend, store_results=True, result_ttl=KEEP * 1000))
dramatiq.set_broker(broker)


def noop(number: int, text: str) -> int:
    return ran(number)


actor = dramatiq.actor(noop, broker=broker)


class DramatiqPeer(Peer):
    packages = ("dramatiq", "redis", "hiredis")
    guarantee = "at-least-once: acknowledged after the run; requeued when its worker's heartbeat stops (1 min)"
    results = "Results middleware: DEL, LPUSH, PEXPIRE, before the acknowledgement"
    settings = "8 threads, its default: 100 and 2 are slower with jobs that do nothing"
    concurrent = False
    slots = (8,)

    async def open(self) -> None:
        self._redis = redis.Redis.from_url(url())

    async def send(self, number: int) -> None:
        actor.send(number, TEXT)

    async def left(self) -> int:
        return int(self._redis.hlen("dramatiq:default.msgs"))

    async def stored(self) -> int:
        return sum(1 for _ in self._redis.scan_iter("dramatiq-results:*", count=1000))

    def work(self) -> None:
        become("dramatiq", __name__, "--processes", "1", "--threads", "8")


peer = DramatiqPeer()
