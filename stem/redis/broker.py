"""The line of jobs, on Redis: each call is one script."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from stem.contracts.broker import Cancelling, Claimed, Held, Published, Renewal, Settled
from stem.core.envelope import Submission
from stem.core.priority import queue_order
from stem.core.settle import Settlement
from stem.redis.line import Word
from stem.redis.names import safe
from stem.redis.rows import STATES, StoredEffect, settlement_words, submission_words, unpack_delivery
from stem.redis.store import Store
from stem.redis.workflows import RedisWorkflows
from stem.values import Receipt

#: Jobs in one script, and bytes: the server serves nobody else meanwhile.
_SLICE, _BYTES = 500, 8_000_000
#: Instead of the ms to the next timer: there is none; the script stopped at its own bound.
_NEVER, _AT_ONCE = -1, -2
_NEW: Final = Published("new")
_DUPLICATE: Final = Published("duplicate")
_SETTLED: Final[tuple[Settled, ...]] = ("stale", "done", "repeated")
_LOST, _HELD = Held("lost"), Held("held")


class RedisBroker:
    """The Broker of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns: Counter[str] = Counter()

    async def publish(self, batch: Sequence[Submission]) -> list[Published]:
        answers: list[Published] = []
        for words in _slices(map(submission_words, batch)):
            said = await self._store.run("publish", *words, durable="yes")
            answers += [_published(said[i], said[i + 1]) for i in range(0, len(said), 2)]
        return answers

    async def claim(
        self, queues: Sequence[str], limit: int, worker: str, *, strict: bool = False, renews: bool = False
    ) -> Claimed:
        self._turns[worker] += 1
        naps, order = self._store.bells.naps, queue_order(queues, self._turns[worker], strict=strict)
        words = (limit, safe(worker), self._store.me, ("s" if strict else "") + ("r" if renews else ""))

        def noted(reply: Any) -> None:
            """Before the claimer goes on."""
            if isinstance(reply, list) and reply[1:]:
                naps.get_up(worker)
            elif isinstance(reply, list) and reply[0] != _AT_ONCE:
                naps.lie_down(worker, tuple(queues), rings)

        rings = naps.ask(worker)
        asked = asyncio.ensure_future(self._store.run("claim", *words, *map(safe, order), again=False, noted=noted))
        try:
            timer, *found = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(self._give_back)
            raise
        due = 0 if timer == _AT_ONCE else None if timer == _NEVER else timer
        return Claimed(tuple([unpack_delivery(*one) for one in found]), due)

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        return await self._store.bells.naps.sleep(worker, timeout_ms)

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        words: list[Word] = []
        for one in batch:
            words += (*one.receipt, "" if one.lease_ms is None else one.lease_ms)
        return [_held(said) for said in await self._store.run("renew", *words)] if words else []

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int | None = None) -> list[bool]:
        words = [word for receipt in batch for word in receipt]
        again = "" if again_in_ms is None else again_in_ms
        return [said == 1 for said in await self._store.run("release", again, *words)] if words else []

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        return await self.settle_with(batch, [one.effects for one in batch])

    async def settle_with(
        self, batch: Sequence[Settlement], effects: Sequence[Sequence[StoredEffect]]
    ) -> list[Settled]:
        """Settle, with these effects in the place of their own."""
        answers: list[Settled] = []
        for words in _slices(map(settlement_words, batch, effects)):
            answers += [_SETTLED[said] for said in await self._store.run("settle", *words, durable="try")]
        return answers

    async def cancel(self, job_id: str, reason: str, settlement: Settlement) -> Cancelling:
        return await self.cancel_with(job_id, reason, settlement, settlement.effects)

    async def cancel_with(
        self, job_id: str, reason: str, settlement: Settlement, effects: Sequence[StoredEffect]
    ) -> Cancelling:
        """Cancel, with these effects in the place of the settlement's own."""
        words = (job_id, *settlement_words(settlement, effects)[1:])
        status, state = await self._store.run("cancel", reason, *words, again=False, durable="yes")
        return Cancelling(status.decode(), STATES[state])

    async def progress(self, receipt: Receipt, progress: bytes) -> bool:
        return bool(await self._store.run("progress", *receipt, progress))

    def _give_back(self, asked: asyncio.Future[Any]) -> None:
        """Whoever asked is gone: what was handed out must not wait for its lease to end."""
        if not asked.cancelled() and asked.exception() is None:
            receipts = [unpack_delivery(*one).receipt for one in asked.result()[1:]]
            if receipts:
                self._store.run_later("release", "", *(word for receipt in receipts for word in receipt))


def _slices(jobs: Iterable[tuple[Word, ...]]) -> Iterator[list[Word]]:
    """The words of so many jobs at a time as one script may have; at least one."""
    words: list[Word] = []
    count = size = 0
    for one in jobs:
        bytes_ = sum(len(word) for word in one if isinstance(word, bytes))
        if words and (count == _SLICE or size + bytes_ > _BYTES):
            yield words
            words, count, size = [], 0, 0
        words += one
        count, size = count + 1, size + bytes_
    if words:
        yield words


def _published(status: int, holder: bytes) -> Published:
    return _NEW if status == 1 else _DUPLICATE if status == 0 else Published("held", holder.decode())


def _held(said: int | bytes) -> Held:
    if isinstance(said, bytes):
        return Held("cancel", said.decode())
    return _HELD if said else _LOST


class RedisRenewals:
    """Renewals from the renewal thread: a connection and an event loop of its own, which runs only while it is used."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self._runner = asyncio.Runner()
        self._store: Store | None = None

    def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._runner.run(self._renew(batch))

    def renew_runs(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._runner.run(self._renew_runs(batch))

    def close(self) -> None:
        """Hang up."""
        if self._store is not None:
            self._runner.run(self._store.close())
        self._runner.close()

    async def _renew(self, batch: Sequence[Renewal]) -> list[Held]:
        self._store = self._store or self._make()
        return await RedisBroker(self._store).renew(batch)

    async def _renew_runs(self, batch: Sequence[Renewal]) -> list[Held]:
        self._store = self._store or self._make()
        return await RedisWorkflows(self._store).renew(batch)
