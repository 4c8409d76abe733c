"""Running stemgen after every change: each time in a new process, because a module that is imported again keeps its past."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stemgen import cache

#: Seconds between two looks at the files.
PAUSE: Final = 0.5


def watch(file: Path, say: Callable[[str], None], *, pause: float = PAUSE) -> None:
    """Until interrupted. An app that cannot be imported leaves the stubs as they are, and is told once."""
    told = ""
    while True:
        if not cache.is_fresh(file.parent):
            command = [sys.executable, "-m", "stemgen", "--project", str(file.parent)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            text = (done.stderr if done.returncode else done.stdout).strip()
            if text != told:
                say(f"{time.strftime('%H:%M:%S')} {text}")
            told = text
        time.sleep(pause)
