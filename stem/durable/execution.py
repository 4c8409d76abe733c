"""One claimed run, from its claim to the moment it leaves this worker: replayed, carried on, undone or ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ValidationError

from stem.contracts.workflows import Workflows
from stem.core.call import TaskEnqueueBuilder
from stem.core.codec import EncodeError, faults
from stem.core.envelope import Submission
from stem.core.replay import Replay
from stem.core.run import MAX_TAKEOVERS, Block, CancelRequest, ClaimedRun, NewRun, Parent, Quarantine
from stem.core.workflow import AnyDeclaredWorkflow, WorkflowCall
from stem.durable.context import Context
from stem.durable.ending import Ending, Left
from stem.durable.faults import error_of, line_of
from stem.durable.journal import Journal
from stem.durable.leaving import PASSING, Blocked, Cancelling, HandedBack, Leaving, Lost, Recalled
from stem.durable.pending import Waiting
from stem.durable.script import body_of
from stem.durable.undo import Undo
from stem.errors import EngineError, EngineRefusedError, WorkflowError
from stem.worker.drive import Drive, Urgency

log = logging.getLogger("stem.durable")

#: A blocked run is looked at again after so long, ms; doubled each time up to the second.
_BLOCKED: Final = (15_000, 600_000)


class Means(msgspec.Struct, frozen=True):
    """What all runs of a worker share.

    `submission` and `new_run` make what a store keeps of calls; `threads`: where plain functions run, None: here.
    `real`: time goes by outside; without it nothing waits but in the store.
    """

    store: Workflows
    submission: Callable[[TaskEnqueueBuilder[Any], str, str, str], Submission]
    new_run: Callable[[WorkflowCall[Any], str, Parent | None], NewRun]
    worker: str
    threads: Executor | None
    max_payload: int
    real: bool = True


class Execution:
    """The run in this worker's hands."""

    def __init__(self, claimed: ClaimedRun, workflow: AnyDeclaredWorkflow, means: Means, *, stop_by: float) -> None:
        self.claimed, self.workflow, self.means = claimed, workflow, means
        self.journal = Journal(claimed, means.store, stop_by=stop_by, real=means.real)
        self.replay = Replay(claimed.steps, claimed.waits)
        self.waiting = Waiting(self.journal, real=means.real)
        self.undo = Undo(self)
        self.ending = Ending(self)
        self.recalling = False
        self.cleaning = False
        #: Every difference between code and record counts, whatever the workflow says.
        self.strict = False
        #: A call of ctx was broken off by a time-out of the workflow's own code.
        self.cut = False
        self.params: BaseModel | None = None
        self.previous: Any = None
        self.main: asyncio.Task[Any] | None = None
        self._drive: Drive[Any] | None = None
        self._stopping: BaseException | None = None

    # ---------------------------------------------------------------- from outside

    def lose(self) -> None:
        """The lease is gone."""
        self.journal.lost = True
        self._interrupt(Lost(), Urgency.LOST)

    def cancel(self, request: CancelRequest) -> None:
        """Somebody wants the run to end; its code hears of it at the next await, unless it is ending already."""
        if self.journal.cancel is None:
            self.journal.cancel = request
        if not self.cleaning and not self.recalling:
            self._interrupt(Cancelling(request.reason), Urgency.STOP)

    def hand_back(self, *, now: bool) -> None:
        """Let somebody else go on: at the next step, or at once."""
        if self._stopping is None:
            self._stopping = HandedBack()
        if now or self.waiting.is_parked:
            self._interrupt(HandedBack(), Urgency.STOP)

    @property
    def is_leaving(self) -> bool:
        """Whether this worker is about to let it go."""
        return self.journal.lost or self._stopping is not None

    def _interrupt(self, error: BaseException, urgency: Urgency) -> None:
        """Thrown in where user code waits; while a change of its own is on its way, it is raised afterwards."""
        if self.waiting.is_parked:
            self.waiting.interruption = error
            self.waiting.tell_main()
        elif self.main in self.journal.writing:
            self.waiting.interruption = error
        elif self._drive is not None:
            self._drive.interrupt(error, urgency)

    def check(self) -> None:
        """Raise what stands against going on."""
        if self.journal.lost:
            raise Lost
        if self._stopping is not None:
            raise self._stopping
        if self.journal.cancel is not None and not self.cleaning and not self.recalling:
            raise Cancelling(self.journal.cancel.reason)

    # ---------------------------------------------------------------- the life

    async def run(self) -> Left:
        """Carry the run on until it leaves."""
        self.main = asyncio.current_task()
        try:
            return await self._run()
        except Lost:
            return "lost"
        except HandedBack:
            return await self.release()
        except Blocked as fault:
            return await self._block(str(fault))
        except EngineRefusedError as fault:
            return await self._block(f"the store refused it: {fault}")
        except Leaving:
            return "suspended"
        except asyncio.CancelledError:
            await asyncio.shield(self.release())
            raise

    async def _run(self) -> Left:
        claimed, notes = self.claimed, self.journal.notes
        if claimed.takeovers >= MAX_TAKEOVERS:
            where = f"step {notes.doing!r}" if notes.doing else "its code, before any new step"
            reason = f"{claimed.takeovers} workers in a row were lost at {where}; the last was {claimed.last_worker}"
            await self.journal.commit(then=Quarantine(reason))
            log.error("run %s (%s) is quarantined: %s", claimed.id, self.workflow.name, reason)
            return "quarantined"
        if notes.phase == "failing" or claimed.cancel is not None:
            return await self.ending.by_record()
        self._read_params()
        try:
            value = await self._body()
            self.refuse_cut()
        except Cancelling:
            if self.journal.cancel is None:
                raise
            return await self.ending.cancelled(self.journal.cancel)
        except PASSING:
            raise
        except BaseException as fault:
            return await self._raised(fault)
        return await self.ending.succeeded(value)

    async def _raised(self, fault: BaseException) -> Left:
        """The code came to an error."""
        if isinstance(fault, asyncio.CancelledError):
            self.leave_if_cancelled(fault)
        if self.journal.cancel is not None:
            text = "run %s (%s) raised %s%s while it was being cancelled"
            log.warning(text, self.claimed.id, self.workflow.name, type(fault).__name__, line_of(fault))
            return await self.ending.cancelled(self.journal.cancel)
        if not self.cut:
            where = f"{type(fault).__name__} is raised{line_of(fault)}"
            self.check_reached(f"{where} before the code of today comes to what is recorded: ")
        return await self.ending.failed(error_of(cut_off() if self.cut and isinstance(fault, TimeoutError) else fault))

    def leave_if_cancelled(self, fault: asyncio.CancelledError) -> None:
        """Raise it on when somebody cancelled the run or this task; else the code raised it, as it may any error."""
        task = asyncio.current_task()
        if isinstance(fault, Cancelling):
            raise fault
        if task is not None and task.cancelling():
            self.cut = task is self.main
            raise fault

    def refuse_cut(self) -> None:
        """The code goes on after a cancellation that was not ours: no replay would come to the same."""
        if self.cut:
            raise cut_off()

    def _read_params(self) -> None:
        kept = bytes(self.journal.notes.params)
        try:
            self.params = self.workflow.arguments.decode(kept or self.claimed.params)
        except ValidationError as fault:
            raise Blocked(
                f"its parameters do not fit {self.workflow.signature}: {'; '.join(faults(fault, self.workflow.params_model))}"
            ) from None
        if not kept and not self.claimed.steps and not self.claimed.waits:
            self._keep_defaults(self.params)

    def _keep_defaults(self, params: BaseModel) -> None:
        """A producer's package sends what it was given; what this code filled in holds from the first checkpoint on."""
        arguments = self.workflow.arguments
        try:
            whole = arguments.encode(params)
            if whole != self.claimed.params and arguments.decode(whole) == params:
                self.journal.moved(params=msgspec.Raw(whole))
        except (EncodeError, ValidationError) as fault:
            log.debug("run %s: defaults cannot be kept: %s", self.claimed.id, fault)

    async def replay_only(self) -> None:
        """Run the code along its record, and nothing more; Blocked when it does not fit."""
        self.main = asyncio.current_task()
        self._read_params()
        self.recalling = True
        try:
            await self._body()
        except Recalled as stop:
            if not stop.at_wait:
                self.ending.check_undoing()
                return
        except Cancelling:
            return
        except PASSING:
            raise
        except BaseException:
            log.debug("run %s raises as it goes along", self.claimed.id, exc_info=True)
        left = self.replay.unreached()
        if left:
            raise Blocked(f"recorded and never reached by the code of today: {', '.join(map(repr, left))}")
        self.ending.check_undoing()

    async def _body(self) -> Any:
        """Run the workflow's own code; what it swallows of what is thrown through it is reported."""
        try:
            value = await self.drive(body_of(self.workflow, Context(self), self.params))
        except Leaving:
            raise
        except BaseException as fault:
            if self.waiting.left:
                self._report_swallowed(fault)
                raise Leaving from None
            raise
        if self.waiting.left:
            self._report_swallowed(None)
            raise Leaving
        self.check()
        return value

    async def drive(self, code: Coroutine[Any, Any, Any]) -> Any:
        """Run user code, where an interruption finds it."""
        self._drive = Drive(code)
        try:
            return await self._drive
        finally:
            self._drive = None

    def _report_swallowed(self, fault: BaseException | None) -> None:
        place = "" if fault is None else f" (it raised {type(fault).__name__} instead{line_of(fault)})"
        log.error(
            "workflow %s swallowed the exception that suspends run %s%s: catch Exception, not BaseException, and await "
            "nothing of ctx in a `finally`",
            self.workflow.name,
            self.claimed.id,
            place,
        )

    async def recall(self) -> str:
        """Run the code along its record, to learn what was done and can be undone; it goes no further. What kept it from
        going so far, in words.
        """
        self.recalling, told = True, ""
        try:
            self._read_params()
            await self._body()
        except Blocked as fault:
            told = fault.what
        except (Lost, HandedBack):
            raise
        except BaseException as fault:
            if isinstance(fault, asyncio.CancelledError) and not isinstance(fault, Cancelling):
                self.leave_if_cancelled(fault)
            if isinstance(fault, PASSING) and not isinstance(fault, Recalled):
                raise
            if isinstance(fault, Exception) and self.replay.is_behind:
                told = f"{type(fault).__name__} is raised{line_of(fault)}"
        finally:
            self.recalling = False
        self.waiting = Waiting(self.journal, real=self.means.real)
        self.undo.note_recorded_children(self.claimed.waits)
        return told

    # ---------------------------------------------------------------- leaving

    async def _block(self, reason: str) -> Left:
        shortest, longest = _BLOCKED
        after_ms = min(longest, shortest << min(self.claimed.blocks, 16))
        try:
            await self.journal.commit(then=Block(reason, after_ms))
        except Lost:
            return "lost"
        log.error("run %s (%s) is blocked: %s", self.claimed.id, self.workflow.name, reason)
        return "blocked"

    async def release(self) -> Left:
        if not self.journal.lost and not self.journal.ended:
            try:
                await self.means.store.release([self.claimed.receipt])
            except EngineError as fault:
                log.warning("run %s could not be handed back, its lease will end: %s", self.claimed.id, fault)
        return "released"

    # ---------------------------------------------------------------- changed code

    def check_reached(self, told: str) -> None:
        """Code that ends before all of its record has changed; what it did not come to could not be undone either."""
        left = self.replay.unreached()
        if left:
            self.differs(f"{told}{', '.join(map(repr, left))}")

    def differs(self, change: str) -> bool:
        """The code does not fit the record. Whether the step shall be done again; Blocked when the run shall stand still."""
        what = self.workflow.options.on_change
        if self.strict:
            raise Blocked(change)
        if what == "block":
            raise Blocked(
                f"the code has changed: {change}",
                "Deploy code that fits, rewind the run, or declare the workflow with on_change='warn' or 'rerun'",
            )
        log.warning("run %s (%s), on_change=%r: %s", self.claimed.id, self.workflow.name, what, change)
        return what == "rerun"


def cut_off() -> WorkflowError:
    """A time-out of the code's own broke off what it waited for."""
    return WorkflowError(
        "a call of ctx was broken off by a time-out around it (asyncio.timeout), which no replay can repeat: give "
        "ctx.options(timeout=...) to a step and timeout= to a wait"
    )
