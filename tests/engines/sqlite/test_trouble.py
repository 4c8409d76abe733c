"""What goes wrong around an open engine, and what it leaves behind: nothing half, and an error that helps."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stem.contracts.broker import Renewal
from stem.core.limit import LimitRow
from stem.core.rate import Bucket
from stem.core.unique import UniqueClaim
from stem.errors import EngineRefusedError, EngineUnavailableError
from stem.sqlite import SqliteEngine
from stem.sqlite.connect import CHECKPOINT, KEPT, log_size
from stem.sqlite.step import Step
from stem.testing.contracts import done, publish, run, settle_one, submission, take, take_all, take_one
from tests.engines.sqlite.conftest import MakeEngine

pytestmark = pytest.mark.anyio


def lock(path: Path) -> sqlite3.Connection:
    """Another connection that holds the file until it is closed."""
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("BEGIN EXCLUSIVE")
    return conn


async def test_a_locked_file_is_an_error_in_bounded_time_and_works_again_afterwards(make: MakeEngine) -> None:
    engine = await make(busy_ms=50)
    holder = lock(engine.path)
    with pytest.raises(EngineUnavailableError, match="locked by another connection"):
        await publish(engine, submission("a"))
    holder.close()
    assert await publish(engine, submission("a")) == ["new"]


def _hold(seconds: float) -> Callable[[Step], None]:
    """A transaction that takes so long."""

    def work(step: Step) -> None:
        step.next_seq()
        time.sleep(seconds)

    return work


async def test_whoever_writes_one_transaction_after_the_other_lets_others_write(make: MakeEngine) -> None:
    """Two connections to one file, as two processes have them; between two transactions there are microseconds."""
    engine, other = await make(), await make()
    served, stopped = 0, False

    def again(_: object) -> None:
        nonlocal served
        served += 1
        if not stopped:
            engine._store.submit(_hold(0.02)).add_done_callback(again)

    for _ in range(20):
        engine._store.submit(_hold(0.02)).add_done_callback(again)
    for n in range(8):
        assert await publish(other, submission(f"job-{n}")) == ["new"]
    stopped = True
    assert served < 20


async def test_calls_that_take_long_do_not_all_share_one_transaction(make: MakeEngine) -> None:
    engine, other = await make(), await make()
    calls = [engine._store.submit(_hold(0.03)) for _ in range(40)]
    await calls[0]
    assert await publish(other, submission("job")) == ["new"]
    assert not calls[-1].done()
    await asyncio.gather(*calls)


async def test_a_worker_that_already_sleeps_claims_without_the_write_lock(make: MakeEngine) -> None:
    engine = await make(busy_ms=50)
    assert await take(engine) == []
    holder = lock(engine.path)
    for _ in range(3):
        assert await take(engine) == []
    with pytest.raises(EngineUnavailableError):
        await engine.broker.claim(("other",), 1, "w")
    holder.close()


async def test_a_call_that_fails_does_not_undo_the_others_of_its_commit(engine: SqliteEngine) -> None:
    began, go = threading.Event(), threading.Event()

    def hold(_: Step) -> None:
        began.set()
        go.wait(10)

    def fail(step: Step) -> None:
        step.count(step.queue("never"), "queued")
        step.execute("INSERT INTO job (seq) VALUES (1)")

    store = engine._store
    held = store.submit(hold)
    await asyncio.to_thread(began.wait, 10)
    first = asyncio.ensure_future(publish(engine, submission("a")))
    await asyncio.sleep(0)
    failing = store.submit(fail)
    last = asyncio.ensure_future(publish(engine, submission("b")))
    await asyncio.sleep(0)
    go.set()
    await held
    assert (await first, await last) == (["new"], ["new"])
    with pytest.raises(EngineUnavailableError):
        await failing
    assert [stats.name for stats in await engine.queues.all()] == ["q"]
    assert {one.id for one in await take(engine, limit=5)} == {"a", "b"}


async def test_a_full_disk_is_an_error_and_changes_nothing(engine: SqliteEngine) -> None:
    await publish(engine, submission("small"))

    def limit_pages(step: Step) -> None:
        (pages,) = step.execute("PRAGMA page_count").fetchone()
        step.execute(f"PRAGMA max_page_count = {pages + 2}")

    await engine._store.write(limit_pages)
    with pytest.raises(EngineUnavailableError, match="is full"):
        await publish(engine, submission("a"), submission("big", envelope=b"x" * 100_000))
    assert (await engine.queues.stats("q")).queued == 1
    assert await engine.jobs.get("a") is None
    await settle_one(engine, done(await take_one(engine)))


async def test_the_log_is_copied_back_and_written_anew_while_nobody_reads(engine: SqliteEngine) -> None:
    payload, log, file = b"x" * 400_000, set[int](), set[int]()
    for number in range(130):
        await publish(engine, submission(f"job-{number}", envelope=payload))
        log.add(log_size(engine.path))
        file.add(engine.path.stat().st_size)
    assert CHECKPOINT < max(log) < CHECKPOINT + 5_000_000, "it is looked at after 8 calls"
    assert log_size(engine.path) == max(log), "it keeps its size"
    assert 3 <= len(file) <= 4, "the file grows once every 16 MB"
    assert len(await take_all(engine)) == 130


async def test_two_engines_on_a_file_copy_its_log_back_in_turn(engine: SqliteEngine, make: MakeEngine) -> None:
    other, payload, file = await make(), b"x" * 400_000, set[int]()
    for number in range(130):
        await publish((engine, other)[number % 2], submission(f"job-{number}", envelope=payload))
        assert log_size(engine.path) < KEPT
        file.add(engine.path.stat().st_size)
    assert 3 <= len(file) < 20, "not at every commit: the second to see that it has grown copies what little was added"
    assert len(await take_all(other)) == 130


async def test_a_log_that_became_long_is_cut_and_starts_again(engine: SqliteEngine) -> None:
    await publish(engine, *(submission(f"job-{number}", envelope=b"x" * 400_000) for number in range(100)))
    for number in range(9):
        await publish(engine, submission(f"after-{number}"))
    assert log_size(engine.path) < 300_000
    assert engine.path.stat().st_size > 40_000_000
    for number in range(45):
        await publish(engine, submission(f"later-{number}", envelope=b"x" * 400_000))
    assert engine.path.stat().st_size > 50_000_000, "and has the room of a short one again"


async def test_a_reader_that_stays_lets_the_log_grow_and_stops_nothing(engine: SqliteEngine) -> None:
    reader = sqlite3.connect(engine.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM job").fetchone()
    payload = b"x" * 500_000
    for number in range(70):
        assert await publish(engine, submission(f"job-{number}", envelope=payload)) == ["new"]
    assert log_size(engine.path) > CHECKPOINT * 2
    assert reader.execute("SELECT count(*) FROM job").fetchone() == (0,)
    reader.close()
    for number in range(70, 110):
        await publish(engine, submission(f"job-{number}", envelope=payload))
    assert log_size(engine.path) < CHECKPOINT + 1_000_000
    assert len(await take_all(engine)) == 110


async def test_a_file_deleted_under_the_engine_is_noticed(engine: SqliteEngine) -> None:
    engine.path.unlink()
    with pytest.raises(EngineUnavailableError, match="is gone"):
        await publish(engine, submission("a"))


async def test_a_file_that_takes_the_place_of_another_is_opened_in_its_place(make: MakeEngine) -> None:
    engine = await make()
    assert await take(engine, "other", "q") == []
    for one in engine.path.parent.glob("stem.db*"):
        one.rename(one.with_name(f"{one.name}.moved"))
    with pytest.raises(EngineUnavailableError, match="is gone"):
        await take(engine)
    fresh = await make()
    await fresh.queues.pause("elsewhere")  # so that numbers of queues differ
    await publish(fresh, submission("a"))
    assert (await engine.queues.stats("q")).queued == 1
    assert [one.id for one in await take(engine, "other", "q")] == ["a"]


async def test_a_moved_file_takes_no_commits_of_its_successor_with_it(make: MakeEngine, path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from stem.sqlite import SqliteEngine\n"
        "from stem.testing.contracts import publish, submission\n"
        "async def main():\n"
        "    engine = SqliteEngine(sys.argv[1])\n"
        "    await engine.open()\n"
        "    await publish(engine, submission('before'))\n"
        "    for one in engine.path.parent.glob('stem.db*'):\n"
        "        one.rename(one.with_name(one.name + '.moved'))\n"
        "    print('moved', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    if sys.argv[2] == 'use':\n"
        "        await publish(engine, submission('after'))\n"
        "    await engine.close()\n"
        "asyncio.run(main())\n"
    )
    for way in ("use", "close"):
        command = [sys.executable, "-c", program, str(path), way]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as old:
            assert old.stdout is not None
            assert await asyncio.to_thread(old.stdout.readline) == "moved\n"
            fresh = await make(namespace=way)
            await publish(fresh, *[submission(f"job-{number}") for number in range(50)])
            await asyncio.to_thread(old.communicate, "\n")
        assert old.returncode == 0
        copy = path.with_name(f"copy-{way}.db")
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
        with contextlib.closing(sqlite3.connect(copy)) as looking:
            found = looking.execute("SELECT count(*) FROM job WHERE id LIKE 'job-%'").fetchone()
        assert found == (50,), way
        await fresh.close()
        path.unlink()


async def test_a_strange_file_that_takes_the_place_is_refused(make: MakeEngine) -> None:
    engine = await make()
    engine.path.unlink()
    engine.path.with_name("stem.db-wal").unlink(missing_ok=True)
    engine.path.write_text("not a database, and long enough to be seen as such" * 50)
    with pytest.raises(EngineRefusedError, match="not a sound SQLite database"):
        await publish(engine, submission("a"))
    with pytest.raises(EngineRefusedError, match="not a sound SQLite database"):
        await engine.queues.stats("q")


async def test_an_engine_is_not_carried_over_a_fork(engine: SqliteEngine) -> None:
    def child(said: multiprocessing.SimpleQueue[str]) -> None:
        try:
            engine.renewals().renew([])
        except EngineRefusedError as fault:
            said.put(str(fault))
        os._exit(0)

    context = multiprocessing.get_context("fork")
    said = context.SimpleQueue()
    process = context.Process(target=child, args=(said,))
    process.start()
    assert "open an engine after the fork" in await asyncio.to_thread(said.get)
    process.join()


async def test_an_engine_is_not_used_from_another_event_loop(engine: SqliteEngine) -> None:
    def elsewhere() -> None:
        asyncio.run(engine.broker.publish([submission("a")]))

    with pytest.raises(EngineRefusedError, match="another event loop"):
        await asyncio.to_thread(elsewhere)


async def test_renewals_go_on_while_the_event_loop_is_blocked(engine: SqliteEngine) -> None:
    await publish(engine, submission("a"))
    delivery = await take_one(engine)
    line, answers = engine.renewals(), list[str]()
    thread = threading.Thread(
        target=lambda: answers.extend(held.status for held in line.renew([Renewal(delivery.receipt)]))
    )
    thread.start()
    thread.join(10)  # blocks the loop until the renewal is done
    assert answers == ["held"]
    line.close()


async def test_deliveries_of_a_claim_nobody_waits_for_go_back(engine: SqliteEngine) -> None:
    await publish(engine, submission("a"))
    claiming = asyncio.ensure_future(engine.broker.claim(("q",), 1, "w"))
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    assert await engine.broker.wait("w", 0)
    for _ in range(3):  # the claim may have run; then its release is queued when its answer arrives
        await engine.queues.pause("other")
    assert (await take_one(engine, worker="v")).losses == 0


async def test_what_is_over_leaves_no_rows(engine: SqliteEngine) -> None:
    await engine.limiter.define([LimitRow("r", bucket=Bucket(100_000, 1_000, 100_000)), LimitRow("l", running=1_000)])
    before = await _rows(engine)
    await engine.locks.acquire("lock", "me", 1_000)
    await engine.inbox.send("nobody", b"hello", ttl_ms=1_000)
    await engine.broadcast.send("channel", b"hello", ttl_ms=1_000)
    await engine.presence.beat("w", b"{}", ttl_ms=1_000)
    await engine.groups.create("g", ["a", "b"], submission("callback"), collect=True, ttl_ms=1_000)
    await run(engine, submission("unique", unique=UniqueClaim("key", for_ms=1_000)))
    for start in range(0, 5_000, 500):
        batch = [submission(f"job{number}", rate_key="r", limit_key="l") for number in range(start, start + 500)]
        assert len(await run(engine, *batch)) == 500
    engine.skew_ms += 100_000_000
    while await engine.results.sweep():
        pass
    assert await take_all(engine) == []
    await engine.broker.wait("w", 0)
    await engine.queues.pause("q")
    assert await _rows(engine) == before | {"queue": 1}


async def _rows(engine: SqliteEngine) -> dict[str, int]:
    """How many rows each table has that has any."""
    read = engine._store.read
    tables = await read(lambda view: view.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall())
    counted = [f"SELECT '{name}', count(*) FROM {name}" for (name,) in tables]
    rows = await read(lambda view: view.execute(" UNION ALL ".join(counted)).fetchall())
    return {name: number for name, number in rows if number}
