"""Workflows on real stores: the same life on SQLite and Redis, transactions, and workers that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel

from stem import (
    JobFailed,
    Mailbox,
    RunFailed,
    Stem,
    StepContext,
    StepFailed,
    Topic,
    Transaction,
    WorkflowContext,
    WorkflowDefinition,
    task,
    workflow,
)
from stem.errors import EngineUnavailableError
from stem.memory.engine import MemoryEngine
from stem.testing.sabotage import Sabotage
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]


class Order(BaseModel):
    id: str
    total: int = 5


shipped = Topic("order.shipped", payload=str)
approval = Mailbox("approval", payload=bool)


async def charge(order: Order) -> str:
    return f"charge-{order.id}"


def plain(number: int) -> int:
    return number + 1


@task("invoice", max_retries=0)
async def invoice(order: Order) -> int:
    if order.total < 0:
        raise ValueError("nothing to invoice")
    return order.total * 2


class Leave(BaseModel):
    """How long a step sleeps and waits, in seconds; in the first second a run stays with its worker."""

    seconds: float
    together: bool = False


tops: dict[str, int] = {}


async def leaves(step: StepContext, leave: Leave) -> str:
    """Sleeps and waits as the guide has it, and counts how often it begins at its top."""
    tops[step.run_id] = tops.get(step.run_id, 0) + 1
    data = step.take_resume_data()
    if data is None:
        await step.sleep(leave.seconds, data="slept")
        return "fell through a sleep"
    if data == "slept":
        await step.wait_event(shipped, key="nobody's", deadline=leave.seconds)
        return "fell through a wait"
    return f"came back with {data!r}"


async def passes(step: StepContext, leave: Leave) -> str:
    """Without take_resume_data: what is over is passed, and gives its value."""
    tops[step.run_id] = tops.get(step.run_id, 0) + 1
    await step.sleep(leave.seconds)
    late = await step.wait_event(shipped, key="nobody's", deadline=leave.seconds)
    parcel = await step.wait_event(shipped, key="there")
    return f"{late!r}, {parcel}"


async def nothing_came(step: StepContext) -> str:
    if step.take_resume_data() is None:
        await step.wait_event(nothing, key="1")
    return "done"


nothing = Topic("order.nothing", payload=str | None)


@workflow("leaving")
async def leaving(ctx: WorkflowContext, leave: Leave) -> list[str]:
    if not leave.together:
        return [await ctx.step_in("leaves", leaves, leave), await ctx.step_in("passes", passes, leave)]
    async with ctx.gather() as g:
        first, second = g.step_in("leaves", leaves, leave), g.step_in("passes", passes, leave)
    return [await first, await second]


@workflow("empty")
async def empty(ctx: WorkflowContext) -> str:
    return await ctx.options(max_retries=0).step_in("nothing", nothing_came)


@workflow("small")
async def small(ctx: WorkflowContext, order: Order) -> int:
    await ctx.sleep("s", 0.02)
    return await ctx.step("plain", plain, order.total)


@workflow("whole")
async def whole(ctx: WorkflowContext, order: Order) -> list[Any]:
    charged = await ctx.step("charge", charge, order)
    await ctx.sleep("nap", 0.05)
    parcel = await ctx.wait(shipped, key=order.id)
    granted = await ctx.wait(approval)
    async with ctx.gather() as g:
        invoiced = g.call(invoice.build(order))
        child = g.run(small.build(order))
        counted = g.step("plain", plain, 1)
    try:
        await ctx.call(invoice.build(Order(id="bad", total=-1)))
    except JobFailed as fault:
        return [charged, parcel, granted, await invoiced, await child, await counted, fault.error_type]
    return []


@workflow("wide")
async def wide(ctx: WorkflowContext, order: Order) -> list[Any]:
    """Branches that all ask the store, while what others wait for is there already or comes at once."""
    async with ctx.gather() as g:
        steps = [g.step(f"plain[{n}]", plain, n) for n in range(10)]
        parcel, granted = g.wait(shipped, key=order.id), g.wait(approval)
        late = g.wait(shipped, key="nobody's", timeout=0.001)
        naps = [g.sleep(f"nap[{ms}]", ms / 1000) for ms in (0, 1, 20)]
        invoiced, child = g.call(invoice.build(order)), g.run(small.build(order))
    for nap in naps:
        await nap
    return [[await one for one in steps], await parcel, await granted, str(await late), await invoiced, await child]


@workflow("narrow")
async def narrow(ctx: WorkflowContext, order: Order) -> list[Any]:
    """The same with one thing to wait for."""
    async with ctx.gather() as g:
        steps = [g.step(f"plain[{n}]", plain, n) for n in range(3)]
        parcel = g.wait(shipped, key=order.id)
    async with ctx.gather() as g:
        more = [g.step(f"more[{n}]", plain, n) for n in range(3)]
        granted = g.wait(approval)
    async with ctx.gather() as g:
        last = [g.step(f"last[{n}]", plain, n) for n in range(3)]
        nap = g.sleep("nap", 0)
    await nap
    return [[await one for one in steps + more + last], await parcel, await granted]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer.start() as running:
        yield running


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def app(request: pytest.FixtureRequest, tmp_path: Path, server: RedisServer) -> AsyncIterator[Stem]:
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'stem.db'}", "redis": server.url}
    server.ask("FLUSHALL")
    made = Stem(urls[request.param], tasks=[invoice], workflows=[whole, small, wide, narrow, leaving, empty])
    async with made:
        yield made


async def test_a_whole_life_on_every_store(app: Stem) -> None:
    async with app.worker():
        runs = [await whole.start(app, Order(id=str(n)), id=f"r{n}") for n in range(20)]
        for n in range(20):
            await shipped.emit(app, f"parcel-{n}", key=str(n))
            await approval.send(app, f"r{n}", n % 2 == 0, id="click")
        found = [await run.result("20s") for run in runs]
    assert found == [[f"charge-{n}", f"parcel-{n}", n % 2 == 0, 10, 6, 2, "ValueError"] for n in range(20)]
    seen = await runs[0].status()
    assert [one.kind for one in seen.steps] == ["step", "sleep", "wait", "wait", "call", "child", "step", "call"]
    assert seen.waits == ()


async def test_branches_that_ask_at_once_are_each_answered_once(app: Stem) -> None:
    for n in range(8):
        await shipped.emit(app, f"parcel-{n}", key=f"w{n}")
        await approval.send(app, f"w{n}", True, start=wide.build(Order(id=f"w{n}")).id(f"w{n}"))
    async with app.worker():
        for n in range(8):
            found = await app.workflows.wait(f"w{n}", "20s")
            assert found == [list(range(1, 11)), f"parcel-{n}", True, "Timeout()", 10, 6]
        await shipped.emit(app, "parcel", key="n")
        await approval.send(app, "n", True, start=narrow.build(Order(id="n")).id("n"))
        assert await app.workflows.wait("n", "20s") == [[1, 2, 3] * 3, "parcel", True]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("seconds", [0.05, 1.1])
async def test_a_step_begins_at_its_top_after_a_short_and_after_a_long_sleep(
    app: Stem, seconds: float, together: bool
) -> None:
    """Short ones stay with their worker, long ones come back from the store: the code sees no difference."""
    tops.clear()
    await shipped.emit(app, "parcel", key="there")
    async with app.worker():
        run = await leaving.start(app, Leave(seconds=seconds, together=together), id="r")
        assert await run.result("20s") == ["came back with Timeout()", "Timeout(), parcel"]
    assert tops["r"] >= 3 + 4
    if not together:
        assert tops["r"] == 3 + 4


async def test_a_payload_of_none_cannot_be_taken_for_nothing_yet(app: Stem) -> None:
    await nothing.emit(app, None, key="1")
    async with app.worker():
        run = await empty.start(app, id="r")
        with pytest.raises(RunFailed, match="has no payload, and None is what take_resume_data"):
            await run.result("20s")


async def test_a_burst_ends_when_nothing_can_go_on(app: Stem) -> None:
    """Runs enqueue jobs and jobs wake runs: the worker goes on until both are quiet."""
    await approval.send(app, "r", True, start=whole.build(Order(id="1")).id("r"))
    await shipped.emit(app, "parcel", key="1")
    for _ in range(20):
        await app.worker(burst=True, concurrency=4).run()
        if (await app.workflows.get("r")).finished:
            break
        await asyncio.sleep(0.05)  # what sleeps is left alone by a burst
    assert (await app.workflows.wait("r", "1s"))[3:] == [10, 6, 2, "ValueError"]


async def test_a_lost_reply_of_a_commit_does_nothing_twice(app: Stem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third commit is stored and its reply lost; some never arrive at all."""
    counted = [0]
    store = app.engine.workflows
    real = store.commit

    async def commit(*args: Any) -> Any:
        counted[0] += 1
        if counted[0] % 5 == 0:
            raise EngineUnavailableError("it did not arrive")
        said = await real(*args)
        if counted[0] % 3 == 0:
            raise EngineUnavailableError("its reply was lost")
        return said

    monkeypatch.setattr(store, "commit", commit)
    async with app.worker():
        runs = [await whole.start(app, Order(id=str(n)), id=f"r{n}") for n in range(6)]
        for n in range(6):
            await shipped.emit(app, "parcel", key=str(n))
            await approval.send(app, f"r{n}", True)
        assert [(await run.result("20s"))[3] for run in runs] == [10] * 6
    assert counted[0] > 30


