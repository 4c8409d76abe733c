"""One database technology offering roles in one namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from stem.contracts.broadcast import Broadcast
from stem.contracts.broker import Broker, Held, Renewal
from stem.contracts.dead_letters import DeadLetters
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


class Finding(msgspec.Struct, frozen=True):
    """What is wrong with a store, and the next step. `refuses`: new work is refused now."""

    text: str
    refuses: bool = False


class RenewalLine(Protocol):
    """Renewals from a thread of their own: a blocked event loop must not cost leases."""

    def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        """Jobs."""
        ...

    def renew_runs(self, batch: Sequence[Renewal]) -> list[Held]:
        """Workflow runs."""
        ...

    def close(self) -> None: ...


class Engine(Protocol):
    """All roles over one connection, bound to one namespace and one event loop.

    `open` raises EngineUnavailableError when the database cannot be reached, EngineRefusedError when it must not be
    used. An engine is opened after a fork, never carried across one.
    """

    url: str
    namespace: str
    skew_ms: int

    @property
    def broker(self) -> Broker: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def dead_letters(self) -> DeadLetters: ...
    @property
    def results(self) -> Results: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def locks(self) -> Locks: ...
    @property
    def limiter(self) -> Limiter: ...
    @property
    def inbox(self) -> Inbox: ...
    @property
    def broadcast(self) -> Broadcast: ...
    @property
    def presence(self) -> Presence: ...
    @property
    def schedules(self) -> Schedules: ...
    @property
    def schemas(self) -> Schemas: ...
    @property
    def workflows(self) -> Workflows: ...

    async def open(self) -> None:
        """Connect, migrate if need be. Opening twice is fine."""
        ...

    async def close(self) -> None:
        """Let go of everything. Closing twice is fine."""
        ...

    async def now_ms(self) -> int:
        """The store's clock plus `skew_ms`."""
        ...

    def renewals(self) -> RenewalLine:
        """A second, blocking line to the same store, for the renewal thread."""
        ...

    async def findings(self) -> list[Finding]:
        """What is wrong with the store or with how it is set up; nothing when all is well."""
        ...

    def describe(self) -> dict[str, str]:
        """What it is and how durable: for `stem health` and benches. No secrets."""
        ...
