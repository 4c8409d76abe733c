"""A ceiling: redis-py's asyncio client with the hiredis reader, a pipeline a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis.asyncio

from tests.bench.peers.ceiling import CeilingPeer, Connection
from tests.bench.peers.side import url


class Client:
    """Replies as RESP2 gives them: redis-py is told to leave them alone."""

    def __init__(self) -> None:
        self._client = redis.asyncio.Redis.from_url(url(), protocol=2, single_connection_client=True)
        self._client.response_callbacks.clear()

    async def call(self, *words: bytes) -> Any:
        return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]

    async def pipeline(self, commands: Sequence[tuple[bytes, ...]]) -> None:
        async with self._client.pipeline(transaction=False) as pipe:
            for words in commands:
                pipe.execute_command(*words)
            await pipe.execute()

    async def close(self) -> None:
        await self._client.aclose()


class RedisPyPeer(CeilingPeer):
    packages = ("redis", "hiredis", "msgspec")
    scripted = False

    async def connect(self) -> Connection:
        return Client()


peer = RedisPyPeer()
