"""What 20,000 runs cost that only wait: `python -m tests.bench.many_runs [--runs 10000] [--due 1000] [--only sqlite]`.

One worker process holds as many sleeping and as many waiting runs, on SQLite and on Redis: its memory with none and with
all of them, its processor time while nothing happens, and then how late runs go on that fall due within one second.
The other runs are still held meanwhile. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from stem import Stem
from stem.contracts.workflows import RunFilter
from stem.core.run import RunState
from tests.bench.many_runs.worker import WORKFLOWS, Nap, Number, nap, none, wait
from tests.bench.peers.children import Child
from tests.servers.redis import RedisServer

#: Starts at once.
AT_ONCE: Final = 500
#: The same where each has a moment at which it falls due: the span is reckoned before they start.
TIMED: Final = 20
#: Seconds over which the idle worker is watched.
IDLE: Final = 10.0
#: Seconds from the start of the sleepers to the first one due, at the least.
AHEAD: Final = 8.0
#: Seconds for one phase.
PATIENCE: Final = 300.0
#: Seconds between two looks of the driver, none of which is made while something is measured.
LOOK: Final = 0.2
#: Runs that somebody works on, or should.
BUSY: Final[tuple[RunState, ...]] = ("queued", "running")


@dataclass
class Found:
    """The figures of one store."""

    store: str
    fresh: float
    empty: float
    full: float
    started: float
    idle: float
    spread: float
    late: list[float]


class Driver:
    """Starts runs, and looks at the worker."""

    def __init__(self, app: Stem, child: Child, runs: int, due: int) -> None:
        self.app, self.child, self.runs, self.due = app, child, runs, due

    async def measure(self) -> Found:
        """All phases, one after the other."""
        fresh = self._look()["MB"]
        await self._start([none.build() for _ in range(2 * self.runs)])
        await self._settled(BUSY)
        empty = self._look()["MB"]
        begun = time.perf_counter()
        await self._start([nap.build(Nap(seconds=3600)) for _ in range(self.runs)])
        await self._start([wait.build(Number(number=n)) for n in range(self.runs)])
        await self._settled(BUSY)
        started = 2 * self.runs / (time.perf_counter() - begun)
        await asyncio.sleep(1)
        full, idle = self._look()["MB"], await self._idle()
        late, spread = await self._lateness()
        return Found(self._store(), fresh, empty, full, started, idle, spread, late)

    async def _start(self, calls: list[Any]) -> list[str]:
        ids: list[str] = []
        for first in range(0, len(calls), AT_ONCE):
            handles = await asyncio.gather(*(self.app.start_run(call) for call in calls[first : first + AT_ONCE]))
            ids += [handle.id for handle in handles]
        return ids

    async def _settled(self, states: tuple[RunState, ...]) -> None:
        """Until no run is in one of these states."""
        until = time.monotonic() + PATIENCE
        while any([await self._any(state) for state in states]):
            self.child.check()
            if time.monotonic() > until:
                raise SystemExit(f"runs were still {' or '.join(states)} after {PATIENCE:.0f} s")
            await asyncio.sleep(LOOK)

    async def _any(self, state: RunState) -> bool:
        rows, _ = await self.app.engine.workflows.page(RunFilter(states=(state,)), limit=1)
        return bool(rows)

    def _look(self) -> dict[str, Any]:
        self.child.tell()
        return self.child.line(PATIENCE)

    async def _idle(self) -> float:
        """Percent of one core that the worker takes while nothing happens."""
        before, begun = self._look()["cpu"], time.perf_counter()
        await asyncio.sleep(IDLE)
        return float((self._look()["cpu"] - before) / (time.perf_counter() - begun) * 100)

    async def _lateness(self) -> tuple[list[float], float]:
        """Milliseconds from each deadline, as the store has it, to the code behind the sleep; and the seconds over which
        the deadlines lie.
        """
        at = time.time() + AHEAD
        ids: list[str] = []
        for first in range(0, self.due, TIMED):
            numbers = range(first, min(first + TIMED, self.due))
            ids += await self._start([nap.build(Nap(seconds=at + n / self.due - time.time())) for n in numbers])
        await self._settled(BUSY)
        if time.time() > at - 1:
            raise SystemExit(f"the machine is too slow to put {self.due} runs to sleep {AHEAD:.0f} s ahead")
        store = self.app.engine.workflows
        deadlines = {run: (await self._found(run)).waits[0].deadline or 0 for run in ids}
        await asyncio.sleep(max(0.0, at + 2 - time.time()))
        late = []
        for run, deadline in deadlines.items():
            row = await store.ended(run, round(PATIENCE * 1000))
            if row is None or row.state != "succeeded":
                raise SystemExit(f"run {run} did not go on")
            late.append(float(row.result) - deadline)
        return sorted(late), (max(deadlines.values()) - min(deadlines.values())) / 1000

    async def _found(self, run: str) -> Any:
        detail = await self.app.engine.workflows.get(run)
        assert detail is not None
        return detail

    def _store(self) -> str:
        told = self.app.engine.describe()
        if "server" in told:
            return told["server"]
        return f"SQLite {told['sqlite']}, {told['journal_mode'].upper()} {told['synchronous'].upper()}"


@contextlib.contextmanager
def stores(only: str) -> Iterator[dict[str, str]]:
    """URLs by name; all is gone afterwards."""
    with contextlib.ExitStack() as stack:
        urls: dict[str, str] = {}
        if only in {"", "sqlite"}:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stem-many-runs-"))
            urls["sqlite"] = f"sqlite:///{folder}/runs.db"
        if only in {"", "redis"}:
            urls["redis"] = stack.enter_context(RedisServer.start()).url
        yield urls


async def measure(url: str, runs: int, due: int) -> Found:
    """One store, with a worker process of its own."""
    with tempfile.TemporaryDirectory(prefix="stem-many-runs-") as folder:
        command = [sys.executable, "-m", "tests.bench.many_runs.worker", url]
        with Child(command, Path(folder), "runs", {}) as child:
            child.line(PATIENCE)
            async with Stem(url, workflows=WORKFLOWS) as app:
                return await Driver(app, child, runs, due).measure()


def show(found: list[Found], runs: int, due: int) -> None:
    """A column a store."""
    table = Table("", *(one.store for one in found), title="one worker process", title_justify="left")

    def row(label: str, *cells: str) -> None:
        table.add_row(label, *cells)

    row("memory with none, just started, MB", *(f"{one.fresh:.1f}" for one in found))
    row(f"memory with none, after {2 * runs:,} that ended, MB", *(f"{one.empty:.1f}" for one in found))
    row(f"memory with {runs:,} sleeping and {runs:,} waiting, MB", *(f"{one.full:.1f}" for one in found))
    row("started and put to sleep, runs/s", *(f"{one.started:,.0f}" for one in found))
    row(f"idle over {IDLE:.0f} s, percent of one core", *(f"{one.idle:.2f}" for one in found))
    row(f"{due:,} of the sleeping fall due over, s", *(f"{one.spread:.2f}" for one in found))
    row("late, p50, ms", *(f"{one.late[len(one.late) // 2]:.1f}" for one in found))
    row("late, p99, ms", *(f"{one.late[len(one.late) * 99 // 100]:.1f}" for one in found))
    row("late, most, ms", *(f"{one.late[-1]:.1f}" for one in found))
    console = Console()
    console.print(
        f"{time.strftime('%Y-%m-%d')}  python {platform.python_version()}  cores {os.cpu_count()}", highlight=False
    )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.many_runs", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="sleeping runs, and waiting ones (default 10000)")
    parser.add_argument("--due", type=int, default=1_000, help="runs that fall due within a second (default 1000)")
    parser.add_argument("--only", choices=("sqlite", "redis"), default="", help="one store")
    chosen = parser.parse_args()
    if sys.platform != "linux":
        parser.error("memory is read from /proc, which this system does not have")
    if min(chosen.runs, chosen.due) < 1:
        parser.error("--runs and --due are at least 1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    found: list[Found] = []
    with stores(chosen.only) as urls:
        for name, url in urls.items():
            print(f"-- {name}", file=sys.stderr)
            found.append(asyncio.run(measure(url, chosen.runs, chosen.due)))
    show(found, chosen.runs, chosen.due)


if __name__ == "__main__":
    main()
