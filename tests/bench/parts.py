"""What each part of a worker's own work costs, one at a time, in microseconds a job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import copy_context

import msgspec

from stem.contracts.broker import Delivery
from stem.core.envelope import WIRE_VERSION, Envelope, decode, encode
from stem.core.outcome import Returned
from stem.core.settle import Terms, settle
from stem.worker.drive import Drive
from stem.worker.running import Running
from tests.bench.cycles import Number, noop

TIMES = 20_000


def measure() -> dict[str, float]:
    """Each part by itself; their sum is less than a worker's whole cost, for the event loop has its own."""
    args = noop.arguments.encode(Number(value=1))
    envelope = encode(Envelope(v=WIRE_VERSION, id="job", task=noop.name, enqueued_at=0, args=msgspec.Raw(args)))
    delivery = Delivery(
        id="job",
        fence=1,
        task=noop.name,
        queue="default",
        envelope=envelope,
        attempt=1,
        losses=0,
        lease_ms=30_000,
        enqueued_at=0,
    )
    terms = Terms(receipt=delivery.receipt, task=noop.name, queue="default")
    parts: dict[str, Callable[[], object]] = {
        "decode the envelope": lambda: decode(envelope),
        "validate the arguments": lambda: noop.arguments.decode(args),
        "terms of the attempt": lambda: Terms(receipt=delivery.receipt, task=delivery.task, queue=delivery.queue),
        "hold the delivery": lambda: Running(delivery, stop_by=1.0, renew_at=1.0),
        "encode the result": lambda: noop.results.encode(1),
        "decide the settlement": lambda: settle(terms, Returned(b"1"), now_ms=1, jitter=0.0),
    }
    found = {name: _each(part) for name, part in parts.items()}
    return found | asyncio.run(_in_the_loop())


def _each(part: Callable[[], object]) -> float:
    begun = time.perf_counter()
    for _ in range(TIMES):
        part()
    return (time.perf_counter() - begun) / TIMES * 1e6


async def _in_the_loop() -> dict[str, float]:
    async def bare() -> int:
        return 1

    async def driven() -> int:
        return await Drive(bare())

    async def each(start: Callable[[], asyncio.Task[int]]) -> float:
        begun = time.perf_counter()
        for _ in range(TIMES // 100):
            await asyncio.gather(*(start() for _ in range(100)))
        return (time.perf_counter() - begun) / TIMES * 1e6

    loop = asyncio.get_running_loop()
    task = await each(lambda: loop.create_task(bare(), context=copy_context()))
    whole = await each(lambda: loop.create_task(driven(), context=copy_context()))
    return {"a task with a fresh context": task, "drive the coroutine": max(0.0, whole - task)}
