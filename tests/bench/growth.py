"""Does Redis stay as fast and as small however much lies in it? `python -m tests.bench.growth [--jobs 1000000]`

Raw claims and settlements of 100 jobs through the engine, at growing backlogs; bytes of the server for a job that waits,
and after all have ended; the longest script while many delayed jobs are due at once.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from stem.redis import RedisEngine
from stem.testing.contracts import done, shift, submission
from tests.servers.redis import RedisServer

#: Jobs drained at each backlog, and jobs in one call.
DRAINED, BATCH = 20_000, 100
ENVELOPE = b"x" * 200


async def fill(engine: RedisEngine, first: int, count: int, **more: Any) -> None:
    """Publish jobs with numbers from `first` on; their results live for a second."""
    for start in range(first, first + count, 500):
        numbers = range(start, min(start + 500, first + count))
        batch = [submission(f"{n:032}", envelope=ENVELOPE, result_ttl_ms=1_000, **more) for n in numbers]
        await engine.broker.publish(batch)


async def drain(engine: RedisEngine, count: int) -> float:
    """Jobs per second, claimed and settled one batch behind the other."""
    began, left = time.perf_counter(), count
    while left > 0:
        claimed = await engine.broker.claim(["q"], BATCH, "w")
        if not claimed.deliveries and claimed.next_due_ms != 0:
            raise SystemExit(f"{left} jobs are missing")
        await engine.broker.settle([done(one) for one in claimed.deliveries])
        left -= len(claimed.deliveries)
    return count / (time.perf_counter() - began)


def used(server: RedisServer) -> int:
    """Bytes that the server's data take."""
    return int(server.info("memory")["used_memory"])


async def backlogs(server: RedisServer, engine: RedisEngine, most: int) -> Table:
    """Drain rates and bytes at backlogs of a thousand jobs and more."""
    table = Table(
        "backlog", "drain, jobs/s", "of the first", "bytes a waiting job", title="backlog", title_justify="left"
    )
    await fill(engine, 0, DRAINED)
    await drain(engine, DRAINED)  # warm
    await forgotten(server)
    empty, number, first = used(server), DRAINED, 0.0
    size = 1_000
    while size <= most:
        await fill(engine, number, size)
        waiting = (used(server) - empty) / size
        rates: list[float] = []
        for _ in range(3):
            await fill(engine, number + size, DRAINED)
            number += DRAINED
            rates.append(await drain(engine, DRAINED))
        rate = sorted(rates)[1]
        first = first or rate
        table.add_row(f"{size:,}", f"{rate:,.0f}", f"{rate / first:.2f}", f"{waiting:,.0f}")
        await drain(engine, size)
        number += size
        await forgotten(server)
        size *= 10
    table.add_row("after all", "", "", f"{used(server) - empty:,} in all")
    return table


async def forgotten(server: RedisServer) -> None:
    """Until the server has forgotten the results whose time is over."""
    while int(server.ask("DBSIZE")) > 100:
        await asyncio.sleep(0.1)


async def all_due(server: RedisServer, engine: RedisEngine, count: int) -> Table:
    """How long scripts take while many delayed jobs are due at once."""
    await fill(engine, 10**9, count, delay_ms=3_600_000)
    shift(3_600_000, engine)
    server.ask("CONFIG", "SET", "slowlog-log-slower-than", "500")
    server.ask("CONFIG", "SET", "slowlog-max-len", "100000")
    server.ask("SLOWLOG", "RESET")
    rate = await drain(engine, count)
    scripts = sorted(entry[2] for entry in server.ask("SLOWLOG", "GET", "-1") if entry[3][0] == b"EVALSHA")
    table = Table(
        "delayed jobs due at once", "drain, jobs/s", "scripts over 0.5 ms", "p50 of them", "p99", "longest, ms"
    )
    parts = (scripts[len(scripts) // 2], scripts[len(scripts) * 99 // 100], scripts[-1])
    table.add_row(f"{count:,}", f"{rate:,.0f}", f"{len(scripts):,}", *(f"{part / 1000:.2f}" for part in parts))
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="the largest backlog")
    most: int = parser.parse_args().jobs
    with RedisServer.start() as server:
        engine = RedisEngine(server.url)
        await engine.open()
        console = Console()
        console.print(f"{engine.describe()['server']}, no persistence, one client process, batches of {BATCH}")
        console.print(await backlogs(server, engine, most))
        console.print(await all_due(server, engine, most // 10))
        await engine.close()


if __name__ == "__main__":
    asyncio.run(main())
