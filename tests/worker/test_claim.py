"""Two claims in alternation, and how they sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import pytest

from stem.contracts.broker import Delivery
from stem.core.lease import look_every_ms
from stem.values import Receipt
from stem.worker.claim import Claimer, Slots

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Timers:
    """A source without work, whose claims say in turn when the next timer is due."""

    def __init__(self, *due_ms: int | None) -> None:
        self._due, self.waits = list(due_ms), list[int]()

    async def claim(self, limit: int) -> tuple[tuple[Delivery, ...], int | None]:
        await asyncio.sleep(0)
        return (), self._due.pop(0) if len(self._due) > 1 else self._due[0]

    async def wait(self, timeout_ms: int) -> bool:
        self.waits.append(timeout_ms)
        await asyncio.sleep(timeout_ms / 1000)
        return False

    async def put_back(self, batch: Sequence[Receipt], *, again_in_ms: int) -> list[bool]:
        return []


async def test_the_earlier_of_two_timers_is_slept_until() -> None:
    """The first claim saw nothing, and sleeps long; the second saw a timer that was set between the two."""

    def take(deliveries: Sequence[Delivery], asked: float) -> None:
        raise AssertionError("there is no work")

    source = Timers(None, 200)
    claimer = Claimer(source, Slots(2), take, lambda mark: None, lambda: 0)
    claimer.start()
    with anyio.fail_after(5):
        while not any(wait <= 200 for wait in source.waits):
            await asyncio.sleep(0.01)
    await claimer.stop()


def test_a_lease_that_began_in_ones_sleep_is_seen_before_it_ends() -> None:
    for leases in ([], [30_000], [200], [2_000, 90_000]):
        longest_sleep = look_every_ms(leases) * 1.2
        assert longest_sleep <= min([30_000, *leases])


async def test_a_claimer_looks_as_often_as_it_was_told() -> None:
    def take(deliveries: Sequence[Delivery], asked: float) -> None:
        raise AssertionError("there is no work")

    source = Timers(None)
    claimer = Claimer(source, Slots(2), take, lambda mark: None, lambda: 0, look_ms=50)
    claimer.start()
    with anyio.fail_after(5):
        while len(source.waits) < 3:
            await asyncio.sleep(0.01)
    await claimer.stop()
    assert all(40 <= wait <= 60 for wait in source.waits if wait)


async def test_whoever_is_given_room_has_at_least_one_slot() -> None:
    """Two claimers share the slots of a worker: who finds them taken after its patience waits on."""
    slots = Slots(20)
    slots.take(16)
    wants = list[int]()

    async def claim() -> None:
        wants.append(await slots.room())
        slots.take(wants[-1])

    claims = [asyncio.create_task(claim()) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert wants == [4]
    slots.give(4)
    await asyncio.gather(*claims)
    assert wants == [4, 4]


async def test_room_for_two_wakes_both_who_wait() -> None:
    """Whoever comes first may want more than is free; who wants one slot does not wait behind it."""
    slots = Slots(10)
    slots.take(10)
    many = asyncio.create_task(slots._until(5, None))
    one, other = asyncio.create_task(slots.room()), asyncio.create_task(slots.room())
    await asyncio.sleep(0)
    slots.give(3)
    with anyio.fail_after(5):
        assert [*await asyncio.gather(one, other)] == [3, 3]
    assert not many.done()
    slots.give(2)
    with anyio.fail_after(5):
        await many


async def test_a_claim_that_was_asked_for_while_another_is_under_way_is_made() -> None:
    """The answer under way may be older than the reason to look."""

    class Slow(Timers):
        claims = 0

        async def claim(self, limit: int) -> tuple[tuple[Delivery, ...], int | None]:
            self.claims += 1
            await asyncio.sleep(0.05)
            return (), None

    def take(deliveries: Sequence[Delivery], asked: float) -> None:
        raise AssertionError("there is no work")

    source = Slow(None)
    claimer = Claimer(source, Slots(2), take, lambda mark: None, lambda: 0)
    claimer.start()
    with anyio.fail_after(5):
        while source.claims < 2:
            await asyncio.sleep(0.001)
        claimer.look_again()
        while source.claims < 4:
            await asyncio.sleep(0.001)
    await claimer.stop()
