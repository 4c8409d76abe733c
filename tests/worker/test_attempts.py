"""What a handler may do, and that the worker goes on whatever it does."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import math
import re
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from stem import (
    ConfigError,
    JobCancelled,
    JobFailed,
    LeaseLost,
    Middleware,
    Queue,
    ResultNotKept,
    RetryPolicy,
    SoftTimeLimit,
    Stem,
    TaskContext,
    TaskDefinition,
    task,
)
from stem.contracts.broker import Delivery
from stem.core.context import JobHandle
from stem.core.job import Job
from stem.core.record import Progress
from stem.core.record import encode as encode_progress
from stem.core.sizes import MAX_PROGRESS_SIZE
from stem.core.task import AnyTask
from stem.observe.middleware import ConsumeNext, ExecuteNext
from stem.worker.drive import Drive, Urgency
from stem.worker.interrupt import Interrupted, ThreadRun
from stem.worker.running import Running

pytestmark = pytest.mark.anyio

SOON = RetryPolicy.fixed(0)


class Number(BaseModel):
    value: int = 1


@task("double")
async def double(number: Number) -> int:
    return number.value * 2


@task("thread.name")
def thread_name() -> str:
    return threading.current_thread().name


async def failure(handle: JobHandle[object]) -> JobFailed:
    with pytest.raises(JobFailed) as caught:
        await handle.result("5s")
    return caught.value


async def still_works(app: Stem) -> None:
    assert await (await double.enqueue(app, Number(value=21))).result("5s") == 42


def app_with(*tasks: AnyTask) -> Stem:
    return Stem.in_memory(tasks=[double, *tasks])


async def test_an_async_handler_gives_its_result() -> None:
    async with app_with() as app, app.worker():
        await still_works(app)


async def test_a_plain_handler_runs_in_a_thread() -> None:
    async with app_with(thread_name) as app, app.worker():
        assert (await (await thread_name.enqueue(app)).result("5s")).startswith("stem-job")


@pytest.mark.parametrize("retries", [0, 1, 4])
async def test_a_failing_handler_is_tried_as_often_as_it_may(retries: int) -> None:
    seen: list[int] = []

    @task("fails", max_retries=retries, retry=SOON)
    async def fails(ctx: TaskContext) -> None:
        seen.append(ctx.attempt)
        raise ValueError(f"attempt {ctx.attempt}")

    async with app_with(fails) as app, app.worker():
        error = await failure(await fails.enqueue(app))
        assert (error.reason, error.error_type, error.error_message) == (
            "exhausted",
            "ValueError",
            f"attempt {retries + 1}",
        )
        assert "raise ValueError" in error.traceback
        assert seen == list(range(1, retries + 2))
        assert [letter.reason for letter in (await app.dead_letters.list())[0]] == ["exhausted"]


async def test_a_call_can_set_retries_back_to_none() -> None:
    @task("fails", max_retries=5, retry=SOON)
    async def fails() -> None:
        raise ValueError

    async with app_with(fails) as app, app.worker():
        handle = await fails.build().retries(0).enqueue(app)
        await failure(handle)
        assert (await handle.status()).attempt == 1


async def test_an_error_to_give_up_on_is_not_retried() -> None:
    class Declined(Exception):
        pass

    @task("charge", max_retries=5, retry=RetryPolicy.fixed(0, give_up_on=(Declined,)))
    async def charge() -> None:
        raise Declined

    async with app_with(charge) as app, app.worker():
        handle = await charge.enqueue(app)
        await failure(handle)
        assert (await handle.status()).attempt == 1


async def test_sys_exit_in_a_handler_fails_its_job_only() -> None:
    @task("exits", max_retries=0)
    async def exits() -> None:
        sys.exit(3)

    @task("exits.thread", max_retries=0)
    def exits_in_a_thread() -> None:
        sys.exit(4)

    async with app_with(exits, exits_in_a_thread) as app, app.worker():
        assert (await failure(await exits.enqueue(app))).error_type == "SystemExit"
        assert (await failure(await exits_in_a_thread.enqueue(app))).error_type == "SystemExit"
        await still_works(app)


async def test_a_result_of_the_wrong_type_is_a_failure_in_words() -> None:
    @task("wrong", max_retries=0)
    async def wrong() -> int:
        return "no"  # type: ignore[return-value]

    async with app_with(wrong) as app, app.worker():
        error = await failure(await wrong.enqueue(app))
        assert error.error_type == "EncodeError"
        assert "returned what cannot be stored as int" in error.error_message
        await still_works(app)


async def test_an_error_whose_text_raises_is_a_failure_too() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @task("broken", max_retries=0)
    async def broken() -> None:
        raise Broken

    async with app_with(broken) as app, app.worker():
        assert (await failure(await broken.enqueue(app))).error_type == "Broken"
        await still_works(app)


async def test_ctx_retry_can_allow_more_attempts_and_is_remembered() -> None:
    seen: list[int] = []

    @task("asks", max_retries=0)
    async def asks(ctx: TaskContext) -> str:
        seen.append(ctx.attempt)
        if ctx.attempt < 3:
            ctx.retry(0, max_retries=2, reason="not yet")
        return "done"

    async with app_with(asks) as app, app.worker():
        assert await (await asks.enqueue(app)).result("5s") == "done"
        assert seen == [1, 2, 3]


async def test_a_snooze_uses_up_no_attempt() -> None:
    snoozes = iter(range(4))

    @task("snoozes", max_retries=0)
    async def snoozes_thrice(ctx: TaskContext) -> int:
        if next(snoozes) < 3:
            ctx.snooze(0)
        return ctx.attempt

    async with app_with(snoozes_thrice) as app, app.worker():
        assert await (await snoozes_thrice.enqueue(app)).result("5s") == 1


async def test_context_variables_do_not_leak_from_job_to_job() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    @task("sets")
    async def sets() -> int:
        before = variable.get()
        variable.set(1)
        return before

    @task("sets.thread")
    def sets_in_a_thread() -> int:
        before = variable.get()
        variable.set(1)
        return before

    async with app_with(sets, sets_in_a_thread) as app, app.worker(concurrency=1):
        for declared in (sets, sets_in_a_thread):
            handles = [await declared.enqueue(app) for _ in range(3)]
            assert [await handle.result("5s") for handle in handles] == [0, 0, 0]


async def test_no_more_attempts_run_at_once_than_there_are_slots() -> None:
    running, most = 0, 0

    @task("counts")
    async def counts() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1

    async with app_with(counts) as app, app.worker(concurrency=7):
        handles = await app.enqueue_many(counts.build() for _ in range(60))
        for handle in handles:
            await handle.result("10s")
        assert most == 7


async def test_a_slot_taken_by_a_long_job_does_not_keep_others_waiting() -> None:
    release = asyncio.Event()

    @task("long")
    async def long() -> None:
        await release.wait()

    async with app_with(long) as app, app.worker(concurrency=4):
        held = [await long.enqueue(app) for _ in range(3)]
        for _ in range(3):
            await still_works(app)
        release.set()
        for handle in held:
            await handle.result("5s")


async def test_progress_is_stored_and_watched() -> None:
    seen_half = asyncio.Event()

    @task("steps")
    async def steps(ctx: TaskContext) -> None:
        await ctx.progress(50, "half", {"page": 3})
        await seen_half.wait()

    async with app_with(steps) as app, app.worker():
        handle = await steps.enqueue(app)
        states: list[Job] = []
        async for job in handle.watch():
            states.append(job)
            if job.progress is not None:
                seen_half.set()
        assert states[-1].state == "succeeded"
        halves = [job for job in states if job.progress is not None and job.state == "running"]
        assert with_progress(halves[0]) == (50, "half", {"page": 3})


def with_progress(job: Job) -> tuple[float, str, Any] | None:
    """What a job says of its progress; of data that was not given, UNSET."""
    if job.progress is None:
        return None
    data = job.progress.data
    return (
        job.progress.percent,
        job.progress.message,
        msgspec.json.decode(data) if isinstance(data, msgspec.Raw) else data,
    )


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ((0,), (0.0, "", msgspec.UNSET)),
        ((100, "all"), (100.0, "all", msgspec.UNSET)),
        ((12.5, "", None), (12.5, "", msgspec.UNSET)),
        *(((1, "page", data), (1.0, "page", data)) for data in ({"page": 3}, [1, [None]], "", 0, False)),
    ],
)
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_progress_is_seen_as_it_was_said(kind: str, said: tuple[Any, ...], seen: tuple[Any, ...]) -> None:
    @task("says", max_retries=0)
    async def says(ctx: TaskContext) -> None:
        await ctx.progress(*said)
        states.append(await app.jobs.get(ctx.id))

    @task("says.plain", max_retries=0)
    def says_in_a_thread(ctx: TaskContext) -> None:
        ctx.sync.progress(*said)
        states.append(asyncio.run_coroutine_threadsafe(app.jobs.get(ctx.id), loop).result())

    states, loop = list[Job](), asyncio.get_running_loop()
    async with app_with(says, says_in_a_thread) as app, app.worker():
        await (await (says if kind == "async" else says_in_a_thread).enqueue(app)).result("5s")
    assert [with_progress(job) for job in states] == [seen]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        *(
            ((percent,), "progress must be a number from 0 to 100")
            for percent in (-0.1, 100.1, math.nan, True, "5", None)
        ),
        ((1, 3), "the message of a progress must be text"),
        ((1, "half a pair: \ud800"), "the message of a progress must be text"),
        ((1, "", object()), "the data of a progress must be plain JSON"),
    ],
)
async def test_a_progress_that_cannot_be_shown_is_refused_in_words(said: tuple[Any, ...], problem: str) -> None:
    @task("says", max_retries=0)
    async def says(ctx: TaskContext) -> str:
        with pytest.raises(ConfigError) as caught:
            await ctx.progress(*said)
        return str(caught.value)

    async with app_with(says) as app, app.worker():
        handle = await says.enqueue(app)
        assert problem in await handle.result("5s")
        assert (await handle.status()).progress is None


async def test_a_thread_can_report_progress_and_enqueue() -> None:
    @task("outer")
    def outer(ctx: TaskContext) -> str:
        ctx.sync.progress(10, "begun")
        ctx.sync.extend_lease("1m")
        return ctx.sync.enqueue(double.build(Number(value=4)))

    async with app_with(outer) as app, app.worker():
        inner = await (await outer.enqueue(app)).result("5s")
        assert await app.handle(inner).result("5s") == 8


async def test_a_handler_in_the_loop_is_told_not_to_block_it() -> None:
    @task("blocks", max_retries=0)
    async def blocks(ctx: TaskContext) -> str:
        with pytest.raises(ConfigError, match=r"ctx\.sync blocks, and this handler runs in the event loop"):
            ctx.sync.progress(10)
        await ctx.progress(20)
        return "went on"

    async with app_with(blocks) as app, app.worker():
        assert await (await blocks.enqueue(app)).result("5s") == "went on"


async def test_ignored_results_are_not_kept() -> None:
    @task("quiet", ignore_result=True)
    async def quiet() -> int:
        return 5

    async with app_with(quiet) as app, app.worker():
        with pytest.raises(ResultNotKept):
            await (await quiet.enqueue(app)).result("5s")


async def test_headers_meta_and_the_idempotency_key_reach_the_handler() -> None:
    @task("reads")
    async def reads(ctx: TaskContext) -> list[str]:
        return [ctx.headers["x"], str(ctx.meta["n"]), ctx.idempotency_key("charge"), ctx.queue]

    async with app_with(reads) as app, app.worker():
        handle = await reads.build().header("x", "y").meta("n", 3).id("job-1").enqueue(app)
        assert await handle.result("5s") == ["y", "3", "job-1/charge", "default"]


class TestWhatIsRefused:
    """Jobs that cannot be understood are buried, with the reason and their bytes; see also test_unknown.py."""

    async def test_an_unknown_task_names_the_nearest(self) -> None:
        misspelt = TaskDefinition("duoble", args=Number, returns=int)
        async with app_with() as app, app.worker(unknown_for="0s"):
            error = await failure(await misspelt.enqueue(app, Number()))
            assert error.reason == "unknown_task"
            assert "did you mean 'double'?" in error.error_message

    async def test_arguments_that_do_not_validate_say_why(self) -> None:
        class Text(BaseModel):
            value: str

        drifted = TaskDefinition("double", args=Text, returns=int)
        async with app_with() as app, app.worker(unknown_for="0s"):
            handle = await drifted.enqueue(app, Text(value="many"))
            error = await failure(handle)
            assert error.reason == "invalid_arguments"
            assert "value: Input should be a valid integer" in error.error_message
            assert b'"many"' in (await app.dead_letters.get(handle.id)).envelope

    async def test_an_undecodable_envelope_is_buried_with_its_bytes(self) -> None:
        from stem.core.envelope import Submission

        async with app_with() as app, app.worker():
            await app.engine.broker.publish(
                [Submission(id="junk", task="double", queue="default", envelope=b"\x80\x04junk")]
            )
            error = await failure(app.handle("junk"))
            assert error.reason == "undecodable"
            assert (await app.dead_letters.get("junk")).envelope == b"\x80\x04junk"
            await still_works(app)


class TestLimits:
    """Soft and hard limits."""

    async def test_the_soft_limit_appears_at_the_await_of_a_coroutine(self) -> None:
        @task("soft", soft_time_limit="60ms", max_retries=0)
        async def soft() -> str:
            try:
                await asyncio.sleep(30)
            except SoftTimeLimit:
                await asyncio.sleep(0)
                return "tidied up"
            return "never"

        async with app_with(soft) as app, app.worker():
            assert await (await soft.enqueue(app)).result("5s") == "tidied up"

    async def test_the_soft_limit_appears_at_the_next_bytecode_of_a_thread(self) -> None:
        @task("soft.thread", soft_time_limit="60ms", max_retries=0)
        def soft() -> str:
            try:
                while True:
                    time.sleep(0.005)
            except SoftTimeLimit:
                return "tidied up"

        async with app_with(soft) as app, app.worker():
            assert await (await soft.enqueue(app)).result("5s") == "tidied up"
            await still_works(app)

    async def test_an_uncaught_soft_limit_is_an_ordinary_failure(self) -> None:
        @task("soft", soft_time_limit="50ms", max_retries=0)
        async def soft() -> None:
            await asyncio.sleep(30)

        async with app_with(soft) as app, app.worker():
            assert (await failure(await soft.enqueue(app))).error_type == "SoftTimeLimit"

    async def test_the_hard_limit_passes_through_except_exception(self) -> None:
        @task("hard", time_limit="60ms", max_retries=0)
        async def hard() -> str:
            while True:
                try:
                    await asyncio.sleep(30)
                except Exception:
                    return "swallowed"

        async with app_with(hard) as app, app.worker():
            assert (await failure(await hard.enqueue(app))).error_type == "TimeLimitExceeded"
            await still_works(app)

    async def test_a_coroutine_that_swallows_everything_is_left_behind(self) -> None:
        @task("stubborn", time_limit="60ms", max_retries=0)
        async def stubborn() -> None:
            for _ in range(2):  # the limit, and being closed after it
                try:
                    await asyncio.sleep(30)
                except BaseException:
                    continue
            await asyncio.sleep(30)

        async with app_with(stubborn) as app, app.worker(concurrency=1):
            error = await failure(await stubborn.enqueue(app))
            assert error.error_type == "TimeLimitExceeded"
            await still_works(app)

    async def test_a_call_can_lift_the_limit_of_its_task(self) -> None:
        @task("limited", time_limit="60ms", max_retries=0)
        async def limited() -> str:
            await asyncio.sleep(0.2)
            return "done"

        async with app_with(limited) as app, app.worker():
            assert await (await limited.build().time_limit(None).enqueue(app)).result("5s") == "done"

    @pytest.mark.parametrize("declared", [{}, {"soft_time_limit": "20s", "time_limit": "30s"}])
    @pytest.mark.parametrize(("said", "error"), [("hard", "TimeLimitExceeded"), ("soft", "SoftTimeLimit")])
    async def test_a_call_can_set_limits_of_its_own(self, declared: Any, said: str, error: str) -> None:
        @task("unlimited", max_retries=0, **declared)
        async def unlimited() -> None:
            await asyncio.sleep(2)

        call = unlimited.build()
        limited = call.time_limit("60ms") if said == "hard" else call.time_limit(None, soft="60ms")
        async with app_with(unlimited) as app, app.worker():
            assert (await failure(await limited.enqueue(app))).error_type == error

    async def test_both_limits_hold_for_one_attempt(self) -> None:
        seen: list[str] = []

        @task("both", soft_time_limit="50ms", time_limit="150ms", max_retries=0)
        async def both() -> None:
            try:
                await asyncio.sleep(30)
            except SoftTimeLimit:
                seen.append("soft")
                await asyncio.sleep(30)

        async with app_with(both) as app, app.worker():
            assert (await failure(await both.enqueue(app))).error_type == "TimeLimitExceeded"
            assert seen == ["soft"]


class TestCancelling:
    """Cancel reaches a running handler within moments, not at the next renewal."""

    async def test_a_running_coroutine_is_cancelled_at_its_await(self) -> None:
        started = asyncio.Event()
        ended: list[str] = []

        @task("waits")
        async def waits() -> None:
            started.set()
            try:
                await asyncio.sleep(30)
            finally:
                ended.append("tidied up")

        async with app_with(waits) as app, app.worker():
            handle = await waits.enqueue(app)
            await asyncio.wait_for(started.wait(), 5)
            begun = time.monotonic()
            assert await handle.cancel("no longer needed")
            job = [seen async for seen in handle.watch()][-1]
            assert (job.state, job.reason) == ("cancelled", "no longer needed")
            assert ended == ["tidied up"]
            assert time.monotonic() - begun < 5

    async def test_a_running_thread_sees_it_at_its_heartbeat(self) -> None:
        started = threading.Event()

        @task("spins")
        def spins(ctx: TaskContext) -> None:
            started.set()
            while True:
                ctx.heartbeat()
                time.sleep(0.005)

        async with app_with(spins) as app, app.worker():
            handle = await spins.enqueue(app)
            await asyncio.to_thread(started.wait, 5)
            assert await handle.cancel()
            assert [seen async for seen in handle.watch()][-1].state == "cancelled"
            await still_works(app)

    @pytest.mark.parametrize("kind", ["async", "plain"])
    async def test_a_handler_that_caught_its_cancel_hears_of_it_at_its_next_progress(self, kind: str) -> None:
        started, told = threading.Event(), list[str]()

        @task("catches")
        async def catches(ctx: TaskContext) -> None:
            started.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(5)
            try:
                await ctx.progress(50)
            except JobCancelled as fault:
                told.append(fault.reason)
                raise

        @task("catches.plain")
        def catches_in_a_thread(ctx: TaskContext) -> None:
            started.set()
            with contextlib.suppress(Interrupted):
                while not ctx.cancelled:
                    time.sleep(0.005)
                time.sleep(5)
            try:
                ctx.sync.progress(50)
            except JobCancelled as fault:
                told.append(fault.reason)
                raise

        async with app_with(catches, catches_in_a_thread) as app, app.worker():
            handle = await (catches if kind == "async" else catches_in_a_thread).enqueue(app)
            await asyncio.to_thread(started.wait, 5)
            await handle.cancel("no longer needed")
            job = [seen async for seen in handle.watch()][-1]
            assert told == ["no longer needed"]
            assert (job.state, job.reason, job.progress) == ("cancelled", "no longer needed", None)


def frames(error: JobFailed) -> list[tuple[str, str]]:
    """The (file, function) of each frame in a stored traceback."""
    found = re.findall(r'File ".*?([^/"]+)", line \d+, in (\w+)', error.traceback)
    return [(file, function) for file, function in found]


class TestTracebacks:
    """What is stored of an error is the user's own code, from the handler on."""

    @pytest.mark.parametrize("around", [False, True])
    @pytest.mark.parametrize("kind", ["async", "plain"])
    async def test_a_traceback_begins_at_the_handler(self, kind: str, around: bool) -> None:
        class Through(Middleware):
            async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
                return await proceed()

        def deep() -> None:
            raise LookupError("no such order")

        @task("breaks", max_retries=0)
        async def breaks() -> None:
            deep()

        @task("breaks.plain", max_retries=0)
        def breaks_in_a_thread() -> None:
            deep()

        declared: AnyTask = breaks if kind == "async" else breaks_in_a_thread
        app = Stem.in_memory(tasks=[breaks, breaks_in_a_thread], middleware=[Through()] if around else [])
        async with app, app.worker():
            error = await failure(await app.enqueue(declared.name))
        here = Path(__file__).name
        handler = "breaks" if kind == "async" else "breaks_in_a_thread"
        assert frames(error) == [(here, handler), (here, "deep")]
        assert error.traceback.rstrip().endswith("LookupError: no such order")

    async def test_the_traceback_of_a_limit_shows_where_the_handler_stood(self) -> None:
        async def waits_long() -> None:
            await asyncio.sleep(5)

        @task("soft", soft_time_limit="50ms", max_retries=0)
        async def soft() -> None:
            await waits_long()

        async with app_with(soft) as app, app.worker():
            error = await failure(await soft.enqueue(app))
        here = Path(__file__).name
        assert frames(error)[:2] == [(here, "soft"), (here, "waits_long")]

    async def test_where_no_handler_was_reached_all_of_the_traceback_is_kept(self) -> None:
        class Broken(Middleware):
            async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
                raise OSError("no tenant")

        @task("unreached", max_retries=0)
        async def unreached() -> None: ...

        async with Stem.in_memory(tasks=[unreached], middleware=[Broken()]) as app, app.worker():
            error = await failure(await unreached.enqueue(app))
        assert frames(error)[-1] == (Path(__file__).name, "on_execute")


