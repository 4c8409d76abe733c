"""Enqueue one job for every module of the running Python's standard library, and watch real workers count them."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if os.environ.get("STEM_URL"):  # on a server every census has its own namespace, for the workers too
    os.environ.setdefault("STEM_NAMESPACE", f"census-{time.time():.0f}")

from examples.census.app import Count, Module, app, count
from stem import DeadLetter, JobFailed, JobHandle, QueueStats

APP = "examples.census.app:app"
FOLDER = Path(".stem")
PLANTED = FOLDER / "planted"
NOT_COUNTED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


def modules_of_the_library(limit: int | None) -> list[Module]:
    """Every module of the standard library but its tests, by name."""
    root = Path(sysconfig.get_path("stdlib"))
    found: list[Module] = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if not NOT_COUNTED.intersection(parts):
            found.append(Module(name=".".join(parts).removesuffix(".__init__"), path=path))
    return found[:limit]


def planted_modules() -> list[Module]:
    """A few files that give trouble on any machine: two cannot be parsed, two cannot be read, one not at first."""
    shutil.rmtree(PLANTED, ignore_errors=True)
    PLANTED.mkdir(parents=True)
    (PLANTED / "unfinished.py").write_text("def unfinished(:\n    pass\n")
    (PLANTED / "garbled.py").write_bytes(b"name = '\xff\xfe'\n")
    (PLANTED / "slow_drive.py").write_text("def answer() -> int:\n    return 42\n")
    (PLANTED / "folder.py").mkdir()
    names = ("unfinished", "garbled", "slow_drive", "folder", "vanished")
    return [
        Module(
            name=f"planted.{name}",
            path=(PLANTED / f"{name}.py").resolve(),
            stumbles=2 if name == "slow_drive" else 0,
        )
        for name in names
    ]


def start_afresh() -> None:
    """No jobs of an earlier census."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("census.db*"):
        path.unlink()


@contextmanager
def workers(how_many: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Real worker processes, told to finish with SIGTERM at the end."""
    command = [sys.executable, "-m", "stem", "worker", "-A", APP, "-c", "4"]
    log = (FOLDER / "census.log").open("wb")
    started = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(how_many)]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=20)
        log.close()


async def watch(total: int, console: Console, processes: list[subprocess.Popen[bytes]]) -> QueueStats:
    """Draw the queue's numbers until every job has ended."""
    columns = (
        TextColumn("counting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} jobs/s, {task.fields[retried]} retries, {task.fields[dead]} dead letters"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("counting", total=total, rate=0.0, retried=0, dead=0)
        began = time.monotonic()
        while True:
            queue = await app.queues.stats("default")
            done = queue.succeeded + queue.failed
            rate = done / (time.monotonic() - began + 1e-9)
            progress.update(bar, completed=done, rate=rate, retried=queue.retried, dead=queue.dead)
            if done >= total:
                return queue
            if any(process.poll() is not None for process in processes):
                console.print(f"a worker has ended by itself; its log is {FOLDER / 'census.log'}")
                raise SystemExit(70)
            await asyncio.sleep(0.1)


async def counts_of(handles: list[JobHandle[Count]]) -> list[Count]:
    """The results of the jobs that succeeded."""
    counts: list[Count] = []
    for handle in handles:
        try:
            counts.append(await handle.result("10s"))
        except JobFailed:
            continue
    return counts


def report(console: Console, counts: list[Count], queue: QueueStats, seconds: float, letters: list[DeadLetter]) -> None:
    """The tables at the end."""
    largest = Table(title="the largest modules", title_justify="left")
    for heading in ("module", "lines", "functions", "classes", "KiB", "sha256"):
        largest.add_column(heading, justify="left" if heading in {"module", "sha256"} else "right")
    for one in sorted(counts, key=lambda one: one.lines, reverse=True)[:8]:
        numbers = (one.lines, one.functions, one.classes, one.size // 1024)
        largest.add_row(one.name, *(f"{number:,}" for number in numbers), one.sha256[:12])
    totals = (
        sum(one.lines for one in counts),
        sum(one.functions for one in counts),
        sum(one.classes for one in counts),
        sum(one.size for one in counts) // 1024,
    )
    largest.add_section()
    largest.add_row(f"all {len(counts):,}", *(f"{number:,}" for number in totals), "")
    console.print(largest)

    dead = Table(title="dead letters: what could not be counted, and why", title_justify="left")
    for heading in ("module", "reason", "attempts", "error"):
        dead.add_column(heading, overflow="fold")
    for letter in sorted(letters, key=lambda letter: letter.id):
        error = letter.error
        text = "" if error is None else f"{error.type}: {error.message}"
        name, shown = letter.id.removeprefix("census:"), text.replace(str(PLANTED.resolve()), "...")
        dead.add_row(name, letter.reason, str(letter.attempts), shown)
    console.print(dead)
    ended = queue.succeeded + queue.failed
    console.print(
        f"{ended:,} jobs in {seconds:.1f} s ({ended / seconds:.0f} jobs/s): {queue.succeeded:,} succeeded, "
        f"{queue.retried} retries, {queue.failed} dead letters"
    )


def what_next(console: Console) -> None:
    """Commands to try on what is left."""
    beside = Path(sys.executable).parent / "stem"
    where = "".join(
        f"{name}={shlex.quote(os.environ[name])} " for name in ("STEM_URL", "STEM_NAMESPACE") if name in os.environ
    )
    stem = where + ("stem" if shutil.which("stem") else os.path.relpath(beside))
    console.print("\nWhat to try next:", style="bold")
    for command, what in (
        (f"{stem} jobs ls -A {APP}", "the latest jobs"),
        (f"{stem} dlq ls -A {APP}", "the dead letters"),
        (f"echo 'ok = True' > {PLANTED / 'unfinished.py'}", "mend one of the files"),
        (f"{stem} dlq replay --all -A {APP}", "give them another chance"),
        (f"{stem} worker --burst -A {APP}", "and let a worker run what is ready"),
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True)
        console.print(f"      {what}", style="dim")


async def main() -> None:
    parser = argparse.ArgumentParser(prog="examples.census", description=__doc__)
    parser.add_argument("--limit", type=int, help="count only the first LIMIT modules")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="worker processes")
    chosen = parser.parse_args()

    console = Console()
    start_afresh()
    modules = modules_of_the_library(chosen.limit) + planted_modules()
    version = ".".join(map(str, sys.version_info[:3]))
    console.print(f"{len(modules):,} jobs: every module of Python {version}'s standard library, and 5 planted files")
    with workers(chosen.workers) as processes:
        async with app:
            began = time.monotonic()
            handles = await app.enqueue_many(count.build(one).id(f"census:{one.name}") for one in modules)
            queue = await watch(len(modules), console, processes)
            seconds = time.monotonic() - began
            letters, _ = await app.dead_letters.list(task=count.name)
            report(console, await counts_of(handles), queue, seconds, letters)
    what_next(console)


if __name__ == "__main__":
    asyncio.run(main())
