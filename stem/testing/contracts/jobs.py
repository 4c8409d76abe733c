"""Looking at single jobs."""

from __future__ import annotations

import asyncio

import pytest

from stem.contracts.broker import Renewal
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter, JobPage, JobRow
from stem.core.unique import UniqueClaim
from stem.testing.contracts import (
    SOON_MS,
    Contract,
    again,
    bury,
    cancel,
    dead,
    done,
    park,
    publish,
    run,
    settle_one,
    shift,
    state_of,
    submission,
    take,
    take_one,
)


async def _row(engine: Engine, job_id: str) -> JobRow:
    row = await engine.jobs.get(job_id)
    assert row is not None
    return row


async def _pages(engine: Engine, which: JobFilter, limit: int) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = await engine.jobs.page(which, limit=limit, cursor=cursor)
        rows, cursor = page.rows, page.cursor
        assert len(rows) <= limit
        found += [row.id for row in rows]
        if not cursor:
            return found


class JobsContract(Contract):
    """By id, and by index."""

    async def test_an_unknown_id_is_none(self, engine: Engine) -> None:
        assert await engine.jobs.get("unknown") is None

    async def test_a_job_that_ends_between_two_pages_is_not_missed(self, engine: Engine) -> None:
        """Checklist: 97."""
        await publish(engine, *[submission(f"job-{number:02}") for number in range(20)])
        seen: list[str] = []
        cursor = ""
        for _ in range(4):
            page = await engine.jobs.page(JobFilter(), limit=5, cursor=cursor)
            rows, cursor = page.rows, page.cursor
            seen += [row.id for row in rows]
            for delivery in await take(engine, limit=3):
                await settle_one(engine, done(delivery))
        assert sorted(seen) == [f"job-{number:02}" for number in range(20)]

    async def test_who_asks_in_a_loop_keeps_nobody_else_from_running(self, engine: Engine) -> None:
        await publish(engine, submission("a"))
        done_meanwhile = asyncio.create_task(asyncio.sleep(0))
        for _ in range(100):
            await engine.jobs.get("a")
            await engine.queues.stats("q")
        assert done_meanwhile.done()

    async def test_states_are_seen_in_their_order(self, engine: Engine) -> None:
        """Checklist: 70."""
        await publish(engine, submission("a", delay_ms=1_000))
        seen = [await state_of(engine, "a")]
        shift(1_000, engine)
        first = await take_one(engine)
        seen.append(await state_of(engine, "a"))
        await settle_one(engine, again(first))
        seen.append(await state_of(engine, "a"))
        second = await take_one(engine)
        seen.append(await state_of(engine, "a"))
        await settle_one(engine, done(second))
        seen.append(await state_of(engine, "a"))
        assert seen == ["delayed", "running", "queued", "running", "succeeded"]

    async def test_a_waiting_job_shows_what_was_published(self, engine: Engine) -> None:
        job = submission(
            "a", "q", task="t", priority=4, envelope=b"bytes", unique=UniqueClaim("key"), expires_ms=90_000
        )
        before = await engine.now_ms()
        await publish(engine, job)
        row = await _row(engine, "a")
        assert (row.task, row.queue, row.state, row.priority, row.envelope) == ("t", "q", "queued", 4, b"bytes")
        assert (row.attempts, row.deliveries, row.losses, row.unique_key, row.worker) == (0, 0, 0, "key", "")
        assert before <= row.enqueued_at <= before + SOON_MS
        assert row.expires_at == row.enqueued_at + 90_000
        assert (row.lease_until, row.started_at, row.finished_at, row.cancel_requested) == (None, None, None, False)

    async def test_a_delayed_job_shows_when_it_is_ready(self, engine: Engine) -> None:
        """Checklist: 33."""
        at = await engine.now_ms() + 60_000
        await publish(engine, submission("a", ready_at=at))
        assert (await _row(engine, "a")).ready_at == at

    async def test_a_parked_job_shows_the_key_that_holds_it(self, engine: Engine) -> None:
        """Checklist: 84, 87."""
        await park(engine, "a", limit="narrow")
        row = await _row(engine, "a")
        assert (row.state, row.parked_key, row.attempts, row.deliveries) == ("parked", "narrow", 0, 0)

    async def test_a_running_job_shows_its_worker_and_its_lease(self, engine: Engine) -> None:
        """Checklist: 51."""
        await publish(engine, submission("a", lease_ms=40_000))
        delivery = await take_one(engine, worker="w7")
        first = await _row(engine, "a")
        assert (first.worker, first.fence, first.deliveries, first.attempts) == ("w7", delivery.fence, 1, 0)
        assert first.lease_until is not None
        assert first.started_at is not None
        assert first.lease_until == first.started_at + 40_000
        shift(10_000, engine)
        await engine.broker.renew([Renewal(delivery.receipt)])
        second = await _row(engine, "a")
        assert second.lease_until is not None
        assert second.lease_until >= first.lease_until + 10_000
        assert second.started_at == first.started_at

    async def test_a_retried_job_shows_its_attempts_and_its_last_error(self, engine: Engine) -> None:
        """Checklist: 46, 73."""
        await publish(engine, submission("a"))
        await settle_one(engine, again(await take_one(engine), 1_000))
        row = await _row(engine, "a")
        assert (row.state, row.attempts, row.lease_until) == ("delayed", 1, None)
        assert b"ValueError" in row.error

    async def test_a_finished_job_shows_its_record_while_its_result_lives(self, engine: Engine) -> None:
        """Checklist: 71."""
        await run(engine, submission("a", task="t", result_ttl_ms=60_000))
        row = await _row(engine, "a")
        assert (row.task, row.queue, row.state, row.envelope) == ("t", "q", "succeeded", b"")
        assert row.finished_at is not None
        assert [row.record] == await engine.results.get(["a"])
        shift(60_000, engine)
        assert await engine.jobs.get("a") is None

    async def test_a_buried_job_shows_its_reason_and_keeps_its_envelope(self, engine: Engine) -> None:
        """Checklist: 64, 73."""
        await dead(engine, submission("a", envelope=b"bytes"))
        row = await _row(engine, "a")
        assert (row.state, row.reason, row.envelope) == ("failed", "exhausted", b"bytes")
        assert [row.record] == await engine.results.get(["a"])

    async def test_a_page_shows_the_newest_first_without_envelopes(self, engine: Engine) -> None:
        await publish(engine, *[submission(f"job-{number}") for number in range(5)])
        page = await engine.jobs.page(JobFilter())
        rows, cursor = page.rows, page.cursor
        assert [row.id for row in rows] == [f"job-{number}" for number in range(4, -1, -1)]
        assert {row.envelope for row in rows} == {b""}
        assert cursor == ""

    async def test_pages_cut_the_list_without_gaps(self, engine: Engine) -> None:
        """Checklist: 63."""
        ids = [f"job-{number:02}" for number in range(23)]
        await publish(engine, *[submission(one) for one in ids])
        for limit in (1, 7, 22, 23, 24):
            assert await _pages(engine, JobFilter(), limit) == ids[::-1]

    async def test_jobs_that_come_or_go_between_pages_neither_repeat_nor_hide_others(self, engine: Engine) -> None:
        """Checklist: 63."""
        ids = [f"job-{number:02}" for number in range(12)]
        await publish(engine, *[submission(one) for one in ids])
        page = await engine.jobs.page(JobFilter(), limit=4)
        first, cursor = page.rows, page.cursor
        await publish(engine, submission("new"))
        await settle_one(engine, done(await take_one(engine)))
        page = await engine.jobs.page(JobFilter(), limit=4, cursor=cursor)
        second, cursor = page.rows, page.cursor
        await publish(engine, submission("newer"))
        third = (await engine.jobs.page(JobFilter(), limit=4, cursor=cursor)).rows
        seen = [row.id for row in (*first, *second, *third)]
        assert [one for one in seen if one != "job-00"] == ids[:0:-1]

    async def test_a_filter_shows_what_fits_all_of_it(self, engine: Engine) -> None:
        await publish(engine, submission("a", "q1", task="t1"), submission("b", "q1", task="t2", delay_ms=60_000))
        await publish(engine, submission("c", "q2", task="t1"), submission("d", "q2", task="t2"))
        await settle_one(engine, done(await take_one(engine, "q2")))
        await take_one(engine, "q2")
        cases = {
            JobFilter(): ["a", "b", "c", "d"],
            JobFilter(queue="q1"): ["a", "b"],
            JobFilter(task="t1"): ["a", "c"],
            JobFilter(queue="q2", task="t2"): ["d"],
            JobFilter(states=("delayed", "running")): ["b", "d"],
            JobFilter(states=("succeeded",)): ["c"],
            JobFilter(states=("succeeded",), queue="q1"): [],
        }
        for which, expected in cases.items():
            assert sorted(await _pages(engine, which, 2)) == expected

    async def test_every_job_is_listed_once_whatever_its_state(self, engine: Engine) -> None:
        """Checklist: 97."""
        await run(engine, submission("succeeded"))
        await dead(engine, submission("failed"))
        await publish(engine, submission("cancelled"))
        await cancel(engine, "cancelled")
        await park(engine, "parked", running="running")
        await publish(engine, submission("delayed", delay_ms=60_000), submission("queued"))
        rows = (await engine.jobs.page(JobFilter())).rows
        assert sorted((row.id, row.state) for row in rows) == sorted((row.id, row.id) for row in rows)
        assert len(rows) == 7

    async def test_a_job_buried_twice_is_one_job(self, engine: Engine) -> None:
        """Checklist: 65."""
        await dead(engine, submission("a"))
        await engine.dead_letters.replay(["a"])
        (delivery,) = await take(engine)
        await settle_one(engine, bury(delivery))
        assert await _pages(engine, JobFilter(), 10) == ["a"]

    @pytest.mark.parametrize(
        "which", [JobFilter(task="none"), JobFilter(queue="none", states=("queued",)), JobFilter(states=("failed",))]
    )
    async def test_a_page_of_a_filter_that_fits_nothing_looks_at_a_bounded_number_of_jobs(
        self, engine: Engine, which: JobFilter
    ) -> None:
        """Checklist: 133."""
        await run(engine, *[submission(f"done-{n}") for n in range(30)])
        await publish(engine, *[submission(f"live-{n}") for n in range(30)])
        cursor, pages = "", 0
        while True:
            page = await engine.jobs.page(which, limit=10, cursor=cursor, look=20)
            assert page.rows == []
            assert page.looked <= 20 + 10
            pages += 1
            cursor = page.cursor
            if not cursor:
                break
        assert pages <= 8

    @pytest.mark.parametrize("look", [5, 20, 2_000])
    async def test_pages_of_a_filter_show_each_job_that_fits_once_however_little_they_look_at(
        self, engine: Engine, look: int
    ) -> None:
        """Checklist: 63, 133."""
        for n in range(12):
            await run(engine, submission(f"done-{n:02}", task="rare" if n % 4 == 0 else "often"))
            await publish(engine, submission(f"live-{n:02}", "other", task="rare" if n % 3 == 0 else "often"))
        found: list[str] = []
        cursor, back = "", []
        for _ in range(40):
            page = await engine.jobs.page(JobFilter(task="rare"), limit=3, cursor=cursor, look=look)
            found += [row.id for row in page.rows]
            back += [page.back_to] if page.back_to is not None else []
            cursor = page.cursor
            if not cursor:
                break
        assert cursor == ""
        assert sorted(found) == ["done-00", "done-04", "done-08", "live-00", "live-03", "live-06", "live-09"]
        assert len(found) == len(set(found))
        assert back

    async def test_a_page_says_how_many_it_looked_at(self, engine: Engine) -> None:
        """Checklist: 133."""
        assert await engine.jobs.page(JobFilter(task="none")) == JobPage([])
        await publish(engine, *[submission(f"live-{n}") for n in range(7)])
        page = await engine.jobs.page(JobFilter(task="none"))
        assert (page.rows, page.cursor, page.looked) == ([], "", 7)
        assert page.back_to is not None

    async def test_what_runs_and_what_failed_is_found_behind_many_others(self, engine: Engine) -> None:
        """Checklist: 133. Few are looked at where the store knows the state."""
        await publish(engine, submission("runs"), submission("fails"))
        first, second = await take(engine, limit=2)
        assert [first.id, second.id] == ["runs", "fails"]
        await settle_one(engine, bury(second))
        await run(engine, *[submission(f"done-{n}", "other") for n in range(60)])
        await publish(engine, *[submission(f"live-{n}", "other") for n in range(60)])
        for which, job_id in ((JobFilter(states=("running",)), "runs"), (JobFilter(states=("failed",)), "fails")):
            page = await engine.jobs.page(which, look=20)
            assert [row.id for row in page.rows] == [job_id]
            assert page.looked <= 20
