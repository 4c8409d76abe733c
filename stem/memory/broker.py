"""Jobs from publish to settlement, in memory: each call is one step of `line`, `claim` or `ending`, under the lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stem.contracts.broker import Cancelling, Claimed, Held, Published, Renewal, Settled
from stem.core.envelope import Submission
from stem.core.settle import Settlement
from stem.memory.bells import sleep_on
from stem.memory.claim import claim
from stem.memory.ending import cancel, held, release, renew, settle
from stem.memory.line import publish
from stem.memory.space import Space
from stem.values import Receipt


class MemoryBroker:
    """The Broker of a Space."""

    def __init__(self, space: Space, now: Callable[[], int]) -> None:
        self._space = space
        self._now = now

    async def publish(self, batch: Sequence[Submission]) -> list[Published]:
        with self._space.lock:
            return [publish(self._space, sub, self._now()) for sub in batch]

    async def claim(
        self, queues: Sequence[str], limit: int, worker: str, *, strict: bool = False, renews: bool = False
    ) -> Claimed:
        with self._space.lock:
            return claim(self._space, queues, limit, worker, self._now(), strict=strict, renews=renews)

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        space = self._space
        with space.lock:
            if space.doze.is_up(worker):
                return True
            bell = space.bells.arm(("work", worker))
        woken = False
        try:
            woken = await sleep_on(bell, timeout_ms)
            return woken
        finally:
            with space.lock:
                space.bells.disarm(("work", worker), bell)
                if woken:
                    space.doze.heard(worker)
                else:
                    space.doze.get_up(worker)

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        return self.renew_now(batch)

    def renew_now(self, batch: Sequence[Renewal]) -> list[Held]:
        """The same for the renewal thread."""
        with self._space.lock:
            return [renew(self._space, one, self._now()) for one in batch]

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int | None = None) -> list[bool]:
        with self._space.lock:
            return [release(self._space, receipt, again_in_ms, self._now()) for receipt in batch]

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        with self._space.lock:
            return [settle(self._space, one, self._now()) for one in batch]

    async def cancel(self, job_id: str, reason: str, settlement: Settlement) -> Cancelling:
        with self._space.lock:
            return cancel(self._space, job_id, reason, settlement, self._now())

    async def progress(self, receipt: Receipt, progress: bytes) -> bool:
        with self._space.lock:
            job = held(self._space, receipt)
            if job is None:
                return False
            job.progress = progress
            self._space.changed(job)
            return True
