"""Every example runs as a process of its own, as a reader would run it, and says what it should."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.servers.cluster import RedisCluster
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer

ROOT = Path(__file__).resolve().parent.parent

#: A line that each example must print.
KEY_LINES = {
    "dead_letters.py": "sent to ada@example.org",
    "flask_style_sync.py": "succeeded: 320 x 240",
    "hello.py": "Hello, Ada! Hello, Ada!",
    "limits.py": "most at once: acme 2, zenith 2",
    "middleware.py": "demo.broken attempt 1 raised ValueError",
    "producer_only.py": "invoice for A-1 over 500",
    "progress.py": "running    50 %  part 2 of 4",
    "retries.py": "charged at attempt 3",
    "testing_with_fake.py": "2 tests passed",
    "unique.py": "report of 2026-01, first asked for by Ada",
    "workflows/cancellation_policy.py": "max_suspend: it waited longer than 1h",
    "workflows/custom_store.py": "run-1: double, then GoOn: done",
    "workflows/fan_out_files.py": "5 files, the decoder among them: True",
    "workflows/hello_flow.py": "HELLO, ADA!",
    "workflows/human_approval.py": "120 to Ada, granted by Grace",
    "workflows/orders.py": "order A-1 is delivered",
    "workflows/several_workers.py": "step 1 was done once: True",
    "workflows/sleep_and_event.py": "never: nobody paid",
    "workflows/survives_every_crash.py": "10 points, 221 lives, all ended succeeded",
    "workflows/travel_saga.py": "released flight to Lisbon",
    "workflows/versioned_rewind.py": "ask#1 = 80 (put aside)",
}


def run(*command: str, cwd: Path = ROOT, env: Mapping[str, str] = {}) -> str:
    """What it prints; what it says on stderr is shown when it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1", **env}
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_example_has_a_key_line() -> None:
    found = [*(ROOT / "examples").glob("*.py"), *(ROOT / "examples/workflows").glob("*.py")]
    assert {str(path.relative_to(ROOT / "examples")) for path in found} == set(KEY_LINES)


@pytest.mark.parametrize("example", KEY_LINES)
def test_the_example_says_what_it_should(example: str) -> None:
    assert KEY_LINES[example] in run(f"examples/{example}").splitlines()


@pytest.mark.parametrize("example", KEY_LINES)
def test_the_example_is_short(example: str) -> None:
    assert len((ROOT / "examples" / example).read_text().splitlines()) < 75


def test_the_census_runs_on_a_server_that_is_killed_meanwhile(tmp_path: Path) -> None:
    options = {"appendonly": "yes", "appendfsync": "always"}
    with RedisServer.start(options=options) as server:
        census = subprocess.Popen(
            [sys.executable, "-m", "examples.census", "--limit", "300"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STEM_URL": server.url, "STEM_NAMESPACE": "census"},
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: int(server.ask("HGET", "{census}:n:default", "succeeded") or 0) > 50, "50 jobs are done")
        server.kill()
        server.restart()
        printed, _ = census.communicate(timeout=50)
    assert census.returncode == 0
    assert "305 jobs in " in printed
    assert " 301 succeeded, " in printed


def test_the_census_runs_on_a_cluster_with_a_slot_for_each_queue(tmp_path: Path) -> None:
    with RedisCluster.start() as cluster:
        printed = run(
            "-m",
            "examples.census",
            "--limit",
            "20",
            "--workers",
            "1",
            cwd=tmp_path,
            env={"STEM_URL": f"{cluster.url}?partition=queue", "STEM_NAMESPACE": "census"},
        )
        keys = [key for node in cluster.nodes for key in node.ask("KEYS", "*")]
    assert " 21 succeeded, 6 retries, 4 dead letters" in printed
    assert f"STEM_URL='{cluster.url}?partition=queue'" in printed
    assert {key.partition(b"}")[0] for key in keys} == {b"{census", b"{census|default"}


def test_the_census_counts_modules_retries_and_buries(tmp_path: Path) -> None:
    printed = run("-m", "examples.census", "--limit", "20", "--workers", "1", cwd=tmp_path)
    last = next(line for line in printed.splitlines() if line.startswith("25 jobs in "))
    # two files cannot be read and are tried three times; the slow drive answers at the third attempt
    assert last.endswith("21 succeeded, 6 retries, 4 dead letters")
    assert "IsADirectoryError" in printed
    assert "SyntaxError" in printed
    assert "What to try next:" in printed
