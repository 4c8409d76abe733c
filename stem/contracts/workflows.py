"""Workflow runs: durable records that move on by themselves, one atomic step at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from stem.contracts.broker import Held, Renewal
from stem.core.run import (
    CancelRequest,
    Change,
    ClaimedRun,
    Committed,
    Event,
    Message,
    NewRun,
    RunRow,
    RunState,
    Step,
    Wait,
)
from stem.values import Receipt


class Started(msgspec.Struct, frozen=True, gc=False):
    """Answer to a start: `new`, or a run of that id was there (in `state`) and stays, or was ended and is replaced.

    `workflow`: whose run it is now.
    """

    status: Literal["new", "exists", "restarted"]
    state: RunState = "queued"
    workflow: str = ""


class ClaimedRuns(msgspec.Struct, frozen=True):
    """Runs handed out, and in how many ms the next timer is due (None: there is none; 0 with no runs: claim again)."""

    runs: tuple[ClaimedRun, ...]
    next_due_ms: int | None


class Emitted(msgspec.Struct, frozen=True, gc=False):
    """Answer to an emit: whether the event is `new`, how many runs it woke now, and whether more are to be woken."""

    new: bool
    woken: int = 0
    more: bool = False


#: `new`; `duplicate`: a message of this id came before; `ended`, `unknown`: nobody will read it, so it is not kept.
Sent: TypeAlias = Literal["new", "duplicate", "ended", "unknown"]
#: `cancelled`: it is over now. `requested`: its worker, or the next one, ends it. `ending`: it has failed and cleans up,
#: and ends as failed. `ended`: it had ended before.
Cancelled: TypeAlias = Literal["cancelled", "requested", "ending", "ended", "unknown"]
#: `undone`: a step before it was undone. `undoing`: its clean-up is under way.
Rewound: TypeAlias = Literal["rewound", "unknown_run", "unknown_step", "undone", "undoing"]


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are meant; an empty field means all."""

    states: tuple[RunState, ...] = ()
    workflow: str = ""
    parent: str = ""


class Waiter(msgspec.Struct, frozen=True, gc=False):
    """A run that waits, and what for."""

    run: str
    workflow: str
    wait: Wait


class KeptEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An event or message that is kept. `run`: whose mailbox it lies in; `read_by`: the step that has read it."""

    topic: str
    payload: bytes
    id: str = ""
    run: str = ""
    read_by: str = ""
    emitted_at: int = 0
    until: int | None = None


class OldStep(msgspec.Struct, frozen=True, gc=False):
    """A checkpoint that a rewind or a rerun put aside; `generation` counts the rewinds before."""

    generation: int
    step: Step


class RunDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a run."""

    row: RunRow
    steps: tuple[Step, ...] = ()
    waits: tuple[Wait, ...] = ()
    messages: tuple[KeptEvent, ...] = ()
    branches: tuple[OldStep, ...] = ()
    children: tuple[RunRow, ...] = ()
    now: int = 0


def told(said: CancelRequest | bool) -> Held:  # noqa: FBT001 - what the ledger says
    """The ledger's answer to a renewal as the answer that workers know."""
    if isinstance(said, CancelRequest):
        return Held("cancel", said.reason)
    return Held("held" if said else "lost")


