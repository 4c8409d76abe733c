"""The program that runs in a system's own interpreter: `python -m tests.bench.workflows.side MODULE COMMAND ...`.

| command | does | answers with one JSON line |
|---|---|---|
| `about` | opens the store once | versions, how the system is used, what it does for durability |
| `first` | opens the store, starts a workflow of one step and waits for its result | that it is there |
| `figures STEPS RUNS` | workflows from start to result, in the process that runs them | steps and runs a second, memory |
| `starts COUNT` | starts runs that nobody carries on | starts a second |

Standard library only; `tests.bench.workflows.MODULE` imports what it measures.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Final

#: Workflows at once of the concurrent figure, and callers at once of the starts.
BESIDE: Final = 8
CALLERS: Final = 100


def url() -> str:
    """The store's URL."""
    return os.environ["BENCH_URL"]


class System(ABC):
    """A workflow engine. Its one workflow does as many steps that do nothing as its parameter says."""

    @abstractmethod
    async def open(self) -> None:
        """Connect, and carry runs on in this process."""

    @abstractmethod
    async def close(self) -> None:
        """Let go."""

    @abstractmethod
    async def run(self, workflows: int, steps: int) -> None:
        """Start so many workflows of so many steps, and wait for all results."""

    @abstractmethod
    async def open_producer(self) -> None:
        """Connect to start runs only."""

    @abstractmethod
    async def close_producer(self) -> None:
        """Let go."""

    @abstractmethod
    async def start(self) -> None:
        """Start one run durably, for another process."""

    @abstractmethod
    async def about(self) -> dict[str, Any]:
        """Versions, usage and durability; the store is open."""


async def _rate(count: int, system: System, workflows: int, steps: int) -> float:
    begun = time.perf_counter()
    await system.run(workflows, steps)
    return count / (time.perf_counter() - begun)


async def _figures(system: System, steps: int, runs: int) -> dict[str, float]:
    await system.open()
    try:
        await system.run(1, 1)
        ready = memory("VmRSS")
        await system.run(BESIDE, steps)  # so that log and file have the size that they keep
        found = {
            "sequential steps/s": await _rate(steps, system, 1, steps),
            f"steps/s of {BESIDE} workflows": await _rate(steps * BESIDE, system, BESIDE, steps),
            "runs of one step/s": await _rate(runs, system, runs, 1),
        }
        return {**found, "MB when ready": ready, "MB at most": memory("VmHWM")}
    finally:
        await system.close()


async def _starts(system: System, count: int) -> dict[str, float]:
    await system.open_producer()
    try:
        await system.start()
        one_by_one = await _started(system, count, 1)
        return {
            "starts/s, one by one": one_by_one,
            f"starts/s, {CALLERS} at once": await _started(system, count, CALLERS),
        }
    finally:
        await system.close_producer()


async def _started(system: System, count: int, callers: int) -> float:
    waiting = iter(range(count))

    async def caller() -> None:
        for _ in waiting:
            await system.start()

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return count / (time.perf_counter() - begun)


async def _first(system: System) -> None:
    await system.open()
    await system.run(1, 1)
    _say({"first": True})
    await system.close()


async def _about(system: System) -> None:
    await system.open()
    try:
        _say(await system.about())
    finally:
        await system.close()


def memory(field: str) -> float:
    """A line of this process's own status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{field}:"))


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


async def main(module: str, command: str, words: list[str]) -> None:
    """Run one command of one system."""
    system: System = importlib.import_module(f"tests.bench.workflows.{module}").system
    if command == "about":
        await _about(system)
    elif command == "first":
        await _first(system)
    elif command == "figures":
        _say(await _figures(system, int(words[0]), int(words[1])))
    elif command == "starts":
        _say(await _starts(system, int(words[0])))
    else:
        raise SystemExit(f"no command {command!r}; see the top of {__file__}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
