"""Stored runs as the values people see."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from stem.contracts.workflows import KeptEvent, RunDetail, Waiter
from stem.core.duration import instant
from stem.core.notes import decode_notes
from stem.core.outcome import ErrorRecord
from stem.core.run import RunRow, Step, Wait
from stem.core.run_view import MessageView, Run, StepView, TryView, WaitView
from stem.core.settle import Broken
from stem.core.step import decode_meta

_error: Final = msgspec.json.Decoder(ErrorRecord)
_broken: Final = msgspec.json.Decoder(Broken)
_REFUSED: Final = {
    "held": "its unique key is held by job",
    "duplicate": "there is already a job",
    "exists": "there is already a run",
}


def run_view(row: RunRow, detail: RunDetail | None = None) -> Run:
    """The Run of a stored row; with `detail`, whole."""
    request = row.cancel_request
    whole: dict[str, Any] = {} if detail is None else _whole(row, detail)
    return Run(
        id=row.id,
        workflow=row.workflow,
        version=row.version,
        state=row.state,
        reason=row.reason,
        error=_error.decode(row.error) if row.error else None,
        parent=row.parent_run,
        generation=row.generation,
        takeovers=row.takeovers,
        worker=row.owner,
        waited_for=row.waited_for,
        cancel_reason=request.reason if request else "",
        cancelled_by=request.by if request else "",
        cancel_requested_at=_at(request.at) if request else None,
        cleaning_up=row.cleaning,
        created_at=_at(row.created_at),
        started_at=_at(row.started_at),
        changed_at=_at(row.changed_at),
        due_at=_at(row.due_at),
        cancelled_at_latest=_at(row.policy_at),
        finished_at=_at(row.finished_at),
        **whole,
    )


def _whole(row: RunRow, detail: RunDetail) -> dict[str, Any]:
    notes = decode_notes(row.notes)
    steps = [step_view(step) for step in detail.steps]
    steps += [step_view(old.step, aside=True) for old in detail.branches]
    return {
        "params": row.params.decode(),
        "result": row.result.decode(),
        "steps": tuple(steps),
        "waits": tuple(wait_view(wait) for wait in detail.waits),
        "messages": tuple(message_view(one) for one in detail.messages),
        "tries": tuple(
            TryView(step=key, attempts=one.count, error=one.error, again_at=_at(one.again_at))
            for key, one in notes.tries.items()
        ),
        "children": tuple(child.id for child in detail.children),
    }


def step_view(step: Step, *, aside: bool = False) -> StepView:
    """One checkpoint."""
    meta = decode_meta(step.meta)
    bad = step.outcome in {"failed", "cancelled"}
    return StepView(
        key=step.key,
        kind=meta.kind,
        pos=step.pos,
        outcome=step.outcome,
        value="" if bad else step.value.decode(),
        error=_step_error(step) if bad else None,
        function=meta.fn,
        attempts=step.attempts,
        started_at=_at(step.started_at),
        finished_at=_at(step.finished_at),
        aside=aside,
    )


def _step_error(step: Step) -> ErrorRecord | None:
    try:
        return _error.decode(step.value)
    except msgspec.MsgspecError:
        told = _broken.decode(step.value)
        if told.refused:
            return ErrorRecord("Refused", f"{_REFUSED[told.refused]} {told.id}")
        return told.error or ErrorRecord("Cancelled", told.reason)


def wait_view(wait: Wait) -> WaitView:
    """One wait; `what` as people named it."""
    kind = decode_meta(wait.meta).kind
    return WaitView(
        key=wait.key, kind=kind, what=topic_words(wait.topic), since=_at(wait.since), deadline=_at(wait.deadline)
    )


def topic_words(topic: str) -> str:
    """A topic of the store as people named it: 'order.shipped[42]', 'mailbox approval'."""
    kind, _, name = topic.partition(":")
    if kind == "m":
        return f"mailbox {name}"
    title, _, key = name.partition("\0")
    return f"{title}[{key}]" if key else title


def message_view(one: KeptEvent) -> MessageView:
    """One message or event."""
    return MessageView(
        mailbox=topic_words(one.topic).removeprefix("mailbox "),
        payload=one.payload.decode(),
        id=one.id,
        read_by=one.read_by,
        sent_at=_at(one.emitted_at),
    )


class WaiterView(msgspec.Struct, frozen=True, kw_only=True):
    """A run that waits."""

    run: str
    workflow: str
    key: str
    what: str
    since: datetime | None = None
    deadline: datetime | None = None


def waiter_view(one: Waiter) -> WaiterView:
    """One who waits."""
    seen = wait_view(one.wait)
    return WaiterView(
        run=one.run, workflow=one.workflow, key=seen.key, what=seen.what, since=seen.since, deadline=seen.deadline
    )


def _at(ms: int | None) -> datetime | None:
    return instant(ms) if ms else None
