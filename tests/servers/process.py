"""Processes of tests: they end with the interpreter that started them, however that one ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")

#: Seconds that anything on loopback may take before it is called broken.
PATIENCE = 15.0

# Reads "pid folder" for a process that began and "pid" for one that is over. When its input ends, so has the
# interpreter that wrote it, be it by SIGKILL: what still runs is killed and what it wrote is removed.
WARDEN = """
import os, shutil, signal, sys
running, folders = set(), set()
for line in sys.stdin:
    pid, _, folder = line.rstrip("\\n").partition(" ")
    if folder:
        running.add(int(pid))
        folders.add(folder)
    else:
        running.discard(int(pid))
for pid in running:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
for folder in folders:
    shutil.rmtree(folder, ignore_errors=True)
"""


class ServerError(RuntimeError):
    """A server for tests is missing, does not start, or does not do in time what a test waits for."""


def wait_until(look: Callable[[], T | None], wanted: str, *, seconds: float = PATIENCE) -> T:
    """Looks again and again, until something true is seen."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise ServerError(f"waited {seconds:g} s for this, in vain: {wanted}")
        time.sleep(0.005)
    return found


class Process:
    """A program in a session of its own, so that Ctrl-C in the terminal reaches the tests and not their servers."""

    def __init__(self, command: Sequence[str], folder: Path, output: Path) -> None:
        with output.open("ab") as sink:
            self._popen = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        self.pid = self._popen.pid
        _house.began(self, folder)

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, which ends a stopped process too, and waits for the end."""
        self._popen.kill()
        self._popen.wait()
        _house.ended(self)

    def end(self) -> None:
        """SIGTERM, and SIGKILL when that is not heard."""
        self._popen.terminate()
        self._popen.send_signal(signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(5)
        self.kill()


class House:
    """All processes of this interpreter, and the warden that outlives it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: dict[int, Process] = {}
        self._warden: subprocess.Popen[str] | None = None
        self._owner = 0

    def began(self, process: Process, folder: Path) -> None:
        with self._lock:
            if self._owner != os.getpid():
                # The first process, or the first one after a fork: the parent keeps its own.
                self._owner, self._processes = os.getpid(), {}
                self._warden = subprocess.Popen(
                    [sys.executable, "-ISc", WARDEN], stdin=subprocess.PIPE, text=True, start_new_session=True
                )
            self._processes[process.pid] = process
            print(process.pid, folder, file=self._door(), flush=True)

    def ended(self, process: Process) -> None:
        with self._lock:
            if self._processes.pop(process.pid, None) is not None:
                print(process.pid, file=self._door(), flush=True)

    def close(self) -> None:
        """Ends everything at the interpreter's exit; in a fork that started nothing, nothing."""
        if self._owner != os.getpid():
            return
        for process in list(self._processes.values()):
            process.kill()
        assert self._warden is not None
        self._warden.communicate()
        self._owner = 0

    def _door(self) -> IO[str]:
        assert self._warden is not None
        assert self._warden.stdin is not None
        return self._warden.stdin


_house = House()
atexit.register(_house.close)


def make_folder(kind: str) -> Path:
    """A new folder for a server; as short as it can be, because a unix socket may be put into it."""
    return Path(tempfile.mkdtemp(prefix=f"stem-{kind}-"))


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def tail(*files: Path, lines: int = 20) -> str:
    """The last lines of what a server wrote."""
    parts = []
    for one in files:
        text = one.read_text(errors="replace").strip() if one.exists() else ""
        if text:
            parts.append(f"-- the end of {one}:\n" + "\n".join(text.splitlines()[-lines:]))
    return "\n".join(parts) or "It wrote nothing."
