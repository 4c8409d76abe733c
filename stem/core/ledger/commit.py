"""What one step of a run changes, carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import msgspec

from stem.core.ledger.life import cancel, finish, held, put_to_sleep, save, start
from stem.core.ledger.rows import Rows
from stem.core.ledger.waking import answer, answer_late, deliver, emit, register
from stem.core.run import (
    ENDED,
    Block,
    Call,
    Change,
    Committed,
    End,
    GoOn,
    NewRun,
    Quarantine,
    Refusal,
    RunEffect,
    RunRow,
    Say,
    Spawn,
    Step,
    Stop,
    Suspend,
    Tell,
    encode,
)
from stem.core.settle import Broken
from stem.values import Receipt


def commit(rows: Rows, receipt: Receipt, change: Change, work: Callable[[], Step] | None = None) -> Committed:
    """Store it, if its fence holds; `work` makes one more checkpoint in the same transaction."""
    row = held(rows, receipt)
    if row is None:
        return _stored_before(rows, receipt, change)
    if row.number >= change.number:
        return Committed(status="repeated", cancel=row.cancel_request, now=rows.now)
    row.number = change.number
    made = (work(),) if work is not None else ()
    refused = [one for effect in change.effects if (one := _begin(rows, row, change, effect)) is not None]
    told = {one.step: encode(Broken(one.holder, refused=one.why)) for one in refused if one.why != "ending"}
    for step in (*change.steps, *made):
        _checkpoint(rows, row, _as_told(step, told), rerun=change.rerun)
    _wait(rows, row, change, told, not_yet={one.step for one in refused if one.why == "ending"})
    for effect in change.effects:
        _bring_about(rows, row, effect)
    if change.steps or made or isinstance(change.then, Suspend | End):
        row.takeovers = row.blocks = 0
    _note(row, change, rows.now)
    for key in change.pending:
        waiting = rows.wait(row.id, key)
        if waiting is not None and waiting.deadline is not None and waiting.deadline <= rows.now:
            answer_late(rows, row, waiting)
    answers = tuple(step for key in change.pending if (step := rows.step(row.id, key)) is not None)
    ended = _then(rows, row, change, stays=bool(answers or refused))
    return Committed(
        status="done",
        ended=ended,
        answers=answers,
        refused=tuple(refused),
        cancel=row.cancel_request,
        now=rows.now,
    )


def _stored_before(rows: Rows, receipt: Receipt, change: Change) -> Committed:
    row = rows.run(receipt.job_id)
    same = row is not None and row.fence == receipt.fence and row.number == change.number
    return Committed(status="repeated" if same else "lost", ended=same, now=rows.now)


def _checkpoint(rows: Rows, row: RunRow, step: Step, *, rerun: bool) -> None:
    there = rows.step(row.id, step.key)
    if there is not None:
        if not rerun:
            return
        rows.put_aside(row.id, row.generation, there)
    waiting = rows.wait(row.id, step.key)
    if waiting is not None:
        rows.drop_wait(row.id, waiting)
    rows.put_step(row.id, msgspec.structs.replace(step, finished_at=rows.now))


def _wait(rows: Rows, row: RunRow, change: Change, told: dict[str, bytes], *, not_yet: set[str]) -> None:
    """Register waits and drop others; what was refused is answered at once."""
    for wait in change.waits:
        if wait.key not in not_yet:
            register(rows, row, wait)
    for key in (*change.drop, *told):
        there = rows.wait(row.id, key)
        if there is not None and key in told:
            answer(rows, row, there, "failed", told[key])
        elif there is not None:
            rows.drop_wait(row.id, there)


def _note(row: RunRow, change: Change, now: int) -> None:
    if change.notes is not None:
        row.notes = change.notes
    if change.cleans_up is not None:
        row.cleans_up = change.cleans_up
    if change.cleanup_ms is not None:
        row.cleaning, row.cleanup_at = True, now + change.cleanup_ms


def _begin(rows: Rows, row: RunRow, change: Change, effect: RunEffect) -> Refusal | None:
    """Begin a job or a child, unless it is refused."""
    match effect:
        case Call(step, submission):
            status, holder = rows.publish(submission)
            if status == "held":
                return Refusal(step, status, holder)
            awaited = any(wait.key == step for wait in change.waits) or rows.wait(row.id, step) is not None
            return Refusal(step, status, submission.id) if status == "duplicate" and awaited else None
        case Spawn(step, new):
            return _spawn(rows, row, step, new)
        case _:
            return None


def _as_told(step: Step, told: dict[str, bytes]) -> Step:
    """The checkpoint of what was to be begun says when it was refused."""
    value = told.get(step.key)
    return step if value is None else msgspec.structs.replace(step, outcome="failed", value=value)


def _bring_about(rows: Rows, row: RunRow, effect: RunEffect) -> None:
    """All that cannot be refused."""
    match effect:
        case Call() | Spawn():
            pass
        case Say(event):
            emit(rows, event)
        case Tell(message):
            other = row if message.run == row.id else rows.run(message.run)
            if other is not None and other.state not in ENDED:
                deliver(rows, other, message)
        case Stop(run, request):
            other = rows.run(run)
            if other is not None and other.state not in ENDED and other.id != row.id:
                cancel(rows, other, request, terminate=False)
        case _:
            assert_never(effect)


def _spawn(rows: Rows, row: RunRow, step: str, new: NewRun) -> Refusal | None:
    """A child of this step that is there is of an earlier life of the run: taken as it is, or begun anew if it has ended;
    one that is being cancelled has to end first.
    """
    if new.parent is not None and new.parent.policy == "wait":
        row.cleans_up = True
    there = rows.run(new.id)
    mine = there is not None and there.parent is not None and there.parent == new.parent
    if mine and there is not None and there.cancel and there.state not in ENDED:
        return Refusal(step, "ending", new.id)
    status, child = start(rows, msgspec.structs.replace(new, if_exists="restart") if mine else new)
    return Refusal(step, "exists", child.id) if status == "exists" and not mine else None


def held_until(due_at: int | None, lease_ms: int, now: int) -> int:
    """The end of a lease after a change: moved only when a third of it is gone, for moving it costs an index entry."""
    return due_at if due_at is not None and due_at - now > lease_ms * 2 // 3 else now + lease_ms


def _then(rows: Rows, row: RunRow, change: Change, *, stays: bool) -> bool:
    """Carry out what becomes of the run itself; whether it has left its worker."""
    now, then = rows.now, change.then
    match then:
        case End(state) if state != "cancelled" and row.cancel and not row.cleaning:
            row.due_at = held_until(row.due_at, row.lease_ms, now)  # it was cancelled before
            save(rows, row)
            return False
        case End(state, result, error, reason):
            finish(rows, row, state, result=result, error=error, reason=reason)
            return True
        case Suspend(after_ms) if not stays and (not row.cancel or row.cleaning):
            known = [one.deadline for one in rows.waits(row.id) if one.deadline is not None]
            if after_ms is not None:
                known.append(now + after_ms)
            row.state, row.owner, row.due_at = "suspended", "", min(known, default=None)
            row.suspend_at = None if row.max_suspend_ms is None else now + row.max_suspend_ms
        case Block(reason, after_ms):
            row.state, row.owner, row.due_at, row.reason = "blocked", "", now + after_ms, reason
            row.blocks += 1
        case Quarantine(reason):
            row.state, row.owner, row.due_at, row.reason = "quarantined", "", None, reason
        case GoOn() | Suspend():
            row.due_at = held_until(row.due_at, row.lease_ms, now)
            save(rows, row)
            return False
        case _:
            assert_never(then)
    put_to_sleep(rows, row)
    return True
