"""Jobs we stopped trying."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from stem.contracts.dead_letters import DeadFilter, DeadLetter
from stem.contracts.engine import Engine
from stem.core.outcome import RetryAsked
from stem.core.record import decode_record
from stem.core.unique import UniqueClaim
from stem.errors import EngineUnavailableError
from stem.testing.contracts import (
    DAY_MS,
    ERROR,
    SOON_MS,
    Contract,
    EngineFactory,
    again,
    bury,
    dead,
    done,
    not_run,
    outcome,
    publish,
    record_of,
    run,
    settle_one,
    shift,
    state_of,
    submission,
    take,
    take_all,
    take_one,
)
from stem.testing.sabotage import Sabotage


async def _letter(engine: Engine, job_id: str) -> DeadLetter:
    letter = await engine.dead_letters.get(job_id)
    assert letter is not None
    return letter


async def _ids(engine: Engine, which: DeadFilter) -> list[str]:
    letters, cursor = await engine.dead_letters.page(which)
    assert cursor == ""
    return [one.id for one in letters]


async def _spread(engine: Engine, *ids: str) -> None:
    """Dead letters a minute apart."""
    for one in ids:
        await dead(engine, submission(one))
        shift(60_000, engine)


class DeadLettersContract(Contract):
    """Kept, looked at, put back."""

    async def test_a_dead_letter_is_found_by_id_with_its_original_bytes(self, engine: Engine) -> None:
        """Checklist: 64, 73."""
        job = submission("a", "q", task="t", priority=6, envelope=b"\x00\xff", unique=UniqueClaim("key"))
        await publish(engine, job)
        await settle_one(engine, again(await take_one(engine)))
        before = await engine.now_ms()
        await settle_one(engine, bury(await take_one(engine)))
        letter = await _letter(engine, "a")
        assert (letter.task, letter.queue, letter.reason, letter.priority) == ("t", "q", "exhausted", 6)
        assert (letter.envelope, letter.unique_key, letter.replays) == (b"\x00\xff", "key", 0)
        assert before <= letter.died_at <= before + SOON_MS
        record = decode_record(letter.record)
        assert (record.state, record.error, record.attempts) == ("failed", ERROR, 2)
        assert await record_of(engine, "a") == record

    async def test_what_is_not_dead_is_no_dead_letter(self, engine: Engine) -> None:
        """Checklist: 64."""
        await run(engine, submission("a"))
        await publish(engine, submission("b"))
        assert [await engine.dead_letters.get(one) for one in ("a", "b", "unknown")] == [None, None, None]
        assert await _ids(engine, DeadFilter()) == []

    async def test_the_newest_death_comes_first(self, engine: Engine) -> None:
        """Checklist: 63."""
        await _spread(engine, "c", "a", "b")
        letters, cursor = await engine.dead_letters.page(DeadFilter())
        assert ([one.id for one in letters], cursor) == (["b", "a", "c"], "")
        assert {one.envelope for one in letters} <= {b""} | {submission(one).envelope for one in "abc"}

    async def test_a_cursor_stays_put_while_others_die(self, engine: Engine) -> None:
        """Checklist: 63."""
        await _spread(engine, *(f"job-{number}" for number in range(7)))
        seen: list[str] = []
        cursor = ""
        for turn in range(3):
            letters, cursor = await engine.dead_letters.page(DeadFilter(), limit=3, cursor=cursor)
            seen += [one.id for one in letters]
            await _spread(engine, f"late-{turn}")
        assert seen == [f"job-{number}" for number in range(6, -1, -1)]
        assert cursor == ""

    async def test_a_cursor_tells_apart_what_died_in_the_same_instant(self, engine: Engine) -> None:
        """Checklist: 63."""
        await publish(engine, *[submission(f"job-{number}") for number in range(9)])
        await engine.broker.settle([bury(one) for one in await take_all(engine)])
        seen: list[str] = []
        cursor = "first"
        while cursor:
            start = "" if cursor == "first" else cursor
            letters, cursor = await engine.dead_letters.page(DeadFilter(), limit=2, cursor=start)
            seen += [one.id for one in letters]
        assert sorted(seen) == [f"job-{number}" for number in range(9)]

    async def test_a_cursor_survives_that_its_letter_is_purged(self, engine: Engine) -> None:
        """Checklist: 63."""
        await _spread(engine, "a", "b", "c", "d")
        letters, cursor = await engine.dead_letters.page(DeadFilter(), limit=2)
        await engine.dead_letters.purge([one.id for one in letters])
        letters, _ = await engine.dead_letters.page(DeadFilter(), limit=2, cursor=cursor)
        assert [one.id for one in letters] == ["b", "a"]

    async def test_a_filter_shows_what_fits_all_of_it(self, engine: Engine) -> None:
        """Checklist: 63, 68."""
        await dead(engine, submission("a", "q1", task="t1"))
        shift(60_000, engine)
        between = await engine.now_ms()
        shift(60_000, engine)
        await dead(engine, submission("b", "q2", task="t1"))
        await publish(engine, submission("c", "q2", task="t2", expires_ms=0))
        await settle_one(engine, not_run(await take_one(engine, "q2")))
        cases = {
            DeadFilter(queue="q2"): ["b", "c"],
            DeadFilter(task="t1"): ["a", "b"],
            DeadFilter(reason="expired"): ["c"],
            DeadFilter(queue="q2", task="t1"): ["b"],
            DeadFilter(since=between): ["b", "c"],
            DeadFilter(before=between): ["a"],
            DeadFilter(since=between, before=between): [],
            DeadFilter(queue="q3"): [],
        }
        for which, expected in cases.items():
            assert sorted(await _ids(engine, which)) == expected

    async def test_since_is_included_and_before_is_not(self, engine: Engine) -> None:
        """Checklist: 68."""
        await dead(engine, submission("a"))
        died_at = (await _letter(engine, "a")).died_at
        assert await _ids(engine, DeadFilter(since=died_at)) == ["a"]
        assert await _ids(engine, DeadFilter(before=died_at)) == []
        assert await _ids(engine, DeadFilter(since=died_at, before=died_at + 1)) == ["a"]

    async def test_a_replayed_job_starts_anew_under_a_new_fence(self, engine: Engine) -> None:
        """Checklist: 65."""
        await publish(engine, submission("a", priority=3, envelope=b"bytes", max_losses=2))
        await settle_one(engine, again(await take_one(engine)))
        shift((await take_one(engine)).lease_ms + 1, engine)
        before = await take_one(engine)
        await settle_one(engine, bury(before))
        (answer,) = await engine.dead_letters.replay(["a"])
        assert (answer.id, answer.status, answer.holder) == ("a", "replayed", "")
        assert await engine.dead_letters.get("a") is None
        delivery = await take_one(engine)
        assert (delivery.attempt, delivery.losses, delivery.ended) == (1, 0, None)
        assert delivery.fence != before.fence
        assert (delivery.envelope, delivery.priority) == (b"bytes", 3)

    async def test_a_replay_forgets_what_the_attempts_before_asked_for(self, engine: Engine) -> None:
        """Checklist: 65."""
        await publish(engine, submission("a"))
        asked = outcome(await take_one(engine), RetryAsked(ERROR, 0, max_retries=7))
        await settle_one(engine, asked)
        delivery = await take_one(engine)
        assert delivery.overrides
        await engine.broker.progress(delivery.receipt, b"half")
        await settle_one(engine, bury(delivery))
        await engine.dead_letters.replay(["a"])
        assert (await take_one(engine)).overrides == b""
        row = await engine.jobs.get("a")
        assert row is not None
        assert row.progress == b""

    async def test_a_replayed_job_that_waits_shows_no_worker_and_no_start(self, engine: Engine) -> None:
        """Checklist: 65."""
        await publish(engine, submission("a"))
        await settle_one(engine, bury(await take_one(engine, worker="former")))
        await engine.dead_letters.replay(["a"])
        row = await engine.jobs.get("a")
        assert row is not None
        assert (row.worker, row.started_at) == ("", None)
        await take_one(engine, worker="latter")
        row = await engine.jobs.get("a")
        assert row is not None
        assert row.worker == "latter"
        assert row.started_at is not None

    async def test_a_replay_forgets_the_old_result(self, engine: Engine) -> None:
        """Checklist: 65."""
        await dead(engine, submission("a"))
        await engine.dead_letters.replay(["a"])
        assert await engine.results.get(["a"]) == [None]
        assert await state_of(engine, "a") == "queued"
        assert await publish(engine, submission("a")) == ["duplicate"]
        await settle_one(engine, done(await take_one(engine)))
        assert await state_of(engine, "a") == "succeeded"

    async def test_a_replay_is_counted_and_remembered_in_the_next_death(self, engine: Engine) -> None:
        """Checklist: 65."""
        await dead(engine, submission("a"))
        for replays in (1, 2):
            await engine.dead_letters.replay(["a"])
            await settle_one(engine, bury(await take_one(engine)))
            letter = await _letter(engine, "a")
            assert (letter.replays, decode_record(letter.record).attempts) == (replays, 1)
        assert (await engine.queues.stats("q")).dead == 1

    async def test_a_replay_may_be_delayed(self, engine: Engine) -> None:
        """Checklist: 65."""
        await dead(engine, submission("a"))
        await engine.dead_letters.replay(["a"], delay_ms=60_000)
        assert await state_of(engine, "a") == "delayed"
        assert await take(engine) == []
        shift(60_000, engine)
        assert (await take_one(engine)).attempt == 1

    async def test_a_replay_lifts_the_expiry_and_an_old_cancel(self, engine: Engine) -> None:
        """Checklist: 24, 65."""
        await publish(engine, submission("a", expires_ms=1_000))
        delivery = await take_one(engine)
        await engine.broker.cancel("a", "asked", done(delivery))
        shift(1_000, engine)
        await settle_one(engine, bury(delivery))
        await engine.dead_letters.replay(["a"])
        replayed = await take_one(engine)
        assert (replayed.ended, replayed.cancel_reason) == (None, None)

    async def test_many_are_replayed_at_once_and_each_is_answered(self, engine: Engine) -> None:
        """Checklist: 65, 67."""
        await dead(engine, *[submission(f"job-{number}") for number in range(20)])
        await run(engine, submission("finished"))
        ids = [*(f"job-{number}" for number in range(20)), "unknown", "finished", "job-3"]
        answers = await engine.dead_letters.replay(ids)
        assert [one.id for one in answers] == ids
        assert [one.status for one in answers] == ["replayed"] * 20 + ["gone"] * 3
        assert len(await take_all(engine)) == 20

    async def test_a_replay_by_many_at_the_same_time_happens_once(self, engine: Engine, other: Engine) -> None:
        """Checklist: 66."""
        ids = [f"job-{number}" for number in range(10)]
        await dead(engine, *[submission(one) for one in ids])
        engines = (engine, other, engine, other, other)
        answers = await asyncio.gather(*(one.dead_letters.replay(ids) for one in engines))
        statuses = [one.status for batch in answers for one in batch]
        assert (statuses.count("replayed"), statuses.count("gone")) == (10, 40)
        assert sorted(one.id for one in await take_all(engine)) == sorted(ids)

    async def test_a_replay_whose_reply_was_lost_happened_once(self, engine: Engine) -> None:
        """Checklist: 66, 67."""
        await dead(engine, submission("a"))
        sabotage = Sabotage(engine)
        sabotage.fail_after("dead_letters.replay")
        with pytest.raises(EngineUnavailableError):
            await sabotage.dead_letters.replay(["a"])
        assert [one.status for one in await sabotage.dead_letters.replay(["a"])] == ["gone"]
        assert len(await take_all(engine)) == 1

    async def test_a_replay_that_never_arrived_loses_nothing(self, engine: Engine) -> None:
        """Checklist: 67."""
        await dead(engine, submission("a"))
        sabotage = Sabotage(engine)
        sabotage.fail_before("dead_letters.replay")
        with pytest.raises(EngineUnavailableError):
            await sabotage.dead_letters.replay(["a"])
        assert [one.status for one in await sabotage.dead_letters.replay(["a"])] == ["replayed"]

    async def test_a_replay_takes_the_unique_key_again(self, engine: Engine) -> None:
        """Checklist: 14."""
        await dead(engine, submission("a", unique=UniqueClaim("key")))
        await engine.dead_letters.replay(["a"])
        (answer,) = await engine.broker.publish([submission("b", unique=UniqueClaim("key"))])
        assert (answer.status, answer.holder) == ("held", "a")
        await settle_one(engine, done(await take_one(engine)))
        assert await publish(engine, submission("b", unique=UniqueClaim("key"))) == ["new"]

    async def test_a_replay_names_who_holds_the_unique_key(self, engine: Engine) -> None:
        """Checklist: 14."""
        await dead(engine, submission("a", unique=UniqueClaim("key")))
        await publish(engine, submission("b", unique=UniqueClaim("key")))
        (answer,) = await engine.dead_letters.replay(["a"])
        assert (answer.status, answer.holder) == ("held", "b")
        letter = await _letter(engine, "a")
        assert (letter.reason, letter.replays) == ("exhausted", 0)
        await settle_one(engine, done(await take_one(engine)))
        assert [one.status for one in await engine.dead_letters.replay(["a"])] == ["replayed"]

    async def test_one_of_two_dead_jobs_of_one_key_is_replayed(self, engine: Engine) -> None:
        """Checklist: 14."""
        await dead(engine, *[submission(one, unique=UniqueClaim("key")) for one in "ab"])
        answers = await engine.dead_letters.replay(["a", "b"])
        assert [(one.status, one.holder) for one in answers] == [("replayed", ""), ("held", "a")]

    async def test_the_settlement_of_the_former_life_is_not_stored_again(self, engine: Engine) -> None:
        """Checklist: 44, 65."""
        await publish(engine, submission("a"))
        settlement = bury(await take_one(engine))
        await settle_one(engine, settlement)
        await engine.dead_letters.replay(["a"])
        delivery = await take_one(engine)
        assert await settle_one(engine, settlement) != "done"
        assert await settle_one(engine, done(delivery)) == "done"

    async def test_a_purge_forgets_dead_letters_and_leaves_results(self, engine: Engine) -> None:
        """Checklist: 68."""
        await dead(engine, submission("a"), submission("b"))
        await publish(engine, submission("c"))
        assert await engine.dead_letters.purge(["a", "a", "c", "unknown"]) == 1
        assert await _ids(engine, DeadFilter()) == ["b"]
        assert await engine.dead_letters.purge(["a"]) == 0
        assert await state_of(engine, "c") == "queued"
        record = await record_of(engine, "a")
        assert record is not None
        assert record.state == "failed"
        assert [one.status for one in await engine.dead_letters.replay(["a"])] == ["gone"]

    async def test_dead_letters_are_kept_for_thirty_days_whatever_becomes_of_the_result(self, engine: Engine) -> None:
        """Checklist: 69."""
        await dead(engine, submission("a", result_ttl_ms=1_000))
        shift(30 * DAY_MS - SOON_MS, engine)
        while await engine.results.sweep():
            pass
        assert await engine.results.get(["a"]) != [None]
        assert (await _letter(engine, "a")).envelope == submission("a").envelope
        shift(SOON_MS, engine)
        assert await engine.dead_letters.get("a") is None
        assert await _ids(engine, DeadFilter()) == []
        assert [one.status for one in await engine.dead_letters.replay(["a"])] == ["gone"]
        while await engine.results.sweep():
            pass
        assert (await engine.queues.stats("q")).dead == 0
        assert await publish(engine, submission("a")) == ["new"]

    async def test_the_life_of_a_dead_letter_is_what_its_settlement_says(self, engine: Engine) -> None:
        """Checklist: 69."""
        await publish(engine, submission("a"))
        settlement = bury(await take_one(engine))
        short = msgspec.structs.replace(settlement.action, dead_ms=1_000)
        await settle_one(engine, msgspec.structs.replace(settlement, action=short))
        shift(1_000, engine)
        assert await engine.dead_letters.get("a") is None
        assert await record_of(engine, "a") is not None


class DurableDeadLettersContract(Contract):
    """For engines whose store outlives them."""

    async def test_dead_letters_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 39, 69."""
        await dead(engine, submission("a", envelope=b"\x00bytes"))
        await engine.close()
        reopened = await engines.make()
        assert (await _letter(reopened, "a")).envelope == b"\x00bytes"
        assert [one.status for one in await reopened.dead_letters.replay(["a"])] == ["replayed"]
