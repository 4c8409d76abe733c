"""No wake-up is lost: two workers, jobs and runs, claims in alternation, in every order that chance gives.

A lost wake-up is found by the safety look, some 15 s later; everything here is over long before.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

from stem import EngineUnavailableError, Stem, WorkflowContext, task, workflow
from stem.contracts.engine import Engine
from stem.testing.sabotage import Sabotage, _Plan
from stem.worker.worker import Worker
from tests.e2e.storm import SECONDS
from tests.worker.virtual import VirtualClock, run_in_virtual_time

#: Seconds of virtual time that a life may take; a sleep that nobody ends is longer.
PATIENCE = 8.0
SLOW = {"broker.claim", "broker.publish", "broker.settle", "workflows.claim", "workflows.commit", "workflows.start"}


class Work(BaseModel):
    ms: int
    children: int = 0


@task("wakeups.work")
async def work(args: Work) -> None:
    await asyncio.sleep(args.ms / 1000)


@workflow("wakeups.flow")
async def flow(ctx: WorkflowContext, args: Work) -> None:
    for number in range(args.children):
        await ctx.call(work.build(Work(ms=args.ms, children=number)))


class Slowly(_Plan):
    """Each call takes a moment before it has its effect, and another one until its answer comes; some claims fail."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def carry_out(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name not in SLOW:
            return await call()
        await asyncio.sleep(self._chance.choice((0, 0, 0.001, 0.004)))
        if name.endswith("claim") and self._chance.random() < 0.03:
            raise EngineUnavailableError("the store is away")
        answer = await call()
        await asyncio.sleep(self._chance.choice((0, 0, 0.001, 0.004)))
        return answer


class SlowApp(Stem):
    """An app in memory whose engine takes its time."""

    chance: random.Random

    def make_engine(self) -> Engine:
        made = Sabotage(super().make_engine())
        plan = Slowly(self.chance)
        for role in made._roles.values():
            role._plan = plan
        return made


class Life:
    """Some jobs and runs, begun at random moments, and the workers that do them."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = clock
        self.app = SlowApp.in_memory(tasks=[work], workflows=[flow], clock=clock)
        self.app.chance = self.chance
        self.left = 0
        self.app.signals.job_succeeded.connect(lambda _: self.one_less())
        self.app.signals.run_succeeded.connect(lambda _: self.one_less())

    def one_less(self) -> None:
        self.left -= 1

    async def begin_one(self) -> None:
        args = Work(ms=self.chance.choice((0, 1, 5)))
        if self.chance.random() < 0.3:
            args.children = self.chance.randrange(3)
            self.left += 1 + args.children
            await flow.build(args).start(self.app)
        else:
            self.left += 1
            await work.build(args).delay(self.chance.choice((0, 0, 0, 0.05))).enqueue(self.app)

    def worker(self, *, burst: bool) -> Worker:
        runs = None if self.chance.random() < 0.7 else ()
        return self.app.worker(concurrency=self.chance.choice((1, 2, 3, 8)), burst=burst, workflows=runs)

    async def served(self) -> float:
        """Two workers that serve; how long they took for the last job after it was begun."""
        async with self.app, self.app.worker(concurrency=2), self.worker(burst=False):
            for _ in range(self.chance.randrange(1, 12)):
                await asyncio.sleep(self.chance.choice((0, 0, 0.002, 0.02, 0.1)))
                await self.begin_one()
            began = self.clock.monotonic()
            while self.left and self.clock.monotonic() < began + PATIENCE:
                await asyncio.sleep(0.005)
            return self.clock.monotonic() - began

    async def drained(self) -> float:
        """One or two bursts; how long after the last thing was done the last one ended."""
        ended = [0.0]
        self.app.signals.worker_stopping.connect(lambda _: ended.append(self.clock.monotonic()))
        async with self.app:
            for _ in range(self.chance.randrange(6)):
                await self.begin_one()
            began = self.clock.monotonic()
            workers = [self.app.worker(concurrency=self.chance.choice((1, 2, 5)), burst=True)]
            if self.chance.random() < 0.5:
                workers.append(self.worker(burst=True))
            await asyncio.gather(*(one.run() for one in workers))
            await self.app.worker(burst=True).run()  # what was delayed, or came back late
        return max(ended) - began


def lives(monkeypatch: pytest.MonkeyPatch, seeds: range) -> None:
    for seed in seeds:
        for way in (Life.served, Life.drained):

            async def main(
                clock: VirtualClock, way: Callable[[Life], Awaitable[float]] = way, seed: int = seed
            ) -> float:
                return await way(Life(clock, seed))

            took = run_in_virtual_time(monkeypatch, main)
            assert took < PATIENCE, f"a wake-up was lost: seed {seed}, {way.__name__}, {took:.1f} s"


def test_no_wake_up_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    lives(monkeypatch, range(150))


@pytest.mark.soak
def test_no_wake_up_is_lost_in_ten_thousand_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each seed lives twice. A short soak takes its share of them."""
    lives(monkeypatch, range(1_000, 1_000 + round(5_000 * min(1.0, SECONDS / 120))))