class Workflows(Protocol):
    """Runs from start to grave.

    Promises: a run that was started and has not ended always has a lease, a timer, a registered wait or a place in the
    line of its workflow; whoever holds a fence that is not the latest changes nothing; a checkpoint that is stored
    never changes; an end is stored once. Nobody polls: what makes a run able to go on is written in the step that
    causes it, and rings a sleeping worker.
    """

    async def start(self, batch: Sequence[NewRun]) -> list[Started]:
        """Put runs in their lines; one answer each, in order. The same start again changes nothing."""
        ...

    async def claim(self, lines: Sequence[str], limit: int, worker: str, *, renews: bool = False) -> ClaimedRuns:
        """Hand out up to `limit` runs of these lines (`core.run.line_name`), each under its own lease and a new fence.

        In one step: wake what events still have to wake, cancel what a policy ends (whatever its line), answer the
        waits of these runs whose deadline has passed, and take back what was lost (takeovers +1). An empty answer arms
        the bell of this worker: see `wait`. `renews`: as for jobs, a lease that has ended is doubted first.
        """
        ...

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        """Sleep until there may be runs since this worker's last empty claim. True: the bell rang."""
        ...

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        """Hold runs longer; one answer each, in order."""
        ...

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int = 0) -> list[bool]:
        """Give runs back unharmed: claimable in `again_in_ms`, not counted as taken over. False: it was stale."""
        ...

    async def commit(self, receipt: Receipt, change: Change) -> Committed:
        """Store a change with all its effects, on the condition of its fence. See `core.run.Change`.

        A wait whose event or message is there already is answered at once. An end tells the parent, and asks children
        to end when the run did not succeed, but for those with the policy `abandon`.
        """
        ...

    async def complete(self, run: str, key: str, step: Step, *, source: str = "") -> bool:
        """Answer a wait from outside, as the job or child `source` that it is for; False when the run waits for no such thing.

        Jobs and children do so by themselves.
        """
        ...

    async def emit(self, event: Event) -> Emitted:
        """Keep an event and wake the first runs that wait for it; the rest follows by `sweep` or any claim.

        An event of this topic that is kept already wins: nothing changes.
        """
        ...

    async def send(self, message: Message, start: NewRun | None = None) -> Sent:
        """Put a message into a run's mailbox; with `start`, begin the run in the same step when it is not there."""
        ...

    async def cancel(self, run: str, request: CancelRequest, *, terminate: bool = False) -> Cancelled:
        """End a run, or ask its worker to when it runs or has to clean up. `terminate`: at once, without clean-up."""
        ...

    async def resume(self, run: str) -> bool:
        """Let a quarantined or blocked run go on; False when it is neither."""
        ...

    async def rewind(self, run: str, key: str) -> Rewound:
        """Forget the checkpoint `key` and all behind it, and let the run go on from there, unless it cleans up.

        The old ones are kept aside, messages they had read lie in the mailbox again. A name without iteration means
        the first one.
        """
        ...

    async def sweep(self, limit: int = 500) -> int:
        """Wake what events still have to wake, end what policies end, forget what is out of date; how much there was."""
        ...

    # ---------------------------------------------------------------- looking

    async def get(self, run: str, *, whole: bool = True) -> RunDetail | None:
        """All about one run, or the row alone."""
        ...

    async def page(self, which: RunFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[RunRow], str]:
        """A page, the newest first, and the cursor of the next ("" at the end).

        What is large is empty: `params`, `notes`, `result`, `error`.
        """
        ...

    async def waiters(self, topic: str, *, limit: int = 100) -> list[Waiter]:
        """Runs that wait for this topic (`core.run.event_topic`, or its beginning up to the key), the longest first."""
        ...

    async def events(self, *, limit: int = 100) -> list[KeptEvent]:
        """Events that are kept and messages nobody has read, the newest first."""
        ...

    async def ended(self, run: str, timeout_ms: int | None) -> RunRow | None:
        """The run once it has ended, waiting without polling; None at the time-out or when it is not known."""
        ...

    async def changed(self, run: str, version: int, timeout_ms: int | None) -> int:
        """The number of the run's last change once it is not `version` any more, or `version` at the time-out."""
        ...


class WorkError(Exception):
    """What a user's own code raised inside a transaction of the store, as `fault`; nothing of it was stored."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__(str(fault))
        self.fault = fault


@runtime_checkable
class Transactional(Protocol):
    """What a store of workflows also offers when users' own SQL can be part of its steps."""

    async def transact(self, receipt: Receipt, change: Change, work: Callable[[Any], Step]) -> tuple[Committed, Step]:
        """As `commit`, with `work` in the same transaction: it is given the connection and makes one more checkpoint.

        What `work` raises undoes everything and comes out as WorkError, but for faults of the store itself. When the fence
        is lost it is not called.
        """
        ...
