"""A slot for each queue: what crosses from one to another, and what does not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from stem import Stem, task
from stem.contracts.broker import Renewal
from stem.contracts.dead_letters import DeadFilter
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter
from stem.contracts.schedules import Entry
from stem.core.limit import LimitRow
from stem.core.settle import Arrive, Enqueue
from stem.engines import make_engine
from stem.errors import EngineRefusedError, EngineUnavailableError
from stem.redis import PartitionedEngine, RedisEngine
from stem.redis.partition.post import outgoing
from stem.redis.rows import packed_effect
from stem.redis.store import Store
from stem.testing.contracts import (
    DAY_MS,
    NEVER_MS,
    SOON_MS,
    EngineFactory,
    Engines,
    cancelled,
    dead,
    done,
    publish,
    run,
    shift,
    state_of,
    submission,
    take,
    take_all,
    take_one,
)
from tests.servers.cluster import RedisCluster

pytestmark = pytest.mark.anyio


class Said(BaseModel):
    number: int


@task("parts.echo")
async def echo(said: Said) -> int:
    """What was said."""
    return said.number


QUEUES = tuple(f"queue-{number}" for number in range(9))
NAMES = itertools.count()


@pytest.fixture
async def engines(cluster: RedisCluster) -> AsyncIterator[EngineFactory]:
    name = f"p{next(NAMES)}"
    kept = Engines(lambda _: PartitionedEngine(f"{cluster.url}?partition=queue", namespace=name, look_ms=600_000))
    yield kept
    await kept.close()


@pytest.fixture
async def engine(engines: EngineFactory) -> PartitionedEngine:
    made = await engines.make()
    assert isinstance(made, PartitionedEngine)
    return made


@pytest.fixture
async def other(engines: EngineFactory) -> PartitionedEngine:
    made = await engines.make()
    assert isinstance(made, PartitionedEngine)
    return made


async def store_of(engine: PartitionedEngine, queue: str | None) -> Store:
    """The connections to the part of a queue, or of the root."""
    return engine.parts.root.store if queue is None else (await engine.parts.of(queue)).store


async def lying(engine: PartitionedEngine, queue: str | None, key: str) -> int:
    """How much lies in the outbox ("outz") of a part, or is remembered of what came in ("in")."""
    store = await store_of(engine, queue)
    return int(await store.ask("ZCARD", f"{store.prefix}{key}"))


async def left_lying(engine: PartitionedEngine, *effects: Any) -> None:
    """A settlement in queue `q` whose process dies before it has carried what it put out."""
    await publish(engine, submission("first"))
    delivery = await take_one(engine)
    broker = (await engine.parts.of("q")).broker
    settlement = done(delivery, b"1", *effects)
    assert await broker.settle_with([settlement], [[outgoing(one) for one in settlement.effects]]) == ["done"]


# ---------------------------------------------------------------- where things lie


async def test_queues_lie_on_all_nodes(cluster: RedisCluster, engine: PartitionedEngine) -> None:
    await publish(engine, *[submission(f"job-{queue}", queue) for queue in QUEUES])
    counts = [
        len({key.split(b"}")[0] for key in node.ask("KEYS", f"{{{engine.namespace}|*")}) for node in cluster.nodes
    ]
    assert sum(counts) == len(QUEUES)
    assert min(counts) > 0
    assert len(await take_all(engine, *QUEUES)) == len(QUEUES)


async def test_the_url_asks_for_it(cluster: RedisCluster) -> None:
    engine = make_engine(f"{cluster.url}?partition=queue", "asked")
    assert isinstance(engine, PartitionedEngine)
    await engine.open()
    assert engine.describe()["partition"] == "a slot for each queue"
    await engine.close()


async def test_jobs_of_all_queues_are_listed_newest_first_and_none_twice(
    engine: PartitionedEngine, other: PartitionedEngine
) -> None:
    await run(engine, *[submission(f"0-{number}", QUEUES[0]) for number in range(7)])  # its numbers run ahead
    for number in range(5):
        await publish(engine, *[submission(f"{number}-{queue}", queue) for queue in QUEUES])
        before = await engine.now_ms()
        while await engine.now_ms() == before:
            pass  # within a tenth of a millisecond nothing is newer
    await run(engine, *[submission(f"done-{queue}", queue) for queue in QUEUES])
    await dead(engine, *[submission(f"dead-{queue}", queue) for queue in QUEUES])
    page = await other.jobs.page(JobFilter(), limit=7)
    rows, cursor = page.rows, page.cursor
    while cursor:
        page = await other.jobs.page(JobFilter(), limit=7, cursor=cursor)
        more, cursor = page.rows, page.cursor
        rows += more
    assert len(rows) == len({row.id for row in rows}) == 7 + 7 * len(QUEUES)
    turns = [row.id.partition("-")[0] for row in rows]
    assert [turn for turn, _ in itertools.groupby(turns)] == ["dead", "done", "4", "3", "2", "1", "0"]
    letters, cursor = await other.dead_letters.page(DeadFilter(), limit=4)
    while cursor:
        more_letters, cursor = await other.dead_letters.page(DeadFilter(), limit=4, cursor=cursor)
        letters += more_letters
    assert sorted(one.id for one in letters) == [f"dead-{queue}" for queue in QUEUES]


async def test_numbers_that_two_queues_have_both_are_shown_on_both_sides_of_a_page(engine: PartitionedEngine) -> None:
    """Jobs that came within a tenth of a millisecond have the same number."""
    for queue in ("q", "r"):
        store = await store_of(engine, queue)
        await store.ask("SET", f"{store.prefix}seq", 2**52)
        await publish(engine, *[submission(f"{queue}{number}", queue) for number in range(3)])
    found, cursor = [], ""
    while True:
        page = await engine.jobs.page(JobFilter(), limit=1, cursor=cursor)
        rows, cursor = page.rows, page.cursor
        found += [row.id for row in rows]
        if not cursor:
            break
    assert found == ["q2", "r2", "q1", "r1", "q0", "r0"]


async def test_of_deliveries_that_are_over_nothing_is_remembered(engine: PartitionedEngine) -> None:
    await publish(engine, *[submission(f"job-{n}", QUEUES[n]) for n in range(3)])
    settled, given_back, lost = await take_all(engine, *QUEUES[:3])
    await engine.broker.settle([done(settled)])
    await engine.broker.release([given_back.receipt])
    shift(lost.lease_ms + 1, engine)
    (again,) = await take(engine, lost.queue)
    answers = await engine.broker.renew([Renewal(lost.receipt), Renewal(again.receipt)])
    assert [one.status for one in answers] == ["lost", "held"]
    assert list(engine.broker.held) == [again.receipt]


async def test_a_limit_defined_before_its_queue_was_used_holds_there(
    engine: PartitionedEngine, other: PartitionedEngine
) -> None:
    await engine.limiter.define([LimitRow("room", running=1)])
    await publish(other, *[submission(f"job-{n}", "later", limit_key="room") for n in range(3)])
    assert len(await take_all(other, "later")) == 1


async def test_a_job_is_found_by_those_who_did_not_enqueue_it(
    engine: PartitionedEngine, other: PartitionedEngine
) -> None:
    await publish(engine, *[submission(f"job-{queue}", queue) for queue in QUEUES])
    waiting = asyncio.create_task(other.results.wait("job-queue-5", SOON_MS))
    delivery = await take_one(engine, "queue-5")
    assert await other.broker.progress(delivery.receipt, b"half")
    assert await other.broker.settle([done(delivery)]) == ["done"]
    assert await waiting is not None
    assert await other.results.wait("nobody", None) is None


async def test_a_cancel_of_a_job_that_nobody_knows_is_remembered_in_every_queue(
    engine: PartitionedEngine, other: PartitionedEngine
) -> None:
    await publish(engine, submission("x", "a"), submission("y", "b"))
    answer = await other.broker.cancel("early", "asked", cancelled("early"))
    assert answer.status == "cancelled"
    assert await publish(engine, submission("early", "a")) == ["duplicate"]
    assert await publish(engine, submission("early", "b")) == ["duplicate"]


# ---------------------------------------------------------------- what crosses


async def test_a_follow_up_in_another_queue_is_there_when_the_settlement_is(engine: PartitionedEngine) -> None:
    await publish(engine, submission("first"))
    follow = Enqueue(submission("second", "r")), Enqueue(submission("third", "q"))
    assert await engine.broker.settle([done(await take_one(engine), b"1", *follow)]) == ["done"]
    assert [one.id for one in await take_all(engine, "r")] == ["second"]
    assert [one.id for one in await take_all(engine, "q")] == ["third"]
    assert (await lying(engine, "q", "outz"), await lying(engine, "r", "outz")) == (0, 0)
    assert await lying(engine, "r", "in") == 1


async def test_what_a_dead_process_left_lying_is_carried_by_a_sweep_once(
    engine: PartitionedEngine, other: PartitionedEngine
) -> None:
    await left_lying(engine, Enqueue(submission("second", "r", result_ttl_ms=0)))
    await other.results.sweep()
    assert await take(other, "r") == []  # whoever put it out may be about to carry it
    shift(5_000, engine, other)
    await asyncio.gather(engine.results.sweep(), other.results.sweep())
    assert [one.id for one in await run_all(other, "r")] == ["second"]
    await asyncio.gather(engine.results.sweep(), other.results.sweep())
    assert await take_all(other, "r") == []
    assert await lying(engine, "q", "outz") == 0


async def run_all(engine: Engine, queue: str) -> list[Any]:
    deliveries = await take_all(engine, queue)
    await engine.broker.settle([done(one) for one in deliveries])
    return deliveries


async def test_who_carries_late_what_another_has_carried_does_nothing(
    engine: PartitionedEngine, other: PartitionedEngine
) -> None:
    """The job has run and nothing of it is kept: only the token tells that it was there."""
    effect = Enqueue(submission("second", "r", result_ttl_ms=1))
    await left_lying(engine, effect)
    shift(5_000, engine, other)
    source, target = await store_of(engine, "q"), await store_of(engine, "r")
    taken, token, _ = await source.run("outbox", 10)
    await other.results.sweep()
    assert len(await run_all(other, "r")) == 1
    shift(2, engine, other)
    assert await state_of(other, "second") == "unknown"
    assert await target.run("deliver", token, taken, packed_effect(effect)) == [[token], []]
    assert await take_all(other, "r") == []
    # and who comes much later is not let in at all: the token may be forgotten by then
    assert await target.run("deliver", "another", taken - 31_000, packed_effect(effect)) == [[], []]
    assert await take_all(other, "r") == []


async def test_what_was_carried_is_remembered_longer_than_anybody_may_hold_it(engine: PartitionedEngine) -> None:
    await left_lying(engine, Enqueue(submission("second", "r")))
    shift(5_000, engine)
    await engine.results.sweep()
    target = await store_of(engine, "r")
    now, until = await engine.now_ms() - engine.skew_ms, 0.0
    for _ in range(500):
        ((_, until),) = await target.ask("ZRANGE", f"{target.prefix}in", 0, -1, "WITHSCORES")
        if until < now + 200_000:
            break
        await asyncio.sleep(0.01)
    assert now + 60_000 < until < now + 100_000


async def test_the_last_member_of_a_group_brings_its_callback_about_in_its_queue(engine: PartitionedEngine) -> None:
    members = [f"job-{queue}" for queue in QUEUES]
    await engine.groups.create("g", members, submission("callback", "last"), collect=False, ttl_ms=DAY_MS)
    await publish(engine, *[submission(f"job-{queue}", queue) for queue in QUEUES])
    found = await take_all(engine, *QUEUES)
    settlements = [done(one, b"1", Arrive("g", one.id, ok=True, value=b"1")) for one in found]
    assert set(await engine.broker.settle(settlements)) == {"done"}
    assert [one.id for one in await take_all(engine, "last")] == ["callback"]
    assert await lying(engine, None, "outz") == 0


async def test_a_schedule_fires_into_its_queue(engine: PartitionedEngine) -> None:
    entry = await engine.schedules.put(Entry(id="e", spec=b"x", next_at=0))
    assert entry is not None
    fired = [
        await engine.schedules.fire("e", entry.version, at=0, next_at=None, job=submission("a", "r")) for _ in range(2)
    ]
    assert fired == ["fired", "moved"]
    assert [one.id for one in await take_all(engine, "r")] == ["a"]


# ---------------------------------------------------------------- who is woken


async def test_whoever_sleeps_on_several_queues_is_woken_by_any(
    engine: PartitionedEngine, other: PartitionedEngine
) -> None:
    for queue in QUEUES[:3]:
        assert await take_all(engine, *QUEUES[:3]) == []
        waiting = asyncio.create_task(engine.broker.wait("w", SOON_MS))
        await asyncio.sleep(0)
        await publish(other, submission(f"job-{queue}", queue))
        assert await waiting
        assert [one.id for one in await take(engine, *QUEUES[:3], limit=2)] == [f"job-{queue}"]


async def test_a_ring_for_a_worker_that_found_work_elsewhere_goes_to_the_next(
    engine: PartitionedEngine, other: PartitionedEngine
) -> None:
    await publish(engine, submission("x", "b"))
    busy = await engine.broker.claim(("a", "b"), 1, "busy", strict=True)  # it is the first on the list of "a"
    assert [one.id for one in busy.deliveries] == ["x"]
    assert await take_all(other, "a", worker="idle") == []
    waiting = asyncio.create_task(other.broker.wait("idle", SOON_MS))
    await publish(engine, submission("1", "a"))
    assert await asyncio.wait_for(waiting, 1)


async def test_without_work_nobody_is_woken(engine: PartitionedEngine) -> None:
    assert await take_all(engine, *QUEUES) == []
    assert not await engine.broker.wait("w", NEVER_MS)


async def test_a_claim_given_up_between_two_queues_gives_back_what_it_had(
    engine: PartitionedEngine, other: PartitionedEngine, cluster: RedisCluster
) -> None:
    await publish(engine, submission("x", "a"))
    await take_all(engine, "b")
    part = await engine.parts.of("b")
    held = asyncio.Event()
    whole = part.broker.claim

    async def slow(*words: Any, **more: Any) -> Any:
        held.set()
        await asyncio.sleep(60)
        return await whole(*words, **more)

    part.broker.claim = slow  # type: ignore[method-assign]
    claiming = asyncio.create_task(engine.broker.claim(("a", "b"), 2, "w", strict=True))
    await held.wait()
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    async with asyncio.timeout(SOON_MS / 1000):
        while not (found := await take(other, "a")):
            await asyncio.sleep(0.01)
    assert [(one.id, one.losses) for one in found] == [("x", 0)]


async def test_one_worker_with_several_queues_is_woken_each_time(cluster: RedisCluster) -> None:
    app = Stem(f"{cluster.url}?partition=queue", tasks=[echo], namespace=f"p{next(NAMES)}")
    async with app:
        worker = app.worker(queues=QUEUES[:4])
        await worker.start()
        for number in range(60):
            call = echo.build(Said(number=number)).queue(QUEUES[number % 4])
            assert await (await call.enqueue(app)).result(timeout="5s") == number
            await asyncio.sleep(random.Random(number).uniform(0, 0.01))
        worker.ask_to_stop("soft")
        await worker.run()


async def test_a_burst_ends_when_all_queues_are_empty_and_not_before(cluster: RedisCluster) -> None:
    name = f"p{next(NAMES)}"
    for number in range(8):
        async with Stem(f"{cluster.url}?partition=queue", tasks=[echo], namespace=name) as app:
            handle = await echo.build(Said(number=number)).queue(QUEUES[number % 4]).enqueue(app)
            await app.worker(queues=QUEUES[:4], burst=True).run()
            assert (await handle.status()).state == "succeeded"


async def test_the_two_forms_of_a_namespace_are_not_mixed(cluster: RedisCluster) -> None:
    for first, second in ((RedisEngine, PartitionedEngine), (PartitionedEngine, RedisEngine)):
        name = f"p{next(NAMES)}"
        urls = {RedisEngine: cluster.url, PartitionedEngine: f"{cluster.url}?partition=queue"}
        engine = first(urls[first], namespace=name)
        await engine.open()
        await publish(engine, submission("a"))
        await engine.close()
        other = second(urls[second], namespace=name)
        with pytest.raises(EngineRefusedError, match="use the same URL everywhere"):
            await other.open()
        await other.close()


async def test_a_queue_that_nobody_waits_for_any_more_leaves_no_connection(cluster: RedisCluster) -> None:
    """Given up at any point of its opening."""
    engine = PartitionedEngine(f"{cluster.url}?partition=queue", namespace=f"p{next(NAMES)}")
    await engine.open()
    for turns in range(60):
        opening = asyncio.create_task(engine.parts.of(f"queue-{turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
    await engine.close()
    async with asyncio.timeout(SOON_MS / 1000):
        while any(b"name=stem " in node.ask("CLIENT", "LIST") for node in cluster.nodes):
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- when a node is gone


@pytest.fixture
def fragile() -> Iterator[RedisCluster]:
    """A cluster without replicas that goes on with what is left."""
    with RedisCluster.start(options={"cluster-require-full-coverage": "no"}) as made:
        yield made


async def test_queues_on_living_nodes_go_on_and_follow_ups_for_the_others_wait(fragile: RedisCluster) -> None:
    engine = PartitionedEngine(f"{fragile.url}?partition=queue&patience_ms=100&timeout_ms=500", look_ms=600_000)
    await engine.open()
    try:
        await run(engine, *[submission(f"warm-{queue}", queue) for queue in QUEUES])
        root = fragile.owner(fragile.slot("{stem}:seq"))
        homes = {queue: fragile.owner(fragile.slot(f"{{stem|{queue}}}:seq")) for queue in QUEUES}
        gone = next(queue for queue, home in homes.items() if home is not root)
        here = next(queue for queue, home in homes.items() if home is not homes[gone])
        await publish(engine, submission("runs here", here), submission("runs there", gone))
        running = [await take_one(engine, here), await take_one(engine, gone)]
        line = engine.renewals()
        await publish(engine, submission("first", here))
        homes[gone].pause()
        renewed = await asyncio.to_thread(line.renew, [Renewal(one.receipt) for one in running])
        assert [one.status for one in renewed] == ["held", "unknown"]
        with pytest.raises(EngineUnavailableError):
            await asyncio.to_thread(line.renew, [Renewal(running[1].receipt)])
        await asyncio.to_thread(line.close)
        (delivery,) = (await engine.broker.claim((here, gone), 2, "w", strict=True)).deliveries
        follow = Enqueue(submission("second", gone))
        assert await engine.broker.settle([done(delivery, b"1", follow)]) == ["done"]
        with pytest.raises(EngineUnavailableError):
            await engine.queues.stats(gone)
        homes[gone].go_on()
        async with asyncio.timeout(20):
            while not (found := await second_try(engine, gone)):
                await asyncio.sleep(0.1)
        assert [one.id for one in found if not one.redelivered] == ["second"]  # time went by for the running one
    finally:
        await engine.close()


async def test_the_others_go_on_for_workers_and_producers(fragile: RedisCluster) -> None:
    """One queue's server is silent: enqueues that wait together are told apart, and a worker of all serves the others."""
    url = f"{fragile.url}?partition=queue&patience_ms=100&timeout_ms=500"
    async with Stem(url, tasks=[echo]) as app:
        for queue in QUEUES:
            await echo.build(Said(number=0)).queue(queue).enqueue(app)
        worker = app.worker(queues=QUEUES)
        await worker.start()
        root = fragile.owner(fragile.slot("{stem}:seq"))
        homes = {queue: fragile.owner(fragile.slot(f"{{stem|{queue}}}:seq")) for queue in QUEUES}
        silent = next(home for home in homes.values() if home is not root)
        silent.pause()
        calls = {queue: echo.build(Said(number=1)).queue(queue) for queue in QUEUES}
        sent = await asyncio.gather(*(call.enqueue(app) for call in calls.values()), return_exceptions=True)
        for (queue, home), one in zip(homes.items(), sent, strict=True):
            assert isinstance(one, EngineUnavailableError) == (home is silent), queue
        living = [one for one in sent if not isinstance(one, BaseException)]
        assert await asyncio.gather(*(one.result(timeout="15s") for one in living)) == [1] * len(living)
        later = [await calls[queue].enqueue(app) for queue, home in homes.items() if home is not silent]
        began = time.monotonic()
        assert await asyncio.gather(*(one.result(timeout="15s") for one in later)) == [1] * len(later)
        assert time.monotonic() - began < 3  # it is not asked before each of the others any more

        async with Stem(url, tasks=[echo]) as second:  # and a worker can start meanwhile
            another = second.worker(queues=[queue for queue, home in homes.items() if home is not silent])
            await another.start()
            another.ask_to_stop("soft")
            await another.run()

        silent.go_on()
        gone = next(queue for queue, home in homes.items() if home is silent)
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(EngineUnavailableError):
                    handle = await echo.build(Said(number=2)).queue(gone).enqueue(app)
                    break
        assert await handle.result(timeout="15s") == 2
        worker.ask_to_stop("soft")
        await worker.run()


async def second_try(engine: PartitionedEngine, queue: str) -> list[Any]:
    """What a sweep brings there; nothing while the node comes back."""
    engine.skew_ms += 5_000
    try:
        await engine.results.sweep()
        return await take_all(engine, queue)
    except EngineUnavailableError:
        return []