async def test_a_step_and_its_sql_are_one_transaction(tmp_path: Path) -> None:
    def book(tx: Transaction, order: Order) -> int:
        tx.execute("CREATE TABLE IF NOT EXISTS booking (id TEXT)")
        tx.execute("INSERT INTO booking VALUES (?)", (order.id,))
        if order.total < 0:
            raise ValueError("too little")
        if order.total == 0:
            tx.execute("COMMIT")
        return int(tx.execute("SELECT count(*) FROM booking").fetchone()[0])

    @workflow("booking")
    async def booking(ctx: WorkflowContext, order: Order) -> int:
        return await ctx.transaction("book", book, order)

    app = Stem(f"sqlite:///{tmp_path / 'stem.db'}", workflows=[booking])
    async with app, app.worker():
        for n in range(3):
            assert await (await booking.start(app, Order(id=str(n)))).result("5s") == n + 1
        with pytest.raises(RunFailed, match="too little"):
            await (await booking.start(app, Order(id="x", total=-1))).result("5s")
        with pytest.raises(RunFailed, match="COMMIT would reach beyond"):
            await (await booking.start(app, Order(id="y", total=0))).result("5s")
        run = await booking.start(app, Order(id="3"))
        assert await run.result("5s") == 4


BAD_SQL = {
    "taken": ("INSERT INTO seat VALUES (1)", "IntegrityError: UNIQUE constraint failed"),
    "unknown": ("INSERT INTO seats VALUES (1)", "OperationalError: no such table: seats"),
    "typo": ("INSRT INTO seat VALUES (1)", "OperationalError: near"),
    "rolled back": ("INSERT OR ROLLBACK INTO seat VALUES (1)", "IntegrityError: UNIQUE constraint failed"),
}


