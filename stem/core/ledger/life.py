"""A run's life: started, handed out, held, given back, ended, ended by others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from stem.core.amounts import POLICY_LIMIT, WAKE_LIMIT
from stem.core.duration import words
from stem.core.lease import DOUBTED, RENEWS, UNKNOWN, doubt_ms
from stem.core.ledger.rows import Rows
from stem.core.ledger.waking import answer_late, complete, wake_more
from stem.core.outcome import ErrorRecord
from stem.core.run import (
    ENDED,
    MAX_TAKEOVERS,
    STANDING,
    CancelRequest,
    ClaimedRun,
    NewRun,
    RunRow,
    StepOutcome,
    encode,
)
from stem.core.settle import Broken
from stem.core.share import shares
from stem.values import Receipt

_request: Final = msgspec.json.Decoder(CancelRequest)
_error: Final = msgspec.json.Decoder(ErrorRecord)


def start(rows: Rows, new: NewRun) -> tuple[Literal["new", "exists", "restarted"], RunRow]:
    """Put a run in its line, unless its id is taken."""
    there, generation = rows.run(new.id), 0
    if there is not None:
        if new.if_exists != "restart" or there.state not in ENDED:
            return "exists", there
        generation = there.generation + 1
        rows.forget(there)
    now = rows.now
    row = RunRow(
        id=new.id,
        workflow=new.workflow,
        version=new.version,
        seq=rows.next_number(),
        lease_ms=new.lease_ms,
        due_at=new.at if new.at is not None else now + new.delay_ms,
        cancel_at=None if new.cancel_after_ms is None else now + new.cancel_after_ms,
        cancel_after_ms=new.cancel_after_ms,
        max_suspend_ms=new.max_suspend_ms,
        keep_ms=new.keep_ms,
        created_at=now,
        generation=generation,
        cleans_up=new.cleans_up,
        parent_run=new.parent.run if new.parent else "",
        parent_step=new.parent.step if new.parent else "",
        parent_policy=new.parent.policy if new.parent else "cancel",
        params=new.params,
    )
    save(rows, row)
    rows.ring(row.line)
    return "restarted" if there is not None else "new", row


def save(rows: Rows, row: RunRow) -> None:
    """Write it, with the time at which a policy will end it."""
    row.changed_at = rows.now
    row.changes += 1
    row.policy_at = row.policy_time
    rows.save(row)
    rows.changed(row)


def put_to_sleep(rows: Rows, row: RunRow) -> None:
    """Write a run that leaves its worker; a worker that sleeps is rung when its timer would now be too late."""
    known = [at for at in (rows.next_due([row.line]), rows.next_policy()) if at is not None]
    save(rows, row)
    mine = [at for at in (row.due_at, row.policy_at) if at is not None]
    if mine and (not known or min(mine) < min(known)):
        rows.ring(row.line)


# ---------------------------------------------------------------- in a worker's hands


def claim(rows: Rows, lines: Sequence[str], limit: int, worker: str, *, renews: bool) -> list[ClaimedRun]:
    """Do what is left to do, then hand out what is due."""
    work(rows, WAKE_LIMIT)
    taken = [row for row in _due(rows, lines, limit) if not _doubt(rows, row)]
    return [_hand_out(rows, row, worker, renews=renews) for row in taken]


def _due(rows: Rows, lines: Sequence[str], limit: int) -> list[RunRow]:
    if len(lines) == 1:  # as most claims are: nothing has to be counted
        return list(rows.due(lines[0], limit))
    places = shares([rows.count_due(line, limit) for line in lines], limit)
    return [row for line, place in zip(lines, places, strict=True) if place for row in rows.due(line, place)]


def _doubt(rows: Rows, row: RunRow) -> bool:
    """Once, a lease that has ended is doubted, when its holder renews its leases."""
    if row.state != "running" or row.doubt != RENEWS:
        return False
    row.doubt, row.due_at = DOUBTED, rows.now + doubt_ms(row.lease_ms)
    rows.save(row)
    return True


def next_look(rows: Rows, lines: Sequence[str]) -> int | None:
    """In how many ms a claim of these lines may find something by time alone."""
    if rows.todos(1):
        return 0
    known = [at for at in (rows.next_due(lines), rows.next_policy()) if at is not None]
    return max(0, min(known) - rows.now) if known else None


def _hand_out(rows: Rows, row: RunRow, worker: str, *, renews: bool) -> ClaimedRun:
    now, before = rows.now, row.owner
    if row.state == "running":
        row.takeovers = min(row.takeovers + 1, MAX_TAKEOVERS)
    for wait in rows.waits(row.id):
        if wait.deadline is not None and wait.deadline <= now:
            answer_late(rows, row, wait)
    if row.cleanup_at is not None and row.state in STANDING:
        row.cleanup_at = max(row.cleanup_at, now + row.lease_ms)  # nobody had it in hand
    row.state, row.owner, row.fence, row.number = "running", worker, rows.next_number(), 0
    row.due_at, row.suspend_at, row.reason = now + row.lease_ms, None, ""
    row.doubt = RENEWS if renews else UNKNOWN
    row.started_at = now if row.started_at is None else row.started_at
    save(rows, row)
    return ClaimedRun(
        id=row.id,
        workflow=row.workflow,
        version=row.version,
        params=row.params,
        fence=row.fence,
        lease_ms=row.lease_ms,
        now=now,
        created_at=row.created_at,
        generation=row.generation,
        takeovers=row.takeovers,
        blocks=row.blocks,
        last_worker=before,
        notes=row.notes,
        cleaning=row.cleaning,
        cancel=row.cancel_request,
        parent=row.parent,
        steps=tuple(rows.steps(row.id)),
        waits=tuple(rows.waits(row.id)),
    )


def held(rows: Rows, receipt: Receipt) -> RunRow | None:
    """The run while this fence is the latest and its worker has not let it go."""
    row = rows.run(receipt.job_id)
    return row if row is not None and row.state == "running" and row.fence == receipt.fence else None


def renew(rows: Rows, receipt: Receipt, lease_ms: int | None) -> CancelRequest | bool:
    """Whether it is still held; who wants it to end, when that is not known to the clean-up already."""
    row = held(rows, receipt)
    if row is None:
        return False
    row.due_at = rows.now + (lease_ms or row.lease_ms)
    row.doubt = min(row.doubt, RENEWS)
    rows.save(row)
    wanted = row.cancel_request
    return wanted if wanted is not None and not row.cleaning else True


def release(rows: Rows, receipt: Receipt, again_in_ms: int) -> bool:
    """Back in line in so long, if it is still held."""
    row = held(rows, receipt)
    if row is None:
        return False
    row.state, row.owner, row.due_at = "queued", "", rows.now + again_in_ms
    save(rows, row)
    rows.ring(row.line)
    return True


# ---------------------------------------------------------------- the end


def finish(
    rows: Rows,
    row: RunRow,
    state: Literal["succeeded", "failed", "cancelled"],
    *,
    result: bytes = b"",
    error: bytes = b"",
    reason: str = "",
) -> None:
    """Over: nothing wakes it any more, its parent is told, and its children end with it unless it succeeded."""
    waits = rows.waits(row.id)
    for wait in waits:
        rows.drop_wait(row.id, wait)
    row.waited_for = "" if state == "succeeded" else ", ".join(wait.key for wait in waits)
    row.state, row.result, row.error, row.reason = state, result, error, reason
    row.finished_at, row.forget_at = rows.now, rows.now + row.keep_ms
    row.due_at = row.suspend_at = row.cleanup_at = None
    row.owner, row.notes, row.cleaning = "", b"", False
    save(rows, row)
    rows.ended(row)
    if state != "succeeded":
        _end_children(rows, row, reason or f"its parent {row.id} has {state}")
    if row.parent_run:
        outcome, value = _told(row)
        complete(rows, row.parent_run, row.parent_step, row.id, outcome, value)


def _told(row: RunRow) -> tuple[StepOutcome, bytes]:
    match row.state:
        case "succeeded":
            return "done", row.result
        case "failed":
            return "failed", encode(Broken(row.id, row.reason, _error.decode(row.error) if row.error else None))
        case _:
            return "cancelled", encode(Broken(row.id, row.reason))


def _end_children(rows: Rows, row: RunRow, reason: str) -> None:
    left = False
    for child in rows.children(row.id):
        if child.parent_policy != "abandon" and child.state not in ENDED:
            rows.put_todo("cancel", child.id, encode(CancelRequest(reason, f"parent {row.id}")))
            left = True
    if left:
        rows.ring(row.line)


def cancel(
    rows: Rows, row: RunRow, request: CancelRequest, *, terminate: bool
) -> Literal["cancelled", "requested", "ending"]:
    """End a run that has not ended, or ask for it; one that has failed and cleans up ends by itself."""
    if terminate:
        row.fence = rows.next_number()
        if not row.cancel:
            row.cancel = encode(msgspec.structs.replace(request, at=rows.now))
        finish(rows, row, "cancelled", reason=request.reason)
        return "cancelled"
    if row.cancel:
        return "requested"
    if row.cleaning:
        return "ending"
    row.cancel = encode(msgspec.structs.replace(request, at=rows.now))
    if row.state != "running" and (not row.cleans_up or row.started_at is None):
        finish(rows, row, "cancelled", reason=request.reason)
        return "cancelled"
    if row.state != "running":
        row.state, row.due_at, row.suspend_at, row.takeovers = "queued", rows.now, None, 0
        rows.ring(row.line)
    save(rows, row)
    return "requested"


def _policy_ends(rows: Rows, row: RunRow) -> None:
    """Its time is over, whoever runs it."""
    if row.cancel and row.due_at is not None and row.due_at <= rows.now:
        row.cleanup_at = rows.now + row.lease_ms  # nobody has it in hand: that time does not count
        save(rows, row)
    elif row.cancel:
        cancel(rows, row, CancelRequest("the clean-up took longer than its budget", "policy"), terminate=True)
    elif row.cancel_at is not None and row.cancel_at <= rows.now:
        text = f"cancel_after: it took longer than {words(row.cancel_after_ms or 0)}"
        cancel(rows, row, CancelRequest(text, "policy"), terminate=False)
    else:
        text = f"max_suspend: it waited longer than {words(row.max_suspend_ms or 0)}"
        cancel(rows, row, CancelRequest(text, "policy"), terminate=False)


def work(rows: Rows, limit: int) -> int:
    """Do up to about `limit` of what is left to do: wake, cancel children, end what policies end; how much."""
    done = 0
    for kind, target, data in rows.todos(limit):
        if done >= limit:
            break
        if kind == "wake":
            woken, more = wake_more(rows, target, limit - done)
            done += max(1, woken)
            if not more:
                rows.drop_todo(kind, target)
            continue
        rows.drop_todo(kind, target)
        row = rows.run(target)
        if row is not None and row.state not in ENDED:
            cancel(rows, row, _request.decode(data), terminate=False)
        done += 1
    for row in rows.policies_due(POLICY_LIMIT):
        _policy_ends(rows, row)
        done += 1
    return done


def sweep(rows: Rows, limit: int) -> int:
    """What is left to do, and forgetting what is out of date."""
    done = work(rows, limit)
    for row in rows.forgettable(limit):
        rows.forget(row)
        done += 1
    return done + rows.forget_events(limit)