class TestAroundTheHandler:
    async def test_text_that_utf8_cannot_carry_is_escaped_in_the_record(self) -> None:
        @task("surrogate", max_retries=0)
        async def surrogate() -> None:
            raise ValueError("half of a pair: \ud800")

        async with app_with(surrogate) as app, app.worker() as worker:
            error = await failure(await surrogate.enqueue(app))
            assert error.error_message == "half of a pair: \\ud800"
            assert worker.counts["started"] == 1
            await still_works(app)

    async def test_an_error_whose_text_ends_the_process_does_not_end_the_worker(self) -> None:
        class Odd(Exception):
            def __str__(self) -> str:
                raise SystemExit(3)

        @task("odd", max_retries=0)
        async def odd() -> None:
            raise Odd

        async with app_with(odd) as app, app.worker():
            assert (await failure(await odd.enqueue(app))).error_message == "<its __str__ raised SystemExit>"
            await still_works(app)

    async def test_a_middleware_that_raises_fails_the_attempt_and_the_job_is_retried(self) -> None:
        class Broken(Middleware):
            async def on_consume(self, delivery: Delivery, proceed: ConsumeNext) -> None:
                if delivery.task == "double.once" and delivery.attempt == 1:
                    raise OSError("no tenant")
                await proceed(delivery)

        @task("double.once", max_retries=1, retry=SOON)
        async def once(ctx: TaskContext) -> int:
            return ctx.attempt

        app = Stem.in_memory(tasks=[once], middleware=[Broken()])
        async with app, app.worker() as worker:
            assert await (await once.enqueue(app)).result("5s") == 2
            assert worker.counts["started"] == 2

    async def test_a_middleware_that_passes_nothing_on_buries_the_job(self) -> None:
        class Hole(Middleware):
            async def on_consume(self, delivery: Delivery, proceed: ConsumeNext) -> None:
                pass

        @task("swallowed", max_retries=1, retry=SOON)
        async def swallowed() -> None: ...

        app = Stem.in_memory(tasks=[swallowed], middleware=[Hole()])
        async with app, app.worker() as worker:
            error = await failure(await swallowed.enqueue(app))
            assert "without `await proceed(delivery)`" in error.error_message
            assert worker.counts["started"] == 2

    async def test_a_middleware_that_proceeds_twice_runs_the_handler_once(self) -> None:
        class Twice(Middleware):
            async def on_consume(self, delivery: Delivery, proceed: ConsumeNext) -> None:
                await proceed(delivery)
                await proceed(delivery)

        ran: list[int] = []

        @task("counted")
        async def counted() -> int:
            ran.append(1)
            return len(ran)

        app = Stem.in_memory(tasks=[counted], middleware=[Twice()])
        async with app, app.worker():
            assert await (await counted.enqueue(app)).result("5s") == 1
        assert ran == [1]


