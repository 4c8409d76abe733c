"""Why a run does not move, and which runs nobody can move."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final, Literal, TypeAlias

import msgspec

from stem.contracts.engine import Engine
from stem.contracts.workflows import RunDetail, RunFilter
from stem.core.duration import words
from stem.core.notes import decode_notes
from stem.core.outcome import ErrorRecord
from stem.core.replay import to_undo
from stem.core.run import ENDED, RunRow, Wait
from stem.core.step import decode_meta
from stem.durable.views import topic_words

#: A lease may be over for so long before anybody wonders, ms: a claim takes it back at once when a worker is free.
_PATIENCE: Final = 5_000
_PAGE: Final = 500
_error: Final = msgspec.json.Decoder(ErrorRecord)

Trouble: TypeAlias = Literal["quarantined", "blocked", "no worker", "stranded", "not claimed", "orphan"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A run that needs somebody: what is wrong with it, in words, and what to do."""

    run: str
    workflow: str
    version: int
    trouble: Trouble
    text: str
    cure: str


async def explain(engine: Engine, detail: RunDetail) -> list[str]:
    """Why this run is where it is, one sentence each, the most important first."""
    row, now = detail.row, detail.now
    said: list[str] = []
    if row.state in ENDED:
        return _ended(detail)
    notes = decode_notes(row.notes)
    if row.cancel_request is not None:
        request = row.cancel_request
        who = f" by {request.by}" if request.by else ""
        phase = "its clean-up runs" if row.cleaning else "its clean-up waits for a worker"
        said.append(f"it was cancelled{who} {_ago(request.at, now)} ({request.reason}); {phase}")
    elif notes.phase == "failing" and notes.error is not None:
        failed = notes.error
        said.append(f"it has failed ({failed.type}: {failed.message}), and is being undone")
    said += await _state(engine, detail)
    for key, tries in notes.tries.items():
        last = f"{tries.error.type}: {tries.error.message}"
        said.append(f"step {key} has failed {_times(tries.count)} ({last}); again {_when(tries.again_at, now)}")
    for wait in detail.waits:
        said.append(_wait(wait, now))
    if row.policy_at is not None:
        said.append(f"it is cancelled {_when(row.policy_at, now)} if it goes on like this")
    return said


def _ended(detail: RunDetail) -> list[str]:
    """How it ended, and what of its clean-up failed."""
    row = detail.row
    said = [
        f"it has {'been cancelled' if row.state == 'cancelled' else row.state}, {_ago(row.finished_at, detail.now)}"
    ]
    if row.reason and row.state == "cancelled":
        said.append(row.reason)
    if row.waited_for:
        said.append(f"it waited for {row.waited_for}")
    if row.error:
        said.append(f"{'on_cancel failed: ' if row.state == 'cancelled' else ''}{_words_of(row.error)}")
    if row.state == "succeeded":
        return said
    kept = [one for one in detail.steps if one.outcome == "failed" and decode_meta(one.meta).kind == "undo"]
    said += [f"{one.key.removeprefix('undo:')} was not undone: {_words_of(one.value)}" for one in kept]
    return said + [
        f"{key} has no record of being undone: its compensation was at work when the run ended, or was never called"
        for key in to_undo(detail.steps)
    ]


def _words_of(error: bytes) -> str:
    record = _error.decode(error)
    return f"{record.type}: {record.message}"


async def _state(engine: Engine, detail: RunDetail) -> list[str]:
    row, now = detail.row, detail.now
    match row.state:
        case "running":
            left = (row.due_at or now) - now
            lease = f"its lease ends in {_words(left)}" if left > 0 else f"its lease is over since {_words(-left)}"
            taken = f", taken over {_times(row.takeovers)}" if row.takeovers else ""
            doing = decode_notes(row.notes).doing
            return [
                f"worker {row.owner.removesuffix('/runs')} runs it; {lease}{taken}"
                + (f"; at step {doing}" if doing else "")
            ]
        case "quarantined":
            return [
                f"it is quarantined {_ago(row.changed_at, now)}: {row.reason}; `stem wf resume {row.id}` lets it go on"
            ]
        case "blocked":
            return [f"it is blocked: {row.reason}; looked at again {_when(row.due_at, now)}"]
        case "queued":
            if row.due_at is not None and row.due_at > now:
                return [f"it begins {_when(row.due_at, now)}"]
            return [await _queued(engine, row, now)]
        case _:
            timer = [f"its next timer is {_when(row.due_at, now)}"] if row.due_at is not None else []
            return [*timer, *([] if detail.waits or timer else ["it waits for nothing: see `stem wf doctor`"])]


