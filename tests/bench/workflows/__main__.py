"""Durable workflows: stem beside DBOS and beside what the store itself gives: `python -m tests.bench.workflows [--rounds N]`.

All are measured in turn in every round, so that a machine's bad minute hits all alike; figures are medians. Read the
ratios of one run; absolute figures are the machine's. Every system runs in a process of its own, DBOS in an environment
of its own, made on first use. Nothing here asserts a speed: a target is printed beside its figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from stem.worker.process import tune
from tests.bench.peers.children import Child
from tests.bench.peers.environments import compile_lock, make
from tests.bench.workflows import raw
from tests.bench.workflows.side import BESIDE
from tests.servers.redis import RedisServer

HERE: Final = Path(__file__).parent
WANTED: Final = HERE / "dbos" / "requirements.in"
#: Seconds that one command of a system may take.
PATIENCE: Final = 600
#: What is compared with the store's own rate.
RATES: Final = ("sequential steps/s", f"steps/s of {BESIDE} workflows", "runs of one step/s", "starts/s, one by one")
STEPS: Final = RATES[0]
#: Columns of a report that goes into a file.
WIDTH: Final = 140

FULL, NORMAL, ON_REDIS = "stem, WAL FULL", "stem, WAL NORMAL", "stem, Redis"
ASYNC, PLAIN = "DBOS, async", "DBOS, plain functions"


@dataclass(frozen=True)
class Target:
    """What a median should be at least, as a multiple of others."""

    system: str
    figure: str
    times: float
    of: str


TARGETS: Final = (
    Target(FULL, STEPS, 0.5, "the store's own rate"),
    Target(FULL, STEPS, 4.0, "DBOS"),
    Target(ON_REDIS, STEPS, 0.4, "the store's own rate"),
)


@dataclass
class Subject:
    """A system on a store: how its processes are made, what it says of itself, and its figures, one value a round."""

    name: str
    module: str
    url: str
    python: Path = Path(sys.executable)
    environment: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, list[float]] = field(default_factory=dict)

    def ask(self, folder: Path, *words: str) -> dict[str, Any]:
        """What one command of its program answers."""
        with self._child(folder, *words) as child:
            return child.line(PATIENCE)

    def first(self, folder: Path) -> float:
        """Milliseconds from the start of a process on an empty store to the result of its first workflow."""
        begun = time.perf_counter()
        with self._child(folder, "first") as child:
            child.line(PATIENCE)
            return (time.perf_counter() - begun) * 1000

    def _child(self, folder: Path, *words: str) -> Child:
        command = [str(self.python), "-m", "tests.bench.workflows.side", self.module, *words]
        return Child(command, folder, words[0], {**self.environment, "BENCH_URL": self.url.format(folder=folder)})

    def add(self, found: dict[str, float]) -> None:
        for name, value in found.items():
            self.figures.setdefault(name, []).append(value)

    def median(self, figure: str) -> float:
        return statistics.median(self.figures[figure])

    @property
    def mode(self) -> tuple[str, str]:
        """Journal mode and synchronous of its SQLite; empty on Redis."""
        return self.about["journal_mode"], self.about["synchronous"]


@dataclass
class Bench:
    """All rounds."""

    subjects: list[Subject]
    steps: int
    runs: int
    server: RedisServer
    #: The store's own rates by durability mode, one value a round.
    own: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def run(self, rounds: int) -> None:
        for one in self.subjects:
            with fresh() as folder:
                one.about = one.ask(Path(folder), "about")
        for number in range(rounds):
            for label, measure in self._round():
                print(f"round {number + 1} of {rounds}: {label}", file=sys.stderr)
                measure()

    def _round(self) -> list[tuple[str, Callable[[], None]]]:
        """Each mode of the store just before the systems that use it."""
        made: list[tuple[str, Callable[[], None]]] = []
        for mode in dict.fromkeys(one.mode for one in self.subjects):
            made.append((f"raw, {title(mode)}", partial(self._raw, mode)))
            made += [(one.name, partial(self._system, one)) for one in self.subjects if one.mode == mode]
        return made

    def _raw(self, mode: tuple[str, str]) -> None:
        with fresh() as folder:
            if mode == ("", ""):
                rate = raw.calls(self.server.url, self.steps * BESIDE)
            else:
                rate = raw.commits(Path(folder) / "raw.db", *mode, self.steps * BESIDE)
        self.own.setdefault(mode, []).append(rate)

    def _system(self, one: Subject) -> None:
        self.server.ask("FLUSHALL")
        with fresh() as name:
            folder = Path(name)
            one.add({"process start to first result, ms": one.first(folder)})
            one.add(one.ask(folder, "figures", str(self.steps), str(self.runs)))
            one.add(one.ask(folder, "starts", str(self.runs)))

    # ---------------------------------------------------------------- what came of it

    def of_store(self, one: Subject, figure: str) -> float:
        """A rate as a multiple of the store's own in the same mode."""
        return one.median(figure) / statistics.median(self.own[one.mode])

    def of_dbos(self, one: Subject, figure: str) -> float:
        """A rate as a multiple of the better of DBOS's two forms."""
        return one.median(figure) / max(other.median(figure) for other in self.subjects if other.module == "dbos_side")

    def reached(self, target: Target) -> float:
        one = next(one for one in self.subjects if one.name == target.system)
        return self.of_dbos(one, target.figure) if target.of == "DBOS" else self.of_store(one, target.figure)


