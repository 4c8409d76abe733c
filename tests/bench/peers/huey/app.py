"""huey."""

from __future__ import annotations

from huey import RedisHuey

from tests.bench.peers.board import ran
from tests.bench.peers.side import TEXT, Peer, become, url

huey = RedisHuey("bench", url=url(), results=True)


def noop(number: int, text: str) -> int:
    return ran(number)


task = huey.task(name="noop")(noop)


class HueyPeer(Peer):
    packages = ("huey", "redis", "hiredis")
    guarantee = "at most once: BRPOP takes the job before it runs; a killed worker loses it"
    results = "HSET into one hash, without expiry"
    settings = "one thread (its default; more are slower with jobs that do nothing), blocking read, no periodic tasks"
    at_least_once = False
    concurrent = False
    slots = (1,)

    async def send(self, number: int) -> None:
        task(number, TEXT)

    async def left(self) -> int:
        return int(huey.pending_count())

    async def settled(self, count: int) -> bool:
        return await self.stored() >= count  # a job that runs is in no list: it is only seen by its result

    async def stored(self) -> int:
        return int(huey.result_count())

    def work(self) -> None:
        become(
            "huey_consumer", f"{__name__}.huey", "--workers", "1", "--worker-type", "thread", "--no-periodic", "--quiet"
        )


peer = HueyPeer()
