"""An engine that fails on demand: before a call has had any effect, or after all of it."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeAlias, cast

from stem.contracts.broadcast import Broadcast
from stem.contracts.broker import Broker
from stem.contracts.dead_letters import DeadLetters
from stem.contracts.engine import Engine, Finding, RenewalLine
from stem.contracts.groups import Groups
from stem.contracts.inbox import Inbox
from stem.contracts.jobs import Jobs
from stem.contracts.limiter import Limiter
from stem.contracts.locks import Locks
from stem.contracts.presence import Presence
from stem.contracts.queues import Queues
from stem.contracts.results import Results
from stem.contracts.schedules import Schedules
from stem.contracts.schemas import Schemas
from stem.contracts.workflows import Workflows
from stem.errors import EngineUnavailableError

_When: TypeAlias = Literal["before", "after"]
_ROLES: Final = frozenset(
    {
        *("broker", "queues", "jobs", "dead_letters", "results", "groups", "locks", "limiter"),
        *("inbox", "broadcast", "presence", "schedules", "schemas", "workflows"),
    }
)


class _Plan:
    """Which calls are to fail next, and how often each was made."""

    def __init__(self) -> None:
        self.next: dict[str, list[_When]] = {}
        self.calls: Counter[str] = Counter()

    async def carry_out(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        self.calls[name] += 1
        planned = self.next.get(name)
        when = planned.pop(0) if planned else None
        if when == "before":
            raise EngineUnavailableError(f"sabotage: {name} did not reach the store")
        answer = await call()
        if when == "after":
            raise EngineUnavailableError(f"sabotage: the reply to {name} was lost")
        return answer


class _Role:
    """A role whose coroutines go through the plan."""

    def __init__(self, role: object, name: str, plan: _Plan) -> None:
        self._role, self._name, self._plan = role, name, plan

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._role, attribute)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            return await self._plan.carry_out(f"{self._name}.{attribute}", lambda: found(*args, **named))

        return call


class Sabotage:
    """The Engine it wraps, until told otherwise. Any engine, any role, by name: `fail_after("broker.settle")`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._plan = _Plan()
        self._roles = {name: _Role(getattr(engine, name), name, self._plan) for name in _ROLES}

    def fail_before(self, name: str, times: int = 1) -> None:
        """The next `times` calls raise EngineUnavailableError and have no effect."""
        self._expect(name, "before", times)

    def fail_after(self, name: str, times: int = 1) -> None:
        """The next `times` calls take effect and then raise EngineUnavailableError: the reply was lost."""
        self._expect(name, "after", times)

    @property
    def pending(self) -> dict[str, int]:
        """The failures that have been asked for and have not happened yet."""
        return {name: len(planned) for name, planned in self._plan.next.items() if planned}

    @property
    def calls(self) -> Counter[str]:
        """How often each method was called, failures included."""
        return self._plan.calls

    async def lose_lease(self, job_id: str, *others: Engine) -> None:
        """Move time, here and for `others`, to just behind the end of the lease on this job."""
        row = await self._engine.jobs.get(job_id)
        if row is None or row.lease_until is None:
            raise LookupError(f"job {job_id} must be running to lose its lease, found {row and row.state}")
        left = max(0, row.lease_until - await self._engine.now_ms()) + 1
        for engine in (self._engine, *others):
            engine.skew_ms += left

    def _expect(self, name: str, when: _When, times: int) -> None:
        role, _, method = name.partition(".")
        known = role in _ROLES and inspect.iscoroutinefunction(getattr(getattr(self._engine, role), method, None))
        if not known:
            raise LookupError(f"name a call as 'role.method', such as 'broker.settle', found {name!r}")
        self._plan.next.setdefault(name, []).extend([when] * times)

    # ---------------------------------------------------------------- the Engine

    @property
    def url(self) -> str:
        return self._engine.url

    @url.setter
    def url(self, value: str) -> None:
        self._engine.url = value

    @property
    def namespace(self) -> str:
        return self._engine.namespace

    @namespace.setter
    def namespace(self, value: str) -> None:
        self._engine.namespace = value

    @property
    def skew_ms(self) -> int:
        return self._engine.skew_ms

    @skew_ms.setter
    def skew_ms(self, value: int) -> None:
        self._engine.skew_ms = value

    @property
    def broker(self) -> Broker:
        return cast("Broker", self._roles["broker"])

    @property
    def queues(self) -> Queues:
        return cast("Queues", self._roles["queues"])

    @property
    def jobs(self) -> Jobs:
        return cast("Jobs", self._roles["jobs"])

    @property
    def dead_letters(self) -> DeadLetters:
        return cast("DeadLetters", self._roles["dead_letters"])

    @property
    def results(self) -> Results:
        return cast("Results", self._roles["results"])

    @property
    def groups(self) -> Groups:
        return cast("Groups", self._roles["groups"])

    @property
    def locks(self) -> Locks:
        return cast("Locks", self._roles["locks"])

    @property
    def limiter(self) -> Limiter:
        return cast("Limiter", self._roles["limiter"])

    @property
    def inbox(self) -> Inbox:
        return cast("Inbox", self._roles["inbox"])

    @property
    def broadcast(self) -> Broadcast:
        return cast("Broadcast", self._roles["broadcast"])

    @property
    def presence(self) -> Presence:
        return cast("Presence", self._roles["presence"])

    @property
    def schedules(self) -> Schedules:
        return cast("Schedules", self._roles["schedules"])

    @property
    def schemas(self) -> Schemas:
        return cast("Schemas", self._roles["schemas"])

    @property
    def workflows(self) -> Workflows:
        return cast("Workflows", self._roles["workflows"])

    async def open(self) -> None:
        await self._engine.open()

    async def close(self) -> None:
        await self._engine.close()

    async def now_ms(self) -> int:
        return await self._engine.now_ms()

    def renewals(self) -> RenewalLine:
        return self._engine.renewals()

    async def findings(self) -> list[Finding]:
        return await self._engine.findings()

    def describe(self) -> dict[str, str]:
        return self._engine.describe()
