"""The record of one claimed run, and the only hand that writes to it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from stem.contracts.workflows import Transactional, Workflows
from stem.core.notes import Notes, decode_notes, encode_notes
from stem.core.retry import RetryPolicy, backoff_ms
from stem.core.run import CancelRequest, Change, ClaimedRun, Committed, Step
from stem.durable.leaving import HandedBack, Lost
from stem.errors import EngineUnavailableError, WorkflowError

log = logging.getLogger("stem.durable")

#: Waits between tries while the store is away.
_AWAY: Final = RetryPolicy.exponential(base="50ms", longest="2s")


class Journal:
    """What is known of the run, and its changes, one at a time.

    `writing`: tasks that have a change on its way; whoever wants to interrupt one of them has to wait for the answer.
    """

    def __init__(self, claimed: ClaimedRun, store: Workflows, *, stop_by: float, real: bool) -> None:
        self.claimed, self._store, self._real = claimed, store, real
        self.notes: Notes = decode_notes(claimed.notes)
        self.cancel: CancelRequest | None = claimed.cancel
        self.stop_by = stop_by
        self.lost = False
        self.ended = False
        #: Nothing more can be written by this claim: it has ended the run's stay, or lost an answer.
        self.over = False
        self.writing = set[object]()
        self._number = 0
        self._noted = claimed.notes
        self._turn = asyncio.Lock()
        self._told = (claimed.now, time.monotonic())

    @property
    def now(self) -> int:
        """About what the store's clock shows, unix ms; as it was told last, where time is moved by hand."""
        told, at = self._told
        return told + round((time.monotonic() - at) * 1000) if self._real else told

    def act(self) -> None:
        """Before anything is done to the world: Lost when the lease may have ended, as after a long freeze."""
        if time.monotonic() >= self.stop_by:
            self.lost = True
            raise Lost

    async def commit(self, **fields: Any) -> Committed:
        """Store a change of these fields, notes included when they have changed. Lost when the run is no longer ours."""
        return (await self._in_turn(fields, None))[0]

    async def transact(self, work: Callable[[Any], Step], **fields: Any) -> Step:
        """Store a change together with `work`, in one transaction; the checkpoint it made. WorkflowError: it cannot."""
        made: Step = (await self._in_turn(fields, work))[1]
        return made

    async def _in_turn(self, fields: dict[str, Any], work: Callable[[Any], Step] | None) -> tuple[Committed, Any]:
        task = asyncio.current_task()
        self.writing.add(task)
        try:
            async with self._turn:
                return await self._put(fields, work)
        finally:
            self.writing.discard(task)

    async def _put(self, fields: dict[str, Any], work: Callable[[Any], Step] | None) -> tuple[Committed, Any]:
        if self.lost:
            raise Lost
        if self.over:
            raise HandedBack
        notes = encode_notes(self.notes)
        self._number += 1
        change = Change(number=self._number, notes=None if notes == self._noted else notes, **fields)
        asked = time.monotonic()
        said, made = await self._send(change, work)
        if said.status == "lost":
            self.lost = True
            raise Lost
        if said.status == "repeated":
            # it was stored, and what it answered is lost: whoever claims the run next finds it in the store
            self.over, self.ended = True, said.ended
            raise HandedBack
        self._noted = notes
        self._told = (said.now, time.monotonic())
        self.stop_by = max(self.stop_by, asked + self.claimed.lease_ms * 0.6 / 1000)
        self.ended = self.over = said.ended
        self.cancel = said.cancel or self.cancel
        return said, made

    async def _send(self, change: Change, work: Callable[[Any], Step] | None) -> tuple[Committed, Any]:
        """Until the store answers, or the lease must be over: what was stored then is found by whoever is next."""
        tries = 0
        while True:
            try:
                if work is None:
                    return await self._store.commit(self.claimed.receipt, change), None
                if not isinstance(self._store, Transactional):
                    raise WorkflowError(
                        "ctx.transaction needs a store that has transactions of its own (SQLite); use ctx.step here"
                    )
                return await self._store.transact(self.claimed.receipt, change, work)
            except EngineUnavailableError as fault:
                if time.monotonic() >= self.stop_by:
                    log.warning("run %s: its lease ended while the store was away: %s", self.claimed.id, fault)
                    self.lost = True
                    raise Lost from None
                tries += 1
            await asyncio.sleep(backoff_ms(_AWAY, tries, jitter=random.random()) / 1000)

    def moved(self, **changes: Any) -> None:
        """Change the notes; they travel with the next commit."""
        self.notes = msgspec.structs.replace(self.notes, **changes)
