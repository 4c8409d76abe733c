"""Where the older lock comes from: a commit, a file, or the engine in which jobs wait."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter
from stem.contracts.workflows import RunFilter
from stem.core.envelope import UndecodableError, decode
from stem.core.run import ENDED, RUN_STATES
from stem.core.schema import TaskSchema, is_task_list
from stem.engines import make_engine, redacted, sqlite_path
from stem.errors import EngineError
from stemgen.errors import StemgenError
from stemgen.lock import EventLock, Lock, TaskLock, WorkflowLock, load, read_lock

#: Jobs that are looked at in an engine, the newest first.
_MOST: Final = 10_000
_PAGE: Final = 500
_UNSEEN: Final = (
    "of runs in flight only the version was looked at: stem wf check replays them against the code of today"
)


class UnavailableError(StemgenError):
    """The engine could not be reached."""


class Older(msgspec.Struct, frozen=True):
    """The older side: its tasks, one several times when jobs of several versions wait; and what could not be seen."""

    tasks: list[tuple[str, TaskLock]]
    workflows: list[WorkflowLock] = []
    events: list[EventLock] = []
    #: Name and version of runs that have not ended, of which nobody has published what they look like.
    runs: list[tuple[str, int]] = []
    #: Task and digest of jobs that wait, where nobody has published what that digest stands for.
    unknown: list[tuple[str, str]] = []
    notes: list[str] = []


def older(against: str, lock: Path, root: Path, namespace: str) -> Older:
    """What `against` names: `git:REF`, the URL of an engine, or a file."""
    if against.startswith("git:"):
        return _from_git(against.removeprefix("git:"), lock, root)
    if "://" in against:
        return _from_engine(against, namespace)
    return _of_lock(load(Path(against)))


def _of_lock(lock: Lock) -> Older:
    return Older(sorted(lock.tasks.items()), list(lock.workflows.values()), list(lock.events.values()))


def _from_git(ref: str, lock: Path, root: Path) -> Older:
    if not ref.strip() or ref.startswith("-"):
        raise StemgenError(f"--against git: needs a commit, a branch or a tag, as git:origin/main, found git:{ref}")
    place = lock.relative_to(root).as_posix()
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "show", f"{ref}:./{place}"],  # noqa: S607
            cwd=root,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise StemgenError("git is not installed, so --against git: cannot be asked") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise StemgenError(f"git has no {place} at {ref!r} ({said}); commit the stubs first, or fetch that branch")
    return _of_lock(read_lock(done.stdout, f"{ref}:{place}"))


def _from_engine(url: str, namespace: str) -> Older:
    file = sqlite_path(url)
    if file and not Path(file).is_file():
        raise UnavailableError(f"there is no file {file}")
    try:
        return asyncio.run(_asked(make_engine(url, namespace)))
    except EngineError as fault:
        raise UnavailableError(f"{redacted(url)}: {fault}") from None


async def _asked(engine: Engine) -> Older:
    """What the jobs in an engine were written with, as workers have published it, and which runs are in flight."""
    await engine.open()
    try:
        known = await _published(engine)
        waiting, whole = await _waiting(engine)
        runs, all_runs = await _in_flight(engine)
    finally:
        await engine.close()
    notes = [] if whole else [f"only the newest {_MOST:,} jobs were looked at"]
    notes += [] if all_runs else [f"only the newest {_MOST:,} runs in flight were looked at"]
    notes += [_UNSEEN] if runs else []
    return Older(
        [(task, known[task, schema]) for task, schema in sorted(waiting & set(known))],
        runs=sorted(runs),
        unknown=sorted(waiting - set(known)),
        notes=notes,
    )


async def _in_flight(engine: Engine) -> tuple[set[tuple[str, int]], bool]:
    """Name and version of the runs that have not ended, and whether these were all."""
    found: set[tuple[str, int]] = set()
    which = RunFilter(states=tuple(state for state in RUN_STATES if state not in ENDED))
    cursor, seen = "", 0
    while seen < _MOST:
        rows, cursor = await engine.workflows.page(which, limit=_PAGE, cursor=cursor)
        found |= {(row.workflow, row.version) for row in rows}
        seen += len(rows)
        if not cursor:
            return found, True
    return found, False


async def _published(engine: Engine) -> dict[tuple[str, str], TaskLock]:
    found = {}
    for key in await engine.schemas.digests():
        document = None if is_task_list(key) else await engine.schemas.get(key)
        if document is not None:
            one = msgspec.json.decode(document, type=TaskSchema)
            found[one.task, one.schema] = TaskLock(
                handler="", schema=one.schema, args=one.args, result=one.result, reads=one.reads, queue=""
            )
    return found


async def _waiting(engine: Engine) -> tuple[set[tuple[str, str]], bool]:
    """Task and digest of the jobs that wait, run or are dead letters, and whether these were all."""
    found: set[tuple[str, str]] = set()
    which, cursor, seen = JobFilter(states=("queued", "delayed", "parked", "running", "failed")), "", 0
    while seen < _MOST:
        page = await engine.jobs.page(which, limit=_PAGE, cursor=cursor, look=_MOST)
        rows, cursor = page.rows, page.cursor
        for row in rows:
            job = await engine.jobs.get(row.id)
            try:
                envelope = decode(job.envelope if job is not None else b"")
            except UndecodableError:
                continue
            found.add((envelope.task, envelope.schema))
        seen += len(rows)
        if not cursor:
            return found, True
    return found, False
