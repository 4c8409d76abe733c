"""Storm: workers killed and frozen at random while thousands of jobs run; nothing lost, nothing settled twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from stem import Stem
from stem.core.record import decode_record
from tests.e2e.storm_app import Work, work

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

#: Seconds the storm may take in all; the number of jobs follows from it. The full storm is 20,000 jobs.
SECONDS = float(os.environ.get("STEM_SOAK_SECONDS", "120"))
JOBS = int(min(20_000, SECONDS * 300))
ROOT = Path(__file__).parents[2]


class Storm:
    """Three worker processes, one of which is killed or frozen every now and then."""

    def __init__(self, url: str, ledger: Path, chance: random.Random) -> None:
        self.env = {**os.environ, "STEM_URL": url, "STORM_LEDGER": str(ledger), "PYTHONPATH": str(ROOT)}
        self.chance = chance
        self.workers = [self.start() for _ in range(3)]
        self.frozen: list[tuple[float, subprocess.Popen[bytes]]] = []
        self.kills = self.stops = 0

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.e2e.storm_app"]
        return subprocess.Popen(command, env=self.env, cwd=ROOT, stderr=subprocess.DEVNULL)

    def strike(self) -> None:
        """Thaw who has been frozen past its lease; then kill one worker and start another, or freeze one."""
        now = time.monotonic()
        for entry in [entry for entry in self.frozen if entry[0] <= now]:
            self.frozen.remove(entry)
            entry[1].send_signal(signal.SIGCONT)
        awake = [worker for worker in self.workers if all(worker is not frozen for _, frozen in self.frozen)]
        victim = self.chance.choice(awake)
        if self.chance.random() < 0.4 and len(awake) > 1:
            victim.send_signal(signal.SIGSTOP)
            self.frozen.append((now + 2.2, victim))
            self.stops += 1
        else:
            victim.kill()
            victim.wait()
            self.workers[self.workers.index(victim)] = self.start()
            self.kills += 1

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()


@pytest.mark.timeout(900)
async def test_a_storm_loses_nothing_and_settles_nothing_twice(tmp_path: Path) -> None:
    url, ledger = f"sqlite:///{tmp_path / 'storm.db'}", tmp_path / "ledger"
    chance = random.Random(20_261_124)
    async with Stem(url, tasks=[work]) as app:
        storm = Storm(url, ledger, chance)
        try:
            await publish(app, chance)
            await drain(app, storm)
        finally:
            storm.end()
        report = await audit(app, ledger)
    print(f"\nstorm: {JOBS} jobs, {storm.kills} SIGKILL, {storm.stops} SIGSTOP past the lease; {report}")


async def publish(app: Stem, chance: random.Random) -> None:
    """Three priorities, every fifth job delayed."""
    for start in range(0, JOBS, 500):
        calls = (work.build(Work(number=n)).id(f"job-{n}") for n in range(start, min(start + 500, JOBS)))
        await app.enqueue_many(
            call.priority(chance.choice((0, 5, 9))).delay("300ms" if chance.random() < 0.2 else 0) for call in calls
        )


async def drain(app: Stem, storm: Storm) -> None:
    """Strike until every job has ended."""
    deadline = time.monotonic() + 60 + SECONDS
    while (await app.queues.stats("default")).succeeded < JOBS:
        assert time.monotonic() < deadline, await app.queues.stats("default")
        await asyncio.sleep(storm.chance.uniform(0.2, 0.7))
        storm.strike()


async def audit(app: Stem, ledger: Path) -> str:
    """Hold the ledger of executions against what is stored."""
    runs = Counter(line.split()[0] for line in ledger.read_text().splitlines())
    stats = await app.queues.stats("default")
    assert (stats.waiting, stats.running, stats.failed, stats.dead) == (0, 0, 0, 0)
    assert stats.succeeded == JOBS, "a job was settled twice, or never"
    records = await app.engine.results.get([f"job-{n}" for n in range(JOBS)])
    unexplained: list[str] = []
    for n, stored in enumerate(records):
        job_id = f"job-{n}"
        assert stored is not None, f"{job_id} was lost"
        record = decode_record(stored)
        row = await app.engine.jobs.get(job_id)
        assert row is not None
        assert isinstance(record.value, msgspec.Raw)
        assert int(bytes(record.value)) == row.fence, f"{job_id} was settled by a delivery that had been lost"
        if runs[job_id] > 1 + record.losses:
            unexplained.append(job_id)
    assert not unexplained, f"executed more often than leases were lost: {unexplained[:5]}"
    assert set(runs) == {f"job-{n}" for n in range(JOBS)}
    again = {job_id: count for job_id, count in runs.items() if count > 1}
    return f"0 lost, 0 settled twice, {len(again)} executed again ({stats.lost} leases lost)"
