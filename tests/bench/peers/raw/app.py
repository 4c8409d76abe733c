"""A ceiling: an asyncio protocol with hiredis packing and reading, one script call a batch."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import hiredis

from tests.bench.peers.ceiling import CeilingPeer, Connection
from tests.bench.peers.side import url


class Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            waiting = self._waiting.popleft()
            if isinstance(reply, Exception):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        for waiting in self._waiting:
            waiting.set_exception(exc or ConnectionError("the server closed the connection"))

    async def call(self, *words: bytes) -> Any:
        assert self._transport is not None
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._transport.write(hiredis.pack_command(words))  # type: ignore[arg-type] # its stub has a tuple of one
        return await waiting

    async def pipeline(self, commands: Sequence[tuple[bytes, ...]]) -> None:
        await asyncio.gather(*(self.call(*words) for words in commands))

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class RawPeer(CeilingPeer):
    packages = ("hiredis", "msgspec")
    scripted = True

    async def connect(self) -> Connection:
        place = urlsplit(url())
        assert place.hostname
        assert place.port
        _, wire = await asyncio.get_running_loop().create_connection(Wire, place.hostname, place.port)
        return wire


peer = RawPeer()
