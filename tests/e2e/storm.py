"""What every storm is made of: worker processes that are struck, a producer that goes on, and how long it all takes."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from stem import Stem
from stem.core.call import TaskEnqueueBuilder
from stem.errors import EngineUnavailableError
from tests.e2e.storm_app import READY, Work, work

#: Seconds that one storm may take; the number of jobs follows from it. The full storm is 20,000 jobs.
SECONDS = float(os.environ.get("STEM_SOAK_SECONDS", "120"))
JOBS = int(min(20_000, SECONDS * 300))
#: Seconds over which the jobs of a storm come in, so that whatever strikes the store strikes traffic.
SPAN = SECONDS * 0.4
ROOT = Path(__file__).parents[2]
SIZE = 3
BATCH = 100

#: Something that befalls the store, until it can be used again.
Blow: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
Process: TypeAlias = subprocess.Popen[bytes]


class Fleet:
    """Three worker processes, one of which is killed or frozen every now and then.

    `app` is the module of a worker; a frozen one is thawed after `cold` seconds, which is past any lease.
    """

    app = "tests.e2e.storm_app"
    cold = 2.2

    def __init__(self, url: str, folder: Path, chance: random.Random) -> None:
        self.ledger, self.log = folder / "ledger", folder / "workers.log"
        self.ledger.touch()
        self.env = {**os.environ, "STEM_URL": url, "STORM_LEDGER": str(self.ledger), "PYTHONPATH": str(ROOT)}
        self.chance = chance
        self.workers = [self.start() for _ in range(SIZE)]
        self.frozen: list[tuple[float, Process]] = []
        self.kills = self.stops = 0
        self._heard = set[int]()

    def start(self) -> Process:
        command = [sys.executable, "-m", self.app]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, env=self.env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )

    def strike(self) -> None:
        """Thaw who has been frozen past its lease; then kill one worker and start another, or freeze one."""
        self.check()
        self.thaw()
        awake = self.awake()
        victim = self.chance.choice(awake)
        if self.chance.random() < 0.4 and len(awake) > 1:
            self.freeze(victim, time.monotonic() + self.cold)
        else:
            self.replace(victim)

    def thaw(self) -> None:
        """Let go on who has been frozen for long enough."""
        for entry in [entry for entry in self.frozen if entry[0] <= time.monotonic()]:
            self.frozen.remove(entry)
            entry[1].send_signal(signal.SIGCONT)

    def awake(self) -> list[Process]:
        """Who is not frozen."""
        return [worker for worker in self.workers if all(worker is not frozen for _, frozen in self.frozen)]

    def freeze(self, victim: Process, until: float) -> None:
        """It stands still until then."""
        victim.send_signal(signal.SIGSTOP)
        self.frozen.append((until, victim))
        self.stops += 1

    def replace(self, victim: Process) -> None:
        """It is gone, and another one comes."""
        kill(victim)
        self.workers[self.workers.index(victim)] = self.start()
        self.kills += 1

    def check(self) -> None:
        """No worker has ended that was not killed."""
        ended = [worker.returncode for worker in self.workers if worker.poll() is not None]
        assert not ended, f"{len(ended)} workers ended by themselves, with {ended}: {self.said()}"

    async def ready(self) -> None:
        """Wait until every worker works."""
        async with asyncio.timeout(30):
            await asyncio.gather(*(asyncio.to_thread(self._hear_ready, worker) for worker in self.workers))

    async def retire(self) -> None:
        """Ask every worker to stop, as an operator does: one that hangs or has broken does not end well."""
        self.check()
        for worker in self.workers:
            worker.send_signal(signal.SIGCONT)
        await self.ready()
        for worker in self.workers:
            worker.terminate()
        codes = await asyncio.gather(*(asyncio.to_thread(end_of, worker) for worker in self.workers))
        assert codes == [0] * SIZE, f"workers that were asked to stop ended with {codes} (None: hung): {self.said()}"

    def _hear_ready(self, worker: Process) -> None:
        """Wait for the line that it says once."""
        if worker.pid not in self._heard:
            assert worker.stdout is not None
            assert worker.stdout.readline() == READY, f"a worker ended before it was ready: {self.said()}"
            self._heard.add(worker.pid)

    def said(self) -> str:
        """The end of what the workers wrote to stderr."""
        return self.log.read_text(errors="replace")[-4_000:]

    def end(self) -> None:
        for worker in self.workers:
            kill(worker)


def kill(worker: Process) -> None:
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        assert pipe is not None
        pipe.close()


def end_of(worker: Process) -> int | None:
    try:
        return worker.wait(30)
    except subprocess.TimeoutExpired:
        return None


class Producer:
    """Enqueues jobs while the storm goes on.

    What raised EngineUnavailableError may be stored or not: it is enqueued again under the same ids until it is
    acknowledged. `acknowledged` jobs, numbered from 0, are promised to run.
    """

    def __init__(self, jobs: int = JOBS, span: float = SPAN) -> None:
        self.jobs, self.span = jobs, span
        self.acknowledged = self.refused = 0
        self.longest = 0.0

    async def run(self, app: Stem) -> None:
        """All jobs, evenly over the span."""
        began = time.monotonic()
        for start in range(0, self.jobs, BATCH):
            await asyncio.sleep(began + self.span * start / self.jobs - time.monotonic())
            await self.enqueue(app, range(start, min(start + BATCH, self.jobs)))

    async def enqueue(self, app: Stem, numbers: Sequence[int]) -> None:
        """These jobs, until they are acknowledged."""
        while not await self._try(app, numbers):
            self.refused += 1
            await asyncio.sleep(0.05)
        self.acknowledged += len(numbers)

    async def more(self, app: Stem) -> None:
        """A batch beyond those that were planned."""
        await self.enqueue(app, range(self.acknowledged, self.acknowledged + BATCH))

    async def _try(self, app: Stem, numbers: Sequence[int]) -> bool:
        asked = time.monotonic()
        try:
            await app.enqueue_many([call(number) for number in numbers])
        except EngineUnavailableError:
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - asked)
        return True


def call(number: int) -> TaskEnqueueBuilder[int]:
    """One of three priorities, every fifth job delayed.

    Batch by batch: engines have a short way for jobs that are alike, and it is to be gone as well as the long one.
    """
    batch = number // BATCH
    built = work.build(Work(number=number)).id(job_id(number)).priority((0, 5, 9)[batch % 3])
    return built.delay("300ms") if batch % 5 == 0 else built


def job_id(number: int) -> str:
    return f"job-{number}"


async def rage(app: Stem, fleet: Fleet, producer: Producer, blows: Sequence[Blow] = ()) -> None:
    """Strike workers until all jobs have come in and ended; the blows fall evenly among the jobs that come in.

    Workers are struck while a blow lasts, too: some of them start while the store is away.
    """
    marks = [producer.jobs * (number + 1) // (len(blows) + 1) for number in range(len(blows))]
    left = list(zip(marks, blows, strict=True))
    # for a hang, not for speed: what was lost again and again runs in small company, for up to a minute each
    deadline = time.monotonic() + 180 + 2 * SECONDS
    async with asyncio.TaskGroup() as group:
        under_way: list[asyncio.Task[None]] = [group.create_task(producer.run(app))]
        while left or not all(task.done() for task in under_way) or not await over(app):
            assert time.monotonic() < deadline, f"not over in time, {producer.acknowledged} enqueued: {fleet.said()}"
            await asyncio.sleep(fleet.chance.uniform(0.2, 0.7))
            fleet.strike()
            if left and producer.acknowledged >= left[0][0] and all(task.done() for task in under_way[1:]):
                under_way.append(group.create_task(left.pop(0)[1]()))


async def over(app: Stem) -> bool:
    """Whether no job waits or runs; nobody knows while the store is away."""
    try:
        stats = await app.queues.stats("default")
    except EngineUnavailableError:
        return False
    return stats.waiting == stats.running == 0


async def calm(app: Stem, fleet: Fleet, seconds: float = 60) -> None:
    """Wait until no job waits or runs; nobody is struck any more."""
    deadline = time.monotonic() + seconds
    while not await over(app):
        fleet.check()
        assert time.monotonic() < deadline, f"not over {seconds:g} s after the last fault: {fleet.said()}"
        await asyncio.sleep(0.1)


async def all_work(app: Stem, fleet: Fleet, producer: Producer) -> None:
    """Enqueue more until every worker has run some of it: none of them hangs."""
    past = fleet.ledger.stat().st_size
    deadline = time.monotonic() + 30
    for _ in itertools.count():
        await producer.more(app)
        await calm(app, fleet)
        with fleet.ledger.open() as ledger:
            ledger.seek(past)
            seen = {line.split()[2] for line in ledger}
        if len(seen) >= SIZE:
            return
        assert time.monotonic() < deadline, f"of {SIZE} workers only {sorted(seen)} work: {fleet.said()}"
