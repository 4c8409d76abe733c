"""A workflow run as people see it: what `RunHandle.status()`, `app.workflows` and the CLI show."""

from __future__ import annotations

from datetime import datetime

import msgspec

from stem.core.outcome import ErrorRecord
from stem.core.run import ENDED, RunState, StepOutcome


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint. `value` is JSON text; `aside`: a rewind or a rerun has put it out of use."""

    key: str
    kind: str
    pos: int
    outcome: StepOutcome
    value: str = ""
    error: ErrorRecord | None = None
    function: str = ""
    attempts: int = 1
    started_at: datetime | None = None
    finished_at: datetime | None = None
    aside: bool = False


class WaitView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a run waits for: an event, a message, a job, a child, or only a time."""

    key: str
    kind: str
    what: str = ""
    since: datetime | None = None
    deadline: datetime | None = None


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A message in a run's mailbox; `read_by` is the step that has read it."""

    mailbox: str
    payload: str
    id: str = ""
    read_by: str = ""
    sent_at: datetime | None = None


class TryView(msgspec.Struct, frozen=True, kw_only=True):
    """A step whose last attempt failed, and when it is tried again."""

    step: str
    attempts: int
    error: ErrorRecord
    again_at: datetime | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run at one moment. Instants are aware UTC; what is not known is None or empty.

    `steps`, `waits`, `messages`, `tries`, `children`, `params` and `result` (JSON text) are there for a single run and not
    in lists. `waited_for`: the keys of what it waited for when it failed or was cancelled.
    """

    id: str
    workflow: str
    version: int
    state: RunState
    reason: str = ""
    error: ErrorRecord | None = None
    parent: str = ""
    generation: int = 0
    takeovers: int = 0
    worker: str = ""
    waited_for: str = ""
    cancel_reason: str = ""
    cancelled_by: str = ""
    cancel_requested_at: datetime | None = None
    cleaning_up: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    changed_at: datetime | None = None
    due_at: datetime | None = None
    cancelled_at_latest: datetime | None = None
    finished_at: datetime | None = None
    params: str = ""
    result: str = ""
    steps: tuple[StepView, ...] = ()
    waits: tuple[WaitView, ...] = ()
    messages: tuple[MessageView, ...] = ()
    tries: tuple[TryView, ...] = ()
    children: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the run will not change by itself any more."""
        return self.state in ENDED
