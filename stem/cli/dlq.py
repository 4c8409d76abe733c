"""`stem dlq`: what was given up, and giving it another chance."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from stem.cli.find import app_without_tasks
from stem.cli.output import Column, age, emit, facts, json_text, many, moment, note, one_line, progress, table
from stem.cli.root import Function, Group, Said, Span, UsageError, confirmed, said, say, wait_for
from stem.values import plain

if TYPE_CHECKING:
    from stem.app import Stem
    from stem.client.dead_letters import DeadLetter
    from stem.contracts.dead_letters import Replayed

#: Dead letters asked for, replayed or purged in one step.
STEP: Final = 500
COLUMNS: Final = (
    Column("ID", whole=True),
    Column("TASK"),
    Column("QUEUE", spare=1),
    Column("REASON", whole=True),
    Column("DIED", whole=True),
    Column("ATTEMPTS", right=True, spare=2),
    Column("REPLAYS", right=True, spare=3),
    Column("ERROR"),
)


def filters(function: Function) -> Function:
    """The options that choose among dead letters."""
    for decorate in (
        click.option("--since", type=Span(), help="Only those that died in this span before now, as 2h."),
        click.option("--reason", default="", help="Only this reason, as exhausted or worker_lost."),
        click.option("--task", default="", help="Only this task."),
        click.option("--queue", default="", help="Only this queue."),
    ):
        function = decorate(function)
    return function


def _which(queue: str, task: str, reason: str, since: timedelta | None) -> dict[str, Any]:
    after = None if since is None else datetime.now(UTC) - since
    return {"queue": queue, "task": task, "reason": reason, "since": after}


@click.group(cls=Group, short_help="list dead letters, show one; replay or purge them")
def command() -> None:
    """List dead letters (jobs that were given up), show one; replay or purge them."""


@command.command("ls")
@filters
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most rows.")
@click.option("--cursor", default="", help="Go on where the page before ended.")
@said
def ls(asked: Said, queue: str, task: str, reason: str, since: timedelta | None, limit: int, cursor: str) -> None:
    """List dead letters, newest death first."""
    app = app_without_tasks(asked)
    which = _which(queue, task, reason, since)

    async def work() -> tuple[list[DeadLetter], str]:
        async with app:
            return await app.dead_letters.list(**which, limit=limit, cursor=cursor)

    letters, more = wait_for(work())
    if asked.json:
        emit({"dead_letters": [_shown(one) for one in letters], "cursor": more})
        return
    table(COLUMNS, [_row(one) for one in letters], empty="no dead letters")
    if more:
        note(f"there are more: --cursor {more}")


@command.command("show")
@click.argument("job_id", metavar="ID")
@said
def show(asked: Said, job_id: str) -> None:
    """Show one dead letter with its arguments and its last error."""
    app = app_without_tasks(asked)

    async def work() -> DeadLetter:
        async with app:
            return await app.dead_letters.get(job_id)

    letter = wait_for(work())
    told = _shown(letter)
    if asked.json:
        emit(told)
        return
    error = letter.error
    facts(
        [
            *((name, getattr(letter, name)) for name in ("id", "task", "queue", "reason")),
            *((name, moment(getattr(letter, name))) for name in ("enqueued_at", "died_at")),
            *((name, getattr(letter, name)) for name in ("attempts", "losses", "replays", "unique_key")),
            ("envelope", json_text(told["envelope"]) if letter.envelope else ""),
            ("error", "" if error is None else error.traceback.rstrip() or f"{error.type}: {error.message}"),
        ]
    )


@command.command("replay")
@click.argument("job_ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All; a filter alone means all that match it.")
@filters
@click.option("--delay", type=Span(), default="0s", help="Not before this span has passed.")
@click.option("--dry-run", is_flag=True, help="Only say what would be replayed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@said
def replay(
    asked: Said,
    job_ids: tuple[str, ...],
    everything: bool,
    queue: str,
    task: str,
    reason: str,
    since: timedelta | None,
    delay: timedelta,
    dry_run: bool,
    yes: bool,
) -> int:
    """Put dead letters back in their lines, with attempts starting anew. Exit 1 if one could not be."""
    app = app_without_tasks(asked)
    which = _which(queue, task, reason, since)
    everything = _everything(job_ids, which, everything=everything)
    ids = _matching(app, which) if everything else [*dict.fromkeys(job_ids)]
    if dry_run:
        _tell_dry(asked, ids)
        return 0
    if everything and ids:
        confirmed(f"replay {many(len(ids), 'dead letter')}?", yes=yes)

    async def step(some: list[str]) -> list[Replayed]:
        return await app.dead_letters.replay(some, delay=delay)

    answers = [one for part in _in_steps(app, "replaying", ids, step) for one in part]
    refused = [one for one in answers if one.status == "held" or (one.status == "gone" and not everything)]
    if asked.json:
        emit({"dead_letters": answers})
    else:
        print(f"{sum(one.status == 'replayed' for one in answers):,} of {many(len(answers), 'dead letter')} replayed")
    if refused:
        say("\n".join(_refusal(one) for one in refused))
    return 1 if refused else 0


@command.command("purge")
@click.argument("job_ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All; a filter alone means all that match it.")
@filters
@click.option("--yes", is_flag=True, help="Do not ask.")
@said
def purge(
    asked: Said,
    job_ids: tuple[str, ...],
    everything: bool,
    queue: str,
    task: str,
    reason: str,
    since: timedelta | None,
    yes: bool,
) -> int:
    """Forget dead letters for good. Exit 1 if one that was named is not there."""
    app = app_without_tasks(asked)
    which = _which(queue, task, reason, since)
    everything = _everything(job_ids, which, everything=everything)
    ids = _matching(app, which) if everything else [*dict.fromkeys(job_ids)]
    if ids:
        confirmed(f"forget {many(len(ids), 'dead letter')} for good?", yes=yes)
    gone = sum(_in_steps(app, "purging", ids, app.dead_letters.purge))
    if asked.json:
        emit({"purged": gone})
    else:
        print(f"{many(gone, 'dead letter')} forgotten")
    missing = 0 if everything else len(ids) - gone
    if missing:
        say(f"{missing} of the dead letters named are not there")
    return 1 if missing else 0


# ---------------------------------------------------------------- many


def _everything(job_ids: tuple[str, ...], which: dict[str, Any], *, everything: bool) -> bool:
    """Whether all that match are meant, and not those that are named; UsageError when neither or both are said."""
    wide = everything or any(which.values())
    if job_ids and wide:
        raise UsageError("name ids, or use --all or filters, not both")
    if not job_ids and not wide:
        raise UsageError("which ones? name ids, or say --queue, --task, --reason, --since, or --all for every one")
    return wide


def _matching(app: Stem, which: dict[str, Any]) -> list[str]:
    """The ids of all that match."""

    async def work() -> list[str]:
        ids: list[str] = []
        async with app:
            cursor = ""
            while True:
                page, cursor = await app.dead_letters.list(**which, limit=STEP, cursor=cursor)
                ids += [one.id for one in page]
                if not cursor:
                    return ids

    return wait_for(work())


def _in_steps(app: Stem, what: str, ids: list[str], act: Callable[[list[str]], Any]) -> list[Any]:
    """What `act` answers for each slice of the ids, with a bar."""

    async def work() -> list[Any]:
        answers = []
        async with app:
            with progress(f"{what} {many(len(ids), 'dead letter')}", len(ids)) as bar:
                for start in range(0, len(ids), STEP):
                    answers.append(await act(ids[start : start + STEP]))
                    bar.to(start + STEP)
        return answers

    return wait_for(work()) if ids else []


def _tell_dry(asked: Said, ids: list[str]) -> None:
    if asked.json:
        emit({"dry_run": True, "dead_letters": [{"id": job_id, "status": "would be replayed"} for job_id in ids]})
        return
    print(f"{many(len(ids), 'dead letter')} would be replayed")
    for job_id in ids[:20]:
        print(f"  {plain(job_id)}")
    if len(ids) > 20:
        print(f"  ... and {len(ids) - 20:,} more")


def _refusal(answer: Replayed) -> str:
    if answer.status == "held":
        return f"job {answer.id} was not replayed: job {answer.holder} holds its unique key"
    return f"there is no dead letter {answer.id!r}"


# ---------------------------------------------------------------- one


def _row(one: DeadLetter) -> list[object]:
    error = "" if one.error is None else one_line(f"{one.error.type}: {one.error.message}", 80)
    return [one.id, one.task, one.queue, one.reason, age(one.died_at), one.attempts, one.replays, error]


def _shown(letter: DeadLetter) -> dict[str, Any]:
    """As a mapping; the envelope as the JSON it is, or as text when its bytes are no JSON."""
    import msgspec

    told: dict[str, Any] = msgspec.structs.asdict(letter)
    if not letter.envelope:
        del told["envelope"]
        return told
    try:
        told["envelope"] = json.loads(letter.envelope)
    except ValueError:
        told["envelope"] = letter.envelope.decode("utf-8", "backslashreplace")
    return told