def fresh() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="stem-workflows-")


def title(mode: tuple[str, str]) -> str:
    """A durability mode for people."""
    journal, synchronous = mode
    return f"{journal.upper()} {synchronous.upper()}" if journal else "one EVALSHA"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.workflows", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--steps", type=int, default=500, help="steps of one workflow (default 500)")
    parser.add_argument("--runs", type=int, default=500, help="runs of one step, and starts (default 500)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single value there")
    parser.add_argument("--lock", action="store_true", help="compile the lock of DBOS anew and end (needs uv)")
    chosen = parser.parse_args()
    if chosen.lock:
        compile_lock(WANTED)
        return
    if min(chosen.rounds, chosen.steps, chosen.runs) < 1:
        parser.error("--rounds, --steps and --runs are at least 1")
    if sys.platform != "linux":
        parser.error("memory is read from /proc, which this system does not have")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    tune()
    with RedisServer.start() as server:
        bench = Bench(subjects(server.url), chosen.steps, chosen.runs, server)
        bench.run(chosen.rounds)
        facts = {
            "day": time.strftime("%Y-%m-%d"),
            "rounds": chosen.rounds,
            "steps": chosen.steps,
            "runs": chosen.runs,
            "redis": server.info("server")["redis_version"],
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        }
    if chosen.json:
        chosen.json.write_text(json.dumps(as_json(bench, facts), indent=2))
    show(bench, facts)


def subjects(redis_url: str) -> list[Subject]:
    """Three stores for stem, two forms of DBOS on its own default."""
    python = make("dbos", WANTED.with_suffix(".lock"))
    file = "sqlite:///{folder}/bench.db"
    return [
        Subject(FULL, "stem_side", f"{file}?durability=full"),
        Subject(NORMAL, "stem_side", f"{file}?durability=normal"),
        Subject(ASYNC, "dbos_side", file, python),
        Subject(PLAIN, "dbos_side", file, python, {"BENCH_PLAIN": "1"}),
        Subject(ON_REDIS, "stem_side", redis_url),
    ]


def as_json(bench: Bench, facts: dict[str, Any]) -> dict[str, Any]:
    """One document with every single value."""
    return {
        "facts": facts,
        "systems": {one.name: {"about": one.about, "figures": one.figures} for one in bench.subjects},
        "raw": {title(mode): values for mode, values in bench.own.items()},
        "targets": [
            {"system": t.system, "figure": t.figure, "of": t.of, "target": t.times, "reached": bench.reached(t)}
            for t in TARGETS
        ],
    }


# ---------------------------------------------------------------- tables


def show(bench: Bench, facts: dict[str, Any]) -> None:
    """Figures, ratios, targets, and what stands behind them."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print("  ".join(f"{key} {value}" for key, value in facts.items()), highlight=False)
    for table in (figures(bench), ratios(bench), targets(bench)):
        console.print(table)
    for one in bench.subjects:
        versions = ", ".join(f"{key} {value}" for key, value in one.about["versions"].items())
        console.print(f"[bold]{one.name}[/bold]  {versions}; {one.about['store']}", highlight=False)
        mode = f"{title(one.mode)}: " if any(one.mode) else ""
        console.print(f"  {one.about['usage']}\n  {mode}{one.about['durability']}", highlight=False)


def figures(bench: Bench) -> Table:
    """Medians, the lowest and the highest round beside them."""
    table = Table("", *(one.name for one in bench.subjects), title="medians (lowest to highest)", title_justify="left")
    for name in bench.subjects[0].figures:
        table.add_row(name, *(cell(one.figures[name]) for one in bench.subjects))
    own = (f"{cell(bench.own[one.mode])}\n{title(one.mode)}" for one in bench.subjects)
    table.add_row("the store's own rate/s", *own)
    return table


def ratios(bench: Bench) -> Table:
    """Rates beside the store's own rate in the same durability mode, and beside the better form of DBOS."""
    table = Table("", *(one.name for one in bench.subjects), title="ratios of the medians", title_justify="left")
    for name in RATES:
        table.add_row(f"{name} : the store's own", *(f"{bench.of_store(one, name):.2f}" for one in bench.subjects))
    for name in RATES:
        table.add_row(f"{name} : the better DBOS", *(f"{bench.of_dbos(one, name):.2f}" for one in bench.subjects))
    return table


def targets(bench: Bench) -> Table:
    """What should be reached beside what was."""
    table = Table("target", "at least", "reached", title="targets", title_justify="left")
    for one in TARGETS:
        table.add_row(f"{one.system}: {one.figure} : {one.of}", f"{one.times:g}", f"{bench.reached(one):.2f}")
    return table


def cell(values: list[float]) -> str:
    middle = number(statistics.median(values))
    return f"{middle} ({number(min(values))} to {number(max(values))})" if len(values) > 1 else middle


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as fault:  # no server, no environment: a sentence says what is missing
        raise SystemExit(f"bench: {fault}") from None
