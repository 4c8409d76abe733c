"""`stem queues`: numbers, pause, purge."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

import click

from stem.cli.find import app_without_tasks
from stem.cli.output import Column, emit, many, note, progress, table
from stem.cli.root import Group, Said, confirmed, said, wait_for
from stem.errors import nearest
from stem.values import plain

if TYPE_CHECKING:
    from stem.app import Stem
    from stem.contracts.queues import QueueStats

NUMBERS: Final = (
    "queued",
    "delayed",
    "parked",
    "running",
    "dead",
    "succeeded",
    "failed",
    "cancelled",
    "retried",
    "lost",
)
COLUMNS: Final = (
    Column("QUEUE", whole=True),
    Column("STATE", whole=True),
    *(Column(name.upper(), right=True, spare=n) for n, name in enumerate(NUMBERS)),
)
#: How often the bar of a purge is moved, seconds.
LOOK: Final = 0.2

queue_names = click.argument("names", nargs=-1, required=True, metavar="QUEUE...")


@click.group(cls=Group, short_help="list queues; pause, resume or purge them")
def command() -> None:
    """List queues; pause, resume or purge them."""


@command.command("ls")
@said
def ls(asked: Said) -> None:
    """List every queue ever used, in numbers."""
    app = app_without_tasks(asked)

    async def work() -> list[QueueStats]:
        async with app:
            return await app.queues.list()

    found = wait_for(work())
    if asked.json:
        emit({"queues": found})
        return
    rows = [[one.name, "paused" if one.paused else "open", *(getattr(one, name) for name in NUMBERS)] for one in found]
    table(COLUMNS, rows, empty="no queues yet: one appears with its first job")


@command.command("pause")
@queue_names
@said
def pause(asked: Said, names: tuple[str, ...]) -> None:
    """Hand out nothing more from these queues; running jobs go on."""
    _steer(asked, names, "paused", lambda app, name: app.queues.pause(name))


@command.command("resume")
@queue_names
@said
def resume(asked: Said, names: tuple[str, ...]) -> None:
    """Hand out again from these queues."""
    _steer(asked, names, "resumed", lambda app, name: app.queues.resume(name))


@command.command("purge")
@queue_names
@click.option("--yes", is_flag=True, help="Do not ask.")
@said
def purge(asked: Said, names: tuple[str, ...], yes: bool) -> None:
    """Forget every job that waits in these queues; running jobs and dead letters stay."""
    app = app_without_tasks(asked)

    async def look() -> dict[str, int]:
        async with app:
            await _remark_on_strangers(app, names)
            return {name: (await app.queues.stats(name)).waiting for name in dict.fromkeys(names)}

    async def work(waiting: dict[str, int]) -> dict[str, int]:
        async with app:
            return {name: await _purged(app, name, count) for name, count in waiting.items()}

    waiting = wait_for(look())
    if any(waiting.values()):
        listed = ", ".join(f"{count:,} in {name}" for name, count in waiting.items())
        confirmed(plain(f"forget the waiting jobs ({listed})?"), yes=yes)
    gone = wait_for(work(waiting))
    if asked.json:
        emit({"queues": [{"name": name, "purged": count} for name, count in gone.items()]})
        return
    for name, count in gone.items():
        print(plain(f"queue {name}: {many(count, 'waiting job')} forgotten"))


async def _purged(app: Stem, name: str, waiting: int) -> int:
    purging = asyncio.ensure_future(app.queues.purge(name))
    with progress(f"purging {name}", waiting) as bar:
        while not (await asyncio.wait({purging}, timeout=LOOK))[0]:
            bar.to(waiting - (await app.queues.stats(name)).waiting)
    return purging.result()


def _steer(asked: Said, names: tuple[str, ...], done: str, act: Any) -> None:
    app = app_without_tasks(asked)

    async def work() -> None:
        async with app:
            await _remark_on_strangers(app, names)
            for name in names:
                step: Coroutine[Any, Any, None] = act(app, name)
                await step

    wait_for(work())
    if asked.json:
        emit({"queues": [{"name": name, "status": done} for name in names]})
        return
    for name in names:
        print(plain(f"queue {name} is {done}"))


async def _remark_on_strangers(app: Stem, names: tuple[str, ...]) -> None:
    """A name that was never used is allowed, but most often a slip."""
    known = [one.name for one in await app.queues.list()]
    for name in names:
        if name not in known:
            close = nearest(name, known)
            note(f"queue {name!r} was never used" + (f"; did you mean {close!r}?" if close else ""))
