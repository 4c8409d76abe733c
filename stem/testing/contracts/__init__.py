"""What every engine must pass, as test classes to inherit from: one module a role; that of the broker is put together
from `publishing`, `claiming`, `cancelling`, `settling`, `bells` and `clock`.

A suite is plugged in by one fixture and a class a role:

    @pytest.fixture
    async def engines(tmp_path: Path) -> AsyncIterator[EngineFactory]:
        kept = Engines(lambda namespace: MyEngine(tmp_path / "db", namespace=namespace))
        yield kept
        await kept.close()

    class TestBroker(BrokerContract): ...

What an engine cannot do is said by leaving a class out: `Durable...Contract` is for engines whose store outlives the
engines that use it. Time is moved with `skew_ms`, so nothing here sleeps to see a lease end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import pytest

from stem.contracts.broker import Delivery
from stem.contracts.engine import Engine
from stem.core.envelope import Submission
from stem.core.limit import LimitRow
from stem.core.outcome import ErrorRecord, NotRun, Outcome, Raised, RetryAsked, Returned, Snoozed, Stopped
from stem.core.record import JobRecord, decode_record
from stem.core.settle import Effect, Settlement, Terms, settle
from stem.values import Receipt

_ROLES = ("broker", "queues", "jobs", "dead_letters", "results", "groups", "locks", "limiter", "inbox", "broadcast")
_MORE = (
    "presence",
    "schedules",
    "schemas",
    "engine",
    "machine",
    "publish",
    "claim",
    "cancel",
    "settle",
    "bells",
    "clock",
    "steps",
    "sharing",
    "workflows",
    "runs",
    "run_machine",
)
pytest.register_assert_rewrite(*(f"{__name__}.{role}" for role in (*_ROLES, *_MORE)))

#: How long something that must happen may take, and how long something that must not happen is watched.
SOON_MS: Final = 5_000
NEVER_MS: Final = 120

DAY_MS: Final = 86_400_000
#: The wall clock of the workers in these tests; engines have their own.
WALL_MS: Final = 1_700_000_000_000
ERROR: Final = ErrorRecord("ValueError", "no such order", "Traceback: line 1")


class EngineFactory(Protocol):
    """Opens engines on one storage, each like one more process, and closes them when the test is over."""

    async def make(self, namespace: str = "stem") -> Engine:
        """One more open engine on the same storage."""
        ...


class Engines:
    """An EngineFactory from a function that builds an engine for a namespace."""

    def __init__(self, build: Callable[[str], Engine]) -> None:
        self._build = build
        self._made: list[Engine] = []

    async def make(self, namespace: str = "stem") -> Engine:
        engine = self._build(namespace)
        await engine.open()
        self._made.append(engine)
        return engine

    async def close(self) -> None:
        """Close all, the youngest first."""
        while self._made:
            await self._made.pop().close()


class Contract:
    """Base of all suites: runs on asyncio and offers two engines on the same storage."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def engine(self, engines: EngineFactory) -> Engine:
        return await engines.make()

    @pytest.fixture
    async def other(self, engines: EngineFactory) -> Engine:
        return await engines.make()


def shift(ms: int, *engines: Engine) -> None:
    """Let `ms` go by for these engines."""
    for engine in engines:
        engine.skew_ms += ms


def submission(job_id: str = "job", queue: str = "q", **more: Any) -> Submission:
    """A job ready to be published; `more` are fields of Submission."""
    fields: dict[str, Any] = {"task": "work", "envelope": b'{"id":"' + job_id.encode() + b'"}'}
    return Submission(id=job_id, queue=queue, **(fields | more))


async def publish(engine: Engine, *batch: Submission) -> list[str]:
    """Publish and answer the statuses."""
    return [one.status for one in await engine.broker.publish(batch)]


async def take(engine: Engine, *queues: str, limit: int = 1, worker: str = "w", strict: bool = False) -> list[Delivery]:
    """The deliveries of one claim; of the queue `q` when none is named."""
    return list((await engine.broker.claim(queues or ("q",), limit, worker, strict=strict)).deliveries)


async def take_all(engine: Engine, *queues: str, limit: int = 100, worker: str = "w") -> list[Delivery]:
    """The deliveries of as many claims as there are jobs."""
    found: list[Delivery] = []
    while True:
        claimed = await engine.broker.claim(queues or ("q",), limit, worker)
        found += claimed.deliveries
        if not claimed.deliveries and claimed.next_due_ms != 0:
            return found


async def take_one(engine: Engine, *queues: str, worker: str = "w") -> Delivery:
    """The one delivery that must be there."""
    (delivery,) = await take(engine, *queues, worker=worker)
    return delivery


