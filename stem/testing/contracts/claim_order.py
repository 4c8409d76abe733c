"""Claims of several queues with priorities, held against `stem.core.priority`.

    class SqliteOrder(OnSqlite, ClaimOrderMachine): ...

    TestClaimOrder = SqliteOrder.TestCase
    TestClaimOrder.settings = BRIEF

Time moves in whole minutes.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from stem.contracts.broker import Delivery
from stem.core.priority import LEVELS, first_nonempty, guarded_level, queue_order
from stem.testing.contracts import again, done, shift, submission
from stem.testing.contracts.on_engine import OnEngine

_MINUTE: Final = 60_000
_LEASE: Final = 2
_QUEUES: Final = ("a", "b", "c")
_NEVER: Final = 1_000_000
_levels: Final = st.lists(st.sampled_from((0, 3, 5, 9)), min_size=1, max_size=6)


class _Job:
    """A job as the model knows it: from minute `ready` on a claim may hand it out."""

    def __init__(self, queue: str, level: int, ready: int) -> None:
        self.queue, self.level, self.ready = queue, level, ready


class ClaimOrderMachine(OnEngine):
    """Jobs of three queues; each claim must give the jobs that core's rules name, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.jobs: dict[str, _Job] = {}
        self.paused: set[str] = set()
        self.turns: Counter[str] = Counter()
        self.ticks: Counter[str] = Counter()
        self.deliveries: list[Delivery] = []

    @rule(
        queue=st.sampled_from(_QUEUES),
        levels=_levels,
        minutes=st.sampled_from((0, 0, 0, 1, 2)),
    )
    def publish(self, queue: str, levels: list[int], minutes: int) -> None:
        for level in levels:
            job_id = f"job-{len(self.jobs)}"
            one = submission(
                job_id, queue, priority=level, delay_ms=minutes * _MINUTE, lease_ms=_LEASE * _MINUTE, max_losses=1_000
            )
            self.run(self.engine.broker.publish([one]))
            self.jobs[job_id] = _Job(queue, level, self.now + minutes)

    @rule(
        queues=st.lists(st.sampled_from(_QUEUES), min_size=1, unique=True),
        limit=st.sampled_from((1, 1, 2, 3, 10)),
        worker=st.sampled_from(("v", "w")),
        strict=st.sampled_from((False, False, False, True)),
    )
    def claim(self, queues: list[str], limit: int, worker: str, strict: bool) -> None:  # noqa: FBT001 - drawn
        found = self.run(self.engine.broker.claim(queues, limit, worker, strict=strict)).deliveries
        assert [one.id for one in found] == self._expected(queues, limit, worker, strict=strict)
        for one in found:
            self.jobs[one.id].ready = self.now + _LEASE
        taken = {one.id for one in found}
        self.deliveries = [one for one in self.deliveries if one.id not in taken] + list(found)

    @rule(queue=st.sampled_from(_QUEUES), worker=st.sampled_from(("v", "w")), levels=_levels)
    def claim_one_by_one(self, queue: str, worker: str, levels: list[int]) -> None:
        """Often enough that a level comes first out of turn, and while there is more than one level to choose from."""
        self.publish(queue, [*levels, 9, 0, 3, 9, 9, 9, 9, 9], 0)
        for _ in range(9):
            self.claim([queue], 1, worker, strict=False)

    def _expected(self, queues: list[str], limit: int, worker: str, *, strict: bool) -> list[str]:
        self.turns[worker] += 1
        taken: list[str] = []
        for queue in queue_order(queues, self.turns[worker], strict=strict):
            waiting = [id_ for id_, job in self.jobs.items() if job.queue == queue and job.ready <= self.now]
            if queue not in self.paused and waiting and len(taken) < limit:
                taken += self._of_queue(queue, waiting, limit - len(taken), strict=strict)
        return taken

    def _of_queue(self, queue: str, waiting: list[str], limit: int, *, strict: bool) -> list[str]:
        """`waiting` in the order of arrival; a job that comes back has its old place."""
        by_priority = sorted(waiting, key=lambda id_: -self.jobs[id_].level)
        level = guarded_level(self.ticks[queue], strict=strict)
        self.ticks[queue] += 1
        if level is not None:
            level = first_nonempty(
                level, [any(self.jobs[id_].level == one for id_ in waiting) for one in range(LEVELS)]
            )
            first = next(id_ for id_ in by_priority if self.jobs[id_].level == level)
            by_priority.remove(first)
            by_priority.insert(0, first)
        return by_priority[:limit]

    @precondition(lambda self: self.deliveries)
    @rule(which=st.integers(0, 99), how=st.sampled_from(("done", "again", "later", "release")))
    def give_back(self, which: int, how: str) -> None:
        """Settled or released by its worker in time."""
        one = self.deliveries.pop(which % len(self.deliveries))
        job = self.jobs[one.id]
        if how == "release":
            self.run(self.engine.broker.release([one.receipt]))
            job.ready = self.now
            return
        delay = {"done": None, "again": 0, "later": 1}[how]
        settlement = done(one) if delay is None else again(one, delay_ms=delay * _MINUTE)
        self.run(self.engine.broker.settle([settlement]))
        job.ready = _NEVER if delay is None else self.now + delay

    @rule(queue=st.sampled_from(_QUEUES), paused=st.booleans())
    def pause_or_resume(self, queue: str, paused: bool) -> None:  # noqa: FBT001 - drawn, never passed by hand
        self.run(self.engine.queues.pause(queue) if paused else self.engine.queues.resume(queue))
        (self.paused.add if paused else self.paused.discard)(queue)

    @rule(minutes=st.integers(1, 3))
    def let_time_go_by(self, minutes: int) -> None:
        shift(minutes * _MINUTE, self.engine)
        self.now += minutes
        self.deliveries = [one for one in self.deliveries if self.jobs[one.id].ready > self.now]
