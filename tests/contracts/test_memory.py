"""The engine in memory keeps the contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stem.contracts.engine import Engine
from stem.memory.engine import MemoryEngine, MemoryStore
from stem.testing.contracts import EngineFactory, Engines
from stem.testing.contracts.broadcast import BroadcastContract
from stem.testing.contracts.broker import BrokerContract
from stem.testing.contracts.claim_order import ClaimOrderMachine
from stem.testing.contracts.dead_letters import DeadLettersContract
from stem.testing.contracts.engine import EngineContract, SabotageContract
from stem.testing.contracts.fair_share import FairShareMachine
from stem.testing.contracts.groups import GroupsContract
from stem.testing.contracts.inbox import InboxContract
from stem.testing.contracts.jobs import JobsContract
from stem.testing.contracts.limiter import LimiterContract
from stem.testing.contracts.locks import LocksContract
from stem.testing.contracts.machine import BRIEF, QUICK, EngineMachine
from stem.testing.contracts.on_engine import OnEngine
from stem.testing.contracts.presence import PresenceContract
from stem.testing.contracts.queues import QueuesContract
from stem.testing.contracts.results import ResultsContract
from stem.testing.contracts.run_machine import RunMachine
from stem.testing.contracts.schedules import SchedulesContract
from stem.testing.contracts.schemas import SchemasContract
from stem.testing.contracts.sharing import SharingContract
from stem.testing.contracts.workflows import WorkflowsContract


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


class TestLocks(LocksContract): ...


class TestLimiter(LimiterContract): ...


class TestInbox(InboxContract): ...


class TestBroadcast(BroadcastContract): ...


class TestPresence(PresenceContract): ...


class TestSharing(SharingContract): ...


class TestSchedules(SchedulesContract): ...


class TestSchemas(SchemasContract): ...


class TestWorkflows(WorkflowsContract): ...


class TestEngine(EngineContract): ...


class TestSabotage(SabotageContract): ...


class OnMemory(OnEngine):
    async def open_engine(self) -> Engine:
        return MemoryEngine()


class MemoryMachine(OnMemory, EngineMachine): ...


TestMachine = MemoryMachine.TestCase
TestMachine.settings = QUICK


class MemoryRuns(OnMemory, RunMachine): ...


TestRunMachine = MemoryRuns.TestCase
TestRunMachine.settings = QUICK


class MemoryShares(OnMemory, FairShareMachine): ...


TestFairShare = MemoryShares.TestCase
TestFairShare.settings = BRIEF


class MemoryOrder(OnMemory, ClaimOrderMachine): ...


TestClaimOrder = MemoryOrder.TestCase
TestClaimOrder.settings = BRIEF
