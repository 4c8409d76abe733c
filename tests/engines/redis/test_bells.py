"""Replies and rings come on two connections, and a worker has two claims under way: no ring is lost in any order."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence

import pytest

from stem.redis.bells import Naps


class Model:
    """A server with one queue and its lists, one or two workers that each claim twice at once, and the wires between."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.naps = Naps(self.pass_on)
        self.jobs = 0
        self.listed: list[str] = []
        self.claims: deque[tuple[str, int]] = deque()
        self.replies: deque[tuple[str, int, bool]] = deque()
        self.rings: deque[str] = deque()
        self.passed_on: deque[str] = deque()
        #: What each of the two claimers of a worker does.
        self.doing = {(name, number): "up" for name in chance.choice(("a", "ab")) for number in (1, 2)}
        self.sleeping: dict[str, asyncio.Task[bool]] = {}

    # ---- the server

    def publish(self) -> None:
        self.jobs += 1
        self.ring()

    def ring(self) -> None:
        if self.listed:
            self.rings.append(self.listed.pop(0))

    def serve_claim(self) -> None:
        worker, rings = self.claims.popleft()
        found = self.jobs > 0
        self.jobs -= found
        if worker in self.listed:
            self.listed.remove(worker)
        if not found:
            self.listed.append(worker)
        self.replies.append((worker, rings, found))

    def serve_get_up(self) -> None:
        worker = self.passed_on.popleft()
        if worker in self.listed:
            self.listed.remove(worker)
        else:
            self.ring()

    # ---- the engine

    def pass_on(self, worker: str, queues: Sequence[str]) -> None:
        self.passed_on.append(worker)

    def hear_reply(self) -> None:
        """Several replies may come before anybody goes on."""
        worker, rings, found = self.replies.popleft()
        number = next(n for n in (1, 2) if self.doing[worker, n] == "asking")
        if found:
            self.naps.get_up(worker)
        else:
            self.naps.lie_down(worker, ("q",), rings)
        self.doing[worker, number] = "found" if found else "empty"

    def go_on(self, worker: str, number: int) -> None:
        if self.doing[worker, number] == "found":
            for n in (1, 2):
                if n == number or self.doing[worker, n] == "resting":
                    self.doing[worker, n] = "up"
        elif worker in self.sleeping:
            self.doing[worker, number] = "resting"
        else:
            self.doing[worker, number] = "asleep"
            self.sleeping[worker] = asyncio.create_task(self.naps.sleep(worker, 3_600_000))

    async def settle(self) -> None:
        """What may happen in the engine, happens."""
        for _ in range(3):
            await asyncio.sleep(0)
        for worker, task in list(self.sleeping.items()):
            if task.done() or task.cancelling():
                del self.sleeping[worker]
                number = next(n for n in (1, 2) if self.doing[worker, n] == "asleep")
                self.doing[worker, number] = "up"

    def time_is_over(self) -> None:
        """One that sleeps gives up, as for a timer, and claims when its turn comes."""
        if self.sleeping:
            self.chance.choice(list(self.sleeping.values())).cancel()

    def claim(self, worker: str, number: int) -> None:
        self.doing[worker, number] = "asking"
        self.claims.append((worker, self.naps.ask(worker)))

    async def step(self) -> bool:
        """One thing that can happen, by chance; False when nothing can."""
        ready = [who for who, doing in self.doing.items() if doing == "up"]
        answered = [who for who, doing in self.doing.items() if doing in ("found", "empty")]
        choices = [
            *(["claim"] if ready else []),
            *(["serve"] if self.claims else []),
            *(["reply"] if self.replies else []),
            *(["go on"] if answered else []),
            *(["hear"] if self.rings else []),
            *(["pass"] if self.passed_on else []),
        ]
        if not choices:
            return False
        what = self.chance.choice(choices)
        if what == "claim":
            self.claim(*self.chance.choice(ready))
        elif what == "serve":
            self.serve_claim()
        elif what == "reply":
            self.hear_reply()
        elif what == "go on":
            self.go_on(*self.chance.choice(answered))
        elif what == "hear":
            self.naps.rang(self.rings.popleft())
        else:
            self.serve_get_up()
        await self.settle()
        return True


async def live(seed: int) -> None:
    model = Model(random.Random(seed))
    for _ in range(model.chance.randrange(1, 6)):
        model.publish()
        for _ in range(model.chance.randrange(20)):
            if model.chance.random() < 0.05:
                model.time_is_over()
            await model.step()
    for _ in range(500):
        if not await model.step():
            break
    else:
        pytest.fail(f"seed {seed}: the workers never come to rest")
    assert model.jobs == 0, f"seed {seed}: {model.jobs} jobs wait while {sorted(model.sleeping)} sleep"
    for task in model.sleeping.values():
        task.cancel()
    await asyncio.gather(*model.sleeping.values(), return_exceptions=True)


def test_no_ring_is_lost_between_replies() -> None:
    for seed in range(2_000):
        asyncio.run(live(seed))


def test_a_ring_heard_before_the_reply_that_it_follows_counts_for_each_claim_sent_before() -> None:
    async def run_it() -> list[bool]:
        naps = Naps(lambda worker, queues: None)
        first, second = naps.ask("w"), naps.ask("w")
        naps.rang("w")
        heard = []
        for rings in (first, second, naps.ask("w")):
            naps.lie_down("w", ("q",), rings)
            heard.append(await naps.sleep("w", 0))
        return heard

    assert asyncio.run(run_it()) == [True, True, False]
