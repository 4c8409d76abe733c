"""Stored schedule entries, each due instant fired once."""

from __future__ import annotations

import asyncio

import anyio
import msgspec
import pytest

from stem.contracts.engine import Engine
from stem.contracts.schedules import Entry
from stem.errors import EngineUnavailableError
from stem.testing.contracts import NEVER_MS, SOON_MS, Contract, EngineFactory, publish, shift, submission, take_all
from stem.testing.sabotage import Sabotage


async def _put(engine: Engine, entry_id: str = "e", *, in_ms: int | None = 0, enabled: bool = True) -> Entry:
    """A stored entry that is due in so many ms."""
    at = None if in_ms is None else await engine.now_ms() + in_ms
    stored = await engine.schedules.put(
        Entry(id=entry_id, spec=b"spec of " + entry_id.encode(), next_at=at, enabled=enabled)
    )
    assert stored is not None
    return stored


async def _fire(engine: Engine, entry: Entry, *, every_ms: int = 60_000, job_id: str = "") -> str:
    """Fire one entry, as a scheduler that has just seen it."""
    assert entry.next_at is not None
    job = submission(job_id or f"{entry.id}@{entry.next_at}")
    following = entry.next_at + every_ms
    return await engine.schedules.fire(entry.id, entry.version, at=entry.next_at, next_at=following, job=job)