@pytest.mark.parametrize("kind", sorted(BAD_SQL))
async def test_sql_that_fails_is_a_step_that_has_failed(tmp_path: Path, kind: str) -> None:
    free = False

    def seat(tx: Transaction) -> int:
        tx.execute("CREATE TABLE IF NOT EXISTS seat (id INTEGER PRIMARY KEY)")
        tx.execute("INSERT OR IGNORE INTO seat VALUES (1)")
        if not free:
            tx.execute(BAD_SQL[kind][0])
        return 1

    @workflow("seats")
    async def seats(ctx: WorkflowContext) -> str:
        try:
            await ctx.transaction("seat", seat)
        except StepFailed as fault:
            said = f"{fault.error_type}: {fault.error_message}"
        else:
            said = "taken"
        await ctx.wait(shipped, key="go")
        return said

    app = Stem(f"sqlite:///{tmp_path / 'stem.db'}", workflows=[seats])
    async with app, app.worker():
        runs = [await seats.start(app, id=f"r{n}") for n in range(4)]
        async for seen in runs[-1].watch():
            if seen.waits:
                break
        free = True
        await shipped.emit(app, "x", key="go")
        for run in runs:
            assert (await run.result("10s")).startswith(BAD_SQL[kind][1])


@pytest.mark.parametrize(
    "how", ["COMMIT\n", "/* x */ COMMIT", ";rollback", "-- x\nEND", "caught", "connection", "elsewhere", "big"]
)
async def test_a_transaction_cannot_be_ended_nor_take_what_is_too_large(tmp_path: Path, how: str) -> None:
    def work(tx: Transaction) -> str:
        tx.execute("CREATE TABLE IF NOT EXISTS seat (id INTEGER PRIMARY KEY)")
        tx.execute("INSERT INTO seat VALUES (1)")
        match how:
            case "caught":
                with contextlib.suppress(sqlite3.IntegrityError):
                    tx.execute("INSERT OR ROLLBACK INTO seat VALUES (1)")
                tx.execute("CREATE TABLE seat (id INTEGER PRIMARY KEY)")
            case "connection":
                cast("Any", tx.execute("SELECT 1")).connection.rollback()
            case "elsewhere":
                sqlite3.connect(tmp_path / "nowhere" / "x.db")
            case "big":
                return "x" * (1 << 21)
            case _:
                tx.execute(how)
        return ""

    @workflow("works")
    async def works(ctx: WorkflowContext) -> None:
        await ctx.transaction("work", work)

    said = {
        "caught": "its SQL has ended the transaction",
        "connection": "its SQL has ended the transaction",
        "elsewhere": "OperationalError: unable to open database file",
        "big": "the result of step 'work' takes 2,097,154 bytes",
    }.get(how, "would reach beyond the step's own transaction")
    app = Stem(f"sqlite:///{tmp_path / 'stem.db'}", workflows=[works])
    async with app, app.worker():
        runs = [await works.start(app) for _ in range(3)]
        for run in runs:
            with pytest.raises(RunFailed, match=said):
                await run.result("5s")
    with contextlib.closing(sqlite3.connect(tmp_path / "stem.db")) as looking:
        assert looking.execute("SELECT 1 FROM sqlite_master WHERE name = 'seat'").fetchone() is None


