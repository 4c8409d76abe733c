"""The line of jobs, in SQLite: each call is one step of `line`, `claim` or `ending`."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

from stem.contracts.broker import Cancelling, Claimed, Held, Published, Renewal, Settled
from stem.core.envelope import Submission
from stem.core.settle import Settlement
from stem.sqlite.bells import sleep_on
from stem.sqlite.claim import Ask, claim, may_claim, nothing_to_claim
from stem.sqlite.ending import cancel, note_progress, release, renew, settle
from stem.sqlite.line import publish
from stem.sqlite.sleepers import is_asleep, stop_sleeping
from stem.sqlite.step import View
from stem.sqlite.store import Store
from stem.values import Receipt


class SqliteBroker:
    """The Broker of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns: Counter[str] = Counter()

    async def publish(self, batch: Sequence[Submission]) -> list[Published]:
        return await self._store.write(lambda step: publish(step, batch), weight=len(batch))

    async def claim(
        self, queues: Sequence[str], limit: int, worker: str, *, strict: bool = False, renews: bool = False
    ) -> Claimed:
        self._turns[worker] += 1
        ask, bells = Ask(tuple(queues), limit, worker, self._turns[worker], strict, renews), self._store.bells
        claimed = self._store.submit(
            lambda step: claim(step, ask, bells), lambda view: nothing_to_claim(view, ask, bells), weight=limit
        )
        try:
            return await asyncio.shield(claimed)
        except asyncio.CancelledError:
            claimed.add_done_callback(self._give_back)
            raise

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        bells, deadline = self._store.bells, time.monotonic() + timeout_ms / 1000
        queues = bells.dozing.get(worker)
        if queues is None:
            return True
        topic, pause, rang = f"work {worker}", self._store.look_ms / 4, False
        bell = bells.arm(topic)
        try:
            while not rang and (left := (deadline - time.monotonic()) * 1000) > 0:
                rang = await sleep_on(bell, min(left, pause * random.uniform(0.7, 1)))
                if not rang and time.monotonic() < deadline:
                    rang = await self._store.read(lambda view: _missed(view, worker, queues))
                pause = min(pause * 2, self._store.look_ms)
            return rang
        finally:
            bells.disarm(topic, bell)
            if not rang:
                bells.dozing.pop(worker, None)
                self._store.write_later(lambda step: stop_sleeping(step, worker, queues))

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        return await self._store.write(lambda step: [renew(step, one) for one in batch])

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int | None = None) -> list[bool]:
        return await self._store.write(lambda step: [release(step, receipt, again_in_ms) for receipt in batch])

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        return await self._store.write(lambda step: settle(step, batch), weight=len(batch))

    async def cancel(self, job_id: str, reason: str, settlement: Settlement) -> Cancelling:
        return await self._store.write(lambda step: cancel(step, job_id, reason, settlement))

    async def progress(self, receipt: Receipt, progress: bytes) -> bool:
        return await self._store.write(lambda step: note_progress(step, receipt, progress))

    def _give_back(self, claimed: asyncio.Future[Claimed]) -> None:
        """Whoever asked is gone: what was handed out must not wait for its lease to end."""
        if not claimed.cancelled() and claimed.exception() is None:
            receipts = [delivery.receipt for delivery in claimed.result().deliveries]
            self._store.write_later(lambda step: [release(step, receipt) for receipt in receipts])


def _missed(view: View, worker: str, queues: frozenset[str]) -> bool:
    """Whether a ring was lost on its way, or the worker that heard it is gone."""
    return not is_asleep(view, worker) or may_claim(view, tuple(queues))
