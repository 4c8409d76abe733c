"""What the stores themselves give: commits of one row on SQLite, calls of a small script on Redis."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

PAYLOAD: Final = b"x" * 100
#: Commits before the clock runs: an fsync of a log that keeps its size is cheaper than one of a log that grows.
WARM: Final = 1_000
#: Store a checkpoint if the fence holds.
SCRIPT: Final = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
"""


def commits(path: Path, journal_mode: str, synchronous: str, count: int) -> float:
    """Commits a second, each of one INSERT of one row, by one connection.

    In WAL the log is copied back by SQLite's own rule, after 1,000 pages, and written anew from its beginning; the first
    WARM commits, after which it has its size, are not counted.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        (mode,) = connection.execute(f"PRAGMA journal_mode = {journal_mode}").fetchone()
        if mode != journal_mode:
            raise RuntimeError(f"SQLite keeps {path} in journal mode {mode}, not {journal_mode}")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("CREATE TABLE step (seq INTEGER PRIMARY KEY, value BLOB NOT NULL)")
        for _ in range(WARM):
            connection.execute("INSERT INTO step (value) VALUES (?)", (PAYLOAD,))
        begun = time.perf_counter()
        for _ in range(count):
            connection.execute("INSERT INTO step (value) VALUES (?)", (PAYLOAD,))
        return count / (time.perf_counter() - begun)
    finally:
        connection.close()


def calls(url: str, count: int) -> float:
    """Script calls a second, one after the other, by redis-py's asyncio client."""
    return asyncio.run(_calls(url, count))


async def _calls(url: str, count: int) -> float:
    client: Any = Redis.from_url(url)  # its annotations are for both kinds of client at once
    async with client:
        sha = await client.script_load(SCRIPT)
        await client.hset("bench:raw", "fence", 1)
        begun = time.perf_counter()
        for number in range(count):
            if await client.evalsha(sha, 1, "bench:raw", 1, f"noop#{number}", PAYLOAD) != 1:
                raise RuntimeError("the fence did not hold")
        return count / (time.perf_counter() - begun)
