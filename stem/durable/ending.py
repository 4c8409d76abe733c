"""How a run comes to its end: with a result, undone after a failure, or cancelled."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from stem.core.codec import EncodeError
from stem.core.outcome import ErrorRecord, error_record
from stem.core.replay import Replay, to_undo
from stem.core.run import CLEANUP, CancelRequest, End, encode
from stem.durable.context import Context
from stem.durable.faults import error_of
from stem.durable.leaving import PASSING, Blocked

if TYPE_CHECKING:
    from stem.durable.execution import Execution

log = logging.getLogger("stem.durable")

#: Characters of an error that lists of runs show.
REASON: Final = 200
#: How a run left: for counting and logs.
Left: TypeAlias = Literal["succeeded", "failed", "cancelled", "suspended", "blocked", "quarantined", "lost", "released"]


class Ending:
    """The end of the run in this worker's hands."""

    def __init__(self, execution: Execution) -> None:
        self._x = execution

    async def succeeded(self, value: Any) -> Left:
        """Its code has returned."""
        x = self._x
        x.check_reached("recorded and never reached by the code of today: ")
        try:
            result = x.workflow.results.encode(value)
        except EncodeError as fault:
            text = f"workflow {x.workflow.name!r} returned what cannot be stored as {x.workflow.signature}: {fault}"
            return await self.failed(error_record("EncodeError", text))
        if len(result) > x.means.max_payload:
            text = f"its result takes {len(result):,} bytes, over the limit of {x.means.max_payload:,}"
            return await self.failed(error_record("PayloadTooLargeError", text))
        await x.journal.commit(then=End("succeeded", result=result))
        return "succeeded" if x.journal.ended else await self._after_all()

    async def failed(self, error: ErrorRecord) -> Left:
        """Its code has raised: here, or in the hands of whoever claims it next and runs along the whole record."""
        if not self._owed():
            return await self._fail(error)
        await self._note_failure(error)
        return await self._x.release()

    async def cancelled(self, request: CancelRequest) -> Left:
        """Somebody has cancelled it while its code ran: likewise."""
        if self._x.replay.is_behind or self._owed():
            return await self._x.release()
        return await self._cancel(request)

    async def by_record(self) -> Left:
        """It was claimed to be ended: undo what the record holds, and end as was said before."""
        x, cancel = self._x, self._x.claimed.cancel
        told = await x.recall()
        owed = self._owed()
        if owed:
            which, why = ", ".join(map(repr, owed)), f" ({told})" if told else ""
            text = f"it is to be undone, and the code of today does not undo {which}{why}"
            raise Blocked(text, self._way_out)
        if cancel is None:
            return await self._fail(x.journal.notes.error or ErrorRecord("Exception", ""))
        error = b""
        if x.params is None and x.workflow.on_cancel is not None:
            if x.claimed.steps or x.claimed.waits:
                raise Blocked(f"it is cancelled, and its on_cancel cannot be called: {told}", self._way_out)
            error = encode(error_record("ValidationError", f"it was not called: {told}"))
        return await self._cancel(cancel, error)

    # ---------------------------------------------------------------- what cannot be undone

    def _owed(self) -> list[str]:
        """Steps of the record that were done and are to be undone, and that the code has not come to, or undoes no more."""
        return [key for key in to_undo(self._x.claimed.steps) if key not in self._x.undo]

    def check_undoing(self) -> None:
        """Blocked when a failure or a cancellation would come to what cannot be undone."""
        owed = self._owed()
        if owed:
            raise Blocked(f"if it fails or is cancelled, the code of today does not undo {', '.join(map(repr, owed))}")

    @property
    def _way_out(self) -> str:
        run = self._x.claimed.id
        return f"Deploy code that does, or give that up and end it: `stem wf cancel {run} --terminate`"

    # ---------------------------------------------------------------- undoing

    async def _fail(self, error: ErrorRecord) -> Left:
        x = self._x
        if x.undo.is_needed or x.undo.children:
            self._begin()
            if x.journal.notes.phase != "failing":
                await self._note_failure(error)
                if x.journal.cancel is not None:
                    return await self._after_all()
            await x.undo.all()
            await x.undo.end_children(f"its parent {x.claimed.id} has failed")
        reason = " ".join(f"{error.type}: {error.message}".split())[:REASON]
        await x.journal.commit(then=End("failed", error=encode(error), reason=reason))
        if not x.journal.ended:
            return await self._after_all()
        log.warning("run %s (%s) failed: %s: %s", x.claimed.id, x.workflow.name, error.type, error.message)
        return "failed"

    async def _after_all(self) -> Left:
        """A cancel was stored before this end could be."""
        assert self._x.journal.cancel is not None
        return await self.cancelled(self._x.journal.cancel)

    async def _note_failure(self, error: ErrorRecord) -> None:
        self._x.journal.moved(phase="failing", error=error)
        await self._x.journal.commit(cleanup_ms=self._x.workflow.options.cleanup_ms)

    async def _cancel(self, request: CancelRequest, error: bytes = b"") -> Left:
        """`error`: why on_cancel cannot be called."""
        x = self._x
        if x.undo.is_needed or x.workflow.on_cancel is not None or x.undo.children:
            self._begin()
            if not x.claimed.cleaning:
                x.journal.moved(phase="cancelling")
                await x.journal.commit(cleanup_ms=x.workflow.options.cleanup_ms)
            await x.undo.all()
            if x.workflow.on_cancel is not None and not error:
                error = await self._clean_up()
            await x.undo.end_children(request.reason)
        await x.journal.commit(then=End("cancelled", error=error, reason=request.reason))
        return "cancelled"

    def _begin(self) -> None:
        """What is done from now on is recorded behind everything else."""
        x = self._x
        x.cleaning, x.waiting.interruption = True, None
        x.replay = Replay(x.claimed.steps, x.claimed.waits, first=CLEANUP)

    async def _clean_up(self) -> bytes:
        """The workflow's own clean-up; its failure, which is returned, does not keep the run from ending."""
        x = self._x
        assert x.workflow.on_cancel is not None
        try:
            await x.drive(x.workflow.on_cancel(Context(x, prefix="cleanup:"), x.params))
        except PASSING:
            raise
        except BaseException as fault:
            if isinstance(fault, asyncio.CancelledError):
                x.leave_if_cancelled(fault)
            log.exception("on_cancel of run %s (%s) failed", x.claimed.id, x.workflow.name)
            return encode(error_of(fault))
        return b""
