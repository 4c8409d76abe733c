"""What became of jobs, and waiting for it."""

from __future__ import annotations

import asyncio

import anyio
import msgspec
import pytest

from stem.contracts.engine import Engine
from stem.contracts.results import Kept
from stem.core.record import decode_record
from stem.testing.contracts import (
    DAY_MS,
    ERROR,
    NEVER_MS,
    SOON_MS,
    Contract,
    EngineFactory,
    again,
    bury,
    cancel,
    dead,
    done,
    publish,
    record_of,
    release_one,
    run,
    settle_one,
    shift,
    state_of,
    submission,
    take_one,
)


class ResultsContract(Contract):
    """Kept for their time; waited for without asking again and again."""

    async def test_records_come_in_the_order_asked_for(self, engine: Engine) -> None:
        """Checklist: 70."""
        await run(engine, submission("a"), submission("b", "q2"))
        await publish(engine, submission("waits"))
        found = await engine.results.get(["b", "unknown", "a", "waits", "b"])
        records = [None if one is None else decode_record(one).queue for one in found]
        assert records == ["q2", None, "q", None, "q2"]
        assert await engine.results.get([]) == []

    async def test_a_value_comes_back_as_it_was(self, engine: Engine) -> None:
        """Checklist: 70."""
        value = '{"text":"héllo 世界","n":[1,2.5,null]}'.encode()
        await publish(engine, submission("a"))
        await settle_one(engine, done(await take_one(engine), value))
        record = await record_of(engine, "a")
        assert record is not None
        assert record.value == msgspec.Raw(value)

    async def test_a_failure_is_recorded_with_its_error_and_its_attempts(self, engine: Engine) -> None:
        """Checklist: 73."""
        await publish(engine, submission("a", task="t"))
        await settle_one(engine, again(await take_one(engine)))
        await settle_one(engine, bury(await take_one(engine)))
        record = await record_of(engine, "a")
        assert record is not None
        assert (record.state, record.task, record.error, record.attempts) == ("failed", "t", ERROR, 2)
        assert record.error is not None
        assert record.error.traceback

    async def test_a_retry_is_no_result(self, engine: Engine) -> None:
        """Checklist: 70."""
        await publish(engine, submission("a"))
        await settle_one(engine, again(await take_one(engine)))
        assert await engine.results.get(["a"]) == [None]

    async def test_a_result_is_forgotten_after_its_time(self, engine: Engine) -> None:
        """Checklist: 71."""
        await run(engine, submission("a", result_ttl_ms=60_000))
        shift(60_000 - SOON_MS, engine)
        assert await record_of(engine, "a") is not None
        shift(SOON_MS, engine)
        assert await record_of(engine, "a") is None
        assert await engine.results.wait("a", SOON_MS) is None
        assert await engine.results.changed("a", "", SOON_MS) == "gone"

    async def test_the_record_of_a_buried_job_lives_as_long_as_its_dead_letter(
        self, engine: Engine, other: Engine
    ) -> None:
        """Checklist: 69, 71."""
        await dead(engine, submission("a", result_ttl_ms=1_000))
        shift(60_000, engine, other)
        assert await other.results.wait("a", NEVER_MS) is not None
        assert await engine.dead_letters.purge(["a"]) == 1
        assert await other.results.wait("a", None) is None

    async def test_a_wait_for_a_job_that_is_replayed_and_purged_ends(self, engine: Engine, other: Engine) -> None:
        """Checklist: 72."""
        await dead(engine, submission("a", result_ttl_ms=1_000))
        await engine.dead_letters.replay(["a"])
        waiting = asyncio.create_task(other.results.wait("a", None))
        await anyio.wait_all_tasks_blocked()
        await settle_one(engine, bury(await take_one(engine)))
        record = await waiting
        assert record is not None
        assert decode_record(record).state == "failed"
        assert [record] == await engine.results.get(["a"])

    async def test_a_sweep_forgets_what_is_over_and_stops_at_its_limit(self, engine: Engine) -> None:
        """Checklist: 71, 106."""
        await run(engine, *[submission(f"job-{number}", result_ttl_ms=1_000) for number in range(5)])
        await run(engine, submission("stays"))
        assert await engine.results.sweep() == 0
        shift(1_000, engine)
        assert [await engine.results.sweep(2) for _ in range(4)] == [2, 2, 1, 0]
        assert await record_of(engine, "stays") is not None

    async def test_a_record_of_another_engines_job_is_kept_for_its_time(self, engine: Engine, other: Engine) -> None:
        """Checklist: 71."""
        await engine.results.keep([_kept("a"), _kept("b", record=b'{"state":"succeeded","task":"b","queue":"q"}')])
        await engine.results.keep([])
        assert await other.results.get(["a", "b"]) == [
            _kept("a").record,
            b'{"state":"succeeded","task":"b","queue":"q"}',
        ]
        row = await other.jobs.get("a")
        assert row is not None
        assert (row.task, row.queue, row.state, row.fence) == ("work", "q:{x}", "succeeded", 7)
        shift(60_000, other)
        assert await other.results.get(["a"]) == [None]

    @pytest.mark.parametrize(("fence", "stays"), [(6, True), (7, False), (8, False)])
    async def test_a_record_of_a_later_fence_stays(self, engine: Engine, fence: int, stays: int) -> None:
        """Checklist: 44, 45."""
        await engine.results.keep([_kept("a", fence=7)])
        second = b'{"state":"succeeded","task":"second","queue":"q"}'
        await engine.results.keep([_kept("a", fence=fence, record=second)])
        assert await engine.results.get(["a"]) == [_kept("a").record if stays else second]

    async def test_a_wait_hears_of_a_record_that_is_kept(self, engine: Engine, other: Engine) -> None:
        """Checklist: 72."""
        watching = asyncio.create_task(engine.results.changed("a", "gone", 2 * SOON_MS))
        await anyio.wait_all_tasks_blocked()
        await other.results.keep([_kept("a")])
        with anyio.fail_after(SOON_MS / 1000):
            assert (await watching).startswith("done.")

    # ------------------------------------------------------------ wait

    async def test_waiting_for_what_is_over_answers_at_once(self, engine: Engine) -> None:
        """Checklist: 72."""
        await run(engine, submission("a"))
        assert [await engine.results.wait("a", None)] == await engine.results.get(["a"])
        assert [await engine.results.wait("a", 0)] == await engine.results.get(["a"])

    async def test_waiting_for_an_unknown_id_answers_none_at_once(self, engine: Engine) -> None:
        """Checklist: 72."""
        with anyio.fail_after(SOON_MS / 1000):
            assert await engine.results.wait("unknown", None) is None

    @pytest.mark.parametrize("end", ["success", "burial", "cancel"])
    async def test_a_wait_hears_from_another_process(self, engine: Engine, other: Engine, end: str) -> None:
        """Checklist: 72."""
        await publish(engine, submission("a", reply_to=engine.results.reply_to))
        waiting = asyncio.create_task(engine.results.wait("a", 2 * SOON_MS))
        await anyio.wait_all_tasks_blocked()
        match end:
            case "cancel":
                await cancel(other, "a")
            case "burial":
                await settle_one(other, bury(await take_one(other)))
            case _:
                await settle_one(other, done(await take_one(other)))
        with anyio.fail_after(SOON_MS / 1000):
            record = await waiting
        assert [record] == await other.results.get(["a"])
        assert record is not None

    async def test_a_wait_that_races_with_the_end_hears_it(self, engine: Engine, other: Engine) -> None:
        """Checklist: 72."""
        for number in range(20):
            await publish(engine, submission(f"job-{number}", reply_to=engine.results.reply_to))
            settlement = done(await take_one(other))
            with anyio.fail_after(SOON_MS / 1000):
                record, _ = await asyncio.gather(
                    engine.results.wait(f"job-{number}", None), other.broker.settle([settlement])
                )
            assert record is not None
            assert decode_record(record).state == "succeeded"
            assert [record] == await other.results.get([f"job-{number}"])

    async def test_many_may_wait_for_one_job(self, engine: Engine, other: Engine) -> None:
        """Checklist: 72."""
        await publish(engine, submission("a", reply_to=engine.results.reply_to))
        waits = [asyncio.create_task(engine.results.wait("a", 2 * SOON_MS)) for _ in range(10)]
        await anyio.wait_all_tasks_blocked()
        await settle_one(other, done(await take_one(other)))
        with anyio.fail_after(SOON_MS / 1000):
            records = await asyncio.gather(*waits)
        assert len(set(records)) == 1
        assert records[0] is not None

    async def test_a_wait_outlasts_retries_and_ends_at_its_time_out(self, engine: Engine) -> None:
        """Checklist: 72."""
        await publish(engine, submission("a", reply_to=engine.results.reply_to))
        waiting = asyncio.create_task(engine.results.wait("a", NEVER_MS))
        await anyio.wait_all_tasks_blocked()
        await settle_one(engine, again(await take_one(engine)))
        assert await waiting is None

    async def test_a_wait_given_up_disturbs_nobody(self, engine: Engine) -> None:
        """Checklist: 72."""
        await publish(engine, submission("a", reply_to=engine.results.reply_to))
        leaves, stays = (asyncio.create_task(engine.results.wait("a", 2 * SOON_MS)) for _ in range(2))
        await anyio.wait_all_tasks_blocked()
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        await settle_one(engine, done(await take_one(engine)))
        with anyio.fail_after(SOON_MS / 1000):
            assert [await stays] == await engine.results.get(["a"])
        assert leaves.cancelled()
        assert await state_of(engine, "a") == "succeeded"

    async def test_a_wait_for_a_job_that_is_purged_ends(self, engine: Engine) -> None:
        """Checklist: 72, 99."""
        await publish(engine, submission("a", reply_to=engine.results.reply_to))
        waiting = asyncio.create_task(engine.results.wait("a", 2 * SOON_MS))
        await anyio.wait_all_tasks_blocked()
        await engine.queues.purge("q")
        with anyio.fail_after(SOON_MS / 1000):
            assert await waiting is None

    async def test_a_replayed_job_is_waited_for_again(self, engine: Engine) -> None:
        """Checklist: 65, 72."""
        await dead(engine, submission("a", reply_to=engine.results.reply_to))
        await engine.dead_letters.replay(["a"])
        assert await engine.results.wait("a", NEVER_MS) is None
        await settle_one(engine, done(await take_one(engine)))
        record = await engine.results.wait("a", SOON_MS)
        assert record is not None
        assert decode_record(record).state == "succeeded"

    # ------------------------------------------------------------ changed

    async def test_every_step_of_a_job_makes_a_new_version(self, engine: Engine) -> None:
        """Checklist: 70."""
        await publish(engine, submission("a"))
        seen = [await engine.results.changed("a", "", SOON_MS)]

        async def note() -> None:
            with anyio.fail_after(SOON_MS / 1000):
                seen.append(await engine.results.changed("a", seen[-1], None))

        delivery = await take_one(engine)
        await note()
        await engine.broker.progress(delivery.receipt, b"1")
        await note()
        await engine.broker.progress(delivery.receipt, b"2")
        await note()
        await settle_one(engine, again(delivery))
        await note()
        await release_one(engine, await take_one(engine))
        await note()
        shift((await take_one(engine)).lease_ms + 1, engine)
        await note()
        last = await take_one(engine)
        await note()
        await settle_one(engine, done(last))
        await note()
        assert len(set(seen)) == len(seen)
        assert await engine.results.changed("a", seen[-1], NEVER_MS) == seen[-1]

    async def test_the_version_of_an_unknown_job_is_gone(self, engine: Engine) -> None:
        """Checklist: 71."""
        assert await engine.results.changed("unknown", "", SOON_MS) == "gone"
        assert await engine.results.changed("unknown", "something", SOON_MS) == "gone"
        assert await engine.results.changed("unknown", "gone", NEVER_MS) == "gone"

    async def test_who_watches_a_job_that_does_not_exist_yet_sees_it_come(self, engine: Engine, other: Engine) -> None:
        """Checklist: 72."""
        watching = asyncio.create_task(engine.results.changed("a", "gone", 2 * SOON_MS))
        await anyio.wait_all_tasks_blocked()
        await publish(other, submission("a"))
        with anyio.fail_after(SOON_MS / 1000):
            assert await watching != "gone"

    @pytest.mark.parametrize("step", ["claim", "progress", "settle", "cancel", "purge"])
    async def test_a_watch_hears_from_another_process(self, engine: Engine, other: Engine, step: str) -> None:
        """Checklist: 72."""
        await publish(engine, submission("a"))
        delivery = await take_one(other) if step in {"progress", "settle"} else None
        version = await engine.results.changed("a", "", SOON_MS)
        watching = asyncio.create_task(engine.results.changed("a", version, 2 * SOON_MS))
        await anyio.wait_all_tasks_blocked()
        match step:
            case "claim":
                await take_one(other)
            case "progress":
                assert delivery is not None
                await other.broker.progress(delivery.receipt, b"1")
            case "settle":
                assert delivery is not None
                await settle_one(other, done(delivery))
            case "cancel":
                await cancel(other, "a")
            case _:
                await other.queues.purge("q")
        with anyio.fail_after(SOON_MS / 1000):
            assert await watching != version

    async def test_a_version_seen_by_one_process_is_the_version_of_all(self, engine: Engine, other: Engine) -> None:
        """Checklist: 72."""
        await publish(engine, submission("a"))
        version = await engine.results.changed("a", "", SOON_MS)
        assert await other.results.changed("a", version, NEVER_MS) == version


def _kept(job_id: str, *, fence: int = 7, record: bytes = b'{"state":"succeeded","task":"a","queue":"q"}') -> Kept:
    return Kept(id=job_id, task="work", queue="q:{x}", state="succeeded", fence=fence, record=record, keep_ms=60_000)


class DurableResultsContract(Contract):
    """For engines whose store outlives them."""

    async def test_results_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 39, 71."""
        await run(engine, submission("a", result_ttl_ms=DAY_MS))
        kept = await engine.results.get(["a"])
        await engine.close()
        reopened = await engines.make()
        assert await reopened.results.get(["a"]) == kept
        assert await publish(reopened, submission("a")) == ["duplicate"]
        shift(DAY_MS, reopened)
        assert await reopened.results.get(["a"]) == [None]
