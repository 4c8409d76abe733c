"""A storm for workflow runs: workers, whoever feeds the runs, and the server are struck until all runs have ended."""

from __future__ import annotations

import asyncio
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from stem import Stem
from stem.contracts.workflows import RunFilter
from stem.core.run import RunState
from stem.errors import EngineUnavailableError
from tests.e2e.runs_app import run_name
from tests.e2e.storm import ROOT, SECONDS, Blow, Fleet, Process, kill
from tests.servers.redis import RedisServer

#: The full storm is 2,000 runs, each with a child and a job.
RUNS = int(min(2_000, SECONDS * 20))
#: Seconds over which they come in: slowly enough for workers that are half of the time dead or frozen, so that the time
#: to a take-over is no time in a line.
SPAN = min(SECONDS, 100) * 0.5
#: Whatever a run can be in that has not ended.
ALIVE: tuple[RunState, ...] = ("queued", "running", "suspended", "blocked", "quarantined")
#: Runs of which the watcher reads the checkpoints in one round.
LOOK = 20


class Kill(msgspec.Struct):
    """A worker that was killed, when, and the runs that it held."""

    pid: int
    at: float
    held: tuple[str, ...] = ()


class Span(msgspec.Struct, frozen=True):
    """When something stood still, unix time; `pid` is 0 for the server."""

    pid: int
    began: float
    ended: float

    def meets(self, began: float, ended: float) -> bool:
        return self.began <= ended and self.ended >= began


class RunFleet(Fleet):
    """Workers of runs; every blow is remembered. The next worker has imported all it needs and waits to be wanted."""

    app = "tests.e2e.runs_app"
    cold = 2.8

    def __init__(self, url: str, folder: Path, chance: random.Random) -> None:
        self.killed: list[Kill] = []
        self.stood: list[Span] = []
        self._spare: Process | None = None
        super().__init__(url, folder, chance)

    def start(self) -> Process:
        wanted = self._spare or super().start()
        self._spare = super().start()
        assert wanted.stdin is not None
        wanted.stdin.write(b"\n")
        wanted.stdin.flush()
        return wanted

    def end(self) -> None:
        super().end()
        if self._spare is not None:
            kill(self._spare)

    def strike(self) -> None:
        """Only while two of those who are awake work, or a slow machine would be struck faster than workers can start."""
        self.check()
        self.thaw()
        if sum(map(self.works, self.awake())) > 1:
            super().strike()

    def works(self, worker: Process) -> bool:
        """Whether it has said that it is ready."""
        assert worker.stdout is not None
        if worker.pid not in self._heard and select.select([worker.stdout], [], [], 0)[0]:
            self._hear_ready(worker)
        return worker.pid in self._heard

    def freeze(self, victim: Process, until: float) -> None:
        super().freeze(victim, until)
        now = time.time()
        self.stood.append(Span(victim.pid, now, now + until - time.monotonic() + 1))

    def replace(self, victim: Process) -> None:
        self.killed.append(Kill(victim.pid, time.time()))
        super().replace(victim)

    async def note_held(self, app: Stem) -> None:
        """See what the worker that was killed last has left behind: nobody can take it before its lease is over."""
        last = self.killed[-1] if self.killed else None
        if last is None or last.held or time.time() - last.at > 1:
            return
        try:
            rows, _ = await app.engine.workflows.page(RunFilter(states=("running",)), limit=1_000)
        except EngineUnavailableError:
            return
        last.held = tuple(row.id for row in rows if row.owner.startswith(f"storm-{last.pid}-"))


