"""The line of jobs: publish, claim, renew, release, settle, cancel, wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from stem.core.company import company
from stem.core.envelope import Submission
from stem.core.lease import DEFAULT_MAX_LOSSES, Ended
from stem.core.settle import Settlement
from stem.core.states import JobState
from stem.errors import EngineError, EngineUnavailableError
from stem.values import Receipt


class Published(msgspec.Struct, frozen=True, gc=False):
    """What became of one submission.

    `new`: it is in the line. `duplicate`: a job with this id lives, or its result does; nothing changed.
    `held`: the unique key belongs to job `holder`; nothing changed.
    """

    status: Literal["new", "duplicate", "held"]
    holder: str = ""


class Delivery(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A job as handed to one worker, under a lease that only this `fence` can renew and settle."""

    id: str
    fence: int
    task: str
    queue: str
    envelope: bytes
    attempt: int
    losses: int
    lease_ms: int
    enqueued_at: int
    priority: int = 0
    result_ttl_ms: int = 0
    max_losses: int = DEFAULT_MAX_LOSSES
    overrides: bytes = b""
    ended: Ended | None = None
    cancel_reason: str | None = None

    @property
    def receipt(self) -> Receipt:
        """The right to settle it."""
        return Receipt(self.id, self.fence)

    @property
    def company(self) -> int | None:
        """How many others may run beside it; None: any number."""
        if not self.losses or self.ended or self.cancel_reason is not None:
            return None
        return company(self.losses, self.max_losses)

    @property
    def redelivered(self) -> bool:
        """Whether an earlier delivery of this job was lost."""
        return self.losses > 0


class Claimed(msgspec.Struct, frozen=True):
    """A batch of deliveries, and in how many ms the next timer of these queues is due (None: there is none).

    0 with no deliveries means: claim again at once, the step stopped at its own bound.
    """

    deliveries: tuple[Delivery, ...]
    next_due_ms: int | None


class Renewal(msgspec.Struct, frozen=True, gc=False):
    """Hold this delivery for `lease_ms` from now; None: as long as the job's own lease."""

    receipt: Receipt
    lease_ms: int | None = None


class Held(msgspec.Struct, frozen=True, gc=False):
    """Answer to a renewal: `held` for the length asked, `lost`, or `cancel` (held, but somebody wants it to end).

    `unknown`: the server of this job's queue could not be asked, while those of other queues were.
    """

    status: Literal["held", "lost", "cancel", "unknown"]
    reason: str = ""


class PartlyPublishedError(EngineUnavailableError):
    """Some of a batch could be published and some could not: `answers` has what became of each, in order."""

    def __init__(self, answers: Sequence[Published | EngineError]) -> None:
        first = next(one for one in answers if isinstance(one, EngineError))
        super().__init__(str(first))
        self.answers = answers


#: Answer to a settlement: `done`; `repeated`: the same settlement was stored before (its reply was lost); `stale`:
#: the fence has moved on and nothing changed.
Settled: TypeAlias = Literal["done", "repeated", "stale"]


class Cancelling(msgspec.Struct, frozen=True):
    """Answer to a cancel.

    `cancelled`: it will never run (a job of an unknown id is remembered, so that a later enqueue is refused).
    `requested`: it is running; its worker is told at the next renewal (the first reason stays). `finished`: it had ended, as `state`.
    """

    status: Literal["cancelled", "requested", "finished"]
    state: JobState = "cancelled"


class Broker(Protocol):
    """Jobs from publish to settlement.

    Promises: an acknowledged publish is handed out until it is settled, cancelled or expired. No two workers hold the
    same (id, fence), not even when an id is used again for another job. Every settlement is stored once, together with its effects, or not at all.
    """

    async def publish(self, batch: Sequence[Submission]) -> list[Published]:
        """Put jobs in their lines; one answer each, in order. Publishing the same id again changes nothing.

        A sleeping worker of each queue is woken. An engine that has its queues on several servers raises
        PartlyPublishedError when some of them cannot be reached. An id lives as long as its job, and then as long as its result.
        """
        ...

    async def claim(
        self, queues: Sequence[str], limit: int, worker: str, *, strict: bool = False, renews: bool = False
    ) -> Claimed:
        """Hand out up to `limit` jobs of these queues, each under its own lease, with a fence this id never had before.

        In one step: promote what is due, take back what was lost (losses +1), respect pause, limits and priority, and
        flag what has `ended` instead of ending it. Higher priority first, then first in, first out; a lower level
        waits at most 80 claims unless `strict`. `renews`: the worker renews its leases every third of them; one that
        ends all the same is doubted for `core.lease.doubt_ms` before it is taken over, for the store's clock may have been
        set forward. An empty answer arms the bell of this worker: see `wait`.
        """
        ...

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        """Sleep until work may have come since this worker's last empty claim. True: the bell rang; False: time out.

        No polling, and no wake-up is lost between the empty claim and the wait.
        """
        ...

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        """Hold deliveries longer; one answer each, in order."""
        ...

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int | None = None) -> list[bool]:
        """Give deliveries back unharmed; the attempt is not used up, losses are forgotten. False: it was stale.

        With `again_in_ms` the job was not run at all: its losses stay, and it waits so long.
        """
        ...

    async def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        """Store what became of deliveries, each on the condition of its fence; one answer each, in order.

        With it in the same step: the result, the unique key, limits, counters, the effects, and the bells of whoever
        waits. Any settlement sets losses to 0.
        """
        ...

    async def cancel(self, job_id: str, reason: str, settlement: Settlement) -> Cancelling:
        """End a job that waits, with `settlement` (whose fence is not looked at), or ask its worker to end it."""
        ...

    async def progress(self, receipt: Receipt, progress: bytes) -> bool:
        """Keep a note beside a running job and tell who watches; False: the lease is lost and nothing changed."""
        ...
