"""Storms: workers, servers and networks that fail at random while thousands of jobs run.

Each prints one line of figures, and each holds a ledger of executions against what is stored in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from stem import Stem
from tests.e2e.audit import Report, audit, told
from tests.e2e.storm import JOBS, SECONDS, Blow, Fleet, Producer, all_work, calm, rage
from tests.e2e.storm_app import work
from tests.servers.cluster import RedisCluster
from tests.servers.proxy import FaultProxy
from tests.servers.redis import RedisServer
from tests.servers.sentinel import GROUP, RedisSentinels

pytestmark = [pytest.mark.anyio, pytest.mark.soak, pytest.mark.timeout(900)]

#: The server keeps each write until it is told otherwise, and does not write its file anew in the middle of a storm.
KEPT = {"appendonly": "yes", "auto-aof-rewrite-percentage": "0"}
#: Seconds during which the network fails.
UNREST = 60.0 if SECONDS > 60 else 10.0
#: A connection is given up after this many ms without an answer, and an operation is tried again for so many.
TIMEOUT_MS, PATIENCE_MS = 1_000, 2_000
#: An operation ends in that time, and with the two time-outs of its last try: connecting, and asking.
LONGEST = (PATIENCE_MS + 2 * TIMEOUT_MS) / 1000 + 1
#: A living primary that does not answer is deposed after this many ms. A busy machine must not bring that about: with two
#: replicas and replicas=1 the one that is not promoted goes on to confirm what the deposed primary is told.
DOWN_AFTER_MS = 3_000
#: Seconds during which a primary has no replica before it is killed.
ALONE = 0.7


@contextlib.asynccontextmanager
async def fleet_on(url: str, folder: Path) -> AsyncIterator[Fleet]:
    """The workers of a storm; none of them is left at the end."""
    fleet = Fleet(url, folder, random.Random(20_261_124))
    try:
        yield fleet
    finally:
        fleet.end()


async def storm(name: str, url: str, folder: Path, producer: Producer, blows: Sequence[Blow] = ()) -> Report:
    """The common course: rage, ask the workers to stop, audit, tell."""
    began = time.monotonic()
    async with Stem(url, tasks=[work]) as app, fleet_on(url, folder) as fleet:
        await rage(app, fleet, producer, blows)
        await fleet.retire()
        report = await audit(app, fleet.ledger, producer.acknowledged)
        told(name, fleet, producer, report, began, f", {len(blows)} restarts" if blows else "")
    return report


async def test_a_storm_loses_nothing_and_settles_nothing_twice_on_sqlite(tmp_path: Path) -> None:
    report = await storm("SQLite", f"sqlite:///{tmp_path / 'storm.db'}", tmp_path, Producer(span=0))
    report.nothing_settled_twice()
    report.nothing_lost()
    report.repeats_explained()


async def test_a_storm_loses_nothing_and_settles_nothing_twice_on_redis(tmp_path: Path) -> None:
    with RedisServer.start() as server:
        report = await storm("Redis", server.url, tmp_path, Producer())
    report.nothing_settled_twice()
    report.nothing_lost()
    report.repeats_explained()


async def test_a_storm_loses_nothing_and_settles_nothing_twice_where_each_queue_has_a_slot(tmp_path: Path) -> None:
    with RedisCluster.start() as cluster:
        report = await storm("Redis Cluster, partition=queue", f"{cluster.url}?partition=queue", tmp_path, Producer())
    report.nothing_settled_twice()
    report.nothing_lost()
    report.repeats_explained()


async def test_a_server_that_is_killed_loses_nothing_when_it_syncs_always(tmp_path: Path) -> None:
    """SIGKILL for redis-server three times among the jobs that come in; enqueues that raised are repeated."""
    chance = random.Random(7)
    with RedisServer.start(options={**KEPT, "appendfsync": "always"}) as server:
        report = await storm(
            "Redis, appendfsync always", server.url, tmp_path, Producer(), [outage(server, chance)] * 3
        )
    report.nothing_settled_twice()
    report.nothing_lost()
    report.repeats_explained()


def outage(server: RedisServer, chance: random.Random) -> Blow:
    async def blow() -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(chance.uniform(0.2, 3))  # it is away for so long, which is more than an enqueue waits
        await asyncio.to_thread(server.restart)

    return blow


async def test_a_server_that_syncs_every_second_may_lose_the_last_one_and_settles_nothing_twice(tmp_path: Path) -> None:
    """SIGKILL once, and then two power cuts: the file is cut to what it was a second before the kill.

    A history that rolls back forgets jobs that were acknowledged, and settlements too: such a job runs once more and
    is settled once more, and a worker that was told "done" by the lost history has seen two. What has to hold is that
    the history that survived is one in which each job is settled once: the count of settlements, which is written
    together with each result and rolls back together with it, is the number of results; each result comes from the
    delivery that held the job there; and no fence of the lost history is given out again, for with one a worker of
    then could settle a delivery of now. Executions are not all explained by lost leases here: those of deliveries that
    the history forgot are the rest.
    """
    chance, delayed, known = random.Random(8), list[int](), list[int]()
    producer = Producer()
    with RedisServer.start(options={**KEPT, "appendfsync": "everysec"}) as server:

        def note() -> None:
            delayed.append(int(server.info("persistence")["aof_delayed_fsync"]))
            known.append(producer.acknowledged)

        cut = power_cut(server, chance, note)
        blows = [seen(note, outage(server, chance)), cut, cut]
        report = await storm("Redis, appendfsync everysec", server.url, tmp_path, producer, blows)
        note()
    by_kill = sum(number < known[0] for number in report.lost)
    print(
        f"acknowledged and lost: {by_kill} by SIGKILL alone, {len(report.lost) - by_kill} by two power cuts of one "
        f"second each; aof_delayed_fsync before each restart and at the end: {delayed}"
    )
    report.nothing_settled_twice()


def seen(note: Callable[[], None], blow: Blow) -> Blow:
    """The same blow, with a look before it."""

    async def blow_then() -> None:
        await asyncio.to_thread(note)
        await blow()

    return blow_then


def power_cut(server: RedisServer, chance: random.Random, note: Callable[[], None]) -> Blow:
    """What the disk had a second ago is all that is left."""

    async def blow() -> None:
        file = max(server.folder.rglob("*.aof"), key=lambda one: one.stat().st_size)
        size = file.stat().st_size
        await asyncio.sleep(1)  # the second that is lost
        await asyncio.to_thread(note)
        await asyncio.to_thread(server.kill)
        with file.open("r+b") as kept:
            kept.truncate(size)
        await asyncio.sleep(chance.uniform(0.1, 0.5))
        await asyncio.to_thread(server.restart)

    return blow


async def test_a_failover_loses_nothing_that_a_replica_has_confirmed(tmp_path: Path) -> None:
    """The primary is killed twice, and a replica takes its place; the old one comes back, empty, as a replica.

    Before each kill it works without replicas for a moment: what it says "done" to then, as without durability=wait
    it would, is lost.

    Claims are not confirmed by replicas: one that only the lost primary knew has run its job without a lease that
    anybody could count, so that not all executions are explained. No settlement that was acknowledged is lost.
    The promise is for a primary that dies. One that is deposed while it lives goes on for a moment, with the replica
    that was not promoted; more failovers than kills are therefore called what they are, before anything else.
    """
    with RedisSentinels.start(down_after_ms=DOWN_AFTER_MS, failover_timeout_ms=2 * DOWN_AFTER_MS) as group:
        url = f"{group.url}?durability=wait&replicas=1"
        report = await storm("Redis Sentinel, durability=wait", url, tmp_path, Producer(), [failover(group)] * 2)
        count = failovers(group)
    assert count == 2, f"{count} failovers for two kills: this machine is too slow, a living primary was deposed"
    report.nothing_settled_twice()
    report.nothing_lost()


def failover(group: RedisSentinels) -> Blow:
    """The primary works alone for a moment, so that nobody has what it is told last; then it is killed."""

    def change() -> None:
        old = group.primary()
        replicas = [server for server in group.servers if server is not old]
        for one in replicas:
            one.pause()
        old.ask("CLIENT", "KILL", "TYPE", "replica")  # or they would read what lies in their sockets
        time.sleep(ALONE)
        old.kill()
        for one in replicas:
            one.go_on()
        group.wait_for_failover(old, seconds=60)  # a first attempt may fail, and the next comes 12 s later
        old.restart()
        group.wait_for_calm()

    return lambda: asyncio.to_thread(change)


def failovers(group: RedisSentinels) -> int:
    """How many there were: the configuration's epoch grows by one with each."""
    words = group.sentinels[0].ask("SENTINEL", "MASTER", GROUP)
    return int(dict(zip(words[::2], words[1::2], strict=True))[b"config-epoch"])


