"""The driver: rounds over all systems, and what is measured of each."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.bench.peers.board import VARIABLE, Board
from tests.bench.peers.children import Child, PhaseError
from tests.bench.peers.environments import interpreter
from tests.bench.peers.server import Server

#: Every system, in the order of a round.
SYSTEMS: Final = (
    "stem",
    "taskiq",
    "arq",
    "saq",
    "streaq",
    "dramatiq",
    "celery",
    "rq",
    "huey",
    "redis_py",
    "redis_py_script",
    "raw",
)
#: Jobs a second of the pickup phase, and how many.
RATE: Final = 200
PACED: Final = 400
#: Seconds for a process to start and connect.
START: Final = 60
#: Jobs of a drain at least: fewer could all be prefetched by the first of two workers.
FEWEST: Final = 1000
#: Jobs a second; an enqueue that is slower has failed.
SLOWEST: Final = 200
#: Seconds without a job that begins, after which a drain has failed.
STALL: Final = 30
#: Seconds between two looks at the board. Shared memory rings no bell, and handlers shall not pay for one.
LOOK: Final = 0.002


@dataclass
class Row:
    """The figures of one system with one number of slots: by name, one value a round."""

    system: str
    slots: int
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def median(self, name: str) -> float | None:
        found = self.figures.get(name)
        return statistics.median(found) if found else None


@dataclass
class Found:
    """Everything for the report."""

    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    #: Reasons, and the phases that they refused a figure to.
    refused: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def row(self, system: str, slots: int) -> Row:
        for row in self.rows:
            if (row.system, row.slots) == (system, slots):
                return row
        self.rows.append(Row(system, slots))
        return self.rows[-1]


class Bench:
    """One run on one server."""

    def __init__(self, server: Server, folder: Path, *, jobs: int, stem_url: str) -> None:
        self.found = Found()
        self._server, self._folder, self._jobs, self._stem_url = server, folder, jobs, stem_url
        self._pythons: dict[str, Path] = {}
        self._phases = 0

    def run(self, names: list[str], rounds: int) -> Found:
        """All rounds. What fails is reported, stops nothing, and is tried again in the next round.

        Ctrl-C ends the run with what has been measured.
        """
        try:
            self._rounds(names, rounds)
        except KeyboardInterrupt:
            self.found.notes.append("stopped by Ctrl-C: the last round is not whole")
        return self.found

    def _rounds(self, names: list[str], rounds: int) -> None:
        for name in names:
            with self._attempt(f"{name}: set-up"):
                self._pythons[name] = interpreter(name)
                self.found.about[name] = self._ask(name, self._fresh(name), "about")
        for number in range(rounds):
            for label, measure in self._round():
                print(f"round {number + 1} of {rounds}: {label}", file=sys.stderr)
                with self._attempt(f"{label}, round {number + 1}"):
                    measure()

    def _round(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Every phase for all systems in turn, so that those that are compared ran close to each other."""
        about = self.found.about
        for way in ("one", "concurrent", "many"):
            for name in about:
                if way in about[name]["ways"]:
                    yield f"{name}: enqueue {way}", partial(self._enqueue, name, way)
        for workers in (1, 2):
            for name in about:
                for slots in about[name]["slots"]:
                    label = f"{name}: drain, {workers} x {slots} slots"
                    yield label, partial(self._drain, name, workers, slots)
        for name in about:
            yield f"{name}: pickup", partial(self._pickup, name)

    # ---------------------------------------------------------------- the phases

    def _enqueue(self, name: str, way: str) -> None:
        jobs = self._size(name) if way != "one" else max(200, self._size(name) // 5)
        said = self._ask(name, self._fresh(name), "enqueue", way, str(jobs), jobs=jobs)
        if said["queued"] != jobs:
            raise PhaseError(f"{jobs} jobs were sent, and {said['queued']} are queued")
        self._first(name).add(f"enqueue {way}/s", jobs / said["seconds"])

    def _drain(self, name: str, workers: int, slots: int) -> None:
        jobs = self._size(name)
        setting = self._fresh(name, jobs, slots)
        board = Board(Path(setting[VARIABLE]))
        said = self._ask(name, setting, "fill", str(jobs), jobs=jobs)
        if said["queued"] != jobs:
            raise PhaseError(f"{jobs} jobs were sent, and {said['queued']} are queued")
        with ExitStack() as stack:
            watcher = stack.enter_context(self._child(name, setting, "settled", str(jobs)))
            watcher.line(START)
            running = [stack.enter_context(self._child(name, setting, "worker")) for _ in range(workers)]
            self._until(lambda: board.arrived >= workers, START, running, "not every worker began with a job")
            cpu, server = [child.cpu() for child in running], self._server.cpu
            begun = board.start()
            self._drained(board, running)
            watcher.tell()
            ended = watcher.line(START * 2)["at"]
            cpu = [child.cpu() - before for child, before in zip(running, cpu, strict=True)]
            server = self._server.cpu - server
            peak = max(child.peak() for child in running)
            watcher.tell()
            said = watcher.line(START * 2)
        if said["left"] or said["stored"] != jobs:
            raise PhaseError(f"of {jobs} jobs {said['left']} are left and {said['stored']} results are stored")
        if board.repeated:
            self.found.notes.append(f"{name}: {board.repeated} of {jobs} jobs ran more than once ({workers} workers)")
        row, which = self.found.row(name, slots), f"{workers} worker" + "s" * (workers > 1)
        row.add(f"drain/s, {which}", jobs / ((ended - begun) / 1e9))
        row.add(f"cpu ms/1000, {which}", sum(cpu) / jobs * 1e6)
        row.add(f"server us/job, {which}", server / jobs * 1e6)
        row.add(f"peak MB, {which}", peak / 1024)

    def _pickup(self, name: str) -> None:
        setting = self._fresh(name, 1 + PACED, self._first(name).slots)
        board = Board(Path(setting[VARIABLE]))
        board.start()
        with self._child(name, setting, "worker") as worker:
            self._ask(name, setting, "paced", str(RATE), str(PACED), jobs=PACED, beside=[worker])
            self._drained(board, [worker])
        waits = sorted(board.waits(1))
        row = self._first(name)
        row.add("pickup p50 ms", statistics.median(waits))
        row.add("pickup p99 ms", waits[int(len(waits) * 0.99) - 1])

    # ---------------------------------------------------------------- tools

    def _size(self, name: str) -> int:
        return max(FEWEST, int(self._jobs * self.found.about[name]["weight"]))

    def _first(self, name: str) -> Row:
        return self.found.row(name, self.found.about[name]["slots"][0])

    def _fresh(self, name: str, jobs: int = 1, slots: int = 1) -> dict[str, str]:
        """An empty store, folder and board; the environment variables that tell of them."""
        self._server.flush()
        self._phases += 1
        folder = self._folder / f"{self._phases:04}"
        folder.mkdir()
        board = Board.make(folder / "board", jobs)
        url = self._stem_url if name == "stem" else "redis://127.0.0.1:{port}/0"
        url = url.format(port=self._server.port, folder=folder)
        return {"BENCH_URL": url, "BENCH_SLOTS": str(slots), VARIABLE: str(board.path)}

    def _child(self, name: str, setting: dict[str, str], *words: str) -> Child:
        command = [str(self._pythons[name]), "-m", "tests.bench.peers.side", name, *words]
        return Child(command, Path(setting[VARIABLE]).parent, words[0], setting)

    def _ask(
        self, name: str, setting: dict[str, str], *words: str, jobs: int = 0, beside: Sequence[Child] = ()
    ) -> dict[str, Any]:
        with self._child(name, setting, *words) as child:
            return child.line(START + jobs / SLOWEST, beside=beside)

    def _drained(self, board: Board, workers: list[Child]) -> None:
        """Wait until every job has begun, for as long as there is progress."""
        missing = board.missing
        while missing:
            some = partial(_fewer, board, missing)
            self._until(some, STALL, workers, f"{missing} jobs did not run: none began")
            missing = board.missing

    def _until(self, done: Callable[[], bool], timeout: float, children: list[Child], otherwise: str) -> None:
        until, looks = time.monotonic() + timeout, 0
        while not done():
            time.sleep(LOOK)
            looks += 1
            if looks % 100 == 0:
                for child in children:
                    child.check()
            if time.monotonic() > until:
                raise PhaseError(f"{otherwise} within {timeout:.0f} s{''.join(child.said() for child in children)}")

    @contextmanager
    def _attempt(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as fault:
            reason = str(fault) if isinstance(fault, PhaseError | RuntimeError) else repr(fault)
            self.found.refused.setdefault(reason, []).append(what)
            print(f"   refused: {reason}", file=sys.stderr)


def _fewer(board: Board, missing: int) -> bool:
    return board.missing < missing
