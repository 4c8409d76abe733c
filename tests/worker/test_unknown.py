"""In the middle of a deploy: a job that this worker does not know waits for one that does, for a bounded time."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import pytest
from pydantic import BaseModel

from stem import JobFailed, JobHandle, RetryPolicy, Stem, TaskContext, TaskDefinition, task
from stem.client.known import NOBODY, _named, why_it_waits
from stem.contracts.presence import Present
from stem.core.envelope import WIRE_VERSION, Submission
from stem.core.job import Job
from stem.core.schema import arguments_schema, digest
from stem.errors import ResultTimeout
from stem.testing import FakeClock

pytestmark = pytest.mark.anyio


class Number(BaseModel):
    value: int = 1


class Text(BaseModel):
    value: str


@task("known")
async def known(number: Number) -> int:
    return number.value


@task("fresh")
async def fresh(number: Number) -> int:
    return number.value + 1


def apps(*new: Any) -> tuple[Stem, Stem, FakeClock]:
    """An app of yesterday and one of today, on one store."""
    clock = FakeClock()
    old = Stem.in_memory(tasks=[known], clock=clock)
    today = Stem.in_memory(tasks=[*new], clock=clock)
    today._store = old._store
    return old, today, clock


@asynccontextmanager
async def opened(*both: Stem) -> AsyncIterator[None]:
    async with both[0], both[1]:
        yield


async def until_refused(handle: JobHandle[Any]) -> Job:
    """The job as soon as a worker that does not know it has had it."""
    with anyio.fail_after(10):
        while (job := await handle.status()).error is None:
            await anyio.sleep(0.005)
    return job


async def ended(handle: JobHandle[Any], clock: FakeClock) -> Job:
    """The job at its end; time passes in seconds."""
    with anyio.fail_after(20):
        while not (job := await handle.status()).finished:
            clock.advance("1s")
            await anyio.sleep(0.002)
    return job


async def test_a_job_waits_for_a_worker_that_knows_its_task() -> None:
    old, new, clock = apps(known, fresh)
    async with opened(old, new), old.worker():
        handle = await fresh.enqueue(new, Number())
        job = await until_refused(handle)
        assert job.state == "delayed"
        assert job.error is not None
        assert job.error.message == "no task named 'fresh' is registered; 1 known: known"
        async with new.worker():
            job = await ended(handle, clock)
        assert (job.state, job.attempt) == ("succeeded", 1)
        assert await handle.result() == 2


async def test_it_is_buried_when_none_comes_and_the_letter_says_so(caplog: pytest.LogCaptureFixture) -> None:
    old, new, clock = apps(fresh)
    async with opened(old, new), old.worker(unknown_for="1m"):
        handle = await fresh.enqueue(new, Number())
        await until_refused(handle)
        clock.advance("30s")
        await anyio.sleep(0.02)
        assert (await handle.status()).state == "delayed"
        job = await ended(handle, clock)
        assert (job.state, job.reason, job.attempt) == ("failed", "unknown_task", 0)
        assert "fresh was given up before its first attempt, as unknown_task" in caplog.text
        with pytest.raises(
            JobFailed, match=r"'fresh' is registered.*; it waited .* for a worker that knows it, and none"
        ):
            await handle.result()
        await new.dead_letters.replay([handle.id])
        await until_refused(handle)
        assert (await handle.status()).state == "delayed"


async def test_the_time_begins_anew_when_a_worker_that_knows_it_has_had_it() -> None:
    """Two deploys, an hour apart, in the life of one job."""
    refused: list[int] = []

    @task("fresh", retry=RetryPolicy.fixed("1h"))
    async def fails_once(ctx: TaskContext, number: Number) -> int:
        if ctx.attempt == 1:
            raise ConnectionError("away")
        return number.value

    old, new, clock = apps(fails_once)
    old.signals.job_snoozed.connect(lambda _: refused.append(clock.now_ms()))
    async with opened(old, new):
        handle = await fails_once.enqueue(new, Number())
        async with old.worker():
            await until_refused(handle)
        async with new.worker():
            with anyio.fail_after(10):
                while (
                    (job := await handle.status()).attempt != 1
                    or job.error is None
                    or job.error.type == "UnknownTaskError"
                ):
                    clock.advance("1s")
                    await anyio.sleep(0.002)
        clock.advance("1h")
        before = len(refused)
        async with old.worker():
            with anyio.fail_after(10):
                while len(refused) == before:
                    clock.advance("1s")
                    await anyio.sleep(0.002)
        assert (await handle.status()).state == "delayed"
        async with new.worker():
            job = await ended(handle, clock)
        assert (job.state, job.attempt) == ("succeeded", 2)


async def test_arguments_of_a_schema_that_nobody_here_knows_wait_too() -> None:
    later = TaskDefinition("known", args=Text, returns=int)

    @task("known")
    async def later_known(text: Text) -> int:
        return len(text.value)

    old, new, clock = apps(later_known)
    async with opened(old, new), old.worker():
        handle = await later.enqueue(new, Text(value="many"))
        job = await until_refused(handle)
        assert job.state == "delayed"
        assert job.error is not None
        assert "value: Input should be a valid integer" in job.error.message
        async with new.worker():
            await ended(handle, clock)
        assert await handle.result() == 4


async def test_arguments_of_a_schema_that_is_known_are_buried_at_once() -> None:
    old, new, _ = apps()
    async with opened(old, new), old.worker():
        bytes_ = json.dumps(
            {
                "v": WIRE_VERSION,
                "id": "bad",
                "task": "known",
                "enqueued_at": 0,
                "args": {"value": "many"},
                "schema": digest(arguments_schema(Number)),
            }
        ).encode()
        await old.engine.broker.publish([Submission(id="bad", task="known", queue="default", envelope=bytes_)])
        with anyio.fail_after(10), pytest.raises(JobFailed, match="value: Input should be a valid integer"):
            await old.handle("bad").result()


async def test_an_envelope_of_a_newer_version_waits_whatever_else_it_has() -> None:
    old, new, clock = apps()
    async with opened(old, new), old.worker(unknown_for="20s"):
        newer = msgspec.json.encode({"v": WIRE_VERSION + 1, "call": ["known", 1]})
        await old.engine.broker.publish([Submission(id="newer", task="known", queue="default", envelope=newer)])
        handle = old.handle("newer")
        job = await until_refused(handle)
        assert job.state == "delayed"
        job = await ended(handle, clock)
        assert job.reason == "undecodable"
        assert job.error is not None
        assert job.error.message.startswith("wire version 2 is newer than 1; update this worker; it waited ")


async def test_nothing_is_said_of_a_job_whose_task_cannot_be_read() -> None:
    async with Stem.in_memory() as app:
        assert await why_it_waits(app.engine, task="", queue="default", state="queued") == ""
        assert await why_it_waits(app.engine, task="a", queue="default", state="queued") == NOBODY
        assert await why_it_waits(app.engine, task="a", queue="default", state="running") == ""


def test_of_many_workers_three_are_named() -> None:
    alive = [Present(f"w{n}", b"{}", 0) for n in range(5)]
    assert _named(alive[:3]) == "alive: w0, w1, w2"
    assert _named(alive[:4]) == "alive: w0, w1, w2 and 1 more"
    assert _named(alive) == "alive: w0, w1, w2 and 2 more"


async def test_a_job_that_nobody_knows_can_be_cancelled_and_can_expire() -> None:
    old, new, clock = apps(fresh)
    async with opened(old, new), old.worker():
        handle = await fresh.enqueue(new, Number())
        mortal = await fresh.build(Number()).expires("30s").enqueue(new)
        await until_refused(handle)
        await handle.cancel()
        assert (await ended(handle, clock)).state == "cancelled"
        assert (await ended(mortal, clock)).reason == "expired"


async def test_who_waits_for_a_result_is_told_that_nobody_knows_the_task(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "stem.client")
    app = Stem.in_memory(tasks=[known])
    stranger = TaskDefinition("fresh", args=Number, returns=int)
    async with app, app.worker(name="w") as worker:
        with anyio.fail_after(10):
            while not await app.engine.schemas.digests():
                await anyio.sleep(0.01)
        handle = await stranger.enqueue(app, Number())
        expected = rf"no live worker knows the task 'fresh' \(alive: {worker.name}\); it is buried when"
        with pytest.raises(ResultTimeout, match=f"it is delayed and goes on .{expected}"):
            await handle.result("2100ms")
        assert [one.message for one in caplog.records if "no result yet" in one.message] != []
        with pytest.raises(ResultTimeout, match=r"goes on$"):
            await (await known.build(Number()).delay("1h").enqueue(app)).result("10ms")
