"""Waking across processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from stem import Stem
from stem.sqlite import SqliteEngine
from stem.sqlite.bells import Ringer
from stem.sqlite.step import Bell
from stem.testing.contracts import done, publish, record_of, settle_one, submission, take, take_all, take_one
from stem.testing.contracts.runs import LINE, new_run, started, take_runs
from tests.engines.sqlite.conftest import MakeEngine

pytestmark = pytest.mark.anyio

#: Longer than the safety look at the truth: a test that needed it would be over its time.
LONG_MS = 30_000

WORKER = """
import asyncio, sys
from stem.sqlite import SqliteEngine
from stem.testing.contracts import done

async def main():
    engine = SqliteEngine(sys.argv[1])
    await engine.open()
    while not (claimed := await engine.broker.claim(("q",), 1, "there")).deliveries:
        print("asleep", flush=True)
        print("rung" if await engine.broker.wait("there", 30_000) else "not rung", flush=True)
    await engine.broker.settle([done(one) for one in claimed.deliveries])
    await engine.close()

asyncio.run(main())
"""


def start_worker(path: Path) -> subprocess.Popen[str]:
    """A process that sleeps until there is a job and finishes it; returns when it sleeps."""
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    return process


async def addresses(engine: SqliteEngine) -> set[str]:
    """Who would be rung."""
    query = "SELECT address FROM sleeper UNION SELECT address FROM watcher"
    rows = await engine._store.read(lambda view: view.execute(query).fetchall())
    return {address for (address,) in rows}


async def test_a_worker_in_another_process_is_woken_and_its_result_wakes_us(engine: SqliteEngine) -> None:
    with start_worker(engine.path) as worker:
        await publish(engine, submission("a", reply_to=engine.results.reply_to))
        async with asyncio.timeout(4):
            assert await engine.results.wait("a", LONG_MS) == await record_of_raw(engine, "a")
        assert worker.stdout is not None
        assert await asyncio.to_thread(worker.stdout.readline) == "rung\n"


async def record_of_raw(engine: SqliteEngine, job_id: str) -> bytes | None:
    """The stored bytes."""
    (found,) = await engine.results.get([job_id])
    return found


async def test_waiting_for_a_job_enqueued_here_writes_nothing(make: MakeEngine) -> None:
    engine, other = await make(), await make()
    await publish(engine, submission("a", reply_to=engine.results.reply_to))
    waiting = asyncio.ensure_future(engine.results.wait("a", LONG_MS))
    delivery = await take_one(other)
    assert await addresses(engine) == set()
    await settle_one(other, done(delivery))
    async with asyncio.timeout(4):
        assert await waiting is not None
    assert await record_of(engine, "a") is not None


async def test_a_job_that_ends_while_we_look_is_never_taken_for_unknown(make: MakeEngine) -> None:
    engine, other = await make(), await make()
    for number in range(100):
        job = submission(f"job{number}", reply_to=engine.results.reply_to)
        await publish(engine, job)
        delivery = await take_one(other)
        record, said = await asyncio.gather(engine.results.wait(job.id, LONG_MS), settle_one(other, done(delivery)))
        assert said == "done"
        assert record is not None
        assert record == await record_of_raw(other, job.id)


async def test_a_killed_sleeper_is_forgotten_and_the_next_one_woken(engine: SqliteEngine) -> None:
    with start_worker(engine.path) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert len(await addresses(engine)) == 1
    assert await take(engine, worker="here") == []
    waiting = asyncio.ensure_future(engine.broker.wait("here", LONG_MS))
    await publish(engine, submission("a"))
    async with asyncio.timeout(4):
        assert await waiting
    assert await addresses(engine) == set()
    assert (await take_one(engine, worker="here")).id == "a"


async def test_closing_leaves_no_address_and_no_socket(make: MakeEngine) -> None:
    engine, other = await make(), await make()
    socket = Path(engine.results.reply_to)
    assert socket.exists()
    assert await take(engine) == []
    await engine.close()
    assert not socket.exists()
    assert await addresses(other) == set()


async def test_a_wait_that_is_over_leaves_no_row(engine: SqliteEngine) -> None:
    await publish(engine, submission("a"))
    assert await engine.results.wait("a", 1) is None
    assert await engine.inbox.receive("nobody", timeout_ms=1) == []
    await engine.queues.pause("q")  # behind the rows' removal in the same line
    assert await addresses(engine) == set()


async def test_a_ring_that_was_lost_costs_time_and_nothing_else(make: MakeEngine) -> None:
    engine, other = await make(look_ms=400), await make()
    assert await take(engine, worker="deaf") == []
    waiting = asyncio.ensure_future(engine.broker.wait("deaf", LONG_MS))
    await asyncio.sleep(0)
    asyncio.get_running_loop().remove_reader(engine._store.bells._socket)
    await publish(other, submission("a"))
    assert await waiting


async def an_idle_claim(engine: SqliteEngine, kind: str) -> int | None:
    """Find nothing, and when to look again."""
    if kind == "jobs":
        claimed = await engine.broker.claim(["q"], 1, "idle")
        assert claimed.deliveries == ()
        return claimed.next_due_ms
    runs = await engine.workflows.claim([LINE], 1, "idle")
    assert runs.runs == ()
    return runs.next_due_ms


async def bring_work(engine: SqliteEngine, kind: str, name: str, *, delay_ms: int = 0) -> None:
    """A job or a run that is there, or will be."""
    if kind == "jobs":
        await publish(engine, submission(name, delay_ms=delay_ms))
    else:
        await started(engine, new_run(name, delay_ms=delay_ms))


async def take_work(engine: SqliteEngine, kind: str, worker: str) -> list[str]:
    """The ids of what one claim brings."""
    if kind == "jobs":
        return [one.id for one in await take(engine, worker=worker)]
    return [one.id for one in await take_runs(engine, worker=worker)]


@pytest.mark.parametrize("kind", ["jobs", "runs"])
async def test_an_idle_claim_writes_nothing(engine: SqliteEngine, kind: str) -> None:
    await bring_work(engine, kind, "later", delay_ms=60_000)
    await an_idle_claim(engine, kind)  # lies down to sleep, which is written
    with contextlib.closing(sqlite3.connect(engine.path)) as onlooker:
        before = onlooker.execute("PRAGMA data_version").fetchone()
        for _ in range(5):
            due = await an_idle_claim(engine, kind)
            assert due is not None
            assert 50_000 < due <= 60_000
        assert onlooker.execute("PRAGMA data_version").fetchone() == before
        await bring_work(engine, kind, "other", delay_ms=90_000)
        assert onlooker.execute("PRAGMA data_version").fetchone() != before


@pytest.mark.parametrize("kind", ["jobs", "runs"])
async def test_who_sleeps_finds_at_its_next_claim_what_has_become_due(engine: SqliteEngine, kind: str) -> None:
    await bring_work(engine, kind, "later", delay_ms=60_000)
    await an_idle_claim(engine, kind)
    engine.skew_ms += 60_000
    assert await take_work(engine, kind, "idle") == ["later"]


def _heard(ears: socket.socket) -> bool:
    """Whether a ring lay there; it is taken away."""
    with contextlib.suppress(BlockingIOError):
        return bool(ears.recv(1_000))
    return False


@pytest.mark.parametrize("kind", ["jobs", "runs"])
async def test_who_was_rung_in_vain_and_did_not_hear_it_lies_down_again(make: MakeEngine, kind: str) -> None:
    """Its ring was lost, and another worker was faster: its next empty claim makes it one who can be rung."""
    engine, other = await make(), await make()
    await an_idle_claim(engine, kind)
    ears, loop = engine._store.bells._socket, asyncio.get_running_loop()
    loop.remove_reader(ears)
    await bring_work(other, kind, "first")
    assert await addresses(engine) == set()
    async with asyncio.timeout(2):
        while not _heard(ears):
            await asyncio.sleep(0.005)
    loop.add_reader(ears, engine._store.bells._on_datagram)
    assert await take_work(other, kind, "faster") == ["first"]
    await an_idle_claim(engine, kind)
    assert await addresses(engine) == {engine._store.address}
    waits = engine.broker.wait if kind == "jobs" else engine.workflows.wait
    waiting = asyncio.ensure_future(waits("idle", LONG_MS))
    await bring_work(other, kind, "second")
    async with asyncio.timeout(2):
        assert await waiting


async def test_a_ring_reaches_all_who_wait_but_him_who_gave_up(engine: SqliteEngine) -> None:
    bells = engine._store.bells
    one, gone, other, elsewhere = (bells.arm(topic) for topic in ("a", "a", "a", "b"))
    gone.cancel()
    bells.hear(["a", "nobody waits for this", "b"])
    assert [future.done() for future in (one, other, elsewhere)] == [True, True, True]
    assert gone.cancelled()
    assert not bells.is_waited_for("a")


async def test_many_rings_at_once_all_arrive(make: MakeEngine) -> None:
    engine, other = await make(), await make()
    ids = [f"job{number}" for number in range(200)]
    await publish(engine, *(submission(one, reply_to=engine.results.reply_to) for one in ids))
    waiting = [asyncio.ensure_future(engine.results.wait(one, LONG_MS)) for one in ids]
    deliveries = await take(other, limit=200)
    async with asyncio.timeout(4):
        await asyncio.gather(*(settle_one(other, done(one)) for one in deliveries))
        assert None not in await asyncio.gather(*waiting)


async def test_more_rings_than_a_socket_takes_at_once_are_heard_in_the_end(make: MakeEngine) -> None:
    engine, other = await make(), await make()
    ids = [f"job{number}" for number in range(12_000)]
    for start in range(0, len(ids), 2_000):
        batch = ids[start : start + 2_000]
        await publish(engine, *(submission(one, reply_to=engine.results.reply_to) for one in batch))
    last = asyncio.ensure_future(engine.results.wait(ids[-1], LONG_MS))
    await asyncio.sleep(0)
    socket_ = engine._store.bells._socket
    asyncio.get_running_loop().remove_reader(socket_)  # busy with something else for a moment
    deliveries = await take_all(other, limit=1_000)
    for start in range(0, len(deliveries), 2_000):
        await other.broker.settle([done(one) for one in deliveries[start : start + 2_000]])
    async with asyncio.timeout(4):
        while not other._store._open.writer._ringer.owed:  # for a moment empty at each try
            await asyncio.sleep(0.005)
    asyncio.get_running_loop().add_reader(socket_, engine._store.bells._on_datagram)
    async with asyncio.timeout(4):
        record = await last
    assert record is not None
    assert record == await record_of_raw(other, ids[-1])


async def test_a_worker_that_ends_leaves_nobody_asleep(path: Path) -> None:
    app = Stem(f"sqlite:///{path}")
    async with app:
        engine = app.engine
        assert isinstance(engine, SqliteEngine)
        for _ in range(20):
            async with app.worker():
                await asyncio.sleep(0)
            assert await addresses(engine) == set()


def test_what_is_owed_is_sent_on_from_where_it_stopped(tmp_path: Path) -> None:
    address, ringer, heard = str(tmp_path / "ears"), Ringer(), list[str]()
    bells = [Bell(address, f"topic {number}") for number in range(12_000)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.setblocking(False)
        ears.bind(address)
        assert ringer.ring(bells) == []
        assert ringer.owed
        for _ in range(40):
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard += msgspec.msgpack.decode(ears.recv(262_144))
            ringer.ring([])
        ringer.close()
    assert heard == [bell.topic for bell in bells]


async def test_sockets_of_the_dead_are_taken_away_and_no_others(make: MakeEngine) -> None:
    living = Path((await make())._store.address)
    dead = living.with_name("1-dead")  # the number of a process that lives
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gone:
        gone.bind(str(dead))
    await make()
    assert living.exists()
    assert not dead.exists()
