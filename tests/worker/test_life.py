"""Leases, shutdown, outages, middleware, signals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from stem import (
    ConfigError,
    EngineUnavailableError,
    JobFailed,
    Middleware,
    RetryPolicy,
    Signal,
    Stem,
    TaskContext,
    WorkflowContext,
    task,
    workflow,
)
from stem.contracts.broker import Delivery, Held, Renewal
from stem.contracts.engine import Engine, RenewalLine
from stem.core.context import JobHandle
from stem.errors import EngineRefusedError
from stem.memory import MemoryEngine
from stem.observe.middleware import AnyCall, ConsumeNext, ExecuteNext, SendNext
from stem.testing import FakeClock
from stem.testing.sabotage import Sabotage
from stem.worker import duties

pytestmark = pytest.mark.anyio


class Nothing(BaseModel):
    pass


@task("ping")
async def ping() -> str:
    return "pong"


class Sabotaged(Stem):
    """An app whose engine fails on demand."""

    sabotage: Sabotage

    def make_engine(self) -> Engine:
        self.sabotage = Sabotage(super().make_engine())
        return self.sabotage


def sabotaged(*tasks: Any) -> Sabotaged:
    return Sabotaged("memory://", tasks=[ping, *tasks])


class Refusing(Stem):
    """Its store refuses the first claims and settlements."""

    def make_engine(self) -> Engine:
        engine = super().make_engine()
        for name in ("claim", "settle"):
            setattr(engine.broker, name, refuse_at_first(getattr(engine.broker, name)))
        return engine


def refuse_at_first(call: Any) -> Any:
    left = [2]

    async def refusing(*given: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise EngineRefusedError("the password was changed")
        return await call(*given, **named)

    return refusing


class Breaking(Stem):
    """One call of its store, named as 'role.method', comes to an error that no store should give: the first one."""

    breaks = ""

    def make_engine(self) -> Engine:
        engine = super().make_engine()
        role, _, method = self.breaks.partition(".")
        at = getattr(engine, role)
        setattr(at, method, break_at_first(getattr(at, method)))
        return engine


def break_at_first(call: Any) -> Any:
    whole = [False]

    async def breaking(*given: Any, **named: Any) -> Any:
        if not whole[0]:
            whole[0] = True
            raise ZeroDivisionError("no store gives this")
        return await call(*given, **named)

    return breaking


class CutOff(Sabotage):
    """Everything but renewals gets through."""

    def renewals(self) -> RenewalLine:
        raise EngineUnavailableError("renewals are cut off")


class Unasked(Sabotage):
    """Renewals go through for everybody but one job, whose server could not be asked."""

    def renewals(self) -> RenewalLine:
        return UnaskedLine(super().renewals())


class UnaskedLine:
    def __init__(self, whole: RenewalLine) -> None:
        self._whole = whole

    def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        asked = [one for one in batch if one.receipt.job_id != "silent"]
        answers = iter(self._whole.renew(asked))
        return [Held("unknown") if one.receipt.job_id == "silent" else next(answers) for one in batch]

    def renew_runs(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._whole.renew_runs(batch)

    def close(self) -> None:
        self._whole.close()


class CannotRenew(Stem):
    def make_engine(self) -> Engine:
        return CutOff(super().make_engine())


class CannotRenewOne(Stem):
    def make_engine(self) -> Engine:
        return Unasked(super().make_engine())


class TestLeases:
    """A lease is renewed, and its loss is noticed."""

    async def test_a_job_longer_than_its_lease_runs_once(self) -> None:
        runs: list[int] = []

        @task("long", visibility_timeout="300ms")
        async def long(ctx: TaskContext) -> int:
            runs.append(ctx.attempt)
            await asyncio.sleep(1.2)
            return len(runs)

        async with Stem.in_memory(tasks=[long]) as app, app.worker():
            assert await (await long.enqueue(app)).result("10s") == 1
            assert (await app.queues.stats("default")).lost == 0

    async def test_a_handler_that_blocks_the_event_loop_past_its_lease_keeps_it(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        @task("blocks", visibility_timeout="300ms")
        async def blocks() -> str:
            time.sleep(1.6)
            return "done"

        async with Stem.in_memory(tasks=[blocks, ping]) as app, app.worker():
            assert await (await blocks.enqueue(app)).result("10s") == "done"
            assert (await app.queues.stats("default")).lost == 0
            assert await (await ping.enqueue(app)).result("5s") == "pong"
        assert any("event loop has been blocked" in line and "time.sleep(1.6)" in line for line in caplog.messages)

    async def test_an_attempt_whose_lease_was_taken_is_stopped_and_its_outcome_dropped(self) -> None:
        clock, started, stopped = FakeClock(), asyncio.Event(), asyncio.Event()

        @task("waits", visibility_timeout="600ms")
        async def waits() -> str:
            started.set()
            try:
                await asyncio.sleep(30)
            finally:
                stopped.set()
            return "mine"

        async with Stem.in_memory(tasks=[waits], clock=clock) as app, app.worker() as worker:
            handle = await waits.enqueue(app)
            await asyncio.wait_for(started.wait(), 5)
            clock.advance("10s")
            doubted = await app.engine.broker.claim(["default"], 1, "thief")
            assert doubted.deliveries == ()
            clock.advance("10s")
            stolen = await app.engine.broker.claim(["default"], 1, "thief")
            assert [delivery.losses for delivery in stolen.deliveries] == [1]
            await asyncio.wait_for(stopped.wait(), 5)
            assert (await handle.status()).state == "running"
            assert (await handle.status()).worker == "thief"
            assert worker.counts["succeeded"] == 0

    async def test_a_worker_that_is_handed_its_own_lost_job_stops_the_attempt_before(self) -> None:
        clock, runs = FakeClock(), asyncio.Queue[int]()
        ended: list[str] = []

        @task("waits", visibility_timeout="10m", max_retries=0)
        async def waits() -> None:
            mine = len(ended) + runs.qsize()
            runs.put_nowait(mine)
            try:
                await asyncio.sleep(30)
            except BaseException as error:
                ended.append(type(error).__name__)
                raise

        async with Stem.in_memory(tasks=[waits, ping], clock=clock) as app, app.worker():
            handle = await waits.enqueue(app)
            await asyncio.wait_for(runs.get(), 5)
            async with asyncio.timeout(5):
                while runs.empty():  # its lease ends, is doubted, and is over
                    clock.advance("11m")
                    await ping.enqueue(app)  # makes the worker look
                    await asyncio.sleep(0.02)
            await runs.get()
            async with asyncio.timeout(5):
                while not ended:
                    await asyncio.sleep(0.01)
            assert ended == ["LeaseLost"]
            assert (await handle.status()).losses == 1
            await handle.cancel()

    async def test_a_worker_that_cannot_renew_stops_the_attempt_before_the_lease_ends(self) -> None:
        started, errors = asyncio.Event(), []

        @task("waits", visibility_timeout="400ms")
        async def waits() -> None:
            started.set()
            try:
                await asyncio.sleep(30)
            except BaseException as error:
                errors.append(type(error).__name__)
                raise

        app = CannotRenew("memory://", tasks=[waits])
        async with app, app.worker():
            handle = await waits.enqueue(app)
            await asyncio.wait_for(started.wait(), 5)
            async for job in handle.watch():
                if errors or job.finished:
                    break
                await asyncio.sleep(0.01)
            assert errors[0] == "LeaseLost"
            await handle.cancel()

    async def test_a_renewal_that_could_not_be_asked_costs_its_own_job_the_lease_and_no_other(self) -> None:
        ended: dict[str, str] = {}

        @task("long", visibility_timeout="300ms")
        async def long(ctx: TaskContext) -> None:
            try:
                await asyncio.sleep(1.2)
            except BaseException as fault:
                ended.setdefault(ctx.id, type(fault).__name__)
                raise
            ended.setdefault(ctx.id, "done")

        # both slots are taken: no redelivery ends the first attempt, only the worker's own account of its lease
        async with CannotRenewOne("memory://", tasks=[long]) as app, app.worker(concurrency=2):
            silent = await long.build().id("silent").enqueue(app)
            await (await long.build().id("other").enqueue(app)).result("10s")
            await silent.cancel()
        assert ended["other"] == "done"
        assert ended["silent"] != "done"

    async def test_extend_lease_holds_for_the_time_asked(self) -> None:
        @task("extends", visibility_timeout="300ms")
        async def extends(ctx: TaskContext) -> float:
            await ctx.extend_lease("1h")
            return ctx.lease_remaining.total_seconds()

        async with Stem.in_memory(tasks=[extends]) as app, app.worker():
            assert await (await extends.enqueue(app)).result("5s") > 3000

    async def test_a_renewal_does_not_shorten_what_the_handler_asked_for(self) -> None:
        @task("extends.renewed", visibility_timeout="200ms")
        async def extends(ctx: TaskContext) -> None:
            await ctx.extend_lease("1h")
            await asyncio.sleep(0.5)  # several renewals
            await ctx.progress(100)
            await asyncio.sleep(60)

        async with Stem.in_memory(tasks=[extends]) as app, app.worker():
            handle = await extends.enqueue(app)
            async for job in handle.watch():
                if job.progress is not None:
                    assert job.lease_until is not None
                    assert (job.lease_until - datetime.now(UTC)).total_seconds() > 3000
                    await handle.cancel()

    async def test_a_short_extension_does_not_cost_the_lease(self) -> None:
        @task("extends.short", visibility_timeout="2s", max_retries=0)
        async def extends(ctx: TaskContext) -> int:
            await ctx.extend_lease("1ms")
            await asyncio.sleep(0.2)
            ctx.heartbeat()
            return ctx.attempt

        async with Stem.in_memory(tasks=[extends]) as app, app.worker():
            assert await (await extends.enqueue(app)).result("5s") == 1


class TestTidying:
    async def test_a_worker_forgets_at_its_start_all_that_is_over(self) -> None:
        clock = FakeClock()

        @task("short.lived", result_ttl="1s")
        async def short_lived() -> None: ...

        async with Stem.in_memory(tasks=[short_lived], clock=clock) as app:
            await app.enqueue_many(short_lived.build() for _ in range(1_200))
            await app.worker(burst=True).run()
            clock.advance("1h")
            async with app.worker():
                engine = app.engine
                assert isinstance(engine, MemoryEngine)
                results = engine.store.space(engine.namespace).results
                assert len(results) == 1_200
                with anyio.fail_after(5):
                    while results:
                        await asyncio.sleep(0)
            assert (await app.queues.stats("default")).succeeded == 1_200


class TestStopping:
    """Warm, soft and hard."""

    async def test_a_warm_stop_lets_running_jobs_end_and_takes_no_more(self) -> None:
        started, go_on = asyncio.Event(), asyncio.Event()

        @task("waits")
        async def waits() -> str:
            started.set()
            await go_on.wait()
            return "ended"

        async with Stem.in_memory(tasks=[waits, ping]) as app:
            worker = app.worker()
            await worker.start()
            first = await waits.enqueue(app)
            await asyncio.wait_for(started.wait(), 5)
            stopping = asyncio.create_task(worker.stop("warm"))
            await asyncio.sleep(0)
            second = await ping.enqueue(app)
            asyncio.get_running_loop().call_later(0.05, go_on.set)
            await stopping
            assert await first.result("1s") == "ended"
            assert (await second.status()).state == "queued"

    @pytest.mark.parametrize("mode", ["soft", "hard"])
    async def test_a_soft_or_hard_stop_hands_jobs_back_without_using_up_an_attempt(self, mode: Any) -> None:
        started, attempts = asyncio.Event(), []

        @task("waits", max_retries=0)
        async def waits(ctx: TaskContext) -> str:
            attempts.append(ctx.attempt)
            started.set()
            if len(attempts) == 1:
                await asyncio.sleep(30)
            return "ended"

        async with Stem.in_memory(tasks=[waits]) as app:
            worker = app.worker()
            await worker.start()
            handle = await waits.enqueue(app)
            await asyncio.wait_for(started.wait(), 5)
            await worker.stop(mode)
            job = await handle.status()
            assert (job.state, job.attempt, job.losses) == ("queued", 0, 0)
            async with app.worker():
                assert await handle.result("5s") == "ended"
            assert attempts == [1, 1]

    async def test_an_at_most_once_job_that_had_started_is_buried_not_run_again(self) -> None:
        started = asyncio.Event()

        @task("once", at_most_once=True)
        async def once() -> None:
            started.set()
            await asyncio.sleep(30)

        async with Stem.in_memory(tasks=[once]) as app:
            worker = app.worker()
            await worker.start()
            handle = await once.enqueue(app)
            await asyncio.wait_for(started.wait(), 5)
            await worker.stop("soft")
            assert (await handle.status()).reason == "interrupted"

    @pytest.mark.parametrize("kind", ["async", "plain"])
    async def test_an_at_most_once_job_whose_handler_does_not_stop_is_buried_not_run_again(self, kind: str) -> None:
        begun, free, runs = threading.Event(), threading.Event(), list[str]()

        @task("once.async", at_most_once=True)
        async def deaf() -> None:
            runs.append("async")
            begun.set()
            while not free.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.05)

        @task("once.plain", at_most_once=True)
        def plain() -> None:
            runs.append("plain")
            begun.set()
            lock.acquire()  # in C, where no interruption reaches it

        lock = threading.Lock()
        lock.acquire()
        async with Stem.in_memory(tasks=[deaf, plain]) as app:
            async with app.worker() as worker:
                handle = await (deaf if kind == "async" else plain).enqueue(app)
                await asyncio.to_thread(begun.wait, 5)
                await worker.stop("hard")
                assert worker.stuck
            with pytest.raises(JobFailed) as caught:
                await handle.result("5s")
            assert caught.value.reason == "interrupted"
            free.set()
            lock.release()
            await app.worker(burst=True).run()
            assert runs == [kind]

    async def test_what_was_started_is_not_started_again(self) -> None:
        async with Stem.in_memory(tasks=[ping]) as app:
            worker = app.worker()
            await worker.start()
            before = threading.enumerate()
            with pytest.raises(ConfigError, match="a worker works once"):
                await worker.start()
            running = asyncio.create_task(worker.run())  # goes on with what was started
            await (await ping.enqueue(app)).result("5s")
            assert [one for one in threading.enumerate() if one.name == "stem-renewals" and one not in before] == []
            await worker.stop()
            await running
            with pytest.raises(ConfigError, match="a worker works once"):
                await worker.run()

    async def test_two_who_stop_it_at_once_wait_for_the_same_end(self) -> None:
        async with Stem.in_memory(tasks=[ping]) as app:
            worker = app.worker()
            running = asyncio.create_task(worker.run())
            await (await ping.enqueue(app)).result("5s")
            await asyncio.gather(worker.stop(), worker.stop("hard"), running)
            assert await app.engine.presence.alive() == []

    async def test_a_stop_that_is_cancelled_goes_on(self) -> None:
        before = threading.enumerate()
        async with Stem.in_memory(tasks=[ping]) as app:
            worker = app.worker()
            await worker.start()
            stopping = asyncio.create_task(worker.stop())
            await asyncio.sleep(0)
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
            await worker.stop()
            assert [one for one in threading.enumerate() if one.name == "stem-renewals" and one not in before] == []
            assert not [one for one in asyncio.all_tasks() if one.get_name().startswith("stem-")]

    async def test_stopping_twice_is_fine(self) -> None:
        async with Stem.in_memory(tasks=[ping]) as app:
            worker = app.worker()
            await worker.start()
            await (await ping.enqueue(app)).result("5s")
            await worker.stop()
            counts = dict(worker.counts)
            await worker.stop("hard")
            assert (worker.counts, worker.failed, worker.running) == (counts, None, 0)
            assert await app.engine.presence.alive() == []

    async def test_a_burst_ends_when_nothing_is_left(self) -> None:
        async with Stem.in_memory(tasks=[ping]) as app:
            handles = await app.enqueue_many(ping.build() for _ in range(250))
            await asyncio.wait_for(app.worker(burst=True, concurrency=10).run(), 10)
            assert [await handle.result("1s") for handle in handles] == ["pong"] * 250


class TestOutages:
    """The store goes away and comes back."""

    async def test_claiming_goes_on_when_the_store_is_back(self, caplog: pytest.LogCaptureFixture) -> None:
        app = sabotaged()
        async with app:
            app.sabotage.fail_before("broker.claim", times=6)
            async with app.worker():
                assert await (await ping.enqueue(app)).result("20s") == "pong"
        away = [line for line in caplog.messages if "cannot claim" in line]
        assert len(away) == 1
        assert any("the store is back" in line for line in caplog.messages)

    async def test_progress_that_cannot_be_noted_fails_no_job(self) -> None:
        @task("noting", max_retries=0)
        async def noting(ctx: TaskContext) -> str:
            await ctx.progress(50)
            return "done"

        app = sabotaged(noting)
        async with app:
            app.sabotage.fail_before("broker.progress")
            async with app.worker():
                assert await (await noting.enqueue(app)).result("20s") == "done"

    async def test_a_store_that_refuses_a_worker_that_runs_is_waited_for(self) -> None:
        """A rotated password, a key that somebody overwrote: the fleet must not end for it."""
        app = Refusing("memory://", tasks=[ping])
        async with app:
            worker = app.worker()
            async with worker:
                assert await (await ping.enqueue(app)).result("20s") == "pong"
            assert worker.failed is None

    @pytest.mark.parametrize(
        "call",
        [
            *("broker.claim", "broker.wait", "workflows.claim", "workflows.wait", "workflows.sweep"),
            *("presence.beat", "results.sweep", "inbox.receive", "schemas.publish"),
        ],
    )
    async def test_a_part_that_breaks_ends_the_worker_and_says_why(
        self, call: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        @workflow("idle")
        async def idle(ctx: WorkflowContext) -> None: ...

        app = Breaking("memory://", tasks=[ping], workflows=[idle])
        app.breaks = call
        async with app:
            worker = app.worker()
            with anyio.fail_after(2):
                await worker.run()
        assert repr(worker.failed) == "ZeroDivisionError('no store gives this')"
        assert any("broke; the worker stops" in line for line in caplog.messages)

    async def test_limits_are_written_down_again_for_a_server_that_lost_them(self) -> None:
        limits: list[int] = []

        async def define() -> None:
            limits.append(1)

        engine = MemoryEngine()
        sweeping = asyncio.create_task(duties.sweep(engine, define))
        await anyio.wait_all_tasks_blocked()
        sweeping.cancel()
        assert limits == [1]

    async def test_settlements_wait_for_the_store(self) -> None:
        app = sabotaged()
        async with app:
            app.sabotage.fail_before("broker.settle", times=2)
            async with app.worker():
                assert await (await ping.enqueue(app)).result("20s") == "pong"

    async def test_a_settlement_whose_reply_was_lost_is_stored_once(self) -> None:
        told: list[Signal] = []
        app = sabotaged()
        async with app:
            app.signals.job_succeeded.connect(told.append)
            app.sabotage.fail_after("broker.settle")
            async with app.worker():
                assert await (await ping.enqueue(app)).result("20s") == "pong"
            assert (await app.queues.stats("default")).succeeded == 1
        assert len(told) == 1


class TestRefusals:
    """What a worker refuses at start, in one sentence."""

    async def test_isolate_is_refused_until_there_are_processes(self) -> None:
        @task("heavy", isolate=True)
        def heavy() -> None: ...

        async with Stem.in_memory(tasks=[heavy]) as app:
            with pytest.raises(ConfigError, match="'heavy' has isolate=True, but this version has no worker processes"):
                app.worker()

    async def test_a_hard_limit_of_a_thread_is_refused(self) -> None:
        @task("slow", time_limit="5s")
        def slow() -> None: ...

        async with Stem.in_memory(tasks=[slow]) as app:
            with pytest.raises(ConfigError, match="a thread cannot be killed"):
                app.worker()


class TestObservers:
    """Signals and middleware."""

    async def test_signals_come_by_task_pattern_once_the_settlement_is_stored(self) -> None:
        seen: list[tuple[str, str, str]] = []

        @task("orders.fail", max_retries=1, retry=RetryPolicy.fixed(0))
        async def fail() -> None:
            raise ValueError

        async with Stem.in_memory(tasks=[fail, ping]) as app:

            async def look(signal: Signal) -> None:
                seen.append((signal.name, signal.task, (await app.jobs.get(signal.job_id)).state))

            app.signals.job_failed.connect(look, task="orders.*")
            app.signals.job_retried.connect(look, task="orders.*")
            app.signals.job_succeeded.connect(look, task="orders.*")
            async with app.worker():
                await (await ping.enqueue(app)).result("5s")
                handle = await fail.enqueue(app)
                with pytest.raises(Exception, match="exhausted"):
                    await handle.result("5s")
            await asyncio.sleep(0)
        assert [(name, task_name) for name, task_name, _ in seen] == [
            ("job_retried", "orders.fail"),
            ("job_failed", "orders.fail"),
        ]
        assert seen[-1][2] == "failed"

    async def test_an_observer_that_raises_harms_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        def breaks(_: Signal) -> None:
            raise RuntimeError("observer")

        async with Stem.in_memory(tasks=[ping]) as app:
            app.signals.job_succeeded.connect(breaks)
            async with app.worker():
                assert await (await ping.enqueue(app)).result("5s") == "pong"
        assert any("observer" in line for line in caplog.messages)

    async def test_middleware_stands_around_every_stage_in_order(self) -> None:
        seen: list[str] = []

        class Notes(Middleware):
            def __init__(self, name: str) -> None:
                self.name = name

            async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> JobHandle[Any]:
                seen.append(f"{self.name} enqueue")
                return await proceed(call.header(self.name, "was here"))

            async def on_consume(self, delivery: Delivery, proceed: ConsumeNext) -> None:
                seen.append(f"{self.name} consume")
                await proceed(delivery)

            async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
                seen.append(f"{self.name} execute {ctx.headers[self.name]}")
                return await proceed()

            async def on_error(self, ctx: TaskContext, error: BaseException) -> None:
                seen.append(f"{self.name} error {error}")

        @task("fails", max_retries=0)
        async def fails() -> None:
            raise ValueError("no")

        async with Stem.in_memory(tasks=[fails], middleware=[Notes("a"), Notes("b")]) as app, app.worker():
            with pytest.raises(Exception, match="no"):
                await (await fails.enqueue(app)).result("5s")
        assert seen == [
            "a enqueue",
            "b enqueue",
            "a consume",
            "b consume",
            "a execute was here",
            "b execute was here",
            "a error no",
            "b error no",
        ]

    async def test_middleware_may_change_the_result(self) -> None:
        class Louder(Middleware):
            async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
                return str(await proceed()).upper()

        async with Stem.in_memory(tasks=[ping], middleware=[Louder()]) as app, app.worker():
            assert await (await ping.enqueue(app)).result("5s") == "PONG"

    async def test_a_worker_is_present_while_it_works(self) -> None:
        async with Stem.in_memory(tasks=[ping]) as app:
            async with app.worker(name="w-1"):
                while not (present := await app.engine.presence.alive()):
                    await asyncio.sleep(0.01)
                assert [one.worker.rpartition("-")[0] for one in present] == ["w-1"]
            assert await app.engine.presence.alive() == []

    async def test_the_library_leaves_the_root_logger_alone(self) -> None:
        before = list(logging.getLogger().handlers)
        async with Stem.in_memory(tasks=[ping]) as app, app.worker():
            await (await ping.enqueue(app)).result("5s")
        assert logging.getLogger().handlers == before


def test_a_worker_whose_parts_are_cancelled_by_a_handler_ends_at_once_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @task("rogue", max_retries=0)
    async def rogue() -> None:
        for one in asyncio.all_tasks():
            one.cancel()
        await asyncio.sleep(60)

    async def host() -> tuple[BaseException | None, float]:
        async with Stem.in_memory(tasks=[rogue]) as app, app.worker() as worker:
            await rogue.enqueue(app)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            began = time.monotonic()
            await worker.stop()
            return worker.failed, time.monotonic() - began

    failed, took = asyncio.run(host())
    assert took < 5
    assert "was cancelled by other code in this process, a handler perhaps (running: rogue)" in str(failed)
    assert "the store is away" not in caplog.text
