"""Engines on one server, closed when the test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeAlias

import pytest

from stem.redis import RedisEngine
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer

MakeEngine: TypeAlias = Callable[..., Any]

#: Far longer than any test: who hears of something in time was told.
LOOK_MS = 600_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with RedisServer.start() as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    """An empty server with its own configuration, running."""
    if not running.alive:
        running.restart()
    running.ask("FLUSHALL")
    running.ask("CONFIG", "RESETSTAT")
    return running


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster.start() as made:
        yield made


@pytest.fixture
async def make(server: RedisServer) -> AsyncIterator[MakeEngine]:
    """Opens one more engine on the server, or on the URL given; options as of RedisEngine."""
    made: list[RedisEngine] = []

    async def open_one(url: str = "", **options: Any) -> RedisEngine:
        engine = RedisEngine(url or server.url, **{"look_ms": LOOK_MS, **options})
        made.append(engine)
        await engine.open()
        return engine

    yield open_one
    while made:
        await made.pop().close()
