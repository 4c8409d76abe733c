"""What people and other programs ask of runs: messages, an end, another try, going back."""

from __future__ import annotations

from typing import Literal

from stem.core.ledger.life import cancel, save, start
from stem.core.ledger.rows import Rows
from stem.core.ledger.waking import deliver
from stem.core.run import CLEANUP, ENDED, STANDING, CancelRequest, Message, NewRun, encode
from stem.core.step import undo_key


def send(rows: Rows, message: Message, new: NewRun | None) -> Literal["new", "duplicate", "ended", "unknown"]:
    """To the run, which is started first when it is not there, or has ended and may be started again.

    A message that this run has had is a duplicate, also when it has ended since: its sender may only have lost the reply.
    """
    row = rows.run(message.run)
    if row is not None and row.state in ENDED and message.id and rows.has_message(message):
        return "duplicate"
    if new is not None and (row is None or row.state in ENDED):
        _, row = start(rows, new)
    if row is None:
        return "unknown"
    return "ended" if row.state in ENDED else deliver(rows, row, message)


def end(
    rows: Rows, run: str, request: CancelRequest, *, terminate: bool
) -> Literal["cancelled", "requested", "ending", "ended", "unknown"]:
    """Cancel a run, whatever its state."""
    row = rows.run(run)
    if row is None:
        return "unknown"
    return "ended" if row.state in ENDED else cancel(rows, row, request, terminate=terminate)


def resume(rows: Rows, run: str) -> bool:
    """Let a run go on that stands still."""
    row = rows.run(run)
    if row is None or row.state not in STANDING:
        return False
    row.state, row.due_at, row.takeovers, row.blocks, row.reason = "queued", rows.now, 0, 0, ""
    save(rows, row)
    rows.ring(row.line)
    return True


def rewind(rows: Rows, run: str, key: str) -> Literal["rewound", "unknown_run", "unknown_step", "undone", "undoing"]:
    """Back to before the checkpoint `key`; not while a run cleans up, nor to behind a step that was undone, which would
    count as done.
    """
    row = rows.run(run)
    if row is None:
        return "unknown_run"
    if row.state not in ENDED and (row.cancel or row.cleaning):
        return "undoing"
    steps = rows.steps(row.id)
    places = {one.key: one.pos for one in steps} | {one.key: one.pos for one in rows.waits(row.id)}
    pos = _place_of(key, [(name, place) for name, place in places.items() if place < CLEANUP])
    if pos is None:
        return "unknown_step"
    known = {one.key for one in steps}
    if any(one.pos < pos and undo_key(one.key) in known for one in steps):
        return "undone"
    gone = [one for one in steps if one.pos >= pos]
    for one in gone:
        rows.put_aside(row.id, row.generation, one)
    for wait in rows.waits(row.id):
        if wait.pos >= pos or row.state in ENDED:
            rows.drop_wait(row.id, wait)
    keys = [one.key for one in gone]
    rows.mark_unread(row.id, keys)
    kept = ({one.key for one in steps} | {one.key for one in rows.waits(row.id)}) - set(keys)
    for child in rows.children(row.id):
        if child.parent_step not in kept and child.state not in ENDED and child.parent_policy != "abandon":
            request = CancelRequest(f"its parent {row.id} was rewound to {key}", f"parent {row.id}")
            rows.put_todo("cancel", child.id, encode(request))
    row.state, row.due_at, row.owner, row.fence = "queued", rows.now, "", rows.next_number()
    row.generation += 1
    row.takeovers = row.blocks = 0
    row.cancel = row.result = row.error = row.notes = b""
    row.reason, row.cleaning = "", False
    row.suspend_at = row.cleanup_at = row.finished_at = row.forget_at = None
    row.cancel_at = None if row.cancel_after_ms is None else rows.now + row.cancel_after_ms
    save(rows, row)
    rows.ring(row.line)
    return "rewound"


def _place_of(key: str, known: list[tuple[str, int]]) -> int | None:
    """Where this key lies; of a name with iterations the first one."""
    exact = [pos for name, pos in known if name == key]
    return min(exact or [pos for name, pos in known if name.startswith(f"{key}#")], default=None)
