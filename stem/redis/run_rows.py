"""Workflow runs as Python sees them; their layout is written in `lua/lib/runs.lua`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stem.contracts.workflows import KeptEvent, OldStep
from stem.core.run import (
    Block,
    Call,
    Change,
    ClaimedRun,
    Committed,
    End,
    GoOn,
    NewRun,
    Quarantine,
    Refusal,
    RunRow,
    Say,
    Spawn,
    Step,
    Stop,
    Suspend,
    Tell,
    Wait,
    box_topic,
    cancel_of,
)
from stem.redis.line import Word
from stem.redis.rows import Outgoing, packed

encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder().decode


def run_row(run: str, value: bytes, *, params: bytes = b"", outcome: bytes = b"", notes: bool = True) -> RunRow:
    """A stored run."""
    fields: dict[str, Any] = decode(value)
    result, error = decode(outcome) if outcome else ("", "")
    for name in _TIMES:
        fields[name] = None if fields[name] < 0 else fields[name]
    for name in ("cleans_up", "cleaning"):
        fields[name] = bool(fields[name])
    for name in ("cancel", "notes"):
        fields[name] = fields[name].encode()
    if not notes:
        fields["notes"] = b""
    return RunRow(id=run, params=params, result=result.encode(), error=error.encode(), **fields)


#: Fields that are -1 where there is no time.
_TIMES: Final = (
    *("due_at", "policy_at", "cancel_at", "suspend_at", "cleanup_at", "cancel_after_ms", "max_suspend_ms"),
    *("started_at", "finished_at", "forget_at"),
)


def _time(at: float) -> int | None:
    return None if at < 0 else int(at)


def claimed_run(run: str, value: bytes, params: bytes, steps: Any, waits: Any, last: bytes, now: int) -> ClaimedRun:
    """A run just handed out."""
    row = run_row(run, value)
    return ClaimedRun(
        id=run,
        workflow=row.workflow,
        version=row.version,
        params=params,
        fence=row.fence,
        lease_ms=row.lease_ms,
        now=int(now),
        created_at=row.created_at,
        generation=row.generation,
        takeovers=row.takeovers,
        blocks=row.blocks,
        last_worker=last.decode(),
        notes=row.notes,
        cleaning=row.cleaning,
        cancel=row.cancel_request,
        parent=row.parent,
        steps=steps_of(steps),
        waits=waits_of(waits),
    )


def steps_of(flat: Sequence[bytes]) -> tuple[Step, ...]:
    """Checkpoints of a hash, by place and time."""
    found = [_step(flat[i].decode(), decode(flat[i + 1])) for i in range(0, len(flat), 2)]
    return tuple(sorted(found, key=lambda one: (one.pos, one.finished_at)))


def _step(key: str, f: Sequence[Any]) -> Step:
    return Step(
        key=key,
        pos=int(f[0]),
        outcome=f[1],
        value=f[2].encode(),
        meta=f[3].encode(),
        started_at=int(f[4]),
        finished_at=int(f[5]),
        attempts=int(f[6]),
    )


def _step_words(step: Step) -> list[object]:
    value, meta = step.value.decode(), step.meta.decode()
    return [step.pos, step.outcome, value, meta, step.started_at, step.finished_at, step.attempts]


def waits_of(flat: Sequence[bytes]) -> tuple[Wait, ...]:
    """Waits of a hash, by place."""
    found = [wait_of(flat[i].decode(), flat[i + 1]) for i in range(0, len(flat), 2)]
    return tuple(sorted(found, key=lambda one: (one.pos, one.key)))


def wait_of(key: str, value: bytes) -> Wait:
    """A stored wait."""
    pos, topic, deadline, meta, on_time, late, since, source = decode(value)
    return Wait(
        key=key,
        pos=int(pos),
        topic=topic,
        source=source,
        deadline=_time(deadline),
        on_time=on_time,
        late=late.encode(),
        meta=meta.encode(),
        since=int(since),
    )


def aside_of(value: bytes) -> OldStep:
    """A checkpoint that was put aside."""
    generation, key, step = decode(value)
    return OldStep(int(generation), _step(key, step))


def mail_of(run: str, value: bytes) -> KeptEvent:
    """A stored message."""
    box, message, payload, read_by, sent_at = decode(value)
    return KeptEvent(
        topic=box_topic(box),
        payload=payload.encode(),
        id=message,
        run=run,
        read_by=read_by,
        emitted_at=int(sent_at),
    )


def event_of(topic: str, value: bytes) -> tuple[int, KeptEvent]:
    """A stored event and its number."""
    event, payload, number, emitted_at, until = decode(value)
    kept = KeptEvent(topic=topic, payload=payload.encode(), id=event, emitted_at=int(emitted_at), until=int(until))
    return int(number), kept


# ---------------------------------------------------------------- what is sent


def new_run_words(new: NewRun) -> list[object]:
    """A run to be started: fifteen values, as `lua/lib/run_life.lua` says."""
    parent = new.parent
    return [
        new.id,
        new.workflow,
        new.version,
        new.params.decode(),
        new.delay_ms,
        _known(new.at),
        new.lease_ms,
        _known(new.cancel_after_ms),
        _known(new.max_suspend_ms),
        new.keep_ms,
        int(new.cleans_up),
        parent.run if parent else "",
        parent.step if parent else "",
        parent.policy if parent else "cancel",
        new.if_exists,
    ]


def _known(at: int | None) -> int:
    return -1 if at is None else at


def change_words(change: Change, away: Sequence[Outgoing | None]) -> tuple[Word, ...]:
    """A change, and the jobs that it publishes or puts out, each in a word of its own; `away` has one for each effect."""
    words: list[Word] = []
    effects: list[list[object]] = []
    for effect, outgoing in zip(change.effects, away, strict=True):
        match effect:
            case Call(step, submission):
                words.append(packed(outgoing or submission))
                effects.append(["call", step, 4 + len(words)])
            case Spawn(step, run):
                effects.append(["spawn", step, new_run_words(run)])
            case Say(event):
                effects.append(["say", event.topic, event.id, event.payload.decode(), event.ttl_ms])
            case Tell(message):
                effects.append(["tell", message.run, message.box, message.id, message.payload.decode()])
            case Stop(run, request):
                effects.append(["stop", run, request.reason, request.by])
    packed_change = [
        change.number,
        [[step.key, _step_words(step)] for step in change.steps],
        [_wait_words(wait) for wait in change.waits],
        effects,
        list(change.drop),
        list(change.pending),
        False if change.notes is None else change.notes.decode(),
        change.rerun,
        -1 if change.cleans_up is None else int(change.cleans_up),
        _known(change.cleanup_ms),
        _then_words(change),
    ]
    return (encode(packed_change), *words)


def _wait_words(wait: Wait) -> list[object]:
    times = _known(wait.after_ms), _known(wait.deadline)
    return [wait.key, wait.pos, wait.topic, *times, wait.meta.decode(), wait.on_time, wait.late.decode(), wait.source]


def _then_words(change: Change) -> list[object]:
    match change.then:
        case GoOn():
            return ["go_on"]
        case Suspend(after_ms):
            return ["suspend", _known(after_ms)]
        case End(state, result, error, reason):
            return ["end", state, result.decode(), error.decode(), reason]
        case Block(reason, after_ms):
            return ["block", reason, after_ms]
        case Quarantine(reason):
            return ["quarantine", reason]


def committed(reply: bytes) -> Committed:
    """What became of a change."""
    status, ended, answers, refused, cancel, now = decode(reply)
    return Committed(
        status=status,
        ended=ended,
        answers=tuple(_step(key, step) for key, step in answers) if answers else (),
        refused=tuple(Refusal(step, why, holder) for step, why, holder in refused) if refused else (),
        cancel=cancel_of(cancel.encode()) if cancel else None,
        now=int(now),
    )
