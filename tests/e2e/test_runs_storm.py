"""Storms for workflow runs: workers, their feeders and the server fail at random, and every run comes to its right end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stem import Stem
from tests.e2e.runs_app import job, order, small
from tests.e2e.runs_audit import Audit, Faults, Ledger, table
from tests.e2e.runs_storm import Feeders, Outages, RunFleet, Watcher, rage_over_runs
from tests.servers.redis import RedisServer

pytestmark = [pytest.mark.anyio, pytest.mark.soak, pytest.mark.timeout(900)]

#: A server that has written what it has answered, and does not write its file anew in the middle of a storm.
KEPT = {"appendonly": "yes", "appendfsync": "always", "auto-aof-rewrite-percentage": "0"}


@contextlib.asynccontextmanager
async def watched(app: Stem, feeders: Feeders) -> AsyncIterator[Watcher]:
    """Somebody reads checkpoints all the while."""
    watcher = Watcher()
    watching = asyncio.create_task(watcher.run(app, feeders, random.Random(5)))
    try:
        yield watcher
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    if watching.done() and not watching.cancelled():
        watching.result()


async def storm(
    name: str, url: str, folder: Path, *, outages: Outages | None = None, file: Path | None = None
) -> Faults:
    """The common course: rage, ask the workers to stop, audit, tell."""
    began = time.monotonic()
    blows = [outages.blow] * 3 if outages else []
    async with Stem(url, tasks=[job], workflows=[order, small]) as app:
        with contextlib.ExitStack() as at_the_end:
            fleet = RunFleet(url, folder, random.Random(20_261_129))
            at_the_end.callback(fleet.end)
            feeders = Feeders(fleet, folder)
            at_the_end.callback(feeders.end)
            async with watched(app, feeders) as watcher:
                await rage_over_runs(app, fleet, feeders, blows)
            await fleet.retire()
        ledger = Ledger(fleet.ledger)
        print(table(name, ledger, fleet, feeders, outages.spans if outages else [], began))
        faults = await Audit(app, ledger, watcher).run(file)
        print(f"  {'audit':<12}{faults}; {watcher.reads} checkpoints read during the storm")
    return faults


async def test_a_storm_loses_no_run_and_changes_no_checkpoint_on_sqlite(tmp_path: Path) -> None:
    """The last step of each run is a transaction, which inserts one row."""
    file = tmp_path / "storm.db"
    url = f"sqlite:///{file}"
    async with Stem(url):
        pass  # the file is there
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE payment (run TEXT, value TEXT)")
    connection.close()
    (await storm("SQLite", url, tmp_path, file=file)).none()


async def test_a_storm_loses_no_run_and_changes_no_checkpoint_on_redis(tmp_path: Path) -> None:
    with RedisServer.start() as server:
        (await storm("Redis", server.url, tmp_path)).none()


async def test_a_server_that_is_killed_loses_no_run_when_it_syncs_always(tmp_path: Path) -> None:
    """SIGKILL for redis-server three times, up to three seconds away each, which is longer than a lease."""
    with RedisServer.start(options=KEPT) as server:
        outages = Outages(server, random.Random(7))
        (await storm("Redis that is killed", server.url, tmp_path, outages=outages)).none()
