"""Processes of the bench: each leads a session of its own, is measured from /proc and ended by its id."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

from tests.bench.peers.environments import ROOT

_TICK: Final = os.sysconf("SC_CLK_TCK")
#: Lines of a child's own words that a failure shows.
_WORDS: Final = 3


class PhaseError(Exception):
    """A figure could not be taken; the reason is its text."""


class Child:
    """A process with all its descendants, which share its session."""

    def __init__(self, command: list[str], folder: Path, label: str, environment: dict[str, str]) -> None:
        self.label = label
        self._log = folder / f"{label}-{time.monotonic_ns()}.log"
        self._pending = b""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if label != "worker" else log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    # ---------------------------------------------------------------- talking

    def line(self, timeout: float, *, beside: Sequence[Child] = ()) -> dict[str, Any]:
        """Its next JSON line; whatever else it prints is passed over. PhaseError when none comes, or one beside ends."""
        until = time.monotonic() + timeout
        out: IO[bytes] | None = self._process.stdout
        assert out is not None
        while True:
            head, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                with contextlib.suppress(ValueError):
                    found = json.loads(head)
                    if isinstance(found, dict):
                        return found
                continue
            ready, _, _ = select.select([out], [], [], 1.0)
            if not ready:
                for other in beside:
                    other.check()
                if time.monotonic() < until:
                    continue
                raise PhaseError(f"{self.label} did not answer within {timeout:.0f} s{self.said()}")
            read = os.read(out.fileno(), 65536)
            if not read:
                raise PhaseError(f"{self.label} ended with {self._process.wait(10)}{self.said()}")
            self._pending += read

    def tell(self) -> None:
        """A line to its stdin."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its next line says that it ended
            self._process.stdin.write(b"go\n")
            self._process.stdin.flush()

    def check(self) -> None:
        """PhaseError when it is no longer there."""
        if self._process.poll() is not None:
            raise PhaseError(f"{self.label} ended with {self._process.returncode}{self.said()}")

    def said(self) -> str:
        """The last lines of its own words, as the tail of a sentence."""
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip(" ^~")]
        return ": " + " / ".join(lines[-_WORDS:]) if lines else ""

    # ---------------------------------------------------------------- measuring

    def cpu(self) -> float:
        """Seconds of processor time of the whole session so far, ended children included."""
        # utime, stime and those of children that were waited for: a living child is counted by itself alone.
        return sum(sum(int(value) for value in stat[11:15]) for stat in self._session().values()) / _TICK

    def peak(self) -> int:
        """The most memory that each process of the session ever held, added up, in kB (shared pages count twice)."""
        total = 0
        for pid in self._session():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        total += int(line.split()[1])
        return total

    def kill(self) -> None:
        """End it and all its descendants, by their ids."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            living = [pid for pid, stat in self._session().items() if stat[0] not in "ZX"]
            for pid in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not living:
                break
        self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _session(self) -> dict[int, list[str]]:
        """The fields of /proc/PID/stat behind the name, of every process in this session."""
        found: dict[int, list[str]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self._process.pid:
                        found[int(entry.name)] = fields
        return found
