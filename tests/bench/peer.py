"""huey on its SQLite queue: results stored, one consumer thread, jobs taken before they run (at most once)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import json, sys, threading, time
from huey import SqliteHuey
huey = SqliteHuey("bench", filename=sys.argv[1], results=True, fsync=False)
jobs, seen, first, over = int(sys.argv[2]), 0, 0.0, threading.Event()

@huey.task()
def noop(value):
    global seen, first
    seen += 1
    if seen == 1:
        first = time.perf_counter()
    if seen == jobs:
        over.set()
    return value

begun = time.perf_counter()
for n in range(jobs):
    noop(n)
enqueued = time.perf_counter() - begun
consumer = huey.create_consumer(workers=1, periodic=False, initial_delay=0.001, max_delay=0.01)
consumer.start()
over.wait()
drained = time.perf_counter() - first
print(json.dumps({"enqueue one by one jobs/s": jobs / enqueued, "drain jobs/s": jobs / drained}))
import os
sys.stdout.flush()
os._exit(0)
"""


def huey(path: Path, jobs: int) -> dict[str, float]:
    """Enqueue one by one, then drain, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(path), str(jobs)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def durability() -> dict[str, str]:
    """What each loses when the power goes."""
    return {
        "stem sqlite": "WAL, synchronous=NORMAL: survives kill -9, power loss may take the last commits; at least once",
        "stem sqlite full": "WAL, synchronous=FULL: one fsync a commit; at least once",
        "huey sqlite": "WAL, synchronous=OFF (fsync=False, its default); at most once",
        "measured": time.strftime("%Y-%m-%d"),
    }