class Feeders:
    """Processes that start runs, emit and send, until each of them is killed and another goes on."""

    def __init__(self, fleet: RunFleet, folder: Path) -> None:
        self.started = folder / "started"
        self.started.touch()
        self._fleet = fleet
        times = {"STORM_BEGAN": str(time.time()), "STORM_SPAN": str(SPAN), "STORM_RUNS": str(RUNS)}
        self._env = {**fleet.env, "STORM_STARTED": str(self.started), **times}
        self._processes = {role: self._start(role) for role in ("start", "answer")}
        self._dawn: Process | None = None
        self.kills = 0

    @property
    def done(self) -> int:
        """How many runs have been started."""
        return self.started.read_bytes().count(b"\n")

    def strike(self) -> None:
        """Kill one of them in the middle of what it does; when all runs have come in, let the dawn come."""
        if self.done == RUNS and self._dawn is None:
            self._dawn = self._start("dawn")
        role = self._fleet.chance.choice(list(self._processes))
        process = self._processes[role]
        if process.poll() not in {None, 0}:
            raise AssertionError(f"who should {role} has ended by itself: {self._fleet.said()}")
        if process.returncode is None:
            self.kills += 1
        kill(process)
        self._processes[role] = self._start(role)

    def end(self) -> None:
        for process in (*self._processes.values(), *([self._dawn] if self._dawn else [])):
            kill(process)

    def _start(self, role: str) -> Process:
        command = [sys.executable, "-m", "tests.e2e.runs_feeder", role]
        with self._fleet.log.open("ab") as log:
            return subprocess.Popen(
                command, env=self._env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )


class Watcher:
    """Reads checkpoints again and again: one that was seen is never seen with another value."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.reads = 0
        self.changed: list[str] = []

    async def run(self, app: Stem, feeders: Feeders, chance: random.Random) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(0.1)
            done = feeders.done
            for number in chance.choices(range(done), k=LOOK) if done else ():
                try:
                    await self.look(app, run_name(number))
                except EngineUnavailableError:
                    await asyncio.sleep(0.2)

    async def look(self, app: Stem, run: str) -> None:
        """Compare all checkpoints of a run with what they were, and see that none has gone."""
        detail = await app.engine.workflows.get(run)
        assert detail is not None, f"run {run} was started and is gone"
        found = {step.key: (step.outcome, step.value) for step in detail.steps}
        self.reads += len(found)
        for key, value in found.items():
            if self.seen.setdefault((run, key), value) != value:
                self.changed.append(f"{run} {key}: {self.seen[run, key]} became {value}")
        for key in self._known(run):
            if key not in found:
                self.changed.append(f"{run} {key}: it has gone")

    def _known(self, run: str) -> Iterator[str]:
        return (key for known, key in list(self.seen) if known == run)


class Outages:
    """A server that is killed and comes back with what its file has."""

    def __init__(self, server: RedisServer, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        self.spans: list[Span] = []

    async def blow(self) -> None:
        began = time.time()
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(self.chance.uniform(0.2, 3))
        await asyncio.to_thread(self.server.restart)
        self.spans.append(Span(0, began, time.time() + 0.5))


async def rage_over_runs(app: Stem, fleet: RunFleet, feeders: Feeders, blows: Sequence[Blow]) -> None:
    """Strike until every run has been started and has ended; the blows for the server come at even intervals."""
    deadline = time.monotonic() + 60 + 2 * SECONDS
    began = time.monotonic()
    left = [(began + SPAN * 1.2 * (number + 1) / (len(blows) + 1), blow) for number, blow in enumerate(blows)]
    async with asyncio.TaskGroup() as group:
        under_way: list[asyncio.Task[None]] = []
        while left or not all(task.done() for task in under_way) or feeders.done < RUNS or await any_alive(app):
            assert time.monotonic() < deadline, f"not over in time, {feeders.done} started: {fleet.said()}"
            await asyncio.sleep(fleet.chance.uniform(0.3, 1))
            fleet.strike()
            await fleet.note_held(app)
            if fleet.chance.random() < 0.25:
                feeders.strike()
            if left and left[0][0] <= time.monotonic() and all(task.done() for task in under_way):
                under_way.append(group.create_task(left.pop(0)[1]()))


async def any_alive(app: Stem) -> bool:
    """Whether a run has not ended; while the store is away nobody knows that all have."""
    try:
        for state in ALIVE:
            if (await app.engine.workflows.page(RunFilter(states=(state,)), limit=1))[0]:
                return True
    except EngineUnavailableError:
        return True
    return False
