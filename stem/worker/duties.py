"""What a worker does beside its jobs: showing that it lives, forgetting what is over, hearing commands."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from stem.contracts.engine import Engine
from stem.core.commands import COMMAND_TTL_MS, inbox_of
from stem.core.schema import digest, task_list, task_schema
from stem.core.task import AnyDeclared
from stem.errors import EngineError

log = logging.getLogger("stem.worker")

#: Heartbeats: every 10 s, forgotten after 30. As the reference system.
BEAT: Final = 10.0
BEAT_TTL_MS: Final = 30_000
#: How often what is out of date is swept, seconds.
SWEEP: Final = 60.0


async def show_life(engine: Engine, worker: str, info: Callable[[], Mapping[str, Any]]) -> None:
    """Beat, with what there is to say of the worker, until cancelled."""
    while True:
        try:
            await engine.presence.beat(worker, msgspec.json.encode(info()), ttl_ms=BEAT_TTL_MS)
        except EngineError as fault:
            log.debug("no heartbeat: %s", fault)
        await asyncio.sleep(BEAT * (1 + 0.1 * random.random()))


async def sweep(engine: Engine, define_limits: Callable[[], Awaitable[None]]) -> None:
    """Forget what is out of date, at once and now and then: in small steps, until nothing is.

    Limits are written down again each time: a server may have lost everything, and must not go on without them.
    """
    while True:
        try:
            await define_limits()
            while await engine.results.sweep():
                pass
        except EngineError as fault:
            log.debug("no sweep: %s", fault)
        await asyncio.sleep(SWEEP * (0.8 + 0.4 * random.random()))


async def tell_schemas(engine: Engine, tasks: Sequence[AnyDeclared]) -> None:
    """Publish what the tasks look like, so that a later deploy can be held against the jobs that wait: once.

    And which there are: the heartbeat names that list by its key.
    """
    documents = await asyncio.to_thread(lambda: [one for task in tasks for one in _document(task)])
    documents.append(task_list(task.name for task in tasks))
    while documents:
        try:
            await engine.schemas.publish(*documents[-1])
            documents.pop()
        except EngineError as fault:
            log.debug("no schemas: %s", fault)
            await asyncio.sleep(SWEEP)


def _document(task: AnyDeclared) -> list[tuple[str, bytes]]:
    try:
        made = task_schema(task.name, task.args_model, task.returns)
    except ValueError:
        return []  # the task runs without
    plain = msgspec.to_builtins(made)
    return [(digest(plain), msgspec.json.encode(plain))]


async def hear(engine: Engine, worker: str, renew: Callable[[], None]) -> None:
    """Commands: whatever comes, the leases are renewed, which tells what somebody wants of our jobs."""
    while True:
        try:
            if await engine.inbox.receive(inbox_of(worker), timeout_ms=COMMAND_TTL_MS):
                renew()
        except EngineError as fault:
            log.debug("no commands: %s", fault)
            await asyncio.sleep(BEAT)