async def _queued(engine: Engine, row: RunRow, now: int) -> str:
    line = f"{row.workflow}@{row.version}"
    known = await alive_lines(engine)
    since = _ago(row.due_at, now)
    if line in known:
        return f"it could go on since {since}; {known[line]} worker(s) know {line}, and have no slot free or are about to take it"
    others = sorted(other for other in known if other.partition("@")[0] == row.workflow)
    tail = f"; workers know {', '.join(others)}" if others else ""
    return f"it could go on since {since}, but no worker that is alive knows {line}{tail}"


async def alive_lines(engine: Engine) -> dict[str, int]:
    """How many living workers know each workflow and version."""
    found: dict[str, int] = {}
    for one in await engine.presence.alive():
        for line in json.loads(one.info or b"{}").get("workflows", ()):
            found[line] = found.get(line, 0) + 1
    return found


def _wait(wait: Wait, now: int) -> str:
    kind = decode_meta(wait.meta).kind
    since = _ago(wait.since, now).removesuffix(" ago")
    left = 0 if wait.deadline is None else wait.deadline - now
    until = f", and for another {_words(left)} at most" if wait.deadline is not None else ""
    match kind:
        case "sleep":
            return f"{wait.key} sleeps for {since} now{until}"
        case "call":
            return f"{wait.key} waits for a job, for {since} now"
        case "child":
            return f"{wait.key} waits for a child, for {since} now"
        case _:
            return f"{wait.key} waits for {topic_words(wait.topic)}, for {since} now{until}"


async def doctor(engine: Engine) -> AsyncIterator[Finding]:
    """Runs that will not go on by themselves, or not as they should."""
    lines = await alive_lines(engine)
    now = await engine.now_ms()
    async for row in _unfinished(engine):
        found = _look(row, lines, now) or await _orphan(engine, row)
        if found is not None:
            yield found
        await asyncio.sleep(0)


async def _unfinished(engine: Engine) -> AsyncIterator[RunRow]:
    for state in ("quarantined", "blocked", "queued", "running", "suspended"):
        cursor = ""
        while True:
            which = RunFilter(states=(state,))
            rows, cursor = await engine.workflows.page(which, limit=_PAGE, cursor=cursor)
            for row in rows:
                yield row
            if not cursor:
                break


def _look(row: RunRow, lines: dict[str, int], now: int) -> Finding | None:
    line = f"{row.workflow}@{row.version}"
    if row.state == "quarantined":
        return _finding(row, "quarantined", row.reason, f"mend it, then `stem wf resume {row.id}`")
    if row.state == "blocked":
        is_ending = row.cancel or row.cleaning
        ways = f"or end it: `stem wf cancel {row.id} --terminate`"
        if not is_ending:
            ways = f"`stem wf rewind` it, or end it: `stem wf cancel {row.id}`"
        return _finding(row, "blocked", row.reason, f"deploy code that fits, {ways}")
    late = row.due_at is not None and row.due_at < now - _PATIENCE
    if late and line not in lines:
        text = f"it could go on since {_ago(row.due_at, now)}, and no living worker knows {line}"
        return _finding(row, "no worker", text, f"start a worker that has version {row.version} of {row.workflow}")
    if late:
        text = f"it is due since {_ago(row.due_at, now)}, and nobody has taken it"
        return _finding(row, "not claimed", text, "give the workers more slots, or start more of them")
    return None


async def _orphan(engine: Engine, row: RunRow) -> Finding | None:
    """A run that waits for a job or child that is gone, or for nothing at all."""
    if row.state != "suspended" or row.due_at is not None:
        return None
    detail = await engine.workflows.get(row.id)
    if detail is None or detail.row.state != "suspended":
        return None
    if not detail.waits:
        return _finding(row, "stranded", "it waits for nothing", f"`stem wf rewind {row.id} --step ...`")
    kinds = {decode_meta(wait.meta).kind for wait in detail.waits}
    if kinds == {"child"} and all(child.state in ENDED for child in detail.children):
        return _finding(row, "orphan", "it waits for children that have ended", f"`stem wf rewind {row.id} --step ...`")
    return None


def _finding(row: RunRow, trouble: Trouble, text: str, cure: str) -> Finding:
    return Finding(run=row.id, workflow=row.workflow, version=row.version, trouble=trouble, text=text, cure=cure)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _words(ms: int) -> str:
    """A span in whole seconds, as far as it has any."""
    return words(ms if ms < 1_000 else ms // 1_000 * 1_000)


def _ago(at: int | None, now: int) -> str:
    return f"{_words(max(0, now - at))} ago" if at is not None else "an unknown time ago"


def _when(at: int | None, now: int) -> str:
    if at is None:
        return "at no known time"
    return f"in {_words(at - now)}" if at > now else f"now (since {_words(now - at)})"
