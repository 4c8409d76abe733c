"""The machine's clock is set, as libfaketime has it, under Redis and under real workers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stem import Stem
from tests.installed.clock_app import Named, held, parked
from tests.servers.binaries import valkey_binary, version
from tests.servers.redis import RedisServer

pytestmark = [pytest.mark.anyio, pytest.mark.installed, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
STEPS = (-3_600, -600, -10, 10, 600, 3_600)


def faked(folder: Path) -> dict[str, str]:
    """The environment in which a program sees the clock that lies in a file: '+0', '-3600', '+10'."""
    assert LIBRARY, "libfaketime is not installed (Debian: apt install faketime)"
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@contextmanager
def workers(url: str, folder: Path, count: int) -> Iterator[None]:
    command = [sys.executable, "-m", "stem", "worker", "-A", "tests.installed.clock_app", "-c", "10"]
    setting = {**os.environ, **faked(folder), "CLOCK_URL": url, "CLOCK_LEDGER": str(folder / "ledger")}
    with (folder / "log").open("ab") as log:
        running = [
            subprocess.Popen(command, cwd=ROOT, env=setting | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log)
            for _ in range(count)
        ]
        try:
            yield
        finally:
            for one in running:
                one.kill()
                one.wait()


async def all_run_once(url: str, folder: Path, seconds: int) -> None:
    ledger = folder / "ledger"
    ledger.touch()
    async with Stem(url, tasks=[held, parked]) as app:
        jobs = [await held.build(Named(name=f"job-{n}")).enqueue(app) for n in range(8)]
        waiting = [await parked.build(Named(name=f"parked-{n}")).enqueue(app) for n in range(4)]
        with workers(url, folder, 2):
            give_up = time.monotonic() + 20
            while ledger.read_text().count("job-") < 8:
                assert time.monotonic() < give_up, (folder / "log").read_text()
                await asyncio.sleep(0.02)
            (folder / "clock").write_text(f"{seconds:+d}\n")
            for one in (*jobs, *waiting):
                assert await one.result("40s")
    names = ledger.read_text().split()
    assert sorted(names) == sorted(set(names))
    assert len(names) == 12


@pytest.mark.parametrize("seconds", STEPS)
async def test_redis_and_its_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    (tmp_path / "clock").write_text("+0\n")
    binary = valkey_binary()  # Debian's Redis does not start under libfaketime: its allocator asks for the time
    assert version(binary) >= (7, 2)
    with monkeypatch.context() as patch:
        for name, value in faked(tmp_path).items():
            patch.setenv(name, value)
        server = RedisServer.start(binary=binary)
    with server:
        await all_run_once(server.url, tmp_path, seconds)


@pytest.mark.parametrize("seconds", STEPS)
async def test_a_file_and_its_workers(tmp_path: Path, seconds: int) -> None:
    (tmp_path / "clock").write_text("+0\n")
    await all_run_once(f"sqlite:///{tmp_path / 'jobs.db'}", tmp_path, seconds)