async def settle_one(engine: Engine, settlement: Settlement) -> str:
    """The answer to one settlement."""
    (answer,) = await engine.broker.settle([settlement])
    return answer


async def release_one(engine: Engine, delivery: Delivery) -> bool:
    """The answer to one hand-back."""
    (answer,) = await engine.broker.release([delivery.receipt])
    return answer


async def run(engine: Engine, *batch: Submission) -> list[Delivery]:
    """Publish, claim and finish jobs; their deliveries."""
    assert set(await publish(engine, *batch)) == {"new"}
    queues = tuple(dict.fromkeys(one.queue for one in batch))
    deliveries = await take_all(engine, *queues)
    answers = await engine.broker.settle([done(one) for one in deliveries])
    assert set(answers) == {"done"}
    return deliveries


async def dead(engine: Engine, *batch: Submission) -> list[Delivery]:
    """Publish, claim and bury jobs, each in a step of its own; their deliveries."""
    deliveries: list[Delivery] = []
    for one in batch:
        assert await publish(engine, one) == ["new"]
        delivery = await take_one(engine, one.queue)
        assert await settle_one(engine, bury(delivery)) == "done"
        deliveries.append(delivery)
    return deliveries


async def park(engine: Engine, job_id: str = "parked", *, running: str = "runs", limit: str = "narrow") -> Delivery:
    """One job running and one parked behind it, by a limit of one at once; the delivery of the one that runs."""
    await engine.limiter.define([LimitRow(limit, running=1)])
    await publish(engine, submission(running, limit_key=limit), submission(job_id, limit_key=limit))
    (delivery,) = await take(engine, limit=10)
    assert delivery.id == running
    return delivery


async def state_of(engine: Engine, job_id: str) -> str:
    """The state of a job; "unknown" when there is none."""
    row = await engine.jobs.get(job_id)
    return "unknown" if row is None else row.state


async def record_of(engine: Engine, job_id: str) -> JobRecord | None:
    """The record of a finished job."""
    (found,) = await engine.results.get([job_id])
    return None if found is None else decode_record(found)


def outcome(delivery: Delivery, what: Outcome, *effects: Effect, retries: int = 0) -> Settlement:
    """What a worker would store about this delivery."""
    terms = Terms(
        receipt=delivery.receipt,
        task=delivery.task,
        queue=delivery.queue,
        attempt=delivery.attempt,
        losses=delivery.losses,
        enqueued_at=delivery.enqueued_at,
        started_at=WALL_MS - 5,
        worker="w",
        max_retries=retries,
        result_ttl_ms=delivery.result_ttl_ms or DAY_MS,
        effects=effects,
    )
    return settle(terms, what, now_ms=WALL_MS, jitter=0.5)


def done(delivery: Delivery, value: bytes = b"1", *effects: Effect) -> Settlement:
    """It returned `value`."""
    return outcome(delivery, Returned(value), *effects)


def again(delivery: Delivery, delay_ms: int = 0, *effects: Effect) -> Settlement:
    """It failed and has retries left."""
    return outcome(delivery, RetryAsked(ERROR, delay_ms), *effects, retries=1_000)


def snoozed(delivery: Delivery, delay_ms: int = 0) -> Settlement:
    """It asked to be run later, without using an attempt."""
    return outcome(delivery, Snoozed(delay_ms))


def bury(delivery: Delivery, *effects: Effect) -> Settlement:
    """It failed for the last time."""
    return outcome(delivery, Raised(ERROR, ("ValueError",)), *effects)


def not_run(delivery: Delivery) -> Settlement:
    """It was handed out with a flag, only to be settled."""
    assert delivery.ended is not None
    return outcome(delivery, NotRun(delivery.ended))


def stopped(delivery: Delivery) -> Settlement:
    """It ended because somebody cancelled it."""
    return outcome(delivery, Stopped(delivery.cancel_reason or "asked"))


def cancelled(job_id: str, *effects: Effect, keep_ms: int = DAY_MS) -> Settlement:
    """What a caller hands to `cancel` for a job that waits."""
    terms = Terms(receipt=Receipt(job_id, 0), task="work", queue="q", result_ttl_ms=keep_ms, effects=effects)
    return settle(terms, Stopped("asked"), now_ms=WALL_MS, jitter=0.5)


async def cancel(engine: Engine, job_id: str, *effects: Effect) -> tuple[str, str]:
    """Cancel, and answer status and state."""
    answer = await engine.broker.cancel(job_id, "asked", cancelled(job_id, *effects))
    return answer.status, answer.state