class TestInterrupting:
    """Limits, cancels and losses reach a handler wherever it stands, once, and leave no trace."""

    async def test_a_caught_soft_limit_leaves_no_cancellation_behind(self) -> None:
        @task("caught", soft_time_limit="50ms", max_retries=0)
        async def caught() -> int:
            with contextlib.suppress(SoftTimeLimit):
                await asyncio.sleep(10)
            async with asyncio.timeout(5):
                await asyncio.sleep(0.05)
            me = asyncio.current_task()
            assert me is not None
            return me.cancelling()

        async with app_with(caught) as app, app.worker():
            assert await (await caught.enqueue(app)).result("5s") == 0

    async def test_a_soft_limit_that_a_child_task_swallowed_appears_when_the_await_comes_back(self) -> None:
        async def deaf() -> str:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return "swallowed"
            return "slept"

        @task("swallows", soft_time_limit="50ms", max_retries=0)
        async def swallows() -> str:
            try:
                return await asyncio.create_task(deaf())
            except SoftTimeLimit:
                pass
            try:
                async with asyncio.timeout(0.05):
                    await asyncio.sleep(10)
            except TimeoutError:
                return "its own time-out"
            return "nothing"

        async with app_with(swallows) as app, app.worker():
            assert await (await swallows.enqueue(app)).result("5s") == "its own time-out"

    async def test_a_handler_that_waits_for_a_deaf_child_is_left_behind_at_its_hard_limit(self) -> None:
        free = asyncio.Event()

        async def deaf() -> None:
            while not free.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await free.wait()

        @task("deaf", time_limit="50ms", max_retries=0)
        async def waits() -> None:
            await asyncio.create_task(deaf())

        async with app_with(waits) as app, app.worker(concurrency=1) as worker:
            error = await failure(await waits.enqueue(app))
            assert (error.error_type, worker.stuck) == ("TimeLimitExceeded", True)
            await still_works(app)
            free.set()
        assert not worker.stuck

    async def test_the_loss_of_the_lease_is_seen_before_a_soft_limit_of_the_same_moment(self) -> None:
        seen: list[str] = []

        async def handler() -> int:
            try:
                await asyncio.sleep(10)
            except (LeaseLost, SoftTimeLimit) as error:
                seen.append(type(error).__name__)
            me = asyncio.current_task()
            assert me is not None
            return me.cancelling()

        async def driven() -> int:
            return await drive

        drive: Drive[int] = Drive(handler())
        attempt = asyncio.create_task(driven())
        await asyncio.sleep(0)
        assert drive.interrupt(SoftTimeLimit(), Urgency.SOFT)
        assert drive.interrupt(LeaseLost("a"), Urgency.LOST)
        assert drive.interrupt(SoftTimeLimit(), Urgency.SOFT)
        assert (await attempt, seen) == (0, ["LeaseLost"])

    @pytest.mark.parametrize("error", [StopIteration, GeneratorExit])
    async def test_what_no_future_can_carry_fails_a_plain_handler_in_words(self, error: type[BaseException]) -> None:
        @task("odd.end", max_retries=0)
        def odd_end() -> int:
            raise error

        async with app_with(odd_end) as app, app.worker():
            found = await failure(await odd_end.enqueue(app))
            assert (found.error_type, found.error_message) == ("RuntimeError", f"the handler raised {error.__name__}")
            await still_works(app)

    async def test_a_cancel_before_the_thread_has_begun_is_not_lost(self) -> None:
        ran: list[str] = []
        inside = asyncio.Event()

        class Slow(Middleware):
            async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
                inside.set()
                while not ctx.cancelled:
                    await asyncio.sleep(0.01)
                return await proceed()

        @task("plain")
        def plain() -> None:
            ran.append("plain")

        async with Stem.in_memory(tasks=[plain], middleware=[Slow()]) as app, app.worker():
            handle = await plain.enqueue(app)
            await asyncio.wait_for(inside.wait(), 5)
            await handle.cancel("changed my mind")
            with pytest.raises(JobCancelled, match="changed my mind"):
                await handle.result("5s")
        assert ran == []

    async def test_a_default_hard_limit_of_a_queue_is_not_for_plain_handlers(self) -> None:
        @task("plain.limited")
        def plain() -> str:
            return "done"

        app = Stem.in_memory(tasks=[plain], queues=[Queue("default", time_limit="5s")])
        async with app, app.worker():
            assert await (await plain.enqueue(app)).result("5s") == "done"


