"""The engine in one SQLite file keeps the contracts, and what it was told outlives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from stem.contracts.engine import Engine
from stem.sqlite import SqliteEngine
from stem.testing.contracts import EngineFactory, Engines
from stem.testing.contracts.broadcast import BroadcastContract, DurableBroadcastContract
from stem.testing.contracts.broker import BrokerContract, DurableBrokerContract
from stem.testing.contracts.claim_order import ClaimOrderMachine
from stem.testing.contracts.dead_letters import DeadLettersContract, DurableDeadLettersContract
from stem.testing.contracts.engine import EngineContract, SabotageContract
from stem.testing.contracts.fair_share import FairShareMachine
from stem.testing.contracts.groups import DurableGroupsContract, GroupsContract
from stem.testing.contracts.inbox import DurableInboxContract, InboxContract
from stem.testing.contracts.jobs import JobsContract
from stem.testing.contracts.limiter import DurableLimiterContract, LimiterContract
from stem.testing.contracts.locks import DurableLocksContract, LocksContract
from stem.testing.contracts.machine import BRIEF, QUICK, EngineMachine
from stem.testing.contracts.on_engine import OnEngine
from stem.testing.contracts.presence import PresenceContract
from stem.testing.contracts.queues import DurableQueuesContract, QueuesContract
from stem.testing.contracts.results import DurableResultsContract, ResultsContract
from stem.testing.contracts.run_machine import RunMachine
from stem.testing.contracts.schedules import DurableSchedulesContract, SchedulesContract
from stem.testing.contracts.schemas import DurableSchemasContract, SchemasContract
from stem.testing.contracts.sharing import SharingContract
from stem.testing.contracts.workflows import DurableWorkflowsContract, WorkflowsContract


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[EngineFactory]:
    # no look of its own within any test: who hears of something in time was rung
    kept = Engines(lambda namespace: SqliteEngine(tmp_path / "stem.db", namespace=namespace, look_ms=600_000))
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


class TestSharing(SharingContract): ...


class TestSchedules(SchedulesContract, DurableSchedulesContract): ...


class TestSchemas(SchemasContract, DurableSchemasContract): ...


class TestWorkflows(WorkflowsContract, DurableWorkflowsContract): ...


class TestEngine(EngineContract): ...


class TestSabotage(SabotageContract): ...


class OnSqlite(OnEngine):
    async def open_engine(self) -> Engine:
        self.folder = TemporaryDirectory()
        engine = SqliteEngine(Path(self.folder.name) / "stem.db")
        await engine.open()
        return engine

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class SqliteMachine(OnSqlite, EngineMachine): ...


TestMachine = SqliteMachine.TestCase
TestMachine.settings = QUICK


class SqliteRuns(OnSqlite, RunMachine): ...


TestRunMachine = SqliteRuns.TestCase
TestRunMachine.settings = QUICK


class SqliteShares(OnSqlite, FairShareMachine): ...


TestFairShare = SqliteShares.TestCase
TestFairShare.settings = BRIEF


class SqliteOrder(OnSqlite, ClaimOrderMachine): ...


TestClaimOrder = SqliteOrder.TestCase
TestClaimOrder.settings = BRIEF
