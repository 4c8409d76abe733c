"""Whether any worker that is alive knows a task: asked when a job has waited, never on the way of an enqueue."""

from __future__ import annotations

from typing import Final

import msgspec

from stem.contracts.engine import Engine
from stem.contracts.presence import Present
from stem.core.states import WAITING

NOBODY: Final = "no worker is alive"


class _Info(msgspec.Struct):
    """What of a worker's heartbeat matters here."""

    tasks: str = ""
    queues: tuple[str, ...] = ()


async def why_it_waits(engine: Engine, *, task: str, queue: str, state: str) -> str:
    """A sentence when a waiting job of this task and queue will wait until another worker starts; "" when it need not."""
    if state not in WAITING or not task:
        return ""
    alive = await engine.presence.alive()
    if not alive:
        return NOBODY
    told = [_info(one) for one in alive]
    serving = [info for info in told if queue in info.queues]
    if not serving:
        return f"no live worker serves the queue {queue!r} ({_named(alive)})"
    for key in {info.tasks for info in serving}:
        document = await engine.schemas.get(key) if key else None
        if document is None or task in msgspec.json.decode(document, type=list[str]):
            return ""  # one of them knows it, or has not said yet
    return (
        f"no live worker knows the task {task!r} ({_named(alive)}); it is buried when it has waited for as long as their "
        "--unknown-for says, 10 minutes unless told otherwise"
    )


def _info(one: Present) -> _Info:
    try:
        return msgspec.json.decode(one.info, type=_Info)
    except msgspec.MsgspecError:
        return _Info()


def _named(alive: list[Present]) -> str:
    names = ", ".join(one.worker for one in alive[:3])
    return f"alive: {names}" + (f" and {len(alive) - 3} more" if len(alive) > 3 else "")