def test_an_interruption_inside_a_call_ends_it() -> None:
    run = ThreadRun()

    def interrupts_itself() -> str:
        run.interrupt(Interrupted)
        return "never"

    with pytest.raises(Interrupted):
        run.run(interrupts_itself)
    assert not run.interrupt(Interrupted)


def test_an_interruption_after_the_return_is_too_late_and_leaves_nothing_behind() -> None:
    me = ctypes.c_ulong(threading.get_ident())
    late = partial(ctypes.pythonapi.PyThreadState_SetAsyncExc, me, ctypes.py_object(Interrupted))
    for _ in range(1_000):
        run = ThreadRun()
        assert run.run(late) == 1
        assert not run.interrupt(Interrupted)


def test_an_interruption_before_the_call_begins_keeps_it_from_running() -> None:
    run, ran = ThreadRun(), list[int]()
    assert run.interrupt(Interrupted)
    with pytest.raises(Interrupted):
        run.run(lambda: ran.append(1))
    assert ran == []


async def test_only_the_code_that_runs_is_blamed_for_a_blocked_loop() -> None:
    def held(drive: Drive[object]) -> Running:
        delivery = Delivery(
            id="a", fence=1, task="t", queue="q", envelope=b"", attempt=1, losses=0, lease_ms=1, enqueued_at=0
        )
        return Running(delivery, stop_by=0, renew_at=0, drive=drive, hard_at=10.0)

    blamed: list[bool] = []

    async def handler() -> None:
        blamed.append(held(drive).blocks_the_loop(12.0))
        await asyncio.sleep(0)
        blamed.append(held(drive).blocks_the_loop(10.5))

    async def driven() -> None:
        await drive

    drive: Drive[object] = Drive(handler())
    attempt = asyncio.create_task(driven())
    await asyncio.sleep(0)
    blamed.append(held(drive).blocks_the_loop(12.0))
    await attempt
    assert blamed == [True, False, False]


