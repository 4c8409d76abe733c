"""arq."""

from __future__ import annotations

from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import run_worker

from tests.bench.peers.board import ran
from tests.bench.peers.side import KEEP, TEXT, Peer, slots, url

connection = RedisSettings.from_dsn(url())


async def noop(context: dict[str, Any], number: int, text: str) -> int:
    return ran(number)


class WorkerSettings:
    functions = (noop,)
    redis_settings = connection
    max_jobs = slots()
    poll_delay = 0.01
    keep_result = KEEP
    log_results = False


class ArqPeer(Peer):
    packages = ("arq", "redis", "hiredis")
    guarantee = (
        "at-least-once: stays in its sorted set until it is done; run again when its in-progress key ends (310 s)"
    )
    results = "SET with expiry, in the transaction that removes the job"
    settings = (
        "max_jobs 100; poll_delay 10 ms instead of 500 ms, for the pickup; run_worker() without per-job log lines"
    )

    async def open(self) -> None:
        self._redis = await create_pool(connection)

    async def close(self) -> None:
        await self._redis.aclose()

    async def send(self, number: int) -> None:
        await self._redis.enqueue_job("noop", number, TEXT)

    async def left(self) -> int:
        return int(await self._redis.zcard("arq:queue"))

    async def stored(self) -> int:
        return len([key async for key in self._redis.scan_iter("arq:result:*", count=1000)])

    def work(self) -> None:
        run_worker(WorkerSettings)


peer = ArqPeer()
