"""Workflow runs of a namespace in parts: they lie at the root, and the jobs that they call go out from there."""

from __future__ import annotations

from typing import Any

from stem.core.run import Call, Change, Committed
from stem.core.settle import Enqueue
from stem.redis.partition.parts import Parts
from stem.redis.partition.post import Post, outgoing
from stem.redis.workflows import RedisWorkflows
from stem.values import Receipt


class PartitionedWorkflows:
    """The Workflows of the root, with jobs put out. Whether a unique key is held is not known when a run goes on."""

    def __init__(self, parts: Parts, post: Post) -> None:
        self._root, self._post = parts.root, post
        self._runs: RedisWorkflows = parts.root.workflows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runs, name)

    async def commit(self, receipt: Receipt, change: Change) -> Committed:
        if not change.effects:
            return await self._runs.commit(receipt, change)
        away = [outgoing(Enqueue(one.submission)) if isinstance(one, Call) else None for one in change.effects]
        said = await self._runs.commit_with(receipt, change, away)
        tokens = [one.token for one in away if one is not None]
        if said.status == "done" and tokens:
            await self._post.carry(self._root, tokens)
        return said
