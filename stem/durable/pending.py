"""What a run waits for, and the moment at which it can do nothing but wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from stem.core.run import GoOn as Stay
from stem.core.run import RunEffect, Step, Suspend, Wait
from stem.durable.leaving import Blocked, Leaving, Suspended

if TYPE_CHECKING:
    from stem.durable.journal import Journal

#: A wait shorter than this stays with its worker, ms: to leave and to come back would cost more.
RESIDENT_MS: Final = 1_000
#: While some branches work, the others look so often whether what they wait for has come, seconds.
PATIENCE: Final = 5.0


class Pending:
    """One thing that is waited for: an answer in the store, or with `again_at` the time of another attempt.

    `source`: the id of the job or child that it began, in this claim or before.
    """

    def __init__(
        self, key: str, wait: Wait | None, *effects: RunEffect, again_at: int | None = None, source: str = ""
    ) -> None:
        self.key, self.wait, self.effects, self.again_at, self.source = key, wait, effects, again_at, source
        self.deadline: int | None = None if wait is None else wait.deadline
        self.step: Step | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is an answer."""
        return self.step is not None


class Waiting:
    """Counts who is busy. When nobody is, the run leaves its worker, unless an answer has come meanwhile."""

    def __init__(self, journal: Journal, *, real: bool) -> None:
        self._journal, self._real = journal, real
        self._pending: dict[str, Pending] = {}
        self._asking = asyncio.Lock()
        self._busy = 1
        self._main: asyncio.Future[None] | None = None
        self._branches: set[asyncio.Future[None]] = set()
        self.left = False
        self.closed = False
        self.interruption: BaseException | None = None

    @property
    def is_parked(self) -> bool:
        """Whether the workflow's own code waits here."""
        return self._main is not None

    def add(self, pending: Pending) -> Pending:
        """Wait for this from now on; it is registered with the next commit that can wait."""
        self._pending[pending.key] = pending
        return pending

    def drop(self, key: str) -> None:
        """Nobody waits for this any more."""
        self._pending.pop(key, None)

    # ------------------------------------------------------------ the workflow's own code

    async def park(self, ready: Callable[[], bool]) -> None:
        """Until it is ready. Raises Suspended when the run leaves instead, or what somebody interrupted it with."""
        while not ready():
            self._busy -= 1
            try:
                if self._busy == 0:
                    await self._leave()
                else:
                    await self._until_told()
            finally:
                self._busy += 1
            self.check()

    async def _until_told(self) -> None:
        self._main = asyncio.get_running_loop().create_future()
        try:
            done, _ = await asyncio.wait({self._main}, timeout=self._patience() if self._real else None)
        finally:
            self._main = None
        if not done:
            await self._ask(Stay())

    def _patience(self) -> float:
        times = [one.deadline for one in self._pending.values() if one.deadline is not None]
        return min([PATIENCE, *(max(0.001, (at - self._journal.now) / 1000) for at in times)])

    async def _leave(self) -> None:
        """Nobody is busy: leave, or stay for the moment when something is due soon."""
        now = self._journal.now
        soonest = min((at for one in self._pending.values() if (at := _time_of(one, now)) is not None), default=None)
        resident = self._real and soonest is not None and soonest - now <= RESIDENT_MS
        retries = [one.again_at for one in self._pending.values() if one.again_at is not None]
        if resident:
            await self._ask(Stay())
            if not any(one.is_over for one in self._pending.values()) and soonest is not None:
                await self._nap(max(0.0, (soonest - self._journal.now) / 1000))
            self._release_retries()
            return
        await self._ask(Suspend(max(0, min(retries) - now) if retries else None))
        if self._journal.ended:
            self.left = True
            self.interrupt_branches(Suspended())
            raise Suspended

    async def _nap(self, seconds: float) -> None:
        self._main = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({self._main}, timeout=seconds)
        finally:
            self._main = None

    def _release_retries(self) -> None:
        """Attempts whose time has come go on here."""
        for one in list(self._pending.values()):
            if one.again_at is not None and one.again_at <= self._journal.now + 1:
                one.step = Step(key=one.key, pos=0)
                self.drop(one.key)
        self._tell_branches()

    async def _ask(self, then: Suspend | Stay) -> None:
        """Register what is not yet, and hear of answers; one at a time, for branches ask too."""
        async with self._asking:
            await self._asked(then)

    async def _asked(self, then: Suspend | Stay) -> None:
        fresh = [one for one in self._pending.values() if one.wait is not None]
        waits = tuple(one.wait for one in fresh if one.wait is not None)
        asked = tuple(one.key for one in self._pending.values() if one.again_at is None)
        effects = tuple(effect for one in fresh for effect in one.effects)
        said = await self._journal.commit(waits=waits, effects=effects, pending=asked, then=then)
        for one in fresh:
            if one.wait is not None and one.wait.after_ms is not None:
                one.deadline = said.now + one.wait.after_ms
            one.wait, one.effects = None, ()
        for step in said.answers:
            if (answered := self._pending.pop(step.key, None)) is not None:
                answered.step = step
        for refusal in said.refused:
            if refusal.why == "ending":  # a branch may have asked, and it is the run that has to stand still
                text = f"its child {refusal.holder}, of an earlier life of the run, has still to end"
                self.interruption = Blocked(text)
                self.tell_main()
        if said.answers:
            self._tell_branches()

    def check(self) -> None:
        """Raise what somebody interrupted it with."""
        if self.interruption is not None:
            raise self.interruption

    async def flush(self) -> None:
        """Register what is waited for before something long is begun."""
        async with self._asking:
            if any(one.wait is not None for one in self._pending.values()):
                await self._asked(Stay())

    # ------------------------------------------------------------ branches

    async def park_branch(self, ready: Callable[[], bool]) -> None:
        """The same for something that is done beside the workflow's own code. Who tells it counts it as busy."""
        while not ready():
            if self.closed:
                raise Leaving
            told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._branches.add(told)
            self.end_branch()
            try:
                await told
            except BaseException:
                if told in self._branches:
                    self._branches.discard(told)
                    self.begin_branch()
                raise

    def begin_branch(self) -> None:
        """Something more is done at the same time."""
        self._busy += 1

    def end_branch(self) -> None:
        """It is done, or waits."""
        self._busy -= 1
        self.tell_main()

    def tell_main(self) -> None:
        """Let the workflow's own code look whether it can go on."""
        if self._main is not None and not self._main.done():
            self._main.set_result(None)

    def _tell_branches(self) -> None:
        told, self._branches = self._branches, set()
        for one in told:
            self.begin_branch()
            if not one.done():
                one.set_result(None)

    def close(self) -> None:
        """Nobody shall wait beside any more: what works comes to its end."""
        self.closed = True
        self.interrupt_branches(Leaving())

    def interrupt_branches(self, error: BaseException) -> None:
        """End all that waits beside."""
        told, self._branches = self._branches, set()
        for one in told:
            self.begin_branch()
            if not one.done():
                one.set_exception(error)


def _time_of(one: Pending, now: int) -> int | None:
    """When time alone moves it, unix ms."""
    if one.again_at is not None:
        return one.again_at
    if one.deadline is not None:
        return one.deadline
    return None if one.wait is None or one.wait.after_ms is None else now + one.wait.after_ms
