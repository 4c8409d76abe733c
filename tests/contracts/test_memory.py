"""The engine in memory keeps the contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stem.memory import MemoryEngine
from stem.memory.engine import MemoryStore
from stem.testing.contracts import EngineFactory, Engines
from stem.testing.contracts.broker import BrokerContract
from stem.testing.contracts.dead_letters import DeadLettersContract
from stem.testing.contracts.groups import GroupsContract
from stem.testing.contracts.jobs import JobsContract
from stem.testing.contracts.queues import QueuesContract
from stem.testing.contracts.results import ResultsContract


@pytest.fixture
async def engines() -> AsyncIterator[EngineFactory]:
    store = MemoryStore()
    kept = Engines(lambda namespace: MemoryEngine(store, namespace=namespace))
    yield kept
    await kept.close()


class TestBroker(BrokerContract): ...


class TestQueues(QueuesContract): ...


class TestJobs(JobsContract): ...


class TestDeadLetters(DeadLettersContract): ...


class TestResults(ResultsContract): ...


class TestGroups(GroupsContract): ...
