"""The engine on a Redis Cluster in which each queue has a slot of its own keeps the contracts."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from stem.contracts.engine import Engine
from stem.redis import PartitionedEngine
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
from stem.testing.contracts.workflows import DurableWorkflowsContract, WorkflowsContract
from tests.servers.cluster import RedisCluster


@pytest.fixture(scope="module")
def server() -> Iterator[RedisCluster]:
    with RedisCluster.start() as running:
        yield running


@pytest.fixture
async def engines(server: RedisCluster) -> AsyncIterator[EngineFactory]:
    for node in server.nodes:
        node.ask("FLUSHALL")
    # no look of its own within any test: who hears of something in time was told
    kept = Engines(
        lambda namespace: PartitionedEngine(f"{server.url}?partition=queue", namespace=namespace, look_ms=600_000)
    )
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


class TestWorkflows(WorkflowsContract, DurableWorkflowsContract): ...


class TestEngine(EngineContract): ...


class TestSabotage(SabotageContract): ...


#: Starting a cluster takes two seconds, so the machine has one for all its examples, and a namespace for each.
_SHARED: list[RedisCluster] = []
_NAMES = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def _share(server: RedisCluster) -> Iterator[None]:
    _SHARED.append(server)
    yield
    _SHARED.clear()


class OnPartitions(OnEngine):
    async def open_engine(self) -> Engine:
        engine = PartitionedEngine(f"{_SHARED[0].url}?partition=queue", namespace=f"machine-{next(_NAMES)}")
        await engine.open()
        return engine


class PartitionedMachine(OnPartitions, EngineMachine):
    apart = True


TestMachine = PartitionedMachine.TestCase
TestMachine.settings = QUICK


class PartitionedRuns(OnPartitions, RunMachine):
    knows_keys = False


TestRunMachine = PartitionedRuns.TestCase
TestRunMachine.settings = QUICK


class PartitionedShares(OnPartitions, FairShareMachine): ...


TestFairShare = PartitionedShares.TestCase
TestFairShare.settings = BRIEF


class PartitionedOrder(OnPartitions, ClaimOrderMachine): ...


TestClaimOrder = PartitionedOrder.TestCase
TestClaimOrder.settings = BRIEF
