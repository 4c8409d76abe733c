"""What was lost with its worker before runs in small company, for a bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import pytest

from stem.values import Receipt
from stem.worker.claim import Slots
from stem.worker.suspects import Suspects
from tests.worker.virtual import run_in_virtual_time

Inside: TypeAlias = Callable[["House"], Coroutine[Any, Any, None]]


class Unit:
    """A claimed job that tolerates so many others; None: any number."""

    lease_ms = 30_000

    def __init__(self, name: str, company: int | None = None) -> None:
        self.receipt, self.company = Receipt(name, 1), company


class House:
    """A worker of ten slots, and what it puts back."""

    def __init__(self) -> None:
        self.put_back_ = dict[str, int]()

    def worker(self) -> tuple[Suspects, Slots]:
        slots = Slots(10)
        return Suspects(slots), slots

    async def sleep(self, suspects: Suspects, seconds: float) -> None:
        await asyncio.sleep(seconds)
        suspects.look(time.monotonic())

    async def put_back(self, batch: Sequence[Receipt], *, again_in_ms: int) -> list[bool]:
        self.put_back_ |= {receipt.job_id: again_in_ms for receipt in batch}
        return [True for _ in batch]

    async def started(self, suspects: Suspects, slots: Slots, *units: Unit) -> str:
        """The names of those that start, of a claim that brings these."""
        self.put_back_.clear()
        slots.take(len(units))
        starting = await suspects.sort(units, self)
        slots.give(len(units) - len(starting))
        return " ".join(one.receipt.job_id for one in starting)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Callable[[Inside], None]:
    return lambda inside: run_in_virtual_time(monkeypatch, lambda _: inside(House()))


def test_most_claims_have_nothing_to_decide(live: Callable[[Inside], None]) -> None:
    async def inside(house: House) -> None:
        suspects, _ = house.worker()
        assert not suspects.concern([Unit("a"), Unit("b")])
        assert suspects.concern([Unit("a"), Unit("b", 10)])

    live(inside)


def test_slots_are_idle_while_a_suspect_runs_and_no_longer_than_a_minute(live: Callable[[Inside], None]) -> None:
    async def inside(house: House) -> None:
        suspects, slots = house.worker()
        assert await house.started(suspects, slots, Unit("s", 3), *map(Unit, "abcd")) == "s a b c"
        assert house.put_back_ == {"d": 0}
        assert (slots.free, slots.idle, suspects.running) == (0, 6, ["s"])
        await house.sleep(suspects, 62)
        assert (slots.free, slots.idle, suspects.running) == (6, 0, [])

    live(inside)


def test_slots_are_used_again_when_the_suspect_has_ended(live: Callable[[Inside], None]) -> None:
    async def inside(house: House) -> None:
        suspects, slots = house.worker()
        alone = Unit("s", 0)
        assert await house.started(suspects, slots, alone, Unit("a")) == "s"
        assert (slots.free, slots.idle) == (0, 9)
        suspects.ended(alone)
        slots.give()
        assert (slots.free, slots.idle) == (10, 0)

    live(inside)


def test_room_is_made_for_one_that_finds_too_many_others(live: Callable[[Inside], None]) -> None:
    async def inside(house: House) -> None:
        suspects, slots = house.worker()
        slots.take(4)
        assert await house.started(suspects, slots, Unit("s", 0), Unit("a"), Unit("t", 0)) == ""
        assert house.put_back_ == {"s": 1_000, "a": 0, "t": 1_000}
        slots.give(4)
        assert slots.free == 1
        assert await house.started(suspects, slots, Unit("s", 0)) == "s"

    live(inside)


def test_one_for_which_room_was_made_in_vain_runs_all_the_same(live: Callable[[Inside], None]) -> None:
    async def inside(house: House) -> None:
        suspects, slots = house.worker()
        slots.take(4)
        assert await house.started(suspects, slots, Unit("s", 0)) == ""
        await house.sleep(suspects, 58)
        assert slots.free < 0
        await house.sleep(suspects, 3)
        assert slots.free == 6
        assert await house.started(suspects, slots, Unit("a"), Unit("s", 0), Unit("b")) == "a s"
        assert house.put_back_ == {"b": 0}

    live(inside)
