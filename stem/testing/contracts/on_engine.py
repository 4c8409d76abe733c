"""What the state machines share: an engine on a fresh store, and a loop in which its answers are waited for.

class OnSqlite(OnEngine):
    async def open_engine(self) -> Engine: ...

class SqliteRuns(OnSqlite, RunMachine): ...

TestRunMachine = SqliteRuns.TestCase
TestRunMachine.settings = QUICK
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from stem.contracts.engine import Engine

T = TypeVar("T")


class OnEngine(RuleBasedStateMachine):
    """One example on an engine of its own; `open_engine` gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.engine: Engine = self.run(self.open_engine())

    async def open_engine(self) -> Engine:
        """An open engine on an empty store."""
        raise NotImplementedError

    def teardown(self) -> None:
        self.run(self.engine.close())
        self.loop.close()

    def run(self, work: Awaitable[T]) -> T:
        """Wait for it, from a world without await."""

        async def wait() -> T:
            return await work

        return self.loop.run_until_complete(wait())
