"""Workflow runs as values: what is stored of one, what is asked of a store, and what it answers."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from stem.core.company import company
from stem.core.envelope import Submission
from stem.core.lease import UNKNOWN
from stem.values import Receipt

#: queued: a worker may take it at once. suspended: it waits for timers, events, jobs or children and costs nothing.
#: blocked: no code that was tried could go on with it; tried again later. quarantined: its workers died at one step.
RunState: TypeAlias = Literal[
    "queued", "running", "suspended", "blocked", "quarantined", "succeeded", "failed", "cancelled"
]
RUN_STATES: Final[tuple[RunState, ...]] = (
    "queued",
    "running",
    "suspended",
    "blocked",
    "quarantined",
    "succeeded",
    "failed",
    "cancelled",
)
#: Nobody has it in hand, and nobody takes it until its time has come or somebody resumes it.
STANDING: Final[frozenset[RunState]] = frozenset({"blocked", "quarantined"})
ENDED: Final[frozenset[RunState]] = frozenset({"succeeded", "failed", "cancelled"})

#: How a checkpoint came to be: a value, a failure after all retries, a time-out, a child or job that was cancelled.
StepOutcome: TypeAlias = Literal["done", "failed", "timeout", "cancelled"]
#: What becomes of a child when its parent is cancelled or fails.
OnParentEnd: TypeAlias = Literal["cancel", "abandon", "wait"]
#: What a start does when the id is taken: give the run that is there, refuse, or replace one that has ended.
IfExists: TypeAlias = Literal["return", "raise", "restart"]

#: Runs are kept for so long after their end unless their workflow says otherwise.
KEEP_MS: Final = 7 * 86_400_000
#: Below it a caller who waits could miss the end.
SHORTEST_KEEP_MS: Final = 1_000
#: An emitted event can be seen for so long by who waits for it later.
EVENT_TTL_MS: Final = 7 * 86_400_000
#: A worker that dies at the same step so many times in a row puts the run into quarantine.
MAX_TAKEOVERS: Final = 5
#: Places of what is done while a run ends lie behind all others.
CLEANUP: Final = 1_000_000_000


def line_name(workflow: str, version: int) -> str:
    """The line in which runs of this version wait for a worker that knows it; no queue can have such a name."""
    return f"\x01{workflow}@{version}"


class Parent(msgspec.Struct, frozen=True, gc=False):
    """Whose child a run is: it is told the end as the answer to `step`."""

    run: str
    step: str
    policy: OnParentEnd = "cancel"


class NewRun(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A run to be started. Spans are ms from the store's own now; `at` is an instant that wins over `delay_ms`.

    `cleans_up`: cancelling it needs a worker that knows its workflow, from the beginning.
    """

    id: str
    workflow: str
    version: int
    params: bytes
    delay_ms: int = 0
    at: int | None = None
    lease_ms: int = 30_000
    cancel_after_ms: int | None = None
    max_suspend_ms: int | None = None
    keep_ms: int = KEEP_MS
    cleans_up: bool = False
    parent: Parent | None = None
    if_exists: IfExists = "return"


class CancelRequest(msgspec.Struct, frozen=True, gc=False):
    """Who wants a run to end, why, and since when (unix ms, by the store)."""

    reason: str
    by: str = ""
    at: int = 0


