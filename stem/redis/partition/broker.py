"""The line of jobs in parts: each operation where its queue lies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from stem.contracts.broker import Cancelling, Claimed, Delivery, Held, PartlyPublishedError, Published, Renewal, Settled
from stem.core.envelope import Submission
from stem.core.priority import queue_order
from stem.core.settle import Settlement
from stem.errors import EngineError, EngineUnavailableError
from stem.redis.broker import RedisBroker
from stem.redis.engine import RedisEngine
from stem.redis.partition.parts import Parts, in_groups
from stem.redis.partition.post import Post, parted, tokens_of
from stem.redis.store import Store
from stem.redis.workflows import RedisWorkflows
from stem.values import Receipt

#: When to look again for queues that are away: what asks them brings no bell.
_AWAY_MS: Final = 500
T = TypeVar("T")
K = TypeVar("K")


class PartitionedBroker:
    """The Broker of a namespace in parts.

    Ids, unique keys and limits are those of a queue. `publish` over several queues is one step for each.
    """

    def __init__(self, parts: Parts, post: Post) -> None:
        self._parts, self._post = parts, post
        self._turns: Counter[str] = Counter()
        self._asleep: dict[str, list[RedisEngine]] = {}
        #: The queue of each delivery that was handed out here and has not ended.
        self.held: dict[Receipt, str] = {}

    async def publish(self, batch: Sequence[Submission]) -> list[Published]:
        async def one(queue: str, jobs: list[Submission]) -> list[Published | EngineError]:
            try:
                answers = await (await self._parts.of(queue)).broker.publish(jobs)
            except EngineError as fault:
                return [fault] * len(jobs)
            for job in jobs:
                self._parts.remember(job.id, queue)
            return [*answers]

        answers = await in_groups(batch, [job.queue for job in batch], one)
        published = [answer for answer in answers if not isinstance(answer, EngineError)]
        if len(published) == len(answers):
            return published
        faults = [answer for answer in answers if isinstance(answer, EngineError)]
        raise PartlyPublishedError(answers) if published else faults[0]

    async def claim(
        self, queues: Sequence[str], limit: int, worker: str, *, strict: bool = False, renews: bool = False
    ) -> Claimed:
        self._turns[worker] += 1
        found: list[Delivery] = []
        dues: list[int] = []
        empty: list[RedisEngine] = []
        fault: EngineError | None = None
        try:
            for queue in queue_order(queues, self._turns[worker], strict=strict):
                if self._parts.is_away(queue):
                    dues.append(_AWAY_MS)
                    continue
                try:
                    part = await self._parts.of(queue)
                    room = limit - len(found)
                    claimed = await part.broker.claim((queue,), room, worker, strict=strict, renews=renews)
                except EngineError as said:
                    fault = said
                    self._parts.lost(queue, said)
                    dues.append(_AWAY_MS)
                    continue
                found += claimed.deliveries
                self.held.update((one.receipt, queue) for one in claimed.deliveries)
                if not claimed.deliveries:
                    empty.append(part)
                if claimed.next_due_ms is not None:
                    dues.append(claimed.next_due_ms)
                if len(found) >= limit:
                    break
        except asyncio.CancelledError:
            self._give_back(found)
            raise
        if not found and not empty:
            raise fault or EngineUnavailableError(f"none of the queues {', '.join(queues)} can be reached")
        if found:
            for part in empty:
                part.store.bells.naps.leave(worker)
        self._asleep[worker] = [] if found else empty
        return Claimed(tuple(found), min(dues, default=None))

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        parts = self._asleep.get(worker)
        if not parts:
            return True
        if len(parts) == 1:
            return await parts[0].broker.wait(worker, timeout_ms)
        tasks = [asyncio.ensure_future(part.broker.wait(worker, timeout_ms)) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for part, task in zip(parts, tasks, strict=True):
                if task.done() and task.result():
                    part.store.bells.naps.hand_on(worker)
            raise
        finally:
            for task in tasks:
                task.cancel()  # a bell that rings in this moment is passed on
            await asyncio.gather(*tasks, return_exceptions=True)
        return any(task.result() for task in done)

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        async def one(part: RedisEngine, renewals: list[Renewal]) -> list[Held]:
            return await part.broker.renew(renewals)

        answers = await self._of_receipts(
            batch, [each.receipt for each in batch], one, lambda held: held.status != "lost"
        )
        for each, answer in zip(batch, answers, strict=True):
            if answer.status == "lost":
                self.held.pop(each.receipt, None)
        return answers

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int | None = None) -> list[bool]:
        async def one(part: RedisEngine, receipts: list[Receipt]) -> list[bool]:
            return await part.broker.release(receipts, again_in_ms=again_in_ms)

        answers = await self._of_receipts(batch, batch, one, bool)
        self._forget(batch)
        return answers

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        async def one(queue: str, settlements: list[Settlement]) -> list[Settled]:
            part = await self._parts.of(queue)
            effects = [parted(each, queue) for each in settlements]
            answers = await part.broker.settle_with(settlements, effects)
            await self._post.carry(part, [token for each in effects for token in tokens_of(each)])
            return answers

        answers = await in_groups(batch, [each.signal.queue for each in batch], one)
        self._forget([each.receipt for each in batch])
        return answers

    async def cancel(self, job_id: str, reason: str, settlement: Settlement) -> Cancelling:
        """Where the job lies; one that is not known anywhere is remembered by every queue that anybody has used."""

        async def one(part: RedisEngine, queue: str) -> Cancelling:
            effects = parted(settlement, queue)
            answer = await part.broker.cancel_with(job_id, reason, settlement, effects)
            if answer.status == "cancelled":
                await self._post.carry(part, tokens_of(effects))
            return answer

        async def look(part: RedisEngine) -> tuple[RedisEngine, str]:
            row = await part.jobs.get(job_id)
            return part, "" if row is None else row.queue

        known = await self._parts.place_of(job_id)
        seen, faults = ([await look(known)], []) if known is not None else await self._parts.wherever(look)
        places = [(part, queue) for part, queue in seen if queue]
        if not places and faults:
            raise faults[0]  # it may be there
        if not places:
            home = settlement.signal.queue or "default"
            places = [(part, part.queue or "") for part, _ in seen] or [(await self._parts.of(home), home)]
        answers = await asyncio.gather(*(one(part, queue) for part, queue in places))
        return next((answer for answer in answers if answer.status != "cancelled"), answers[0])

    async def progress(self, receipt: Receipt, progress: bytes) -> bool:
        async def one(part: RedisEngine, receipts: list[Receipt]) -> list[bool]:
            return [await part.broker.progress(each, progress) for each in receipts]

        (answer,) = await self._of_receipts([receipt], [receipt], one, bool)
        return answer

    # ---------------------------------------------------------------- inside

    async def _of_receipts(
        self,
        batch: Sequence[K],
        receipts: Sequence[Receipt],
        ask: Callable[[RedisEngine, list[K]], Awaitable[list[T]]],
        good: Callable[[T], bool],
    ) -> list[T]:
        """Ask for each where it was handed out; for those of other engines everywhere, and take the good answer."""

        async def one(queue: str, part_of: list[K]) -> list[T]:
            if queue:
                return await ask(await self._parts.of(queue), part_of)
            columns = await self._parts.everywhere(lambda part: ask(part, part_of))
            columns = columns or [await ask(self._parts.root, part_of)]
            return [next(filter(good, row), row[0]) for row in zip(*columns, strict=True)]

        return await in_groups(batch, [self.held.get(receipt, "") for receipt in receipts], one)

    def _forget(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            self.held.pop(receipt, None)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Whoever claimed them is gone."""
        for one in deliveries:
            queue = self.held.pop(one.receipt)
            for part in self._parts.opened():
                if part.queue == queue:
                    part.store.run_later("release", "", *one.receipt)


