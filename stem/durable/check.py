"""Replaying stored runs against the code of today, without writing anything."""

from __future__ import annotations

from typing import Any

from stem.contracts.workflows import RunDetail
from stem.core.run import ClaimedRun
from stem.core.workflow import AnyDeclaredWorkflow
from stem.durable.execution import Execution, Means
from stem.durable.leaving import Blocked, Leaving

#: What a replay reaches that was not done yet, where it stops.
_NEVER = "a replay for a check writes nothing"


class _NoStore:
    """Refuses to be written to; nothing should try."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{_NEVER}, and asked for {name}")


async def check_run(workflow: AnyDeclaredWorkflow, detail: RunDetail) -> str:
    """How the code of today differs from what this run has recorded; "" when it can go on."""
    row = detail.row
    claimed = ClaimedRun(
        id=row.id,
        workflow=row.workflow,
        version=row.version,
        params=row.params,
        fence=row.fence,
        lease_ms=row.lease_ms,
        now=detail.now,
        created_at=row.created_at,
        generation=row.generation,
        steps=detail.steps,
        waits=detail.waits,
        notes=row.notes,
    )
    store: Any = _NoStore()
    means = Means(
        store=store,
        submission=_submission,
        new_run=_new_run,
        worker="check",
        threads=None,
        max_payload=1 << 30,
        real=False,
    )
    execution = Execution(claimed, workflow, means, stop_by=float("inf"))
    execution.strict = True
    try:
        await execution.replay_only()
    except Blocked as fault:
        return str(fault)
    except Leaving:
        return ""
    return ""


def _submission(call: Any, job: str, run: str, step: str) -> Any:  # noqa: ARG001 - as Means has it
    """A replay publishes nothing; the place of the call is all it needs."""
    return None


def _new_run(call: Any, run: str, parent: Any) -> Any:  # noqa: ARG001 - as Means has it
    """A replay starts nothing."""
    return None
