"""A handle on one run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, Generic, Literal, TypeVar, cast

import msgspec
from pydantic import ValidationError

from stem.contracts.engine import Engine
from stem.core.codec import faults
from stem.core.commands import COMMAND_TTL_MS, RENEW, inbox_of
from stem.core.duration import Duration, milliseconds
from stem.core.options import text
from stem.core.outcome import ErrorRecord
from stem.core.run import ENDED, CancelRequest, RunRow
from stem.core.run_view import Run
from stem.core.workflow import AnyWorkflow
from stem.durable.views import run_view
from stem.errors import RunCancelled, RunError, RunFailed, RunTimeout, UnknownRunError

R_co = TypeVar("R_co", covariant=True)
_error: Final = msgspec.json.Decoder(ErrorRecord)


class DurableHandle(Generic[R_co]):
    """The RunHandle of an engine; without a workflow values come as plain JSON."""

    def __init__(
        self,
        engine: Engine,
        run: str,
        workflow: AnyWorkflow | None,
        started: Literal["new", "exists", "restarted"] = "new",
    ) -> None:
        self._engine, self._id, self._workflow, self._started = engine, run, workflow, started

    def __repr__(self) -> str:
        return f"<run {self._id} ({self._started})>"

    @property
    def id(self) -> str:
        return self._id

    @property
    def started(self) -> Literal["new", "exists", "restarted"]:
        return self._started

    async def result(self, timeout: Duration | None = None) -> R_co:  # noqa: ASYNC109 - the public name in this field
        """See RunHandle."""
        wait_ms = None if timeout is None else milliseconds(timeout, what="timeout")
        row = await self._engine.workflows.ended(self._id, wait_ms)
        if row is None or row.state not in ENDED:
            detail = await self._engine.workflows.get(self._id)
            if detail is None:
                raise UnknownRunError(self._id)
            row = detail.row
            if row.state not in ENDED:
                raise RunTimeout(self._id, seconds=(wait_ms or 0) / 1000, state=row.state)
        return cast("R_co", self._value(row))

    def _value(self, row: RunRow) -> Any:
        if row.state == "cancelled":
            raise RunCancelled(self._id, reason=row.reason)
        if row.state == "failed":
            error = _error.decode(row.error)
            raise RunFailed(self._id, error_type=error.type, error_message=error.message, traceback=error.traceback)
        if self._workflow is None:
            return msgspec.json.decode(row.result)
        try:
            return self._workflow.results.decode(row.result)
        except ValidationError as fault:
            text_ = f"the stored result of run {self._id} no longer fits {self._workflow.signature}: "
            raise RunError(self._id, text_ + "; ".join(faults(fault, self._workflow.results.returns))) from None

    async def status(self) -> Run:
        """See RunHandle."""
        detail = await self._engine.workflows.get(self._id)
        if detail is None:
            raise UnknownRunError(self._id)
        return run_view(detail.row, detail)

    async def cancel(self, reason: str = "cancelled by the caller", *, terminate: bool = False) -> bool:
        """See RunHandle."""
        return await cancel_run(self._engine, self._id, reason, by="", terminate=terminate)

    async def watch(self) -> AsyncIterator[Run]:
        """See RunHandle."""
        version = -1
        while True:
            version = await self._engine.workflows.changed(self._id, version, None)
            seen = await self.status()
            yield seen
            if seen.finished:
                return


async def cancel_run(engine: Engine, run: str, reason: str, *, by: str, terminate: bool) -> bool:
    """Cancel a run and what hangs on it; False when it had ended, or ends as failed. UnknownRunError when it is not known."""
    request = CancelRequest(text(reason, "the reason of a cancel"), text(by, "who cancels"))
    before = await engine.workflows.get(run, whole=False)
    answer = await engine.workflows.cancel(run, request, terminate=terminate)
    if answer == "unknown":
        raise UnknownRunError(run)
    if answer == "requested" and before is not None and before.row.owner:
        worker = before.row.owner.removesuffix("/runs")
        await engine.inbox.send(inbox_of(worker), RENEW, ttl_ms=COMMAND_TTL_MS)
    await settle_down(engine)
    return answer not in {"ended", "ending"}


async def settle_down(engine: Engine) -> None:
    """Carry out what a step has left to do: waking the rest, ending children."""
    while await engine.workflows.sweep():
        pass
