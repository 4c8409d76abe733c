"""`make peers`: stem beside other job queues on Redis, and beside two ceilings written by hand, in one run.

Interleaved, so that a machine's bad minute hits all alike. Read ratios of one run; absolute figures are the machine's.
Every system runs in an environment of its own, made on first use. A drain counts only when every job ran and every
result is there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.peers import environments, report
from tests.bench.peers.run import SYSTEMS, Bench
from tests.bench.peers.server import Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="make peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument(
        "--jobs", type=int, default=10_000, help="jobs of a drain, times the system's weight (default 10000)"
    )
    parser.add_argument("--only", default=",".join(SYSTEMS), metavar="A,B", help=f"of {','.join(SYSTEMS)}")
    parser.add_argument(
        "--aof", choices=("no", "everysec", "always"), default="no", help="durability of Redis (default no)"
    )
    parser.add_argument(
        "--stem-url",
        default="redis://127.0.0.1:{port}/0",
        metavar="URL",
        help="stem's store; {port} is the server's, {folder} an empty folder (default %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single value there")
    parser.add_argument("--lock", action="store_true", help="compile the peers' locks anew and end (needs uv)")
    chosen = parser.parse_args()
    names = [name.strip().replace("-", "_") for name in chosen.only.split(",")]
    if unknown := sorted(set(names) - set(SYSTEMS)):
        parser.error(f"no system {', '.join(unknown)}; there are {', '.join(SYSTEMS)}")
    if chosen.rounds < 1 or chosen.jobs < 1:
        parser.error("--rounds and --jobs are at least 1")
    if sys.platform != "linux":
        parser.error("processes are measured from /proc, which this system does not have")
    if chosen.lock:
        environments.lock_all(names)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    with tempfile.TemporaryDirectory(prefix="stem-peers-") as folder:
        place = Path(folder) / "redis"
        place.mkdir()
        with Server(place, chosen.aof) as server:
            facts = {
                "day": time.strftime("%Y-%m-%d"),
                "rounds": chosen.rounds,
                "jobs": chosen.jobs,
                "redis": server.version,
                "appendonly": chosen.aof,
                "python": platform.python_version(),
                "cores": os.cpu_count(),
                "kernel": platform.release(),
            }
            bench = Bench(server, Path(folder), jobs=chosen.jobs, stem_url=chosen.stem_url)
            found = bench.run(names, chosen.rounds)
    if chosen.json:
        chosen.json.write_text(json.dumps(report.as_json(found, facts), indent=2))
    report.show(found, facts)
    if not found.rows:
        raise SystemExit("no figure could be taken")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as fault:  # no server, no uv: a sentence says what is missing
        raise SystemExit(f"make peers: {fault}") from None
