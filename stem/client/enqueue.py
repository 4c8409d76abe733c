"""Sending calls: many that wait at the same time share one round trip."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from stem.client.handle import Handle
from stem.clock import Clock
from stem.contracts.broker import PartlyPublishedError, Published
from stem.contracts.engine import Engine
from stem.core.call import Request, TaskEnqueueBuilder
from stem.core.envelope import Submission
from stem.core.options import Options
from stem.core.submit import submission, unique_rule
from stem.errors import ConfigError, EngineError, UniqueConflictError
from stem.observe.middleware import AnyCall, Middleware, enqueue_chain
from stem.observe.signals import JobEvent, Signals
from stem.values import uuid7

R = TypeVar("R")

#: Jobs published in one step of `enqueue_many` and of coalesced enqueues.
BATCH: Final = 500


class Sender:
    """Encodes calls and publishes them, coalesced."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        queues: dict[str, Options],
        middleware: Sequence[Middleware],
        signals: Signals,
        max_payload: int,
    ) -> None:
        self._engine, self._clock, self._queues = engine, clock, queues
        self._signals, self._max_payload = signals, max_payload
        self._pending: list[tuple[Submission, asyncio.Future[Published]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._wrapped = any(type(one).on_enqueue is not Middleware.on_enqueue for one in middleware)
        self._chain = enqueue_chain(middleware, self._send)

    async def send(self, call: TaskEnqueueBuilder[R]) -> Handle[R]:
        """Publish one call."""
        _check(call)
        if not self._wrapped:
            return await self._send(call)
        through = await self._chain(call)
        return through if isinstance(through, Handle) else self.handle(through.id, call.request)

    async def send_many(self, calls: Iterable[TaskEnqueueBuilder[R]]) -> list[Handle[R]]:
        """Publish many calls in slices; all of a slice are encoded before any of it is published."""
        if self._wrapped:
            return list(await asyncio.gather(*(self.send(call) for call in calls)))
        handles: list[Handle[R]] = []
        under_way: asyncio.Task[list[Handle[R]]] | None = None
        try:
            for requests in _slices(calls):
                made = [self._encode(request) for request in requests]  # while the slice before is on its way
                if under_way is not None:
                    handles += await under_way
                under_way = asyncio.create_task(self._send_slice(requests, made))
                await asyncio.sleep(0)
        finally:
            last = await under_way if under_way is not None else []
        return handles + last

    def handle(self, job_id: str, request: Request | None = None) -> Handle[Any]:
        """A handle on a job of this id."""
        return Handle(self._engine, job_id, None if request is None else request.task, clock=self._clock)

    async def _send(self, call: AnyCall) -> Handle[Any]:
        made = self._encode(call.request)
        future: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        self._pending.append((made, future))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        return self._answered(call.request, made, await future)

    async def _send_slice(self, requests: list[Request], made: list[Submission]) -> list[Handle[Any]]:
        answers = await self._engine.broker.publish(made)
        return [self._answered(*three) for three in zip(requests, made, answers, strict=True)]

    async def _flush(self) -> None:
        """Publish all that is pending, again until nothing is: no timer, the round trip itself is the window."""
        while self._pending:
            batch, self._pending = self._pending[:BATCH], self._pending[BATCH:]
            answers: Sequence[Published | EngineError]
            try:
                answers = await self._engine.broker.publish([made for made, _ in batch])
            except PartlyPublishedError as partly:
                answers = partly.answers
            except BaseException as fault:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(fault)
                if not isinstance(fault, Exception):
                    raise
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, EngineError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _encode(self, request: Request) -> Submission:
        now = self._clock.now_ms()
        return submission(
            request,
            job_id=uuid7(now, secrets.randbits(80)),
            now_ms=now,
            queues=self._queues,
            max_payload=self._max_payload,
            reply_to=self._engine.results.reply_to,
        )

    def submission_for_run(self, call: AnyCall, job_id: str, run: str, step: str) -> Submission:
        """What to publish for a call that a workflow run makes, and waits for when `run` and `step` are given."""
        _check(call)
        return submission(
            call.request,
            job_id=job_id,
            now_ms=self._clock.now_ms(),
            queues=self._queues,
            max_payload=self._max_payload,
            run=run,
            step=step,
        )

    def _answered(self, request: Request, made: Submission, answer: Published) -> Handle[Any]:
        if answer.status == "held":
            rule = unique_rule(request)
            if rule is not None and rule.conflict == "raise":
                raise UniqueConflictError(made.unique.key if made.unique else "", answer.holder)
            return Handle(self._engine, answer.holder, request.task, enqueued="held", clock=self._clock)
        if answer.status == "new" and self._signals.job_enqueued:
            self._signals.job_enqueued.emit(JobEvent(job_id=made.id, task=made.task, queue=made.queue))
        return Handle(self._engine, made.id, request.task, enqueued=answer.status, clock=self._clock)


def _slices(calls: Iterable[TaskEnqueueBuilder[Any]]) -> Iterator[list[Request]]:
    """The requests of the calls, so many at a time as one step publishes."""
    slice_: list[Request] = []
    for call in calls:
        _check(call)
        slice_.append(call.request)
        if len(slice_) == BATCH:
            yield slice_
            slice_ = []
    if slice_:
        yield slice_


def _check(call: object) -> None:
    if not isinstance(call, TaskEnqueueBuilder):
        raise ConfigError(f"expected a call, as charge.build(order), found {call!r}")