class PartitionedRenewals:
    """Renewals from the renewal thread: connections and an event loop of its own."""

    def __init__(
        self, held: Mapping[Receipt, str], make: Callable[[str], Store], make_root: Callable[[], Store]
    ) -> None:
        self._held, self._make, self._make_root = held, make, make_root
        self._root: Store | None = None
        self._runner = asyncio.Runner()
        self._stores: dict[str, Store] = {}

    def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._runner.run(self._renew(batch))

    def renew_runs(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._runner.run(self._renew_runs(batch))

    def close(self) -> None:
        """Hang up."""
        for store in (*self._stores.values(), *(() if self._root is None else (self._root,))):
            self._runner.run(store.close())
        self._runner.close()

    async def _renew_runs(self, batch: Sequence[Renewal]) -> list[Held]:
        self._root = self._root or self._make_root()
        return await RedisWorkflows(self._root).renew(batch)

    async def _renew(self, batch: Sequence[Renewal]) -> list[Held]:
        """A queue whose server is silent must not cost the leases of the others."""
        faults: list[EngineError] = []

        async def one(queue: str, renewals: list[Renewal]) -> list[Held]:
            if not queue:  # settled or given back meanwhile
                return [Held("lost")] * len(renewals)
            if queue not in self._stores:
                self._stores[queue] = self._make(queue)
            try:
                return await RedisBroker(self._stores[queue]).renew(renewals)
            except EngineError as fault:
                faults.append(fault)
                return [Held("unknown")] * len(renewals)

        answers = await in_groups(batch, [self._held.get(each.receipt, "") for each in batch], one)
        if faults and all(answer.status == "unknown" for answer in answers):
            raise faults[0]
        return answers
