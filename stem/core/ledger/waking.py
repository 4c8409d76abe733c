"""Answers to what runs wait for: events, messages, ends of jobs and children, and time."""

from __future__ import annotations

from typing import Literal

import msgspec

from stem.core.amounts import WAKE_LIMIT
from stem.core.ledger.rows import Rows
from stem.core.run import Event, Message, RunRow, Step, StepOutcome, Wait, box_topic


def answer(rows: Rows, row: RunRow, wait: Wait, outcome: StepOutcome, value: bytes) -> Step:
    """The answer becomes the checkpoint of what waited for it."""
    step = Step(
        key=wait.key,
        pos=wait.pos,
        outcome=outcome,
        value=value,
        meta=wait.meta,
        started_at=wait.since,
        finished_at=rows.now,
    )
    rows.drop_wait(row.id, wait)
    rows.put_step(row.id, step)
    return step


def answer_late(rows: Rows, row: RunRow, wait: Wait) -> Step:
    """Its time has come."""
    return answer(rows, row, wait, wait.on_time, wait.late)


def wake(rows: Rows, row: RunRow) -> None:
    """A run that sleeps may go on; one that runs finds the answer when it asks."""
    row.changes += 1
    if row.state == "suspended":
        row.state, row.due_at, row.suspend_at = "queued", rows.now, None
        row.policy_at = row.policy_time
        rows.ring(row.line)
    rows.save(row)
    rows.changed(row)


def complete(rows: Rows, run: str, key: str, source: str, outcome: StepOutcome, value: bytes) -> bool:
    """The job or run `source` has ended: answer the wait of this key, if it is for that one."""
    wait, row = rows.wait(run, key), rows.run(run)
    if wait is None or row is None or wait.source != source:
        return False
    answer(rows, row, wait, outcome, value)
    wake(rows, row)
    return True


def register(rows: Rows, row: RunRow, wait: Wait) -> None:
    """Wait, unless the answer is there: then it is the checkpoint at once. The same wait again changes nothing."""
    if rows.step(row.id, wait.key) is not None or rows.wait(row.id, wait.key) is not None:
        return
    deadline = wait.deadline if wait.after_ms is None else rows.now + wait.after_ms
    stored = msgspec.structs.replace(wait, after_ms=None, deadline=deadline, since=rows.now)
    rows.put_wait(row.id, stored)
    kind, _, name = wait.topic.partition(":")
    if kind == "t":
        payload = rows.live_event(wait.topic)
        if payload is not None:
            answer(rows, row, stored, "done", payload)
            return
    elif kind == "m":
        mail = rows.next_message(row.id, name)
        if mail is not None:
            rows.mark_read(row.id, mail, wait.key)
            answer(rows, row, stored, "done", mail.payload)
            return
    if deadline is not None and deadline <= rows.now:
        answer_late(rows, row, stored)


# ---------------------------------------------------------------- events and messages


def emit(rows: Rows, event: Event) -> tuple[bool, int, bool]:
    """Keep it and wake the first who wait: whether it is new, how many were woken, whether there are more."""
    if rows.live_event(event.topic) is not None:
        return False, 0, False
    rows.put_event(event)
    woken, more = wake_more(rows, event.topic, WAKE_LIMIT)
    if more:
        rows.put_todo("wake", event.topic)
    return True, woken, more


def wake_more(rows: Rows, topic: str, limit: int) -> tuple[int, bool]:
    """Hand the event that is kept to up to `limit` who wait; how many, and whether there are more."""
    payload = rows.event(topic)
    if payload is None:
        return 0, False
    found = rows.waiters(topic, limit + 1)
    for run, wait in found[:limit]:
        row = rows.run(run)
        if row is not None:
            answer(rows, row, wait, "done", payload)
            wake(rows, row)
    return min(len(found), limit), len(found) > limit


def deliver(rows: Rows, row: RunRow, message: Message) -> Literal["new", "duplicate"]:
    """To whichever step waits for it, the longest first, or into the box."""
    if message.id and rows.has_message(message):
        return "duplicate"
    waiting = [one for one in rows.waits(row.id) if one.topic == box_topic(message.box)]
    if not waiting:
        rows.put_message(message, "")
        row.changes += 1
        rows.save(row)
        rows.changed(row)
        return "new"
    first = min(waiting, key=lambda one: (one.since, one.pos, one.key))
    rows.put_message(message, first.key)
    answer(rows, row, first, "done", message.payload)
    wake(rows, row)
    return "new"
