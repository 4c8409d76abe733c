"""Settings of a Python process that is a worker and nothing else. A host's process is never touched."""

from __future__ import annotations

import gc
import sys
from typing import Final

#: Objects made before the collector looks: a worker makes many short-lived ones and hardly a cycle. Python's 700
#: costs about a quarter of the time spent on a small job.
YOUNG: Final = 20_000
#: Longest a thread keeps the interpreter, seconds. At Python's 5 ms a storing thread waits long for the event loop.
SWITCH: Final = 0.001


def tune() -> None:
    """What was loaded so far is no garbage; collect more rarely; let threads take turns more often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
    sys.setswitchinterval(SWITCH)
