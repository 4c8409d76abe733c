"""Starting runs and telling them things."""

from __future__ import annotations

import secrets
from typing import Any, TypeVar

from stem.clock import Clock
from stem.contracts.engine import Engine
from stem.core.codec import EncodeError
from stem.core.run import Event, Message, NewRun, Parent
from stem.core.workflow import WorkflowCall, run_id
from stem.durable.handle import DurableHandle, settle_down
from stem.errors import (
    ConfigError,
    InvalidArgumentsError,
    PayloadTooLargeError,
    RunEndedError,
    RunExistsError,
    UnknownRunError,
)
from stem.values import uuid7

R = TypeVar("R")


class RunClient:
    """Encodes calls of workflows and hands them to the store."""

    def __init__(self, engine: Engine, *, clock: Clock, max_payload: int) -> None:
        self._engine, self._clock, self._max_payload = engine, clock, max_payload

    async def start(self, call: WorkflowCall[R]) -> DurableHandle[R]:
        """Start one run."""
        if not isinstance(call, WorkflowCall):
            raise ConfigError(f"expected a call of a workflow, as fulfil.build(order), found {call!r}")
        request = call.request
        new = self.new_run(call, request.id or uuid7(self._clock.now_ms(), secrets.randbits(80)), None)
        (answer,) = await self._engine.workflows.start([new])
        if answer.workflow != new.workflow:
            text = f"run {new.id} exists already, and is one of workflow {answer.workflow!r}: give this one another id"
            raise RunExistsError(new.id, text)
        if answer.status == "exists" and request.if_exists == "raise":
            raise RunExistsError(new.id, f"run {new.id} exists already, and is {answer.state}")
        return DurableHandle(self._engine, new.id, request.workflow, answer.status)

    def new_run(self, call: WorkflowCall[Any], run: str, parent: Parent | None) -> NewRun:
        """What a store keeps of a call. InvalidArgumentsError, PayloadTooLargeError: nothing should be."""
        return new_run(call, run, parent, max_payload=self._max_payload)

    async def emit(self, event: Event) -> bool:
        """Emit, and wake all who wait."""
        self._check_size(event.topic, event.payload)
        answer = await self._engine.workflows.emit(event)
        if answer.more:
            await settle_down(self._engine)
        return answer.new

    async def send(self, message: Message, start: WorkflowCall[Any] | None) -> bool:
        """Send, and start the run when asked to."""
        run_id(message.run)
        self._check_size(message.box, message.payload)
        new = None if start is None else self.new_run(start, message.run, None)
        answer = await self._engine.workflows.send(message, new)
        if answer == "unknown":
            raise UnknownRunError(message.run)
        if answer == "ended":
            raise RunEndedError(message.run)
        return answer == "new"

    def _check_size(self, name: str, payload: bytes) -> None:
        if len(payload) > self._max_payload:
            raise PayloadTooLargeError(name, len(payload), self._max_payload, what="the payload of event")


def new_run(call: WorkflowCall[Any], run: str, parent: Parent | None, *, max_payload: int) -> NewRun:
    """What a store keeps of a call."""
    request = call.request
    workflow, options = request.workflow, request.workflow.options
    try:
        params = workflow.arguments.encode(request.params)
    except EncodeError as fault:
        raise InvalidArgumentsError(workflow.name, [str(fault)], what="parameters of workflow") from None
    if len(params) > max_payload:
        raise PayloadTooLargeError(workflow.name, len(params), max_payload, what="parameters of workflow")
    return NewRun(
        id=run,
        workflow=workflow.name,
        version=workflow.version,
        params=params,
        delay_ms=request.delay_ms,
        at=request.at_ms,
        lease_ms=options.lease_ms,
        cancel_after_ms=request.cancel_after_ms or options.cancel_after_ms,
        max_suspend_ms=request.max_suspend_ms or options.max_suspend_ms,
        keep_ms=request.keep_ms or options.keep_ms,
        cleans_up=options.cleans_up,
        parent=parent,
        if_exists=request.if_exists if parent is None else "return",
    )
