"""The engine in one SQLite file keeps the contracts, and what it was told outlives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stem.sqlite import SqliteEngine
from stem.testing.contracts import EngineFactory, Engines
from stem.testing.contracts.broadcast import BroadcastContract, DurableBroadcastContract
from stem.testing.contracts.broker import BrokerContract, DurableBrokerContract
from stem.testing.contracts.dead_letters import DeadLettersContract, DurableDeadLettersContract
from stem.testing.contracts.engine import EngineContract, SabotageContract
from stem.testing.contracts.groups import GroupsContract, DurableGroupsContract
from stem.testing.contracts.inbox import InboxContract, DurableInboxContract
from stem.testing.contracts.jobs import JobsContract
from stem.testing.contracts.limiter import LimiterContract, DurableLimiterContract
from stem.testing.contracts.locks import LocksContract, DurableLocksContract
from stem.testing.contracts.presence import PresenceContract
from stem.testing.contracts.queues import QueuesContract, DurableQueuesContract
from stem.testing.contracts.results import ResultsContract, DurableResultsContract
from stem.testing.contracts.schedules import SchedulesContract, DurableSchedulesContract
from stem.testing.contracts.schemas import SchemasContract, DurableSchemasContract


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[EngineFactory]:
    kept = Engines(lambda namespace: SqliteEngine(tmp_path / "stem.db", namespace=namespace))
    yield kept
    await kept.close()


class TestBroker(BrokerContract, DurableBrokerContract): ...


class TestQueues(QueuesContract, DurableQueuesContract): ...


class TestJobs(JobsContract): ...


class TestDeadLetters(DeadLettersContract, DurableDeadLettersContract): ...


class TestResults(ResultsContract, DurableResultsContract): ...


class TestGroups(GroupsContract, DurableGroupsContract): ...


class TestLocks(LocksContract, DurableLocksContract): ...


class TestLimiter(LimiterContract, DurableLimiterContract): ...


class TestInbox(InboxContract, DurableInboxContract): ...


class TestBroadcast(BroadcastContract, DurableBroadcastContract): ...


class TestPresence(PresenceContract): ...


class TestSchedules(SchedulesContract, DurableSchedulesContract): ...


class TestSchemas(SchemasContract, DurableSchemasContract): ...


class TestEngine(EngineContract): ...


class TestSabotage(SabotageContract): ...
