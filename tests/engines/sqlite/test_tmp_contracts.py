"""The engine in memory keeps the contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stem.sqlite import SqliteEngine
from stem.testing.contracts import EngineFactory, Engines
from stem.testing.contracts.broker import BrokerContract
from stem.testing.contracts.dead_letters import DeadLettersContract
from stem.testing.contracts.groups import GroupsContract
from stem.testing.contracts.jobs import JobsContract
from stem.testing.contracts.queues import QueuesContract
from stem.testing.contracts.results import ResultsContract


@pytest.fixture
async def engines(tmp_path) -> AsyncIterator[EngineFactory]:
    kept = Engines(lambda namespace: SqliteEngine(tmp_path / "db", namespace=namespace))
    yield kept
    await kept.close()


class TestBroker(BrokerContract): ...


class TestQueues(QueuesContract): ...


class TestJobs(JobsContract): ...


class TestDeadLetters(DeadLettersContract): ...


class TestResults(ResultsContract): ...


class TestGroups(GroupsContract): ...
