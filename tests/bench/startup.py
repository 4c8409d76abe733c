"""What `stem --help` costs beside starting Python at all."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 7


def _seconds(command: list[str]) -> float:
    taken: list[float] = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def measure() -> dict[str, float]:
    """Median seconds of both, and their ratio."""
    bare = _seconds([sys.executable, "-c", "pass"])
    shown = _seconds([sys.executable, "-m", "stem", "--help"])
    return {"python -c pass ms": bare * 1000, "stem --help ms": shown * 1000, "ratio": shown / bare}
