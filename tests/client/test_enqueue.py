"""Sending calls, and what comes back."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from stem import (
    ConfigError,
    EngineRefusedError,
    EngineUnavailableError,
    InvalidArgumentsError,
    JobCancelled,
    JobFailed,
    Limit,
    PayloadTooLargeError,
    Queue,
    Rate,
    ResultTimeout,
    Stem,
    SyncEnqueuer,
    TaskDefinition,
    Unique,
    UniqueConflictError,
    UnknownJobError,
    UnknownTaskError,
    task,
)
from stem.client.sync import SyncClient
from stem.contracts.broker import PartlyPublishedError, Published
from stem.contracts.engine import Engine
from stem.core.envelope import Submission
from stem.testing import FakeClock, FakeStem, task_context
from stem.testing.sabotage import Sabotage

pytestmark = pytest.mark.anyio


class Order(BaseModel):
    id: str = "1"
    tenant: str = "a"
    total: float = 1.0


@task("orders.charge")
async def charge(order: Order) -> str:
    return f"charged {order.id}"


@task("orders.ping")
async def ping() -> str:
    return "pong"


async def test_a_definition_is_enough_to_enqueue_and_read_the_result() -> None:
    known = TaskDefinition("orders.charge", args=Order, returns=str)
    async with Stem.in_memory(tasks=[charge]) as app, app.worker():
        assert await (await known.enqueue(app, Order(id="7"))).result("5s") == "charged 7"


async def test_by_name_a_mapping_is_validated() -> None:
    async with Stem.in_memory(tasks=[charge]) as app, app.worker():
        assert await (await app.enqueue("orders.charge", {"id": "9"})).result("5s") == "charged 9"
        with pytest.raises(InvalidArgumentsError, match=r"total: Input should be a valid number.*'much'"):
            await app.enqueue("orders.charge", {"total": "much"})
        with pytest.raises(UnknownTaskError, match=r"did you mean 'orders\.charge'"):
            await app.enqueue("orders.chrage")


async def test_the_same_id_makes_one_job() -> None:
    async with Stem.in_memory(tasks=[charge]) as app, app.worker():
        first = await charge.build(Order(id="1")).id("charge:1").enqueue(app)
        second = await charge.build(Order(id="2")).id("charge:1").enqueue(app)
        assert (first.enqueued, second.enqueued) == ("new", "duplicate")
        assert await second.result("5s") == "charged 1"
        third = await charge.build(Order(id="3")).id("charge:1").enqueue(app)
        assert third.enqueued == "duplicate"


async def test_concurrent_enqueues_share_round_trips_and_keep_their_answers() -> None:
    sabotage: list[Sabotage] = []

    class Counted(Stem):
        def make_engine(self) -> Sabotage:
            sabotage.append(Sabotage(super().make_engine()))
            return sabotage[-1]

    async with Counted("memory://", tasks=[charge]) as app:
        handles = await asyncio.gather(*(charge.build(Order()).id(f"job-{n % 90}").enqueue(app) for n in range(100)))
        assert [handle.enqueued for handle in handles] == ["new"] * 90 + ["duplicate"] * 10
        assert (await app.queues.stats("default")).queued == 90
        assert sabotage[0].calls["broker.publish"] <= 3


class Sabotaged(Stem):
    """An app whose engine fails on demand."""

    sabotage: Sabotage

    def make_engine(self) -> Sabotage:
        self.sabotage = Sabotage(super().make_engine())
        return self.sabotage


@pytest.mark.parametrize("effect", ["before", "after"])
async def test_a_store_that_is_away_is_an_error_for_everybody_in_the_batch(effect: str) -> None:
    async with Sabotaged("memory://", tasks=[charge]) as app:
        (app.sabotage.fail_before if effect == "before" else app.sabotage.fail_after)("broker.publish")
        sending = [charge.build(Order()).id(f"job-{n}").enqueue(app) for n in range(20)]
        async with asyncio.timeout(2):
            answers = await asyncio.gather(*sending, return_exceptions=True)
            again = [await charge.build(Order()).id(f"job-{n}").enqueue(app) for n in range(20)]
        assert [type(one) for one in answers] == [EngineUnavailableError] * 20
        assert [handle.enqueued for handle in again] == ["new" if effect == "before" else "duplicate"] * 20


class OnePartAway(Stem):
    """A store of two parts, of which the one for every second job cannot be reached."""

    def make_engine(self) -> Engine:
        engine = super().make_engine()
        whole = engine.broker.publish

        async def publish(batch: Sequence[Submission]) -> list[Published]:
            answers = iter(await whole(batch[::2]))
            away = EngineUnavailableError("this part is away")
            raise PartlyPublishedError([away if n % 2 else next(answers) for n in range(len(batch))])

        engine.broker.publish = publish  # type: ignore[method-assign]
        return engine


async def test_where_one_part_of_the_store_is_away_each_caller_hears_of_its_own_job() -> None:
    async with OnePartAway("memory://", tasks=[charge]) as app:
        sending = [charge.build(Order()).id(f"job-{n}").enqueue(app) for n in range(6)]
        async with asyncio.timeout(2):
            answers = await asyncio.gather(*sending, return_exceptions=True)
        assert [isinstance(one, EngineUnavailableError) for one in answers] == [False, True] * 3
        assert (await app.queues.stats("default")).queued == 3


@pytest.mark.parametrize("away", [False, True])
async def test_a_caller_who_gave_up_keeps_no_answer_from_the_others(away: bool) -> None:
    async with Sabotaged("memory://", tasks=[charge]) as app:
        if away:
            app.sabotage.fail_before("broker.publish")
        sending = [asyncio.create_task(charge.enqueue(app, Order(id=str(n)))) for n in range(3)]
        await asyncio.sleep(0)
        sending[0].cancel()
        async with asyncio.timeout(2):
            given_up, *answers = await asyncio.gather(*sending, return_exceptions=True)
        assert isinstance(given_up, asyncio.CancelledError)
        assert [isinstance(one, EngineUnavailableError) for one in answers] == [away, away]
        assert app.sabotage.calls["broker.publish"] == 1


@pytest.mark.parametrize("effect", ["before", "after"])
async def test_a_store_that_is_away_is_an_error_of_enqueue_many(effect: str) -> None:
    async with Sabotaged("memory://", tasks=[charge]) as app:
        (app.sabotage.fail_before if effect == "before" else app.sabotage.fail_after)("broker.publish")
        with pytest.raises(EngineUnavailableError):
            await app.enqueue_many(charge.build(Order(id=str(n))) for n in range(20))


async def test_enqueue_many_keeps_the_order() -> None:
    async with Stem.in_memory(tasks=[charge]) as app, app.worker():
        handles = await app.enqueue_many(charge.build(Order(id=str(n))) for n in range(1_234))
        assert [await handle.result("10s") for handle in handles] == [f"charged {n}" for n in range(1_234)]


async def test_a_batch_with_a_call_that_cannot_be_sent_sends_none_of_its_slice() -> None:
    async with Stem.in_memory(tasks=[charge]) as app:
        orders = [Order(id=str(n)) for n in range(100)]
        orders[70].total = float("nan")
        with pytest.raises(InvalidArgumentsError, match="total is nan"):
            await app.enqueue_many(charge.build(order) for order in orders)
        assert await app.queues.list() == []


async def test_of_concurrent_enqueues_only_the_one_that_cannot_be_sent_fails() -> None:
    async with Stem.in_memory(tasks=[charge]) as app:
        orders = [Order(id=str(n)) for n in range(100)]
        orders[70].total = float("nan")
        answers = await asyncio.gather(*(charge.enqueue(app, order) for order in orders), return_exceptions=True)
        assert [isinstance(one, InvalidArgumentsError) for one in answers] == [n == 70 for n in range(100)]
        assert (await app.queues.stats("default")).queued == 99


async def test_a_payload_over_the_limit_is_refused() -> None:
    async with Stem.in_memory(tasks=[charge], max_payload=1_000) as app:
        with pytest.raises(PayloadTooLargeError, match=r"over the limit of 1,000; store the data elsewhere"):
            await charge.enqueue(app, Order(id="x" * 2_000))
        assert await app.queues.list() == []


async def test_nan_is_refused_with_its_field() -> None:
    async with Stem.in_memory(tasks=[charge]) as app:
        with pytest.raises(InvalidArgumentsError, match=r"total is nan, which JSON cannot carry"):
            await charge.enqueue(app, Order(total=float("nan")))


async def test_a_unique_call_gives_the_handle_of_the_holder() -> None:
    @task("sync", unique=Unique(key="tenant"))
    async def sync(order: Order) -> None: ...

    async with Stem.in_memory(tasks=[sync]) as app:
        first = await sync.build(Order(id="1")).header("trace", "1").enqueue(app)
        second = await sync.build(Order(id="2")).header("trace", "2").enqueue(app)
        other = await sync.build(Order(tenant="b")).enqueue(app)
        free = await sync.build(Order()).unique(None).enqueue(app)
        assert (second.enqueued, second.id) == ("held", first.id)
        assert (other.enqueued, free.enqueued) == ("new", "new")


async def test_a_unique_conflict_can_be_an_error() -> None:
    async with Stem.in_memory(tasks=[ping]) as app:
        call = ping.build().unique(Unique(conflict="raise"), key="only")
        first = await call.enqueue(app)
        with pytest.raises(UniqueConflictError) as caught:
            await call.enqueue(app)
        assert (caught.value.holder, caught.value.key) == (first.id, "orders.ping:only")


async def test_what_a_call_says_wins_over_task_and_queue() -> None:
    @task("mail", queue="mails", priority=5)
    async def mail() -> None: ...

    queues = [Queue("mails", priority=7, expires="1h"), Queue("bulk", priority=1)]
    async with Stem.in_memory(tasks=[mail, ping], queues=queues) as app:
        by_task = await (await mail.enqueue(app)).status()
        by_call = await (await mail.build().priority(0).expires(None).enqueue(app)).status()
        by_queue = await (await ping.build().queue("bulk").enqueue(app)).status()
        assert (by_task.queue, by_task.priority, by_task.expires_at is None) == ("mails", 5, False)
        assert (by_call.priority, by_call.expires_at) == (0, None)
        assert by_queue.priority == 1


async def test_delays_etas_and_expiries_follow_the_store_s_clock() -> None:
    clock = FakeClock()
    async with Stem.in_memory(tasks=[ping], clock=clock) as app:
        delayed = await ping.build().delay("1h").enqueue(app)
        at = await ping.build().eta(clock.now + timedelta(hours=2)).enqueue(app)
        past = await ping.build().eta(datetime(2020, 1, 1, tzinfo=UTC)).enqueue(app)
        expiring = await ping.build().expires("30m").enqueue(app)
        assert [(await handle.status()).state for handle in (delayed, at, past)] == ["delayed", "delayed", "queued"]
        clock.advance("90m")
        await app.worker(burst=True).run()
        assert [(await handle.status()).state for handle in (delayed, at, past)] == [
            "succeeded",
            "delayed",
            "succeeded",
        ]
        with pytest.raises(JobCancelled, match="expired"):
            await expiring.result("1s")
        letters, _ = await app.dead_letters.list()
        assert [(letter.id, letter.reason) for letter in letters] == [(expiring.id, "expired")]


async def test_limits_are_counted_by_the_field_that_the_task_names() -> None:
    running: dict[str, int] = {}
    most: dict[str, int] = {}

    @task("work", concurrency=Limit(2, key="tenant"))
    async def work(order: Order) -> None:
        running[order.tenant] = running.get(order.tenant, 0) + 1
        most[order.tenant] = max(most.get(order.tenant, 0), running[order.tenant])
        await asyncio.sleep(0.005)
        running[order.tenant] -= 1

    async with Stem.in_memory(tasks=[work]) as app, app.worker(concurrency=20):
        handles = await app.enqueue_many(work.build(Order(tenant=t)) for t in "abab" * 5)
        for handle in handles:
            await handle.result("10s")
        assert most == {"a": 2, "b": 2}


async def test_a_rate_holds_jobs_back_and_says_what_they_wait_for() -> None:
    clock = FakeClock()

    @task("limited", rate_limit=Rate("2/h", key="tenant", burst=2))
    async def limited(order: Order) -> None: ...

    async with Stem.in_memory(tasks=[limited], clock=clock) as app:
        handles = await app.enqueue_many(limited.build(Order(id=str(n))) for n in range(3))
        await app.worker(burst=True).run()
        states = [await handle.status() for handle in handles]
        assert [job.state for job in states] == ["succeeded", "succeeded", "parked"]
        assert states[2].waiting_for == "limited[a]"
        clock.advance("31m")
        await app.worker(burst=True).run()
        assert (await handles[2].status()).state == "succeeded"


async def test_a_wait_that_ends_first_says_how_the_job_stands() -> None:
    async with Stem.in_memory(tasks=[ping]) as app:
        handle = await ping.enqueue(app)
        with pytest.raises(ResultTimeout, match="it is queued and goes on"):
            await handle.result("20ms")


async def test_an_unknown_job_is_said_to_be_unknown() -> None:
    async with Stem.in_memory() as app:
        for ask in (app.handle("nobody").result("1s"), app.handle("nobody").status(), app.jobs.get("nobody")):
            with pytest.raises(UnknownJobError, match="never enqueued in this namespace, or its result has expired"):
                await ask


async def test_cancelling_a_waiting_job_ends_it_at_once() -> None:
    async with Stem.in_memory(tasks=[ping]) as app:
        handle = await ping.build().delay("1h").enqueue(app)
        assert await handle.cancel("changed my mind")
        with pytest.raises(JobCancelled, match="changed my mind"):
            await handle.result("1s")
        assert await handle.cancel(), "it is cancelled, whoever asked first"


async def test_a_closed_app_says_how_to_open_it() -> None:
    with pytest.raises(ConfigError, match="async with app"):
        await ping.enqueue(Stem.in_memory(tasks=[ping]))


async def test_two_apps_of_different_namespaces_do_not_see_each_other() -> None:
    app = Stem.in_memory(tasks=[ping])
    other = Stem.in_memory(tasks=[ping], namespace="other")
    other._store = app._store
    async with app, other:
        handle = await ping.enqueue(app)
        assert await other.queues.list() == []
        with pytest.raises(UnknownJobError):
            await other.jobs.get(handle.id)


async def test_dead_letters_are_replayed_with_attempts_starting_anew() -> None:
    broken = True

    @task("fragile", max_retries=0, unique=Unique())
    async def fragile() -> str:
        if broken:
            raise ValueError
        return "whole"

    async with Stem.in_memory(tasks=[fragile]) as app:
        handle = await fragile.enqueue(app)
        await app.worker(burst=True).run()
        assert [r.status for r in await app.dead_letters.replay(dry_run=True)] == ["replayed"]
        assert (await handle.status()).state == "failed"
        second = await fragile.enqueue(app)
        held = await app.dead_letters.replay([handle.id])
        assert [(r.status, r.holder) for r in held] == [("held", second.id)]
        await second.cancel()
        broken = False
        assert [r.status for r in await app.dead_letters.replay(task="fragile")] == ["replayed"]
        await app.worker(burst=True).run()
        assert await handle.result("1s") == "whole"
        assert (await handle.status()).attempt == 1
        assert [r.status for r in await app.dead_letters.replay([handle.id])] == ["gone"]


def test_the_sync_client_blocks_and_types_the_same(tmp_path: object) -> None:
    app = Stem.in_memory(tasks=[charge])
    with app.sync as sync:
        handle = sync.enqueue(charge.build(Order(id="5")))
        assert handle.status().state == "queued"
        with pytest.raises(ResultTimeout):
            handle.result("20ms")
        assert handle.cancel()
    with pytest.raises(ConfigError, match=r"with app\.sync"):
        sync.enqueue(charge.build(Order()))


def test_the_sync_client_looks_and_steers_too() -> None:
    app = Stem.in_memory(tasks=[charge])
    with app.sync as sync:
        handle = sync.enqueue(charge.build(Order(id="5")))
        assert repr(handle) == f"<job {handle.id} (new)>"
        assert [job.id for job in sync.run(sync.jobs.list())[0]] == [handle.id]
        assert sync.run(sync.queues.stats("default")).queued == 1
        assert sync.run(sync.dead_letters.list()) == ([], "")
        seen = handle.watch()
        assert next(seen).state == "queued"
        assert handle.cancel()
        assert [job.state for job in seen] == ["cancelled"]


def test_who_waits_in_the_sync_client_is_told_when_it_closes() -> None:
    sync = Stem.in_memory(tasks=[charge]).sync
    sync.open()
    handle = sync.enqueue(charge.build(Order(id="5")))
    told: list[BaseException] = []

    def wait() -> None:
        try:
            handle.result()
        except BaseException as fault:
            told.append(fault)

    waiting = threading.Thread(target=wait)
    waiting.start()
    sync.close()
    waiting.join(5)
    assert not waiting.is_alive()
    assert told


def test_a_sync_client_is_not_carried_over_a_fork(tmp_path: Path) -> None:
    app = Stem(f"sqlite:///{tmp_path / 'stem.db'}", tasks=[charge])

    def child(said: multiprocessing.SimpleQueue[str], sync: SyncClient) -> None:
        try:
            sync.enqueue(charge.build(Order()))
        except EngineRefusedError as fault:
            said.put(str(fault))
        sync.close()
        with app.sync as own:
            said.put(own.enqueue(charge.build(Order(id="mine")).id("mine")).id)
        os._exit(0)

    context = multiprocessing.get_context("fork")
    said = context.SimpleQueue()
    with app.sync as sync:
        process = context.Process(target=child, args=(said, sync))
        process.start()
        process.join(20)
        assert "carried over a fork" in said.get()
        assert said.get() == "mine"
        assert sync.run(sync.queues.stats("default")).queued == 1


async def test_two_who_open_an_app_at_once_share_one_engine(tmp_path: Path) -> None:
    app = Stem(f"sqlite:///{tmp_path / 'stem.db'}", tasks=[charge])

    def desks() -> int:
        return sum(one.name.startswith("stem-sqlite") for one in threading.enumerate())

    before = desks()
    await asyncio.gather(app.open(), app.open(), app.open())
    assert desks() - before == 2
    for _ in range(3):
        await app.close()
    assert desks() == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda app: app.enqueue("orders.charge", "text"), "expected a mapping of field to value, found 'text'"),
        (lambda app: app.enqueue(charge.build(Order())), "a task is named by text, found <call of"),
        (lambda app: app.submit(charge), r"expected a call, as charge.build\(order\), found <task orders.charge>"),
        (lambda app: app.enqueue_many([charge]), r"expected a call, as charge.build\(order\), found <task"),
        (
            lambda app: ping.build().delay("1h").expires("1m").enqueue(app),
            "its delay of 1h is not shorter than its expi",
        ),
        (lambda app: app.jobs.list(limit=-1), "limit must be a whole number from 1 to 10,000, found -1"),
        (lambda app: app.dead_letters.list(reason="exausted"), "did you mean 'exhausted'?"),
        (lambda app: app.dead_letters.replay("abc"), r"ids must be a list of job ids, found the text 'abc'"),
        (lambda app: app.dead_letters.replay(["a"], queue="q"), "not both"),
        (lambda app: app.jobs.cancel("a", "\ud800"), "the reason of a cancel must be text that UTF-8 can carry"),
    ],
)
async def test_slips_of_a_script_are_refused_in_words(wrong: Any, said: str) -> None:
    async with Stem.in_memory(tasks=[charge]) as app:
        with pytest.raises((ConfigError, InvalidArgumentsError), match=said):
            await wrong(app)
        assert await app.queues.list() == []


def checkout(sync: SyncEnqueuer) -> str:
    """What a view of a web application would do."""
    try:
        return sync.enqueue(charge.build(Order(id="7"))).result("1s")
    except JobFailed as fault:
        return fault.reason


async def test_a_fake_app_stands_in_for_the_sync_client_and_for_names() -> None:
    fake = FakeStem(tasks=[charge])
    fake.answer(charge, "paid")
    assert checkout(fake.sync) == "paid"
    fake.answer(charge, JobFailed("fake-1", reason="exhausted", error_type="OSError", error_message="down"))
    assert checkout(fake.sync) == "exhausted"
    await fake.enqueue("orders.charge", {"id": "8"})
    assert [order.id for order in fake.enqueued(charge)] == ["7", "7", "8"]
    with pytest.raises(UnknownTaskError, match=r"did you mean 'orders\.charge'"):
        await fake.enqueue("orders.chrage")


async def test_a_fake_app_remembers_and_answers() -> None:
    fake = FakeStem()
    handle = await charge.enqueue(fake, Order(id="3"))
    await fake.enqueue_many([charge.build(Order(id="4"))])
    assert fake.enqueued(charge) == [Order(id="3"), Order(id="4")]
    assert fake.enqueued(ping) == []
    fake.answer(charge, "paid")
    assert await handle.result() == "paid"


async def test_a_handler_is_called_directly_with_a_test_context() -> None:
    from stem import TaskContext

    @task("direct")
    async def direct(ctx: TaskContext, order: Order) -> str:
        await ctx.progress(50, "half")
        await ctx.enqueue(charge.build(order))
        return f"{ctx.id}/{ctx.attempt}"

    context = task_context(attempt=2)
    assert await direct(context, Order(id="9")) == "test-job/2"
    assert context.notes == [(50, "half", None)]
    assert isinstance(context.app, FakeStem)
    assert context.app.enqueued(charge) == [Order(id="9")]


def test_a_namespace_has_a_name() -> None:
    with pytest.raises(ConfigError, match="a namespace must have a name"):
        Stem(namespace="")