class SchedulesContract(Contract):
    """Any number of schedulers, one firing."""

    async def test_an_entry_is_stored_with_its_version(self, engine: Engine, other: Engine) -> None:
        """Checklist: 93."""
        first = await _put(engine)
        assert (first.version, first.fired, first.last_at) == (1, 0, None)
        assert await other.schedules.get("e") == first
        second = await engine.schedules.put(msgspec.structs.replace(first, spec=b"new", enabled=False))
        assert second is not None
        assert (second.version, second.spec, second.enabled) == (2, b"new", False)
        assert await other.schedules.get("e") == second
        assert await engine.schedules.get("unknown") is None

    async def test_entries_are_listed_by_id(self, engine: Engine) -> None:
        """Checklist: 93."""
        stored = [await _put(engine, one, enabled=one != "c") for one in ("b", "a", "c")]
        assert await engine.schedules.all() == [stored[1], stored[0], stored[2]]

    async def test_an_expected_version_must_be_the_stored_one(self, engine: Engine) -> None:
        """Checklist: 93."""
        entry = Entry(id="e", spec=b"", next_at=None)
        assert await engine.schedules.put(entry, expect=1) is None
        assert await engine.schedules.get("e") is None
        first = await engine.schedules.put(entry, expect=0)
        assert first is not None
        assert await engine.schedules.put(entry, expect=0) is None
        second = await engine.schedules.put(entry, expect=first.version)
        assert second is not None
        assert second.version > first.version
        assert await engine.schedules.put(entry, expect=first.version) is None

    async def test_one_of_many_who_expect_the_same_version_stores_its_entry(
        self, engine: Engine, other: Engine
    ) -> None:
        """Checklist: 93."""
        stored = await asyncio.gather(
            *(one.schedules.put(Entry(id="e", spec=b"", next_at=None), expect=0) for one in (engine, other) * 5)
        )
        assert len([one for one in stored if one is not None]) == 1

    async def test_a_deleted_entry_is_gone_and_does_not_fire(self, engine: Engine) -> None:
        """Checklist: 93."""
        entry = await _put(engine)
        assert await engine.schedules.delete("e")
        assert not await engine.schedules.delete("e")
        assert await engine.schedules.get("e") is None
        assert await _fire(engine, entry) == "moved"
        assert await take_all(engine) == []

    async def test_what_is_due_comes_earliest_first_with_the_time_of_the_next(self, engine: Engine) -> None:
        """Checklist: 93."""
        for entry_id, in_ms in (("b", -1_000), ("a", -2_000), ("c", 0), ("later", 60_000), ("last", 90_000)):
            await _put(engine, entry_id, in_ms=in_ms)
        due, following = await engine.schedules.due()
        assert [one.id for one in due] == ["a", "b", "c"]
        assert following is not None
        assert 60_000 - SOON_MS <= following <= 60_000
        shift(60_000, engine)
        assert [one.id for one in (await engine.schedules.due())[0]] == ["a", "b", "c", "later"]

    async def test_when_more_are_due_than_asked_for_the_next_is_due_now(self, engine: Engine) -> None:
        """Checklist: 93."""
        for number in range(3):
            await _put(engine, f"e{number}", in_ms=number - 1_000)
        due, following = await engine.schedules.due(2)
        assert ([one.id for one in due], following) == (["e0", "e1"], 0)

    async def test_a_disabled_or_finished_entry_is_never_due(self, engine: Engine) -> None:
        """Checklist: 93."""
        await _put(engine, "disabled", in_ms=-1_000, enabled=False)
        await _put(engine, "finished", in_ms=None)
        assert await engine.schedules.due() == ([], None)

    async def test_a_firing_publishes_the_job_and_moves_the_entry_on(self, engine: Engine) -> None:
        """Checklist: 93."""
        entry = await _put(engine)
        assert entry.next_at is not None
        assert await _fire(engine, entry) == "fired"
        assert [one.id for one in await take_all(engine)] == [f"e@{entry.next_at}"]
        moved = await engine.schedules.get("e")
        expected = msgspec.structs.replace(
            entry, last_at=entry.next_at, next_at=entry.next_at + 60_000, fired=1, version=entry.version + 1
        )
        assert moved == expected
        assert (await engine.schedules.due())[0] == []

    async def test_five_schedulers_fire_an_instant_once(self, engine: Engine, other: Engine) -> None:
        """Checklist: 93."""
        for number in range(10):
            entry = await _put(engine, f"e{number}")
            engines = (engine, other, engine, other, engine)
            answers = await asyncio.gather(
                *(_fire(one, entry, job_id=f"{entry.id} by {n}") for n, one in enumerate(engines))
            )
            assert sorted(answers) == ["fired"] + ["moved"] * 4
        assert len(await take_all(engine)) == 10

    async def test_a_firing_whose_reply_was_lost_is_not_doubled(self, engine: Engine) -> None:
        """Checklist: 94."""
        entry = await _put(engine)
        sabotage = Sabotage(engine)
        sabotage.fail_after("schedules.fire")
        with pytest.raises(EngineUnavailableError):
            await _fire(sabotage, entry)
        assert await _fire(sabotage, entry) == "moved"
        assert len(await take_all(engine)) == 1
        moved = await engine.schedules.get("e")
        assert moved is not None
        assert moved.fired == 1

    async def test_a_firing_that_never_arrived_is_still_due(self, engine: Engine) -> None:
        """Checklist: 94."""
        entry = await _put(engine)
        sabotage = Sabotage(engine)
        sabotage.fail_before("schedules.fire")
        with pytest.raises(EngineUnavailableError):
            await _fire(sabotage, entry)
        assert [one.id for one in (await engine.schedules.due())[0]] == ["e"]
        assert await _fire(sabotage, entry) == "fired"

    async def test_a_firing_whose_job_is_known_moves_on_all_the_same(self, engine: Engine) -> None:
        """Checklist: 2, 94."""
        entry = await _put(engine)
        await publish(engine, submission("known"))
        assert await _fire(engine, entry, job_id="known") == "fired"
        assert len(await take_all(engine)) == 1
        assert (await engine.schedules.due())[0] == []

    async def test_an_entry_changed_meanwhile_does_not_fire_as_it_was(self, engine: Engine) -> None:
        """Checklist: 93."""
        entry = await _put(engine)
        await engine.schedules.put(msgspec.structs.replace(entry, enabled=False))
        assert await _fire(engine, entry) == "moved"
        assert await take_all(engine) == []

    async def test_a_skipped_instant_moves_on_without_a_job(self, engine: Engine) -> None:
        """Checklist: 95."""
        entry = await _put(engine, in_ms=-600_000)
        assert entry.next_at is not None
        following = await engine.now_ms() + 60_000
        answer = await engine.schedules.fire("e", entry.version, at=entry.next_at, next_at=following, job=None)
        assert answer == "fired"
        moved = await engine.schedules.get("e")
        assert moved is not None
        assert (moved.next_at, moved.last_at, moved.fired) == (following, entry.next_at, 0)
        assert await take_all(engine) == []

    async def test_a_last_firing_leaves_nothing_due(self, engine: Engine) -> None:
        """Checklist: 95."""
        entry = await _put(engine)
        assert await engine.schedules.fire("e", entry.version, at=1, next_at=None, job=submission("a")) == "fired"
        shift(86_400_000, engine)
        assert await engine.schedules.due() == ([], None)
        assert await engine.schedules.get("e") is not None

    @pytest.mark.parametrize("change", ["put", "fire", "delete"])
    async def test_a_change_wakes_who_sleeps_in_another_process(
        self, engine: Engine, other: Engine, change: str
    ) -> None:
        """Checklist: 93."""
        entries = [await _put(engine, f"e{number:02}") for number in range(50)]
        sleeper = asyncio.create_task(other.schedules.wait(2 * SOON_MS))
        for entry in entries:
            match change:
                case "put":
                    await _put(engine, entry.id)
                case "fire":
                    await _fire(engine, entry)
                case _:
                    await engine.schedules.delete(entry.id)
            await asyncio.wait({sleeper}, timeout=0.1)
            if sleeper.done():
                break
        with anyio.fail_after(SOON_MS / 1000):
            assert await sleeper

    async def test_a_change_between_the_look_and_the_sleep_is_heard(self, engine: Engine, other: Engine) -> None:
        await engine.schedules.due()
        await _put(other)
        assert await engine.schedules.wait(SOON_MS)
        await engine.schedules.due()
        assert not await engine.schedules.wait(NEVER_MS)

    async def test_without_changes_a_sleep_ends_at_its_time_out(self, engine: Engine) -> None:
        """Checklist: 105."""
        await _put(engine, in_ms=60_000)
        for _ in range(3):
            if not await engine.schedules.wait(NEVER_MS):
                return
        pytest.fail("the bell of the schedules rings although nothing changes")


class DurableSchedulesContract(Contract):
    """For engines whose store outlives them."""

    async def test_entries_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 39, 94."""
        entry = await _put(engine)
        assert await _fire(engine, entry) == "fired"
        kept = await engine.schedules.all()
        await engine.close()
        reopened = await engines.make()
        assert await reopened.schedules.all() == kept
        assert await _fire(reopened, entry) == "moved"
