"""All roles over a cluster in which each queue has a slot of its own."""

from __future__ import annotations

from stem.contracts.engine import Finding
from stem.contracts.workflows import Workflows
from stem.redis.engine import RedisEngine
from stem.redis.partition.broker import PartitionedBroker, PartitionedRenewals
from stem.redis.partition.looks import (
    PartitionedDeadLetters,
    PartitionedJobs,
    PartitionedLimiter,
    PartitionedQueues,
    PartitionedResults,
)
from stem.redis.partition.parts import Parts
from stem.redis.partition.post import Post
from stem.redis.partition.root import PartitionedGroups, PartitionedSchedules
from stem.redis.partition.workflows import PartitionedWorkflows
from stem.redis.store import Store


class PartitionedEngine:
    """The engine on a cluster with `?partition=queue`; arguments as of RedisEngine."""

    def __init__(self, url: str, *, namespace: str = "stem", look_ms: int = 1_000) -> None:
        self.url = url
        self.namespace = namespace
        self._skew_ms, self._look_ms = 0, look_ms
        self._root = root = RedisEngine(url, namespace=namespace, look_ms=look_ms)
        self.parts = parts = Parts(root, self._make_part)
        self._post = post = Post(parts)
        self.broker = PartitionedBroker(parts, post)
        self.queues = PartitionedQueues(parts)
        self.jobs = PartitionedJobs(parts)
        self.dead_letters = PartitionedDeadLetters(parts)
        self.results = PartitionedResults(parts, post)
        self.groups = PartitionedGroups(parts, post)
        self.locks = root.locks
        self.limiter = PartitionedLimiter(parts)
        self.inbox = root.inbox
        self.broadcast = root.broadcast
        self.presence = root.presence
        self.schedules = PartitionedSchedules(parts, post)
        self.schemas = root.schemas
        self.workflows: Workflows = PartitionedWorkflows(parts, post)

    @property
    def skew_ms(self) -> int:
        return self._skew_ms

    @skew_ms.setter
    def skew_ms(self, skew_ms: int) -> None:
        self._skew_ms = skew_ms
        for part in self.parts.opened():
            part.skew_ms = skew_ms

    async def open(self) -> None:
        """Connect to the part of the root; those of queues follow when they are used."""
        await self._root.open()

    async def close(self) -> None:
        await self._post.close()
        await self.parts.close()

    async def now_ms(self) -> int:
        return await self._root.now_ms()

    def renewals(self) -> PartitionedRenewals:
        """Connections of their own, for the renewal thread."""
        root = self._root
        return PartitionedRenewals(self.broker.held, self._make_renewing_store, lambda: root.make_store(listens=False))

    async def findings(self) -> list[Finding]:
        """Of the servers that hold the parts in use, each once."""
        found = [one for part in (self._root, *self.parts.opened()) for one in await part.findings()]
        return list(dict.fromkeys(found))

    def describe(self) -> dict[str, str]:
        return {**self._root.describe(), "partition": "a slot for each queue"}

    def _make_part(self, queue: str) -> RedisEngine:
        part = RedisEngine(self.url, namespace=self.namespace, look_ms=self._look_ms, queue=queue)
        part.skew_ms = self._skew_ms
        return part

    def _make_renewing_store(self, queue: str) -> Store:
        return self._make_part(queue).make_store(listens=False)
