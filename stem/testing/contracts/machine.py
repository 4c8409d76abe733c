"""The same random operations on an engine and on the one in memory must give the same answers.

    class SqliteMachine(OnSqlite, EngineMachine): ...

    TestMachine = SqliteMachine.TestCase
    TestMachine.settings = QUICK

Time moves in whole minutes, so that the milliseconds by which two engines differ never decide an answer; order is
asked for strictly, so that whose turn it is never does either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from stem.contracts.broker import Delivery, Renewal
from stem.contracts.dead_letters import DeadFilter
from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter
from stem.core.limit import LimitRow
from stem.core.rate import Bucket
from stem.core.settle import Arrive, Enqueue, Settlement
from stem.core.states import FINAL
from stem.core.unique import UniqueClaim
from stem.memory.engine import MemoryEngine
from stem.testing.contracts import DAY_MS, again, bury, cancelled, done, not_run, shift, snoozed, stopped, submission
from stem.testing.contracts.on_engine import OnEngine

T = TypeVar("T")

#: As many examples as a test run of every day should pay for.
QUICK: Final = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

#: For machines with few rules, or with one that asks for much.
BRIEF: Final = settings(QUICK, max_examples=10)

_MINUTE: Final = 60_000
_QUEUES: Final = ("q", "r")
_GROUP: Final = "group"
_MEMBERS: Final = ("job-0", "job-1", "job-2", "job-3")
_GROUP_KEEP: Final = 40 * DAY_MS
_any: Final = st.integers(0, 999)


class EngineMachine(OnEngine):
    """Jobs from publish to grave on two engines at once; `open_engine` gives the one under test, on a fresh store.

    `apart` is for an engine that keeps each queue by itself: an id then stays in its queue, and so do keys and limits.
    """

    apart = False

    def __init__(self) -> None:
        super().__init__()
        self.oracle: Engine = MemoryEngine()
        self.ids: list[str] = []
        self.homes: dict[str, str] = {}
        self.deliveries: list[tuple[Delivery, Delivery]] = []

    def both(self, ask: Callable[[Engine], Awaitable[T]], seen: Callable[[T], Any] = lambda answer: answer) -> T:
        """The answer of the engine under test, which must look like the one of the oracle."""
        expected, found = self.run(ask(self.oracle)), self.run(ask(self.engine))
        assert seen(found) == seen(expected)
        return found

    # ------------------------------------------------------------ what may happen

    @initialize()
    def start(self) -> None:
        """Limits and a group, so that jobs meet them from the first step on."""
        rate = Bucket(1, _MINUTE, 2)
        rows = [LimitRow(self._key("rate", queue), bucket=rate) for queue in _QUEUES]
        for queue in _QUEUES:  # it is known from now on: what is cancelled is remembered there
            self.both(lambda e, queue=queue: e.queues.resume(queue))  # type: ignore[misc]
        self.change_the_limit(1)
        callback = submission("callback", "r", priority=9)
        self.both(lambda e: e.limiter.define(rows))
        self.both(lambda e: e.groups.create(_GROUP, _MEMBERS, callback, collect=True, ttl_ms=_GROUP_KEEP))

    @rule(
        queue=st.sampled_from(_QUEUES),
        priority=st.sampled_from((0, 0, 5, 9)),
        minutes=st.sampled_from((0, 0, 0, 1, 3)),
        expires=st.sampled_from((None, None, None, 2)),
        unique=st.sampled_from(
            (None, None, UniqueClaim("k"), UniqueClaim("k", "start"), UniqueClaim("k", for_ms=2 * _MINUTE))
        ),
        keys=st.sampled_from((("", ""), ("", ""), ("room", ""), ("", "rate"), ("room", "rate"))),
        old=st.none() | _any,
    )
    def publish(
        self,
        queue: str,
        priority: int,
        minutes: int,
        expires: int | None,
        unique: UniqueClaim | None,
        keys: tuple[str, str],
        old: int | None,
    ) -> None:
        """A new job, or now and then an id that is known."""
        job_id = self.ids[old % len(self.ids)] if old is not None and self.ids else f"job-{len(self.ids)}"
        if job_id not in self.ids:
            self.ids.append(job_id)
            self.homes[job_id] = queue
        queue = self.homes[job_id] if self.apart else queue
        if unique is not None:
            unique = msgspec.structs.replace(unique, key=self._key(unique.key, queue))
        one = submission(
            job_id,
            queue,
            priority=priority,
            delay_ms=minutes * _MINUTE,
            expires_ms=None if expires is None else expires * _MINUTE,
            lease_ms=2 * _MINUTE,
            max_losses=2,
            unique=unique,
            limit_key=keys[0] and self._key(keys[0], queue),
            rate_key=keys[1] and self._key(keys[1], queue),
            result_ttl_ms=DAY_MS,
        )
        self.both(lambda e: e.broker.publish([one]))

    @rule(queues=st.sampled_from((("q",), ("r",), ("q", "r"))), limit=st.integers(1, 4), renews=st.booleans())
    def claim(self, queues: tuple[str, ...], limit: int, renews: bool) -> None:  # noqa: FBT001 - drawn
        expected, found = (
            self.run(e.broker.claim(queues, limit, "w", strict=True, renews=renews)).deliveries
            for e in (self.oracle, self.engine)
        )
        assert [_shown(one) for one in found] == [_shown(one) for one in expected]
        self.deliveries += zip(expected, found, strict=True)

    @precondition(lambda self: self.deliveries)
    @rule(
        which=_any,
        back=st.booleans(),
        way=st.sampled_from(("done", "done", "again", "later", "snooze", "bury", "follow")),
    )
    def settle(self, which: int, back: bool, way: str) -> None:  # noqa: FBT001 - drawn, never passed by hand
        """Any delivery ever made, so that old fences are tried too; `back` prefers the latest."""
        place = len(self.deliveries) - 1 - which % min(3, len(self.deliveries)) if back else which
        self.both(lambda e: e.broker.settle([_settlement(self._delivery(e, place), way)]))

    @precondition(lambda self: self.deliveries)
    @rule(which=_any, minutes=st.sampled_from((None, 1, 5)))
    def renew(self, which: int, minutes: int | None) -> None:
        lease_ms = None if minutes is None else minutes * _MINUTE
        self.both(lambda e: e.broker.renew([Renewal(self._delivery(e, which).receipt, lease_ms)]))

    @precondition(lambda self: self.deliveries)
    @rule(which=_any, again_in_ms=st.sampled_from((None, 0, _MINUTE)))
    def release(self, which: int, again_in_ms: int | None) -> None:
        self.both(lambda e: e.broker.release([self._delivery(e, which).receipt], again_in_ms=again_in_ms))

    @precondition(lambda self: self.deliveries)
    @rule(which=_any)
    def progress(self, which: int) -> None:
        self.both(lambda e: e.broker.progress(self._delivery(e, which).receipt, b"note"))

    @precondition(lambda self: self.ids)
    @rule(which=_any)
    def cancel(self, which: int) -> None:
        job_id = self._id(which)
        arrive = Arrive(_GROUP, job_id, ok=True, value=b"")
        self.both(lambda e: e.broker.cancel(job_id, "asked", cancelled(job_id, arrive, keep_ms=DAY_MS)))

    @rule(minutes=st.integers(1, 3))
    def let_time_go_by(self, minutes: int) -> None:
        shift(minutes * _MINUTE, self.oracle, self.engine)

    @rule(queue=st.sampled_from(_QUEUES), paused=st.booleans())
    def pause_or_resume(self, queue: str, paused: bool) -> None:  # noqa: FBT001 - drawn, never passed by hand
        self.both(lambda e: e.queues.pause(queue) if paused else e.queues.resume(queue))

    @rule(queue=st.sampled_from(_QUEUES))
    def purge(self, queue: str) -> None:
        self.both(lambda e: e.queues.purge(queue))

    @precondition(lambda self: self.ids)
    @rule(which=_any, minutes=st.sampled_from((0, 1)))
    def replay(self, which: int, minutes: int) -> None:
        self.both(lambda e: e.dead_letters.replay([self._id(which)], delay_ms=minutes * _MINUTE))

    @precondition(lambda self: self.ids)
    @rule(which=_any)
    def forget_dead(self, which: int) -> None:
        self.both(lambda e: e.dead_letters.purge([self._id(which)]))

    @rule(running=st.integers(1, 3))
    def change_the_limit(self, running: int) -> None:
        rows = [LimitRow(self._key("room", queue), running=running) for queue in _QUEUES]
        self.both(lambda e: e.limiter.define(rows, force=True))

    # ------------------------------------------------------------ what must hold

    @invariant()
    def both_count_the_same(self) -> None:
        """Which of the waiting states a job is in may depend on when an engine looked; that it waits may not."""
        for queue in _QUEUES:
            self.both(
                lambda e, queue=queue: e.queues.stats(queue),  # type: ignore[misc]
                lambda s: (
                    s.waiting,
                    s.running,
                    s.dead,
                    s.succeeded,
                    s.failed,
                    s.cancelled,
                    s.retried,
                    s.lost,
                    s.paused,
                ),
            )
        self.both(lambda e: e.groups.members(_GROUP))

    @invariant()
    def both_know_the_same_jobs(self) -> None:
        for job_id in [*self.ids, "callback"]:
            self.both(lambda e, job_id=job_id: _seen(e, job_id))  # type: ignore[misc]

    @invariant()
    def the_numbers_are_what_a_list_shows(self) -> None:
        """Checklist: 97."""
        for queue in _QUEUES:
            stats = self.run(self.engine.queues.stats(queue))
            page = self.run(self.engine.jobs.page(JobFilter(queue=queue), limit=1_000))
            rows, cursor = page.rows, page.cursor
            letters, _ = self.run(self.engine.dead_letters.page(DeadFilter(queue=queue), limit=1_000))
            states: Counter[str] = Counter(row.state for row in rows)
            assert cursor == ""
            counted = {
                state: getattr(stats, state) for state in ("queued", "delayed", "parked", "running", "succeeded")
            }
            assert counted == {state: states[state] for state in counted}
            assert stats.dead == len(letters)
            assert stats.failed >= states["failed"]

    def _delivery(self, engine: Engine, which: int) -> Delivery:
        """One that this engine has handed out: fences and clocks are each engine's own."""
        expected, found = self.deliveries[which % len(self.deliveries)]
        return msgspec.structs.replace(expected if engine is self.oracle else found, enqueued_at=0)

    def _key(self, name: str, queue: str) -> str:
        return f"{name}-{queue}" if self.apart else name

    def _id(self, which: int) -> str:
        return f"unknown-{which}" if which % 50 == 0 else self.ids[which % len(self.ids)]


