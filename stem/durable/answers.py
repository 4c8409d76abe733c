"""What the answers to waits, calls and children come to: a value, or the error that their handles would raise."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from pydantic import ValidationError

from stem.core.call import TaskEnqueueBuilder
from stem.core.codec import faults
from stem.core.events import TIMED_OUT, Mailbox, Topic
from stem.core.options import text
from stem.core.run import Step, box_topic, event_topic
from stem.core.settle import Broken
from stem.core.step import base_name
from stem.core.workflow import WorkflowCall
from stem.durable.leaving import Blocked
from stem.durable.pending import Pending
from stem.errors import (
    ConfigError,
    JobCancelled,
    JobFailed,
    RunCancelled,
    RunExistsError,
    RunFailed,
    UniqueConflictError,
    WorkflowError,
)

_broken: Final = msgspec.json.Decoder(Broken)


def wait_names(event: object, key: str) -> tuple[str, str]:
    """The topic in the store, and the name of the step."""
    if isinstance(event, Topic):
        return event_topic(event.name, text(key, "the key of an event")), f"{event.name}[{key}]" if key else event.name
    if not isinstance(event, Mailbox):
        raise ConfigError(f"a run waits for a Topic or a Mailbox, found {event!r}")
    if key:
        raise ConfigError(f"a mailbox belongs to one run and has no keys: wait for {event.name!r} without key={key!r}")
    return box_topic(event.name), event.name


def event_value(event: Topic[Any] | Mailbox[Any], step: Step) -> Any:
    """The payload, or Timeout; Blocked when the code of today cannot read it."""
    if step.outcome == "timeout":
        return TIMED_OUT
    try:
        return event.codec.decode(step.value)
    except ValidationError as fault:
        raise Blocked(
            f"what was emitted for {step.key!r} does not fit the payload of {event!r}: {'; '.join(faults(fault, event.payload))}; deploy "
            "code that reads it, or cancel the run"
        ) from None


def call_value(call: TaskEnqueueBuilder[Any], pending: Pending, step: Step) -> Any:
    """The job's result, or the error that its handle would raise."""
    if step.outcome == "done":
        return call.request.task.results.decode(step.value)
    told = _told(step)
    if step.outcome == "cancelled":
        raise JobCancelled(told.id or pending.key, reason=told.reason)
    error = told.error
    raise JobFailed(
        told.id,
        reason=told.reason,
        error_type=error.type if error else "",
        error_message=error.message if error else "",
        traceback=error.traceback if error else "",
    )


def child_value(call: WorkflowCall[Any], pending: Pending, step: Step) -> Any:
    """The child's result, or the error that its handle would raise."""
    if step.outcome == "done":
        return call.request.workflow.results.decode(step.value)
    told = _told(step)
    if step.outcome == "cancelled":
        raise RunCancelled(told.id or pending.key, reason=told.reason)
    error = told.error
    raise RunFailed(told.id, error_type=error.type if error else "", error_message=error.message if error else "")


def check_begun(step: Step) -> None:
    """Raise what it was refused for, now and in every replay."""
    if step.outcome == "failed":
        _told(step)


def _told(step: Step) -> Broken:
    told = _broken.decode(step.value)
    match told.refused:
        case "held":
            raise UniqueConflictError(base_name(step.key).removeprefix("enqueue:"), told.id)
        case "duplicate":
            raise WorkflowError(
                f"job {told.id} is there already, and its end is not the answer to this call: give the job another id, or none"
            )
        case "exists":
            raise RunExistsError(
                told.id, f"run {told.id} exists and is not a child of this run; give the child another id"
            )
        case _:
            return told