async def test_ctx_transaction_calls_a_plain_function_and_whatever_it_raises_is_its_failure(tmp_path: Path) -> None:
    async def wrong(tx: Transaction) -> int:
        return 1

    def leaves(tx: Transaction) -> int:
        raise SystemExit(3)

    @workflow("a")
    async def a(ctx: WorkflowContext) -> None:
        await ctx.transaction("x", cast("Any", wrong))

    @workflow("b")
    async def b(ctx: WorkflowContext) -> None:
        await ctx.transaction("x", leaves)

    app = Stem(f"sqlite:///{tmp_path / 'stem.db'}", workflows=[a, b])
    async with app, app.worker():
        with pytest.raises(RunFailed, match=r"ctx\.transaction calls a plain function, found the async"):
            await (await a.start(app)).result("5s")
        with pytest.raises(RunFailed, match="SystemExit: 3"):
            await (await b.start(app)).result("5s")


async def test_a_cancel_reaches_a_worker_in_another_process_at_once(app: Stem) -> None:
    begun = asyncio.Event()

    async def endless() -> None:
        begun.set()
        await asyncio.sleep(60)

    @workflow("endless")
    async def forever(ctx: WorkflowContext) -> None:
        await ctx.step("a", endless)

    app._workflows.add(forever)
    async with app.worker():
        run = await forever.start(app)
        await asyncio.wait_for(begun.wait(), 10)
        started = time.monotonic()
        await run.cancel("enough")
        async for seen in run.watch():
            assert seen.state in {"running", "cancelled"}
        assert (await run.status()).reason == "enough"
    assert time.monotonic() - started < 5


