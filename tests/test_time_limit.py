"""A test that stands still fails in its time, and the tests after it run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = """
import asyncio, pytest
from stem import Stem, task

pytestmark = pytest.mark.anyio

@pytest.fixture
async def opened():
    yield
    print("closed")

async def busy():
    while True:
        await asyncio.sleep(0)

async def test_asleep(opened):
    await asyncio.Event().wait()

async def test_beside_a_task_that_works(opened):
    task = asyncio.create_task(busy())
    await asyncio.Event().wait()

@task("deaf")
async def deaf() -> None:
    await asyncio.Event().wait()

async def test_of_a_worker_that_waits_for_its_job(opened):
    async with Stem.in_memory(tasks=[deaf]) as app, app.worker():
        await (await deaf.enqueue(app)).result()

async def test_after_them(opened):
    await asyncio.sleep(0)
"""


def test_a_coroutine_that_stands_still_fails_in_its_time_and_its_fixtures_are_closed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_still.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "--timeout", "3", "-p", "no:cacheprovider", "test_still.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert "3 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("closed\n") == 4


@pytest.mark.usefixtures("interruptible")
def test_children_of_a_runner_in_the_background_can_be_interrupted() -> None:
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"True\n"
