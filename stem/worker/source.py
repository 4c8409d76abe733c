"""A broker bound to the queues of one worker."""

from __future__ import annotations

from collections.abc import Sequence

from stem.contracts.broker import Broker, Delivery, Settled
from stem.core.settle import Settlement
from stem.values import Receipt


class JobSource:
    """Jobs of these queues, claimed under this worker's name."""

    def __init__(self, broker: Broker, queues: Sequence[str], worker: str, *, strict: bool) -> None:
        self._broker, self._queues, self._worker, self._strict = broker, tuple(queues), worker, strict

    async def claim(self, limit: int) -> tuple[tuple[Delivery, ...], int | None]:
        claimed = await self._broker.claim(self._queues, limit, self._worker, strict=self._strict, renews=True)
        return claimed.deliveries, claimed.next_due_ms

    async def wait(self, timeout_ms: int) -> bool:
        return await self._broker.wait(self._worker, timeout_ms)

    async def release(self, batch: Sequence[Receipt]) -> list[bool]:
        return await self._broker.release(batch)

    async def put_back(self, batch: Sequence[Receipt], *, again_in_ms: int) -> list[bool]:
        return await self._broker.release(batch, again_in_ms=again_in_ms)

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        return await self._broker.settle(batch)