class Step(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A checkpoint: what became of one step of a run; never changed once it is stored.

    `pos` is its place among all that the run did; `meta` what replay compares (core/replay.py), opaque to stores.
    """

    key: str
    pos: int
    outcome: StepOutcome = "done"
    value: bytes = b"null"
    meta: bytes = b""
    started_at: int = 0
    finished_at: int = 0
    attempts: int = 1


class Wait(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a run waits for: an event of `topic`, the end of the job or child `source`, its `deadline`, or whichever comes first.

    The deadline's checkpoint has the outcome `on_time` and the value `late`. `after_ms` is counted from the store's
    now when the wait is registered; once stored, `deadline` is an instant. A job or child of an earlier life of the run
    has another id, and its end is no answer.
    """

    key: str
    pos: int
    topic: str = ""
    source: str = ""
    after_ms: int | None = None
    deadline: int | None = None
    on_time: StepOutcome = "done"
    late: bytes = b"null"
    meta: bytes = b""
    since: int = 0


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something that happened: seen by everybody who waits for `topic`, now or within `ttl_ms`; the first one wins."""

    topic: str
    payload: bytes
    id: str = ""
    ttl_ms: int = EVENT_TTL_MS


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something for one run alone: read once, in the order of arrival. `id` makes sending it again harmless."""

    run: str
    box: str
    payload: bytes
    id: str = ""


def event_topic(name: str, key: str) -> str:
    """How a store names the event `name` about `key`."""
    return f"t:{name}\x00{key}"


def box_topic(box: str) -> str:
    """How a store names a mailbox in the waits of the run that owns it."""
    return f"m:{box}"


# ---------------------------------------------------------------- what a commit carries


class Call(msgspec.Struct, frozen=True, gc=False, tag="call"):
    """Effect: publish a job; its end is the answer to `step` when the submission says so."""

    step: str
    submission: Submission


class Spawn(msgspec.Struct, frozen=True, gc=False, tag="spawn"):
    """Effect: start a child."""

    step: str
    run: NewRun


class Say(msgspec.Struct, frozen=True, gc=False, tag="say"):
    """Effect: emit an event."""

    event: Event


class Tell(msgspec.Struct, frozen=True, gc=False, tag="tell"):
    """Effect: send a message to a run."""

    message: Message


class Stop(msgspec.Struct, frozen=True, gc=False, tag="stop"):
    """Effect: ask another run to end."""

    run: str
    request: CancelRequest


RunEffect: TypeAlias = Call | Spawn | Say | Tell | Stop


class GoOn(msgspec.Struct, frozen=True, gc=False, tag="go_on"):
    """The run goes on in its worker; its lease begins anew."""


class Suspend(msgspec.Struct, frozen=True, gc=False, tag="suspend"):
    """The run sleeps until one of its waits is answered, or for `after_ms` at most. Lease and slot are let go."""

    after_ms: int | None = None


class End(msgspec.Struct, frozen=True, gc=False, tag="end"):
    """The run is over. `result` is JSON, `error` an ErrorRecord as JSON."""

    state: Literal["succeeded", "failed", "cancelled"]
    result: bytes = b""
    error: bytes = b""
    reason: str = ""


class Block(msgspec.Struct, frozen=True, gc=False, tag="block"):
    """This worker's code cannot go on with the run: `reason`; another look in `after_ms`."""

    reason: str
    after_ms: int


class Quarantine(msgspec.Struct, frozen=True, gc=False, tag="quarantine"):
    """Nobody takes the run until somebody resumes it."""

    reason: str


Then: TypeAlias = GoOn | Suspend | End | Block | Quarantine


class Change(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that one step of a run changes, stored in one atomic step under its fence, or not at all.

    `number` counts the changes under one fence from 1, so that a repeated one is recognised. `steps` are stored unless
    their keys are there; with `rerun` they take the place of what is there. `waits` likewise. `drop`: keys of waits
    nobody has any interest in. `pending`: keys the worker waits for; what of them is answered comes back, and a Suspend
    is not carried out then. `notes`: what the runtime keeps beside the run, opaque. `cleanup_ms`: the clean-up begins
    now, after a cancel or a failure; after a cancel it may take so long.
    """

    number: int
    steps: tuple[Step, ...] = ()
    waits: tuple[Wait, ...] = ()
    effects: tuple[RunEffect, ...] = ()
    drop: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    notes: bytes | None = None
    rerun: bool = False
    cleans_up: bool | None = None
    cleanup_ms: int | None = None
    then: Then = GoOn()


def is_plain(change: Change) -> bool:
    """Whether it is one checkpoint and nothing else, as most are."""
    return (
        len(change.steps) == 1
        and isinstance(change.then, GoOn)
        and not (change.waits or change.effects or change.drop or change.pending or change.rerun)
        and change.notes is None
        and change.cleans_up is None
        and change.cleanup_ms is None
    )


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """An effect that could not happen: a job whose unique key is held, by `holder`; a child or a job that is waited for,
    whose id belongs to another one. Its step is then recorded as failed. `ending`: a child of this id, of an earlier life
    of the run, has still to end; nothing is recorded.
    """

    step: str
    why: Literal["held", "exists", "duplicate", "ending"]
    holder: str


class Committed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of a change.

    `done`; `lost`: the fence has moved on and nothing changed; `repeated`: it was stored before, its reply was lost.
    `ended`: whether the run has left its worker as `then` asked. `answers`: checkpoints among `pending`.
    """

    status: Literal["done", "lost", "repeated"]
    ended: bool = False
    answers: tuple[Step, ...] = ()
    refused: tuple[Refusal, ...] = ()
    cancel: CancelRequest | None = None
    now: int = 0


class ClaimedRun(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A run as handed to one worker, whole, under a lease that only this `fence` can renew and commit to.

    `takeovers`: how often in a row a worker lost it without storing anything. `now` is the store's clock.
    """

    id: str
    workflow: str
    version: int
    params: bytes
    fence: int
    lease_ms: int
    now: int
    created_at: int
    generation: int = 0
    takeovers: int = 0
    blocks: int = 0
    last_worker: str = ""
    notes: bytes = b""
    cleaning: bool = False
    cancel: CancelRequest | None = None
    parent: Parent | None = None
    steps: tuple[Step, ...] = ()
    waits: tuple[Wait, ...] = ()

    @property
    def receipt(self) -> Receipt:
        """The right to change it."""
        return Receipt(self.id, self.fence)

    @property
    def company(self) -> int | None:
        """How many others may run beside it; None: any number."""
        return company(self.takeovers, MAX_TAKEOVERS)


# ---------------------------------------------------------------- what is kept


class RunRow(msgspec.Struct, kw_only=True):
    """A run as stored. Times are unix ms by the store's clock.

    `due_at`: when a worker may take it: now and then a timer, the end of a lease, or None (only an event moves it).
    `policy_at`: the earliest of the instants at which a policy ends it, whoever runs it. `changes` counts what watchers
    may want to see. `started_at`: when a worker took it for the first time. `doubt`: what is known of who holds its lease,
    see `core.lease`. `waited_for`: the keys of what it waited for when it ended without success.
    """

    id: str
    workflow: str
    version: int
    seq: int = 0
    state: RunState = "queued"
    fence: int = 0
    owner: str = ""
    lease_ms: int = 30_000
    due_at: int | None = None
    policy_at: int | None = None
    cancel_at: int | None = None
    suspend_at: int | None = None
    cleanup_at: int | None = None
    cancel_after_ms: int | None = None
    max_suspend_ms: int | None = None
    keep_ms: int = KEEP_MS
    created_at: int = 0
    started_at: int | None = None
    changed_at: int = 0
    finished_at: int | None = None
    forget_at: int | None = None
    number: int = 0
    generation: int = 0
    takeovers: int = 0
    blocks: int = 0
    doubt: int = UNKNOWN
    changes: int = 0
    cleans_up: bool = False
    cleaning: bool = False
    parent_run: str = ""
    parent_step: str = ""
    parent_policy: OnParentEnd = "cancel"
    reason: str = ""
    waited_for: str = ""
    cancel: bytes = b""
    params: bytes = b""
    notes: bytes = b""
    result: bytes = b""
    error: bytes = b""

    @property
    def parent(self) -> Parent | None:
        """Whose child it is."""
        return Parent(self.parent_run, self.parent_step, self.parent_policy) if self.parent_run else None

    @property
    def line(self) -> str:
        """Where it waits for a worker."""
        return line_name(self.workflow, self.version)

    @property
    def policy_time(self) -> int | None:
        """When a policy ends it, as it stands."""
        if self.state in ENDED:
            return None
        if self.cancel:
            return None if self.state in STANDING else self.cleanup_at
        if self.cleaning:
            return None
        return min((at for at in (self.cancel_at, self.suspend_at) if at is not None), default=None)

    @property
    def cancel_request(self) -> CancelRequest | None:
        """Who wants it to end."""
        return cancel_of(self.cancel)


_cancel: Final = msgspec.json.Decoder(CancelRequest)


def cancel_of(stored: bytes) -> CancelRequest | None:
    """Who wants a run to end, from its stored form; None for empty bytes."""
    return _cancel.decode(stored) if stored else None


encode: Final = msgspec.json.Encoder().encode