async def test_a_network_that_fails_takes_no_worker_down_and_loses_nothing(tmp_path: Path) -> None:
    """Nobody is killed: connections are cut, silent, reset in the middle of an answer, half open or refused.

    The workers have one way to the server and the producer another, so that what the producer has to send again may
    have run meanwhile. Nothing hangs: each enqueue ends in time, also while new connections are taken and get no
    answer; and when all is well again each worker runs jobs, and ends when it is asked to.
    """
    began, chance = time.monotonic(), random.Random(9)
    producer = Producer(jobs=min(JOBS, int(UNREST * 300)), span=UNREST + LONGEST)
    with RedisServer.start() as server, way_to(server) as ours, way_to(server) as theirs:
        async with Stem(url_of(ours), tasks=[work]) as app, fleet_on(url_of(theirs), tmp_path) as fleet:
            await fleet.ready()
            async with asyncio.TaskGroup() as group:
                group.create_task(producer.run(app))
                faults = await unrest((ours, theirs), chance, fleet)
            await calm(app, fleet)
            await all_work(app, fleet, producer)
            await fleet.retire()
            report = await audit(app, fleet.ledger, producer.acknowledged)
            more = f", {faults} faults of the network, longest enqueue {producer.longest:.1f} s"
            told("Redis, failing network", fleet, producer, report, began, more)
    report.nothing_settled_twice()
    report.nothing_lost()
    report.repeats_explained()
    assert producer.longest < LONGEST, f"an enqueue took {producer.longest:.1f} s, for {LONGEST:g} s at most"


