"""Helpers of the workflow suites: runs, changes and answers in few words."""

from __future__ import annotations

from typing import Any

from stem.contracts.engine import Engine
from stem.core.run import (
    Change,
    ClaimedRun,
    Committed,
    End,
    Event,
    Message,
    NewRun,
    RunRow,
    Step,
    Suspend,
    Wait,
    event_topic,
    line_name,
)

FLOW = "flow"
LINE = line_name(FLOW, 1)


def new_run(run: str = "run", workflow: str = FLOW, **more: Any) -> NewRun:
    """A run ready to be started; `more` are fields of NewRun."""
    fields: dict[str, Any] = {"version": 1, "params": b'{"n":1}'}
    return NewRun(id=run, workflow=workflow, **(fields | more))


async def started(engine: Engine, *batch: NewRun) -> list[str]:
    """Start and answer the statuses."""
    return [one.status for one in await engine.workflows.start(batch)]


async def take_runs(engine: Engine, *lines: str, limit: int = 10, worker: str = "w") -> list[ClaimedRun]:
    """The runs of one claim; of the line of `flow` when none is named."""
    return list((await engine.workflows.claim(lines or (LINE,), limit, worker)).runs)


async def take_run(engine: Engine, *lines: str, worker: str = "w") -> ClaimedRun:
    """The one run that must be there."""
    (run,) = await take_runs(engine, *lines, worker=worker)
    return run


async def begun(engine: Engine, run: str = "run", **more: Any) -> ClaimedRun:
    """A run that was started and claimed."""
    assert await started(engine, new_run(run, **more)) == ["new"]
    return await take_run(engine)


class Hand:
    """A worker's hand on one claimed run: numbers its changes."""

    def __init__(self, engine: Engine, claimed: ClaimedRun) -> None:
        self.engine, self.claimed = engine, claimed
        self.number = 0

    async def commit(self, **fields: Any) -> Committed:
        """The next change."""
        self.number += 1
        return await self.engine.workflows.commit(self.claimed.receipt, Change(number=self.number, **fields))

    async def step(self, key: str, pos: int = 0, value: bytes = b"1") -> Committed:
        """One checkpoint."""
        return await self.commit(steps=(checkpoint(key, pos, value),))

    async def wait(self, *waits: Wait, after_ms: int | None = None) -> Committed:
        """Register and suspend."""
        keys = tuple(one.key for one in waits)
        return await self.commit(waits=waits, pending=keys, then=Suspend(after_ms))

    async def end(self, state: Any = "succeeded", result: bytes = b"true", **more: Any) -> Committed:
        """The end."""
        return await self.commit(then=End(state, result=result if state == "succeeded" else b"", **more))


def checkpoint(key: str, pos: int = 0, value: bytes = b"1", **more: Any) -> Step:
    """A step as a worker stores it."""
    return Step(key=key, pos=pos, value=value, meta=b'{"fn":"f"}', started_at=1, **more)


def sleeping(key: str, ms: int, pos: int = 0) -> Wait:
    """A wait for time alone."""
    return Wait(key=key, pos=pos, after_ms=ms, meta=b'{"kind":"sleep"}')


def waiting(key: str, name: str, *, of: str = "", timeout_ms: int | None = None, pos: int = 0) -> Wait:
    """A wait for an event of this name and key."""
    topic = event_topic(name, of)
    return Wait(key=key, pos=pos, topic=topic, after_ms=timeout_ms, on_time="timeout", meta=b'{"kind":"wait"}')


def event(name: str, payload: bytes = b'"sent"', *, of: str = "", **more: Any) -> Event:
    """An event of this name and key."""
    return Event(topic=event_topic(name, of), payload=payload, **more)


def message(run: str = "run", payload: bytes = b'"hello"', *, box: str = "box", id: str = "") -> Message:  # noqa: A002
    """A message to a run."""
    return Message(run=run, box=box, payload=payload, id=id)


async def swept(engine: Engine) -> None:
    """Do all that is left to do, which comes to an end: a few rounds are enough for what a test leaves."""
    for _ in range(100):
        if not await engine.workflows.sweep():
            return
    raise AssertionError("a sweep finds something to do every time")


async def row_of(engine: Engine, run: str = "run") -> RunRow:
    """The run, which must be there."""
    detail = await engine.workflows.get(run)
    assert detail is not None
    return detail.row


async def state_of_run(engine: Engine, run: str = "run") -> str:
    """Its state, or 'unknown'."""
    detail = await engine.workflows.get(run, whole=False)
    return "unknown" if detail is None else detail.row.state


async def steps_of_run(engine: Engine, run: str = "run") -> dict[str, bytes]:
    """The values of its checkpoints, by key and in order."""
    detail = await engine.workflows.get(run)
    assert detail is not None
    return {step.key: step.value for step in detail.steps}
