"""All roles over one Space."""

from __future__ import annotations

from collections.abc import Sequence

from stem.clock import Clock, MovedClock, SystemClock
from stem.contracts.broker import Held, Renewal
from stem.contracts.engine import Finding
from stem.memory.broadcast import MemoryBroadcast
from stem.memory.broker import MemoryBroker
from stem.memory.dead_letters import MemoryDeadLetters
from stem.memory.groups import MemoryGroups
from stem.memory.inbox import MemoryInbox
from stem.memory.jobs import MemoryJobs
from stem.memory.limiter import MemoryLimiter
from stem.memory.locks import MemoryLocks
from stem.memory.presence import MemoryPresence
from stem.memory.queues import MemoryQueues
from stem.memory.results import MemoryResults
from stem.memory.schedules import MemorySchedules
from stem.memory.schemas import MemorySchemas
from stem.memory.space import Space
from stem.memory.workflows import MemoryWorkflows


class MemoryStore:
    """What several engines of one process share: a Space for each namespace, and the clock."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._spaces: dict[str, Space] = {}
        if isinstance(self.clock, MovedClock):
            self.clock.listen(self._wake_all)

    def space(self, namespace: str) -> Space:
        """The namespace, made on first use."""
        return self._spaces.setdefault(namespace, Space(self.clock))

    def _wake_all(self) -> None:
        """Time was moved: timers that workers sleep on may be over."""
        for space in self._spaces.values():
            with space.lock:
                space.doze.ring_all()


class MemoryEngine:
    """The engine in memory; give two engines the same `store` and they see each other."""

    def __init__(self, store: MemoryStore | None = None, *, namespace: str = "stem") -> None:
        self.url = "memory://"
        self.namespace = namespace
        self.skew_ms = 0
        self.store = store or MemoryStore()
        space = self.store.space(namespace)
        self.broker = MemoryBroker(space, self._now)
        self.queues = MemoryQueues(space)
        self.jobs = MemoryJobs(space, self._now)
        self.dead_letters = MemoryDeadLetters(space, self._now)
        self.results = MemoryResults(space, self._now)
        self.groups = MemoryGroups(space, self._now)
        self.locks = MemoryLocks(space, self._now)
        self.limiter = MemoryLimiter(space, self._now)
        self.inbox = MemoryInbox(space, self._now)
        self.broadcast = MemoryBroadcast(space, self._now)
        self.presence = MemoryPresence(space, self._now)
        self.schedules = MemorySchedules(space, self._now)
        self.schemas = MemorySchemas(space)
        self.workflows = MemoryWorkflows(space, self._now)

    def _now(self) -> int:
        return self.store.clock.now_ms() + self.skew_ms

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to let go of; what was stored stays in the store."""

    async def now_ms(self) -> int:
        return self._now()

    def renewals(self) -> MemoryRenewals:
        """The same broker, callable from a thread."""
        return MemoryRenewals(self.broker, self.workflows)

    async def findings(self) -> list[Finding]:
        """Nothing can be wrong."""
        return []

    def describe(self) -> dict[str, str]:
        return {"engine": "memory", "durability": "none: gone with the process"}


class MemoryRenewals:
    """Renewals from the renewal thread."""

    def __init__(self, broker: MemoryBroker, workflows: MemoryWorkflows) -> None:
        self._broker, self._workflows = broker, workflows

    def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._broker.renew_now(batch)

    def renew_runs(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._workflows.renew_now(batch)

    def close(self) -> None:
        """Nothing to let go of."""