APP = """
import os, time
from pathlib import Path
from stem import Stem, WorkflowContext, workflow

HERE = Path(os.environ["HERE"])

def work(number: int) -> int:
    with (HERE / "seen").open("a") as seen:
        seen.write(f"{number}:{os.getpid()}\\n")
    if number == 1 and not (HERE / "go").exists():
        time.sleep(60)
    return number

@workflow("w", visibility_timeout="1s")
async def w(ctx: WorkflowContext) -> list[int]:
    return [await ctx.step(f"a[{n}]", work, n) for n in range(3)]

app = Stem(os.environ["URL"], workflows=[w])
"""


@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_another_worker_goes_on_where_one_was_killed(store: str, tmp_path: Path, server: RedisServer) -> None:
    """At the step that was interrupted. The other one slept when the lease began, and nobody rings at its end."""
    server.ask("FLUSHALL")
    url = server.url if store == "redis" else f"sqlite:///{tmp_path / 'stem.db'}"
    (tmp_path / "killed_app.py").write_text(APP)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "HERE": str(tmp_path), "URL": url}
    command = [sys.executable, "-m", "stem", "worker", "-A", "killed_app", "--log-level", "error"]

    def worker() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)

    seen = tmp_path / "seen"
    app = Stem(url)
    async with app:
        workers = [worker(), worker()]
        try:
            while len(await app.engine.presence.alive()) < 2:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)  # both have found nothing and lain down
            definition = WorkflowDefinition("w", returns=list[int], visibility_timeout="1s")
            run = await definition.start(app)
            while not seen.exists() or "1:" not in seen.read_text():
                await asyncio.sleep(0.02)
            (tmp_path / "go").touch()
            killed = time.monotonic()
            os.kill(int(seen.read_text().split()[-1].partition(":")[2]), signal.SIGKILL)
            assert await run.result("20s") == [0, 1, 2]
            took = time.monotonic() - killed
        finally:
            for process in workers:
                process.kill()
                process.wait()
    steps = [line.partition(":")[0] for line in seen.read_text().split()]
    assert steps == ["0", "1", "1", "2"]
    assert took < 10


def test_a_saboteur_knows_workflows() -> None:
    sabotage = Sabotage(MemoryEngine())
    sabotage.fail_after("workflows.commit")
    assert sabotage.pending == {"workflows.commit": 1}


def test_code_without_an_event_loop_starts_runs_too(tmp_path: Path) -> None:
    app = Stem(f"sqlite:///{tmp_path / 'stem.db'}", tasks=[invoice], workflows=[whole, small])

    async def work() -> None:
        async with app:
            await app.worker(burst=True).run()

    with app.sync as sync:
        run = sync.start(small.build(Order(id="1")).id("r"))
        assert (run.id, run.started, run.status().state) == ("r", "new", "queued")
        assert sync.emit(shipped.event("Post", key="1"))
        assert sync.send(approval.message("s", True), start=whole.build(Order(id="2")).id("s"))
        assert [one.id for one in sync.run(sync.workflows.list())[0]] == ["s", "r"]
        assert sync.start(whole.build(Order(id="2")).id("s")).cancel("enough")
        asyncio.run(work())
        time.sleep(0.03)
        asyncio.run(work())
        assert run.result("5s") == 6
