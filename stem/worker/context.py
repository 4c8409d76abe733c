"""The TaskContext that handlers are given."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import msgspec

from stem.contracts.broker import Broker, Renewal
from stem.core import record as records
from stem.core.call import TaskEnqueueBuilder
from stem.core.context import Enqueuer, JobHandle, RetryRequested, SnoozeRequested
from stem.core.duration import Duration, milliseconds
from stem.core.envelope import Envelope
from stem.core.lease import stop_by
from stem.core.options import text
from stem.core.record import Progress
from stem.core.sizes import MAX_PROGRESS_SIZE
from stem.errors import ConfigError, EngineError, JobCancelled, LeaseLost
from stem.worker.running import Running

R = TypeVar("R")
log = logging.getLogger("stem.worker")


class Attempt:
    """One running attempt, as its handler sees it."""

    __slots__ = ("_app", "_broker", "_envelope", "_loop", "_running", "max_retries", "worker")

    def __init__(
        self,
        running: Running,
        envelope: Envelope,
        *,
        broker: Broker,
        app: Enqueuer,
        loop: asyncio.AbstractEventLoop,
        max_retries: int,
        worker: str,
    ) -> None:
        self._running, self._envelope, self._broker, self._app, self._loop = running, envelope, broker, app, loop
        self.max_retries, self.worker = max_retries, worker

    @property
    def id(self) -> str:
        return self._running.delivery.id

    @property
    def task(self) -> str:
        return self._envelope.task

    @property
    def queue(self) -> str:
        return self._running.delivery.queue

    @property
    def attempt(self) -> int:
        return self._running.delivery.attempt

    @property
    def headers(self) -> Mapping[str, str]:
        return self._envelope.headers

    @property
    def meta(self) -> Mapping[str, object]:
        return self._envelope.meta

    @property
    def cancelled(self) -> bool:
        return self._running.cancel_reason is not None

    @property
    def lease_remaining(self) -> timedelta:
        return timedelta(seconds=max(0.0, self._running.stop_by - time.monotonic()))

    @property
    def sync(self) -> SyncAttempt:
        return SyncAttempt(self, self._loop)

    def heartbeat(self) -> None:
        if self._running.lost:
            raise LeaseLost(self.id)
        if self._running.cancel_reason is not None:
            raise JobCancelled(self.id, reason=self._running.cancel_reason)

    async def extend_lease(self, by: Duration | None = None) -> None:
        running, asked = self._running, time.monotonic()
        if by is not None:
            running.hold_until = max(running.hold_until, asked + milliseconds(by, what="extend_lease") / 1000)
        lease_ms = running.lease_ms(asked)
        answer = (await self._broker.renew([Renewal(running.delivery.receipt, lease_ms)]))[0]
        if answer.status == "lost":
            running.lose()
            raise LeaseLost(self.id)
        running.stop_by = max(running.stop_by, stop_by(asked, lease_ms))

    async def progress(self, percent: float, message: str = "", data: object = None) -> None:
        self.heartbeat()
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
            raise ConfigError(f"progress must be a number from 0 to 100, found {percent!r}")
        extra = msgspec.UNSET if data is None else _as_json(data)
        note = records.encode(Progress(float(percent), text(message, "the message of a progress"), extra))
        if len(note) > MAX_PROGRESS_SIZE:
            raise ConfigError(
                f"a progress takes {len(note):,} bytes as JSON, over the limit of {MAX_PROGRESS_SIZE:,}: it is a note for "
                "people who watch, so send a reference to larger data"
            )
        try:
            held = await self._broker.progress(self._running.delivery.receipt, note)
        except EngineError as fault:
            log.debug("job %s: its progress was not noted: %s", self.id, fault)  # no reason for the job to fail
            return
        if not held:
            raise LeaseLost(self.id)

    def idempotency_key(self, scope: str = "") -> str:
        return f"{self.id}/{scope}" if scope else self.id

    def enqueue(self, call: TaskEnqueueBuilder[R], /) -> Coroutine[object, None, JobHandle[R]]:
        return self._app.submit(call)

    def retry(
        self, delay: Duration | None = None, *, max_retries: int | None = None, reason: str = "asked by the task"
    ) -> NoReturn:
        raise RetryRequested(delay, max_retries, reason)

    def snooze(self, delay: Duration) -> NoReturn:
        raise SnoozeRequested(delay)


def _as_json(data: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(data))
    except (TypeError, ValueError, OverflowError, RecursionError) as fault:
        raise ConfigError(f"the data of a progress must be plain JSON: {fault}") from None


class SyncAttempt:
    """The blocking twin, for a handler in a thread."""

    __slots__ = ("_attempt", "_loop")

    def __init__(self, attempt: Attempt, loop: asyncio.AbstractEventLoop) -> None:
        self._attempt, self._loop = attempt, loop

    def progress(self, percent: float, message: str = "", data: object = None) -> None:
        self._block(self._attempt.progress(percent, message, data))

    def extend_lease(self, by: Duration | None = None) -> None:
        self._block(self._attempt.extend_lease(by))

    def enqueue(self, call: TaskEnqueueBuilder[R], /) -> str:
        return self._block(self._attempt.enqueue(call)).id

    def _block(self, coro: Coroutine[Any, Any, R]) -> R:
        if _is_running_here(self._loop):
            coro.close()
            raise ConfigError(
                "ctx.sync blocks, and this handler runs in the event loop, which it would stop for good: await ctx.progress, "
                "ctx.enqueue or ctx.extend_lease instead"
            )
        return asyncio.run_coroutine_threadsafe(coro, self._loop).result()


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is the thread of the loop."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
