"""`make bench`: what stem costs on this machine, beside the raw engine and a peer, in one run.

Ratios are findings, absolute figures are not: machines are noisy. Nothing here asserts a speed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stem.worker.process import tune
from tests.bench import cycles, parts, peer, pickup, startup


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs of one round (default 10000)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args()
    tune()  # as `stem worker` does for its own process
    found = measure(chosen.jobs, chosen.rounds)
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


def measure(jobs: int, rounds: int) -> dict[str, Any]:
    """All rounds, interleaved: every subject once in each round."""
    subjects: dict[str, Callable[[Path], dict[str, float]]] = {
        "memory: raw engine cycle": lambda folder: asyncio.run(cycles.raw("memory://", jobs)),
        "memory: app and worker": lambda folder: asyncio.run(cycles.full("memory://", jobs)),
        "a worker's own work, us a job by part": lambda folder: parts.measure(),
        "sqlite: raw engine cycle": lambda folder: asyncio.run(cycles.raw(f"sqlite:///{folder / 'raw.db'}", jobs)),
        "sqlite: app and worker": lambda folder: asyncio.run(cycles.full(f"sqlite:///{folder / 'app.db'}", jobs)),
        "sqlite full: app and worker": lambda folder: asyncio.run(
            cycles.full(f"sqlite:///{folder / 'full.db'}?durability=full", jobs)
        ),
        "huey sqlite": lambda folder: peer.huey(folder / "huey.db", max(500, jobs // 5)),
        "sqlite: pickup across processes": lambda folder: pickup.measure(f"sqlite:///{folder / 'pickup.db'}"),
        "start-up": lambda folder: startup.measure(),
    }
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name, run in subjects.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="stem-bench-") as folder:
                taken[name].append(run(Path(folder)))
    return {name: median(rows) for name, rows in taken.items()} | {"durability": peer.durability()}


def median(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}


def show(found: dict[str, Any]) -> None:
    """A table a subject, then the ratios."""
    console = Console()
    for name, figures in found.items():
        table = Table(title=name, title_justify="left", show_header=False)
        for key, value in figures.items():
            table.add_row(key, value if isinstance(value, str) else f"{value:,.3f}".rstrip("0").rstrip("."))
        console.print(table)
    key = "cpu us/job"
    memory = found["memory: app and worker"][f"drain {key}"] - found["memory: raw engine cycle"][f"claim+settle {key}"]
    ratio = found["sqlite: app and worker"]["drain jobs/s"] / found["huey sqlite"]["drain jobs/s"]
    raw = found["sqlite: app and worker"]["drain us/job"] / found["sqlite: raw engine cycle"]["claim+settle us/job"]
    console.print(f"worker's own cost on memory: {memory:.1f} us of CPU a job")
    console.print(f"sqlite drain, stem : huey = {ratio:.1f}x; stem's worker : raw engine = {raw:.2f}x the time")
    console.print(f"`stem --help` : `python -c pass` = {found['start-up']['ratio']:.2f}x")


if __name__ == "__main__":
    main()
