"""Storing settlements in natural batches: send all that is pending, wait, repeat. No timer."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from stem.contracts.broker import Settled
from stem.contracts.source import Settles
from stem.core.retry import RetryPolicy, backoff_ms
from stem.core.settle import Settlement
from stem.errors import EngineError

log = logging.getLogger("stem.worker")

#: Settlements in one step.
BATCH: Final = 500
#: Waits between tries while the store is away.
AWAY: Final = RetryPolicy.exponential(base="100ms", longest="5s")


class Settler:
    """Takes settlements, stores them, and says what became of each."""

    def __init__(self, source: Settles, stored: Callable[[Settlement, Settled], None]) -> None:
        self._source, self._stored = source, stored
        self._pending: list[Settlement] = []
        self._rung: asyncio.Event = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, settlement: Settlement) -> None:
        """Store this soon."""
        self._pending.append(settlement)
        self._idle.clear()
        self._rung.set()

    async def drained(self) -> None:
        """Return when everything put so far has been answered."""
        await self._idle.wait()

    async def run(self) -> None:
        """Store batches until cancelled."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            while self._pending:
                batch, self._pending = self._pending[:BATCH], self._pending[BATCH:]
                for settlement, answer in zip(batch, await self._store(batch), strict=True):
                    self._stored(settlement, answer)
            self._idle.set()

    async def _store(self, batch: list[Settlement]) -> list[Settled]:
        """The answers; while the store is away the batch waits here. A lost reply is answered 'repeated'."""
        tries = 0
        while True:
            try:
                return await self._source.settle(batch)
            except EngineError as fault:
                tries += 1
                if tries == 1:
                    log.warning("cannot store %d settlements, trying again: %s", len(batch), fault)
                await asyncio.sleep(backoff_ms(AWAY, tries, jitter=0.5 + random.random() / 2) / 1000)
