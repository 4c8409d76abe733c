"""What the engine touches on the server: seen by the server itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files

import pytest
from redis import Redis
from redis.crc import key_slot

from stem.contracts.broker import Renewal
from stem.contracts.dead_letters import DeadFilter
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter
from stem.contracts.results import Kept
from stem.contracts.schedules import Entry
from stem.contracts.workflows import RunFilter
from stem.core.limit import LimitRow
from stem.core.rate import Bucket
from stem.core.run import (
    Call,
    CancelRequest,
    Parent,
    Quarantine,
    Say,
    Spawn,
    Stop,
    Tell,
    Wait,
    box_topic,
    event_topic,
)
from stem.core.settle import Arrive, Complete, Enqueue
from stem.core.unique import UniqueClaim
from stem.redis import PartitionedEngine
from stem.redis.scripts import script
from stem.testing.contracts import (
    DAY_MS,
    again,
    bury,
    cancel,
    dead,
    done,
    publish,
    shift,
    submission,
    take,
    take_all,
)
from stem.testing.contracts.runs import (
    Hand,
    begun,
    checkpoint,
    event,
    message,
    new_run,
    sleeping,
    swept,
    take_runs,
    waiting,
)
from tests.engines.redis.conftest import MakeEngine
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio

#: Commands that look at keys by reading all of them, and one that throws everything away.
FORBIDDEN = {"KEYS", "SCAN", "HSCAN", "SSCAN", "ZSCAN", "RANDOMKEY", "FLUSHALL", "FLUSHDB"}
#: Commands without keys.
KEYLESS = {"TIME", "PUBLISH", "SUBSCRIBE", "HELLO", "CLIENT", "SELECT", "INFO", "SCRIPT", "PING", "CONFIG", "COMMAND"}


@contextmanager
def captured(server: RedisServer) -> Iterator[list[list[list[str]]]]:
    """Every command that the server executes meanwhile; a script makes one list with the commands in it."""
    seen: list[list[list[str]]] = []
    watcher = Redis(port=server.port, protocol=2, decode_responses=True)
    asker = Redis(port=server.port, protocol=2)
    with watcher.monitor() as monitor:  # type: ignore[no-untyped-call]
        yield seen
        asker.echo("the-end")
        for entry in monitor.listen():
            words = _words(entry["command"])
            if words == ["ECHO", "the-end"]:
                break
            if entry["client_type"] != "lua":
                seen.append([])
            seen[-1].append(words)
    watcher.close()
    asker.close()


def _words(text: str) -> list[str]:
    """The words of one command; only those that may be keys need to be right."""
    words = text.split(" ")
    return [words[0].upper(), *words[1:]]


def keys_of(words: Sequence[str]) -> list[str]:
    """The keys that a command touches."""
    name = words[0]
    if name in KEYLESS:
        return []
    if name in {"EVALSHA", "EVAL"}:
        return list(words[3 : 3 + int(words[2])])
    if name in {"MGET", "UNLINK", "EXISTS", "DEL"}:
        return list(words[1:])
    if name == "MSET":
        return [word for word in words[1::2] if word.startswith("{")]
    return [words[1]]


async def live_runs(engine: Engine) -> None:
    """A life of workflow runs with everything in it."""
    runs = engine.workflows
    hand = Hand(engine, await begun(engine, "whole", keep_ms=1_000))
    await hand.commit(steps=(checkpoint("plain"),))
    await hand.commit(
        steps=(checkpoint("a"),),
        effects=(
            Call("", submission("called", "graves")),
            Say(event("said")),
            Spawn("b", new_run("child", parent=Parent("whole", "b"))),
            Tell(message("whole", id="t")),
            Stop("child", CancelRequest("stopped")),
        ),
    )
    await hand.commit(steps=(checkpoint("a"),), rerun=True, waits=(waiting("w", "topic", pos=1),), drop=("w",))
    await runs.renew([Renewal(hand.claimed.receipt)])
    await hand.wait(waiting("w", "topic", pos=1), sleeping("s", 60_000, pos=2), Wait(key="j", pos=3))
    await runs.waiters(event_topic("topic", ""))
    await runs.complete("whole", "j", checkpoint("j"))
    await runs.emit(event("topic", ttl_ms=1_000))
    await runs.events()
    await runs.send(message("whole", box="box"), new_run("whole"))
    await runs.rewind("whole", "a")
    (claimed,) = [one for one in await take_runs(engine) if one.id == "whole"]
    await runs.release([claimed.receipt])
    (claimed,) = [one for one in await take_runs(engine) if one.id == "whole"]
    await Hand(engine, claimed).commit(then=Quarantine("x"))
    await runs.resume("whole")
    for which in (RunFilter(), RunFilter(states=("queued",)), RunFilter(workflow="flow"), RunFilter(parent="whole")):
        await runs.page(which)
    (claimed,) = [one for one in await take_runs(engine) if one.id == "whole"]
    await Hand(engine, claimed).end("failed", error=b'{"type":"E","message":"m"}')
    await runs.ended("whole", 0)
    await runs.changed("whole", -1, 0)
    await runs.get("whole")
    await runs.cancel("whole", CancelRequest("late"))
    shift(120_000, engine)
    while await runs.sweep():
        pass
    await runs.cancel("child", CancelRequest("late"))
    shift(-120_000, engine)


async def live(engine: Engine) -> None:
    """A life with everything in it."""
    await live_runs(engine)
    await engine.limiter.define([LimitRow("room", running=1), LimitRow("rate", bucket=Bucket(1, 60_000, 1))])
    await engine.groups.create("g", ["a", "b"], submission("callback"), collect=True, ttl_ms=DAY_MS)
    jobs = [
        submission("plain"),
        submission("late", delay_ms=60_000),
        submission("unique", unique=UniqueClaim("key")),
        submission("start", unique=UniqueClaim("start", "start")),
        submission("once", unique=UniqueClaim("once", for_ms=60_000)),
        *(submission(f"room-{n}", limit_key="room") for n in range(3)),
        *(submission(f"rate-{n}", rate_key="rate") for n in range(3)),
        *(submission(f"level-{n}", priority=n) for n in range(10)),
        *(submission(name) for name in ("fails", "retried", "follows", "a", "b")),
    ]
    await publish(engine, *jobs)
    await publish(engine, *jobs)
    found = {one.id: one for one in await take_all(engine, "q", "other", limit=5)}
    await engine.broker.renew([Renewal(one.receipt) for one in found.values()])
    await engine.broker.progress(found["plain"].receipt, b"1")
    await cancel(engine, "plain")
    await cancel(engine, "room-2")
    await cancel(engine, "nobody")
    settled = [bury(found.pop("fails")), again(found.pop("retried"), 1_000)]
    settled += [done(found.pop("follows"), b"1", Enqueue(submission("next", delay_ms=5)))]
    settled += [done(found.pop(one), b"1", Arrive("g", one, ok=True, value=b"1")) for one in ("a", "b")]
    await engine.broker.settle(settled)
    await engine.broker.release([found.pop("level-0").receipt])
    await engine.broker.settle([done(one) for one in list(found.values())[:5]])
    shift(120_000, engine)
    await take_all(engine, "q", "other")
    await engine.queues.pause("q")
    await engine.queues.resume("q")
    await engine.queues.purge("q")
    for which in (JobFilter(), JobFilter(states=("running",), queue="q")):
        await engine.jobs.page(which)
    await engine.jobs.get("plain")
    await engine.queues.all()
    await engine.queues.stats("q")
    await dead(engine, submission("dead", "graves"))
    await engine.dead_letters.page(DeadFilter(queue="graves"))
    await engine.dead_letters.get("dead")
    await engine.dead_letters.replay(["fails"])
    await engine.dead_letters.purge(["dead"])
    await engine.results.get(["fails", "plain"])
    await engine.results.wait("late", 10)
    await engine.results.changed("late", "", 10)
    await engine.results.changed("never seen", "gone", 10)
    record = b'{"state":"succeeded","task":"t","queue":"q"}'
    await engine.results.keep(
        [Kept(id="kept", task="t", queue="q", state="succeeded", fence=1, record=record, keep_ms=1_000)]
    )
    await engine.results.sweep()
    await engine.groups.members("g")
    await engine.limiter.acquire("rate")
    await engine.limiter.rows()
    lock = await engine.locks.acquire("lock", "me", 1_000)
    assert lock is not None
    await engine.locks.acquire("lock", "you", 1_000, wait_ms=10)
    await engine.locks.renew(lock, 1_000)
    await engine.locks.holder("lock")
    await engine.locks.release(lock)
    await engine.inbox.send("me", b"1", ttl_ms=1_000)
    await engine.inbox.receive("me")
    await engine.inbox.receive("me", timeout_ms=10)
    place = await engine.broadcast.position("news")
    await engine.broadcast.send("news", b"1")
    _, place = await engine.broadcast.read("news", place)
    await engine.broadcast.read("news", place, timeout_ms=10)
    await engine.broadcast.keep("news", "me", place)
    await engine.presence.beat("w", b"", ttl_ms=1_000)
    await engine.presence.alive()
    await engine.presence.leave("w")
    entry = await engine.schedules.put(Entry(id="e", spec=b"|", next_at=0))
    assert entry is not None
    await engine.schedules.due()
    await engine.schedules.fire("e", entry.version, at=0, next_at=5, job=submission("scheduled"))
    await engine.schedules.wait(10)
    await engine.schedules.delete("e")
    await engine.schemas.publish("d", b"{}")
    await engine.schemas.get("d")
    await engine.schemas.digests()
    assert await take(engine, "nothing") == []
    await engine.broker.wait("w", 10)
    await engine.now_ms()
    assert await engine.findings() == []


async def test_nothing_is_found_by_reading_everything_and_all_keys_lie_in_one_slot(
    server: RedisServer, make: MakeEngine
) -> None:
    """The commands of all roles, as the server saw them."""
    engine = await make(namespace="a}b")
    with captured(server) as steps:
        await live(engine)
    seen = [words for step in steps for words in step]
    assert len(seen) > 500
    assert not {words[0] for words in seen} & FORBIDDEN
    keys = [key for words in seen for key in keys_of(words)]
    assert {key_slot(key.encode()) for key in keys} == {key_slot(b"a%7Db")}
    assert all(key.startswith("{a%7Db}:") for key in keys)


async def test_with_a_slot_for_each_queue_every_step_stays_in_one(server: RedisServer) -> None:
    """The same life in parts: what a script touches lies in one slot, and together they touch several."""
    engine = PartitionedEngine(server.url, namespace="a|b")
    await engine.open()
    try:
        with captured(server) as steps:
            await live(engine)
    finally:
        await engine.close()
    keys = [[key for words in step for key in keys_of(words)] for step in steps]
    assert [step for step, of_step in zip(steps, keys, strict=True) if len(set(map(slot_of, of_step))) > 1] == []
    places = {key.partition("}")[0] for of_step in keys for key in of_step}
    assert places == {"{a%7Cb", "{a%7Cb|q", "{a%7Cb|other", "{a%7Cb|graves", "{a%7Cb|nothing"}
    assert not {words[0] for step in steps for words in step} & FORBIDDEN


def slot_of(key: str) -> int:
    return int(key_slot(key.encode()))


async def test_every_operation_is_tried_here(server: RedisServer, make: MakeEngine) -> None:
    """`live` would show nothing of a script that it does not run."""
    engine = await make()
    await live(engine)
    parts = PartitionedEngine(server.url, namespace="parts")
    await parts.open()
    await live(parts)
    await parts.close()
    await engine.broker.claim(["q"], 1, "w")
    names = [
        one.name.removesuffix(".lua") for one in (files("stem.redis") / "lua").iterdir() if one.name.endswith(".lua")
    ]
    known = server.ask("SCRIPT", "EXISTS", *(script(name).sha for name in names))
    unused = {name for name, there in zip(names, known, strict=True) if not there}
    assert unused <= {"get_up", "put_back"}  # sent when a wait is given up: see test_trouble


async def test_what_is_over_leaves_only_what_is_bounded(server: RedisServer, make: MakeEngine) -> None:
    """After a life the keys that stay are those of queues, limits and counters, however long it was."""
    engine = await make()
    left = []
    for turn in range(2):
        for _ in range(1 + 4 * turn):
            jobs = [submission(f"{turn}-{n}", result_ttl_ms=1) for n in range(300)]
            jobs += [submission(f"{turn}-late-{n}", delay_ms=1_000, result_ttl_ms=1) for n in range(300)]
            await publish(engine, *jobs)
            shift(1_000, engine)
            await engine.broker.settle([done(one) for one in await take_all(engine, limit=50)])
        while await engine.results.sweep() or int(server.ask("DBSIZE")) > 100:
            await asyncio.sleep(0.01)  # the server forgets results by itself, a few at a time
        left.append(sizes(server))
    assert left[0] == left[1]
    streams = [key for key in server.ask("KEYS", "{stem}:s*") if server.ask("TYPE", key) == b"stream"]
    assert [server.ask("XLEN", key) for key in streams] == [0] * len(streams)


async def test_runs_and_events_that_are_over_leave_only_what_is_bounded(server: RedisServer, make: MakeEngine) -> None:
    """Parents and children, steps, waits, messages, events, jobs that were waited for; ended in every way."""
    engine = await make()
    left = []
    for turn in range(2):
        for life in range(1 + 4 * turn):
            await lives(engine, f"{turn}-{life}")
            shift(DAY_MS, engine)
            await swept(engine)
            while await engine.results.sweep():
                pass
        assert await engine.workflows.page(RunFilter()) == ([], "")
        left.append(sizes(server))
    assert left[0] == left[1]


async def lives(engine: Engine, name: str) -> None:
    """Runs that succeed, fail, are cancelled and rewound, and all that they leave behind in their time."""
    for way in ("ends", "fails", "is cancelled", "is rewound"):
        run, box = f"{name} {way}", box_topic("box")
        hand = Hand(engine, await begun(engine, run, keep_ms=1_000))
        await engine.workflows.emit(event("topic", of=run, ttl_ms=1_000))
        for n in range(2):
            await engine.workflows.send(message(run, id=str(n)))
        child = new_run(f"{run}/child", "small", parent=Parent(run, "child"), keep_ms=1_000)
        job = submission(f"{run}/job", result_ttl_ms=1_000)
        await hand.commit(
            steps=(checkpoint("a"),),
            waits=(
                waiting("e", "topic", of=run, pos=1),
                waiting("never", "topic", pos=2),
                Wait(key="m", pos=3, topic=box),
                Wait(key="child", pos=4, source=child.id),
                Wait(key="job", pos=5, source=job.id),
            ),
            effects=(Spawn("child", child), Call("job", job)),
        )
        await hand.commit(steps=(checkpoint("a"),), rerun=True)
        if way == "is rewound":
            await engine.workflows.rewind(run, "m")
            hand = Hand(engine, (await take_runs(engine))[0])
        (of_job,) = await take(engine)
        await engine.broker.settle([done(of_job, b"1", Complete(run, "job", job.id, "failed", b""))])
        if way == "is cancelled":
            await engine.workflows.cancel(run, CancelRequest("asked", "me"), terminate=True)
        else:
            await hand.end("failed" if way == "fails" else "succeeded")
        await engine.workflows.cancel(child.id, CancelRequest("asked", "me"), terminate=True)


def sizes(server: RedisServer) -> dict[bytes, int]:
    """The keys that are there, and how much lies in each; of a single value nothing but that it is there.

    The lists of jobs that ended lately are bounded, but at hundreds and thousands.
    """
    count = {
        b"hash": "HLEN",
        b"set": "SCARD",
        b"zset": "ZCARD",
        b"list": "LLEN",
        b"stream": "XLEN",
        b"string": "EXISTS",
    }
    keys = {key for key in server.ask("KEYS", "*") if not key.startswith(b"{stem}:recent")}
    return {key: server.ask(count[server.ask("TYPE", key)], key) for key in keys}