def way_to(server: RedisServer) -> FaultProxy:
    return FaultProxy.start("127.0.0.1", server.port)


def url_of(proxy: FaultProxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0?timeout_ms={TIMEOUT_MS}&patience_ms={PATIENCE_MS}"


Ways: TypeAlias = tuple[FaultProxy, FaultProxy]
Fault: TypeAlias = Callable[[FaultProxy], None]


async def unrest(ways: Ways, chance: random.Random, fleet: Fleet) -> int:
    """One fault after the other, on one way or on both, each for a while, and a long silence on both; how many.

    All is healed at the end.
    """
    faults: list[Fault] = [
        FaultProxy.cut,
        FaultProxy.half_open,
        FaultProxy.drop_replies,
        FaultProxy.refuse,
        lambda way: reset(way, chance),
    ]
    places = [ways, ways[:1], ways[1:]]
    ends, count = time.monotonic() + UNREST, 0
    while time.monotonic() < ends:
        if count % len(faults) == 0:
            chance.shuffle(faults)
        seconds = chance.choice((0.05, 0.2, 0.5, 1.5 * TIMEOUT_MS / 1000))
        await befall(chance.choice(places), faults[count % len(faults)], seconds)
        await asyncio.sleep(chance.uniform(0.05, 0.3))  # all is well for so long
        fleet.check()
        count += 1
    await befall(ways, silence, LONGEST + 1)  # longer than anybody may wait for an answer
    return count + 1


async def befall(ways: Sequence[FaultProxy], fault: Fault, seconds: float) -> None:
    """A fault that lasts so long."""
    for way in ways:
        await asyncio.to_thread(fault, way)
    await asyncio.sleep(seconds)
    for way in ways:
        await asyncio.to_thread(way.heal)


def silence(proxy: FaultProxy) -> None:
    """Connections are taken, and nobody answers."""
    proxy.drop_replies()
    proxy.cut()


def reset(proxy: FaultProxy, chance: random.Random) -> None:
    """The next connection breaks somewhere in an answer; all begin anew."""
    proxy.reset_after(chance.randrange(4_000))
    proxy.cut()
