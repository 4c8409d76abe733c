"""The board: a file in shared memory on which the handlers of all systems note that a job ran, and when.

It costs every system the same half microsecond a job, whatever its store, and tells the driver without a question to
anybody how far a drain is. Standard library only: it runs in every peer's interpreter.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from pathlib import Path
from typing import Final

#: Where the driver put the board of this phase.
VARIABLE: Final = "BENCH_BOARD"
#: Seconds that a worker waits for the start of a drain before it gives up.
PATIENCE: Final = 120

_HEAD: Final = 64  # the moment of the start, then room
_JOB: Final = 1 + 8 + 8  # how often it ran, when it began, when its enqueue began
_MOMENT: Final = struct.Struct("=q")


class Board:
    """One line for each job: how often it ran, when its handler began last, when its enqueue began."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.jobs = (len(self._map) - _HEAD) // _JOB
        self._began = _HEAD + self.jobs
        self._sent = self._began + 8 * self.jobs

    @classmethod
    def make(cls, path: Path, jobs: int) -> Board:
        """A new one, all zero."""
        path.write_bytes(bytes(_HEAD + _JOB * jobs))
        _arrivals(path).write_bytes(b"")
        return cls(path)

    # ---------------------------------------------------------------- what the driver does

    @property
    def arrived(self) -> int:
        """Processes of workers that were handed a job and wait for the start."""
        return _arrivals(self.path).stat().st_size

    def start(self) -> int:
        """Let them go; the moment, in nanoseconds of the machine's clock."""
        now = time.monotonic_ns()
        _MOMENT.pack_into(self._map, 0, now)
        return now

    @property
    def missing(self) -> int:
        """Jobs whose handler has not begun yet."""
        return self._map[_HEAD : self._began].count(0)

    @property
    def repeated(self) -> int:
        """Jobs whose handler began more than once."""
        ran = self._map[_HEAD : self._began]
        return self.jobs - ran.count(0) - ran.count(1)

    def waits(self, first: int) -> list[float]:
        """Milliseconds from the enqueue to the first line of the handler, for all jobs from `first` on."""
        return [(self._at(self._began, n) - self._at(self._sent, n)) / 1e6 for n in range(first, self.jobs)]

    # ---------------------------------------------------------------- what producers and handlers do

    @property
    def started(self) -> bool:
        """Whether workers may go."""
        return self._at(0, 0) != 0

    def ran(self, number: int) -> bool:
        """Whether the handler of this job has begun."""
        return self._map[_HEAD + number] != 0

    def sending(self, number: int) -> None:
        """The enqueue of a job begins now."""
        _MOMENT.pack_into(self._map, self._sent + 8 * number, time.monotonic_ns())

    def note(self, number: int, now: int) -> None:
        """The handler of a job began at `now`."""
        _MOMENT.pack_into(self._map, self._began + 8 * number, now)
        place = _HEAD + number
        if self._map[place] < 255:
            self._map[place] += 1

    def arrive(self) -> None:
        """Say that this process has a job in its hands, and wait for the start, so that all begin together."""
        with _arrivals(self.path).open("ab", buffering=0) as file:
            file.write(b"+")
        until = time.monotonic() + PATIENCE
        while not self.started:
            if time.monotonic() > until:
                raise TimeoutError(f"no start within {PATIENCE} seconds")
            time.sleep(0.001)  # shared memory rings no bell

    def _at(self, base: int, number: int) -> int:
        return int(_MOMENT.unpack_from(self._map, base + 8 * number)[0])


def _arrivals(path: Path) -> Path:
    return path.with_suffix(".arrived")


_mine: Board | None = None
_opening = threading.Lock()


def ran(number: int) -> int:
    """The first line of every handler; what it returns is the job's result. The first call of a process may wait."""
    now = time.monotonic_ns()
    board = _mine or _open()
    board.note(number, now)
    return number


def _open() -> Board:
    global _mine  # noqa: PLW0603 - one board for a process, opened after any fork
    with _opening:
        if _mine is None:
            board = Board(Path(os.environ[VARIABLE]))
            if not board.started:
                board.arrive()
            _mine = board
    return _mine
