"""What comes to the runs of a storm from outside, from processes that are killed in the middle of it.

All of it may be said again: a start by its id, an event because the first one wins, a message by its id.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from stem import Mailbox, Stem, Topic
from stem.errors import EngineUnavailableError, RunEndedError
from tests.e2e.runs_app import (
    DAWN,
    GO,
    NOTES,
    Line,
    Order,
    early_for,
    number_of,
    order,
    run_name,
    write_down,
)
from tests.e2e.storm_app import end_with_parent

#: One number a line: the runs that have been started.
STARTED: Final = Path(os.environ.get("STORM_STARTED", ""))
RUNS: Final = int(os.environ.get("STORM_RUNS", "0"))
#: Unix time from when on they come, and over how many seconds.
BEGAN, SPAN = (float(os.environ.get(name, "0")) for name in ("STORM_BEGAN", "STORM_SPAN"))


async def insist(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until there is an answer."""
    while True:
        try:
            return await ask()
        except EngineUnavailableError:
            await asyncio.sleep(0.05)


async def emit(app: Stem, topic: Topic[str], key: str = "") -> None:
    """An event that no other emit equals, with a line before and after it; now and then the same event once more."""
    for _ in range(2 if key and int(key) % 5 == 0 else 1):
        value = secrets.token_hex(4)
        name = f"{topic.name}[{key}]" if key else topic.name
        write_down(Line(kind="said", run=name, value=value))
        new = await insist(lambda value=value: topic.emit(app, value, key=key))  # type: ignore[misc]
        write_down(Line(kind="kept" if new else "known", run=name, value=value))


async def send(app: Stem, mailbox: Mailbox[str], run: str, nth: int, *, start: bool = False) -> None:
    """The nth message to a run, in the same way; with `start` the run is begun with it."""
    value, mail = secrets.token_hex(4), f"{mailbox.name}#{nth}"
    write_down(Line(kind="said", run=run, key=mail, value=value))
    call = order.build(Order(number=number_of(run))) if start else None
    try:
        new = await insist(lambda: mailbox.send(app, run, value, id=mail, start=call))
    except RunEndedError:
        return  # somebody was told long ago that it waits
    write_down(Line(kind="kept" if new else "known", run=run, key=mail, value=value))


async def start_all(app: Stem) -> None:
    """Start every run, from where whoever did it before has died."""
    with STARTED.open("a+") as started:
        started.seek(0)
        for number in range(len(started.readlines()), RUNS):
            await asyncio.sleep(BEGAN + SPAN * number / RUNS - time.time())
            await start(app, number)
            started.write(f"{number}\n")
            started.flush()


async def start(app: Stem, number: int) -> None:
    run = run_name(number)
    if early_for(number):
        await emit(app, GO, key=str(number))
        await send(app, NOTES, run, 0, start=True)
        await send(app, NOTES, run, 1)
    else:
        await insist(lambda: order.start(app, Order(number=number), id=run))


async def answer(app: Stem) -> None:
    """Give runs what they wait for, until somebody ends this process."""
    while True:
        for one in await insist(lambda: app.workflows.watchers(GO)):
            await emit(app, GO, key=str(number_of(one.run)))
        for one in await insist(lambda: app.workflows.watchers(NOTES)):
            await send(app, NOTES, one.run, int(one.key.partition("#")[2] or 0))
        await asyncio.sleep(0.02)


async def dawn(app: Stem) -> None:
    """One event for hundreds of runs, by somebody who dies when the store has taken it and the first have heard of it."""
    value = secrets.token_hex(4)
    write_down(Line(kind="said", run=DAWN.name, value=value))
    await insist(lambda: app.engine.workflows.emit(DAWN.event(value)))
    os.kill(os.getpid(), signal.SIGKILL)


async def main(role: str) -> None:
    app = Stem.from_env(workflows=[order])
    await insist(app.open)
    await {"start": start_all, "answer": answer, "dawn": dawn}[role](app)
    await app.close()


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(main(sys.argv[1]))