class TestSizes:
    """What a handler gives is bounded too."""

    async def test_a_result_as_large_as_allowed_is_kept_and_one_more_byte_fails_the_job_at_once(self) -> None:
        begun: list[int] = []

        @task("writes", max_retries=5, retry=RetryPolicy.fixed("1ms"))
        async def writes(number: Number) -> str:
            begun.append(number.value)
            return "x" * number.value

        app = Stem.in_memory(tasks=[writes], max_result=1_000)
        async with app, app.worker():
            assert len(await (await writes.enqueue(app, Number(value=998))).result("5s")) == 998
            error = await failure(await writes.enqueue(app, Number(value=999)))
        assert (error.reason, error.error_type) == ("exhausted", "PayloadTooLargeError")
        assert "the result of task 'writes' takes 1,001 bytes, over the limit of 1,000" in error.error_message
        assert begun == [998, 999]

    async def test_a_progress_as_large_as_allowed_is_stored_and_a_larger_one_is_refused(self) -> None:
        @task("notes", max_retries=0)
        async def notes(ctx: TaskContext, number: Number) -> None:
            await ctx.progress(50, data="x" * number.value)

        least = len(encode_progress(Progress(50.0, "", msgspec.Raw(b'""'))))
        async with app_with(notes) as app, app.worker():
            most = MAX_PROGRESS_SIZE - least
            await (await notes.enqueue(app, Number(value=most))).result("5s")
            error = await failure(await notes.enqueue(app, Number(value=most + 1)))
        assert "a progress takes 16,385 bytes as JSON, over the limit of 16,384" in error.error_message
