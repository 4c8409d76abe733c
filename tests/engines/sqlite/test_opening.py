"""Which files the engine opens, and what it says of those it does not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stem.errors import EngineRefusedError, EngineUnavailableError
from stem.sqlite import SqliteEngine
from stem.sqlite.connect import APPLICATION_ID
from stem.testing.contracts import publish, submission

pytestmark = pytest.mark.anyio

#: Opens the file in a process of its own. The superuser may write everywhere, so it can become a user who may not.
OPEN_ONCE = """
import asyncio, concurrent.futures.thread, importlib.readers, os, sys
from stem.errors import StemError
from stem.sqlite import SqliteEngine
from stem.sqlite.connect import _migrations

async def main():
    _migrations()  # what is imported late, while this user can still read it
    if os.getuid() == 0 and "as-nobody" in sys.argv:
        os.setuid(65534)
    engine = SqliteEngine(sys.argv[1])
    try:
        await engine.open()
    except StemError as fault:
        print(type(fault).__name__, fault)
        return
    await engine.queues.pause("q")
    await engine.close()
    print("opened")

asyncio.run(main())
"""


def start(path: Path, *options: str) -> subprocess.Popen[str]:
    """A process that opens the file and says what came of it."""
    command = [sys.executable, "-c", OPEN_ONCE, str(path), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def said_by(process: subprocess.Popen[str]) -> str:
    """All it printed."""
    return process.communicate(timeout=30)[0]


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_a_new_file_and_its_folder_are_their_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "stem.db"
    before = os.umask(0o022)
    try:
        engine = SqliteEngine(path)
        await engine.open()
        await publish(engine, submission("a"))
        modes = {one.name: mode_of(one) for one in path.parent.iterdir()}
        assert await engine.findings() == []
        await engine.close()
    finally:
        os.umask(before)
    assert modes == {"stem.db": 0o600, "stem.db-wal": 0o600, "stem.db-shm": 0o600}
    assert mode_of(path.parent) == mode_of(path.parent.parent) == 0o700


async def test_an_old_file_that_others_can_use_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "stem.db"
    path.touch()
    path.chmod(0o644)
    engine = SqliteEngine(path)
    await engine.open()
    (found,) = await engine.findings()
    assert found.text == f"other users of this machine can use {path} (mode 0644): chmod 600 {path}"
    assert not found.refuses
    await engine.close()
    assert mode_of(path) == 0o644


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that any user may enter and write to."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


async def refused(path: Path) -> str:
    """The words with which the file is refused."""
    with pytest.raises(EngineRefusedError) as caught:
        await SqliteEngine(path).open()
    return str(caught.value)


async def test_a_missing_folder_is_made(path: Path) -> None:
    engine = SqliteEngine(path.parent / "deep" / "down" / "stem.db")
    await engine.open()
    assert await publish(engine, submission("a")) == ["new"]
    await engine.close()


async def test_another_programs_file_is_refused_and_left_as_it_was(path: Path) -> None:
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE orders (id)")
    conn.close()
    before = path.read_bytes()
    assert "another program's file" in await refused(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


async def test_a_file_marked_by_another_application_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as conn:
        conn.execute("PRAGMA application_id = 1196444487")
    conn.close()
    assert str(path) in await refused(path)


async def test_a_file_of_a_newer_stem_is_refused(path: Path) -> None:
    engine = SqliteEngine(path)
    await engine.open()
    await engine.close()
    with sqlite3.connect(path) as conn:
        conn.execute("PRAGMA user_version = 99")
    conn.close()
    assert "newer stem" in await refused(path)


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("id;name\n" * 1_000)
    assert "not a sound SQLite database" in await refused(path)


async def test_a_folder_is_refused(path: Path) -> None:
    path.mkdir()
    assert "is a folder" in await refused(path)


async def test_a_file_that_may_only_be_read_is_refused(open_to_all: Path) -> None:
    path = open_to_all / "stem.db"
    engine = SqliteEngine(path)
    await engine.open()
    await engine.close()
    path.chmod(0o444)
    said = said_by(start(path, "as-nobody"))
    assert said.startswith("EngineRefusedError")
    assert str(path) in said


async def test_a_folder_that_may_only_be_read_is_refused(open_to_all: Path) -> None:
    open_to_all.chmod(0o555)
    said = said_by(start(open_to_all / "stem.db", "as-nobody"))
    open_to_all.chmod(0o777)
    assert said.startswith("EngineRefusedError no permission")


async def test_processes_that_open_a_new_file_at_once_all_succeed(path: Path) -> None:
    processes = [start(path) for _ in range(4)]
    assert [said_by(process).strip() for process in processes] == ["opened"] * 4


async def test_engines_that_open_a_new_file_at_once_all_succeed(path: Path) -> None:
    engines = [SqliteEngine(path, namespace=f"n{number}") for number in range(8)]
    await asyncio.gather(*(engine.open() for engine in engines))
    assert [await publish(engine, submission("a")) for engine in engines] == [["new"]] * 8
    for engine in engines:
        await engine.close()


async def test_the_file_says_whose_it_is_and_how_it_is_kept(path: Path) -> None:
    engine = SqliteEngine(path, durability="full")
    await engine.open()
    conn = sqlite3.connect(path)
    assert conn.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    conn.close()
    told = engine.describe()
    assert (told["engine"], told["synchronous"], told["file"]) == ("sqlite", "full", str(path))
    await engine.close()


async def test_an_engine_can_be_opened_twice_closed_twice_and_opened_again(path: Path) -> None:
    engine = SqliteEngine(path)
    await engine.open()
    await engine.open()
    assert await publish(engine, submission("a")) == ["new"]
    await engine.close()
    await engine.close()
    with pytest.raises(EngineUnavailableError, match="closed"):
        await engine.jobs.get("a")
    await engine.open()
    assert await publish(engine, submission("a")) == ["duplicate"]
    await engine.close()
