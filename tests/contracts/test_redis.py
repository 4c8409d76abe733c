"""The engine on Redis 7 keeps the contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from stem.contracts.engine import Engine
from stem.redis import RedisEngine
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
from tests.servers.redis import RedisServer


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer.start() as running:
        yield running


@pytest.fixture
async def engines(server: RedisServer) -> AsyncIterator[EngineFactory]:
    server.ask("FLUSHALL")
    # no look of its own within any test: who hears of something in time was told
    kept = Engines(lambda namespace: RedisEngine(server.url, namespace=namespace, look_ms=600_000))
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


class OnRedis(OnEngine):
    async def open_engine(self) -> Engine:
        self.server = RedisServer.start()
        engine = RedisEngine(self.server.url)
        await engine.open()
        return engine

    def teardown(self) -> None:
        super().teardown()
        self.server.stop()


class RedisMachine(OnRedis, EngineMachine): ...


TestMachine = RedisMachine.TestCase
TestMachine.settings = QUICK


class RedisRuns(OnRedis, RunMachine): ...


TestRunMachine = RedisRuns.TestCase
TestRunMachine.settings = QUICK


class RedisShares(OnRedis, FairShareMachine): ...


TestFairShare = RedisShares.TestCase
TestFairShare.settings = BRIEF


class RedisOrder(OnRedis, ClaimOrderMachine): ...


TestClaimOrder = RedisOrder.TestCase
TestClaimOrder.settings = BRIEF