def _shown(delivery: Delivery) -> Delivery:
    """What two engines must agree on about a delivery."""
    return msgspec.structs.replace(delivery, enqueued_at=0, fence=0)


def _settlement(delivery: Delivery, way: str) -> Settlement:
    """What a worker would store; `way` holds when the delivery may run at all."""
    arrive = Arrive(_GROUP, delivery.id, ok=True, value=b"")
    if delivery.ended is not None:
        return not_run(delivery)
    if delivery.cancel_reason is not None:
        return stopped(delivery)
    match way:
        case "again":
            return again(delivery, 0, arrive)
        case "later":
            return again(delivery, _MINUTE, arrive)
        case "snooze":
            return snoozed(delivery, _MINUTE)
        case "bury":
            return bury(delivery, arrive)
        case "follow":
            return done(delivery, b"1", arrive, Enqueue(submission(f"after-{delivery.id}", "r", priority=5)))
        case _:
            return done(delivery, b"1", arrive)


async def _seen(engine: Engine, job_id: str) -> tuple[object, ...] | None:
    """What two engines must agree on about one job."""
    row = await engine.jobs.get(job_id)
    if row is None:
        return None
    (record,) = await engine.results.get([job_id])
    state: str = row.state if row.state in FINAL or row.state == "running" else "waiting"
    running = (row.deliveries, row.attempts, row.losses, row.worker, row.cancel_requested, row.progress, row.error)
    kept: Literal[""] | tuple[object, ...] = "" if row.state in FINAL else running
    return state, row.task, row.queue, record, kept
