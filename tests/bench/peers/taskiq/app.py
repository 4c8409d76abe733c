"""taskiq with the stream broker of taskiq-redis."""

from __future__ import annotations

import redis.asyncio
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from tests.bench.peers.board import ran
from tests.bench.peers.side import KEEP, TEXT, Peer, become, slots, url

backend = RedisAsyncResultBackend(
    redis_url=url(), result_ex_time=KEEP, prefix_str="result", serializer=ORJSONSerializer()
)
broker = RedisStreamBroker(url=url(), consumer_id="0").with_result_backend(backend).with_serializer(ORJSONSerializer())


async def noop(number: int, text: str) -> int:
    return ran(number)


task = broker.task(task_name="noop")(noop)


class TaskiqPeer(Peer):
    packages = ("taskiq", "taskiq-redis", "redis", "hiredis", "orjson", "uvloop")
    guarantee = "at-least-once: XACK after the run, claimed by others when idle (10 min); entries are never deleted"
    results = "SET with expiry, before the acknowledgement"
    settings = "100 async tasks, its default, and --max-prefetch 100; --ack-type when_saved; orjson for messages and results; uvloop by its extra"

    async def open(self) -> None:
        await broker.startup()
        self._redis = redis.asyncio.Redis.from_url(url())

    async def close(self) -> None:
        await broker.shutdown()
        await self._redis.aclose()

    async def send(self, number: int) -> None:
        await task.kiq(number, TEXT)

    async def left(self) -> int:
        (group,) = await self._redis.xinfo_groups("taskiq")
        return int(group["lag"]) + int(group["pending"])

    async def stored(self) -> int:
        return len([key async for key in self._redis.scan_iter("result:*", count=1000)])

    def work(self) -> None:
        quiet = ("--log-level", "WARNING")
        size = ("--max-async-tasks", str(slots()), "--max-prefetch", str(slots()), "--ack-type", "when_saved")
        become("taskiq", "worker", f"{__name__}:broker", "--workers", "1", *size, *quiet)


peer = TaskiqPeer()
