"""`stem dev`: a worker on .stem/stem.db in a child process that is restarted when the code changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from stem.cli.root import Command, Said, UsageError, said, say
from stem.cli.worker import refuse_where_workers_cannot_run
from stem.config import DEFAULT_URL, load

#: How often the files are looked at, seconds.
LOOK: Final = 0.5
#: How long a restart waits for running jobs before it hands them back, and then before it kills, seconds.
PATIENCE: Final = 1.0
GRACE: Final = 12.0
#: The URL that means the app's own.
APPS_OWN: Final = "app"
_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages"})


@click.command(cls=Command, short_help="run the tasks of an app here and restart when its code changes")
@click.option("-c", "--concurrency", type=click.IntRange(min=1), default=100, show_default=True, help="Jobs at once.")
@click.option("-Q", "--queues", default="", metavar="A,B", help="Only these queues; else all that the tasks name.")
@said
def command(asked: Said, concurrency: int, queues: str) -> int:
    """Run the tasks of an app on .stem/stem.db in this folder, and restart when a .py file changes. Ctrl-C ends it.

    The app's own database is left alone, so that nothing is tried out on it; --url app takes it nevertheless.
    """
    refuse_where_workers_cannot_run(sys.platform)
    app = asked.app or load().app
    if not app:
        raise UsageError('no app is named: add -A module:app, set STEM_APP, or write app = "module:app" into stem.toml')
    url = asked.url or DEFAULT_URL
    words = ["worker", "-A", app, "-c", str(concurrency), "-Q", queues]
    words += ["--url", url] if url != APPS_OWN else []
    words += ["--namespace", asked.namespace] if asked.namespace else []
    words += ["-v"] if asked.verbose else []
    return Dev([sys.executable, "-m", "stem", *words]).run()


class Dev:
    """One child at a time; signals are handed on to it, and it ends when this process does."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._runs = 0
        self._ending = False
        self._was_ready = False

    def run(self) -> int:
        """Until somebody asks for the end; the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, self._hand_on)
        seen = snapshot(Path.cwd())
        started = time.monotonic()
        self._start()
        while True:
            code = self._wait(LOOK)
            if code is not None and self._ending:
                self._forget()
                return 0
            if code is not None and self._child is not None:
                self._forget()
                if code == 2 and not self._was_ready:
                    return code
                say(f"the worker ended with exit code {code}; waiting for a change")
            self._was_ready = self._was_ready or (self._child is not None and time.monotonic() - started > 2)
            now = snapshot(Path.cwd())
            if now != seen and not self._ending:
                changed = sorted(path for path, _ in set(now.items()) ^ set(seen.items()))
                seen, self._was_ready = now, True
                say(f"{changed[0]} has changed; restarting")
                self._stop()
                if not self._ending:
                    self._start()

    def _start(self) -> None:
        # a group of its own, so that Ctrl-C reaches it once, through us; the pipe tells it when we are gone
        words = [*self._command, "--dev", "again" if self._runs else "first"]
        self._child = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - ourselves
        self._runs += 1

    def _stop(self) -> None:
        """Running jobs may finish for a moment, are then handed back, and in the end killed."""
        if self._child is None:
            return
        for number, patience in ((signal.SIGTERM, PATIENCE), (signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            self._child.send_signal(number)
            if self._wait(patience) is not None:
                break
        self._forget()

    def _forget(self) -> None:
        """The child has ended: let go of the pipe that told it of us."""
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
        self._child = None

    def _wait(self, seconds: float) -> int | None:
        """The child's exit code, or None when it lives on; without a child a plain wait."""
        if self._child is None:
            if self._ending:
                return 0
            time.sleep(seconds)
            return 0 if self._ending else None
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _hand_on(self, number: int, _: Any) -> None:
        self._ending = True
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM if number == signal.SIGINT else number)


def snapshot(folder: Path) -> dict[str, int]:
    """When each .py file below `folder`, and stem.toml, was last changed; hidden folders and environments left out."""
    return dict(_files(str(folder), ""))


def _files(folder: str, below: str) -> Iterator[tuple[str, int]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        name = f"{below}{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _SKIPPED:
                    yield from _files(entry.path, f"{name}/")
            elif entry.name.endswith(".py") or name == "stem.toml":
                yield name, entry.stat().st_mtime_ns
        except OSError:
            continue
