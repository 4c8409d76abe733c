"""A job that kills its worker takes nobody with it: real processes, started again as a supervisor does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stem import JobHandle, Stem
from tests.e2e.killer_app import Work, kill, run, work
from tests.servers.redis import RedisServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "stem", "worker", "-A", "tests.e2e.killer_app", "-c", "40", "--log-level", "warning")
INNOCENT = 20


class Supervisor:
    """Keeps so many workers running."""

    def __init__(self, url: str, count: int, log: Path) -> None:
        self._setting = {**os.environ, "KILLER_URL": url, "PYTHONPATH": str(ROOT)}
        self._log = log.open("ab")
        self._workers = [self._start() for _ in range(count)]
        self.deaths = 0

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(COMMAND, cwd=ROOT, env=self._setting, stdout=self._log, stderr=self._log)

    def look(self) -> None:
        for place, worker in enumerate(self._workers):
            if worker.poll() is not None:
                self.deaths += 1
                self._workers[place] = self._start()

    def end(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()
        self._log.close()


@contextlib.contextmanager
def workers(url: str, count: int, folder: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(url, count, folder / "workers.log")
    try:
        yield supervisor
    finally:
        supervisor.end()


async def unfinished(*jobs: JobHandle[Any]) -> bool:
    return not all([(await one.status()).finished for one in jobs])


async def only_the_killer_is_given_up(url: str, folder: Path, *, count: int, seconds: float, runs: int) -> None:
    async with Stem(url, tasks=[kill, work], workflows=[run]) as app:
        killer = await kill.build(Work()).id("killer").enqueue(app)
        innocent = [await work.build(Work(seconds=seconds)).enqueue(app) for _ in range(INNOCENT)]
        beside = [await run.build(Work(seconds=seconds)).start(app) for _ in range(runs)]
        with workers(url, count, folder) as supervisor:
            give_up = time.monotonic() + 150
            while await unfinished(killer, *innocent) or not all([(await one.status()).finished for one in beside]):
                assert time.monotonic() < give_up, (folder / "workers.log").read_text()[-4_000:]
                supervisor.look()
                await asyncio.sleep(0.05)
        assert supervisor.deaths == 5
        assert [(await one.status()).state for one in innocent] == ["succeeded"] * INNOCENT
        assert [(await one.status()).state for one in beside] == ["succeeded"] * runs
        ended = await killer.status()
        assert (ended.state, ended.reason, ended.losses) == ("failed", "worker_lost", 5)


async def test_one_worker_gives_up_the_job_that_kills_it_and_no_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    await only_the_killer_is_given_up(url, tmp_path, count=1, seconds=1.5, runs=3)


@pytest.mark.soak
@pytest.mark.parametrize("count", [1, 2])
async def test_workers_give_up_the_job_that_kills_them_and_no_other(tmp_path: Path, count: int) -> None:
    with RedisServer.start() as server:
        await only_the_killer_is_given_up(server.url, tmp_path, count=count, seconds=5, runs=3)
