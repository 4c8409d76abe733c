"""The program that runs in a peer's own interpreter: `python -m tests.bench.peers.side NAME COMMAND ...`.

| command | does | answers with one JSON line |
|---|---|---|
| `about` | | what the system is, its versions and settings |
| `enqueue one N`, `enqueue concurrent N`, `enqueue many N` | sends N jobs | the seconds it took, and how many are queued then |
| `fill N` | sends jobs 0 to N - 1 in the fastest way there is | how many are queued then |
| `paced RATE N` | sends one job, waits until it ran, and sends N more at RATE a second | |
| `settled N` | connects; at a line on stdin waits until nothing is left to do; at another counts | `ready`; the moment; what is left and how many results there are |
| `worker` | becomes one worker process, by the system's own command | |

Standard library only; `tests.bench.peers.NAME.app` imports what it measures.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.bench.peers.board import VARIABLE, Board

#: The small argument beside the number.
TEXT: Final = "a short text"
#: Callers at once of `enqueue concurrent`, and jobs of one call of `enqueue many`.
CALLERS: Final = 100
BATCH: Final = 500
#: Sends before the clock runs: connections are made, scripts are loaded.
WARM: Final = 10
#: Seconds that `paced` waits for its first job, and `settled` for the last result.
PATIENCE: Final = 60
#: How long results are kept, in seconds, by every system.
KEEP: Final = 3600


def url() -> str:
    """The store's URL."""
    return os.environ["BENCH_URL"]


def slots(default: int = 100) -> int:
    """Jobs at once in one worker process."""
    return int(os.environ.get("BENCH_SLOTS", default))


def become(*command: str) -> None:
    """Go on as another program of this interpreter's environment, under the same process id."""
    program = Path(sys.executable).with_name(command[0])
    os.execv(program, [str(program), *command[1:]])


class Peer(ABC):
    """One system. Every job is `noop(number, TEXT)`, its handler `board.ran(number)`."""

    #: Distributions whose versions count.
    packages: ClassVar[tuple[str, ...]]
    #: How a job comes to run, and what happens to it when its worker dies.
    guarantee: ClassVar[str]
    #: Where results go.
    results: ClassVar[str]
    #: What was set, and why.
    settings: ClassVar[str]
    #: False: it is shown, but no ratio is made with it.
    at_least_once: ClassVar[bool] = True
    #: True: a ceiling written by hand, no peer.
    ceiling: ClassVar[bool] = False
    #: Whether enqueueing is awaited, so that many callers can wait at once.
    concurrent: ClassVar[bool] = True
    #: Whether there is a call that enqueues many.
    bulk: ClassVar[bool] = False
    #: Jobs at once that the drain is measured with; the other figures use the first.
    slots: ClassVar[tuple[int, ...]] = (100,)
    #: Jobs of a drain, as a multiple of --jobs: a fast system needs more for a steady figure.
    weight: ClassVar[float] = 1.0

    async def open(self) -> None:  # noqa: B027 - not every system has to
        """Connect a producer."""

    async def close(self) -> None:  # noqa: B027 - not every system has to
        """Let go."""

    @abstractmethod
    async def send(self, number: int) -> None:
        """Enqueue one job."""

    async def send_many(self, numbers: Sequence[int]) -> None:
        """Enqueue many in one call."""
        raise NotImplementedError

    @abstractmethod
    async def left(self) -> int:
        """Jobs that are queued, or running, or not acknowledged yet."""

    async def settled(self, count: int) -> bool:
        """Whether all of `count` jobs are done with; asked often, when the last handler has begun."""
        return await self.left() == 0

    @abstractmethod
    async def stored(self) -> int:
        """Results that can be fetched now, counted one by one."""

    @abstractmethod
    def work(self) -> None:
        """Become one worker process."""


# ---------------------------------------------------------------- the commands


async def _one(peer: Peer, numbers: range) -> None:
    for number in numbers:
        await peer.send(number)


async def _concurrent(peer: Peer, numbers: range) -> None:
    waiting = iter(numbers)

    async def caller() -> None:
        for number in waiting:
            await peer.send(number)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def _many(peer: Peer, numbers: range) -> None:
    for start in range(0, len(numbers), BATCH):
        await peer.send_many(numbers[start : start + BATCH])


WAYS: Final[dict[str, Callable[[Peer, range], Awaitable[None]]]] = {
    "one": _one,
    "concurrent": _concurrent,
    "many": _many,
}


def ways(peer: Peer) -> list[str]:
    """How this system can enqueue, the fastest last."""
    return ["one", *(["concurrent"] if peer.concurrent else []), *(["many"] if peer.bulk else [])]


async def _enqueue(peer: Peer, way: str, count: int) -> dict[str, Any]:
    send = WAYS[way]
    await send(peer, range(WARM))
    begun = time.perf_counter()
    await send(peer, range(count))
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "queued": await peer.left() - WARM}


async def _fill(peer: Peer, count: int) -> dict[str, Any]:
    await WAYS[ways(peer)[-1]](peer, range(count))
    return {"queued": await peer.left()}


async def _paced(peer: Peer, rate: float, count: int) -> dict[str, Any]:
    board = Board(Path(os.environ[VARIABLE]))
    await peer.send(0)
    until = time.monotonic() + PATIENCE
    while not board.ran(0):
        if time.monotonic() > until:
            raise TimeoutError(f"the worker did not run its first job within {PATIENCE} seconds")
        await asyncio.sleep(0.001)  # shared memory rings no bell
    begun = time.monotonic()
    for number in range(1, count + 1):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        board.sending(number)
        await peer.send(number)
    return {"seconds": time.monotonic() - begun}


async def _settled(peer: Peer, count: int) -> dict[str, Any]:
    await peer.left()  # connected, scripts loaded
    _say({"ready": True})
    sys.stdin.readline()
    until = time.monotonic() + PATIENCE
    while not await peer.settled(count):
        if time.monotonic() > until:
            break
        await asyncio.sleep(0.002)  # most of the systems have no event for "all is done"
    _say({"at": time.monotonic_ns()})
    sys.stdin.readline()
    return {"left": await peer.left(), "stored": await peer.stored()}


def _about(peer: Peer) -> dict[str, Any]:
    return {
        "versions": {name: importlib.metadata.version(name) for name in peer.packages},
        "python": platform.python_version(),
        "guarantee": peer.guarantee,
        "results": peer.results,
        "settings": peer.settings,
        "at_least_once": peer.at_least_once,
        "ceiling": peer.ceiling,
        "ways": ways(peer),
        "slots": list(peer.slots),
        "weight": peer.weight,
    }


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


async def _producing(peer: Peer, command: str, words: list[str]) -> dict[str, Any]:
    await peer.open()
    try:
        if command == "enqueue":
            return await _enqueue(peer, words[0], int(words[1]))
        if command == "fill":
            return await _fill(peer, int(words[0]))
        if command == "paced":
            return await _paced(peer, float(words[0]), int(words[1]))
        if command == "settled":
            return await _settled(peer, int(words[0]))
        raise SystemExit(f"no command {command!r}; see the top of {__file__}")
    finally:
        await peer.close()


def main(name: str, command: str, words: list[str]) -> None:
    """Run one command of one system."""
    peer: Peer = importlib.import_module(f"tests.bench.peers.{name}.app").peer
    if command == "about":
        _say(_about(peer))
    elif command == "worker":
        peer.work()
    else:
        _say(asyncio.run(_producing(peer, command, words)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
