"""`stem wf`: workflow runs, from their start to what is wrong with them."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from stem.cli.enqueue import document_of, parse
from stem.cli.find import app_with_tasks, app_without_tasks, missing_file
from stem.cli.output import Column, age, emit, facts, json_text, many, moment, note, one_line, table
from stem.cli.root import Group, Said, Span, UsageError, confirmed, said, say, wait_for
from stem.cli.timeline import mermaid, timeline
from stem.errors import RunError
from stem.values import plain

if TYPE_CHECKING:
    from stem.app import Stem
    from stem.core.run_view import Run

STATES: Final = ("queued", "running", "suspended", "blocked", "quarantined", "succeeded", "failed", "cancelled")
COLUMNS: Final = (
    Column("ID", whole=True),
    Column("WORKFLOW"),
    Column("STATE", whole=True),
    Column("STARTED", whole=True),
    Column("NEXT", spare=2),
    Column("PARENT", spare=3),
    Column("NOTE"),
)
WAITERS: Final = (
    Column("RUN", whole=True),
    Column("WORKFLOW"),
    Column("STEP"),
    Column("SINCE", whole=True),
    Column("UNTIL", whole=True),
)
FINDINGS: Final = (
    Column("RUN", whole=True),
    Column("WORKFLOW"),
    Column("TROUBLE", whole=True),
    Column("WHAT"),
    Column("CURE"),
)


@click.group(cls=Group, short_help="workflow runs: start, list, show, explain, cancel, rewind")
def command() -> None:
    """Workflow runs: start, list, show and explain them; emit events; cancel, resume and rewind."""


@command.command("ls")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be repeated.")
@click.option("--workflow", default="", help="Only this workflow.")
@click.option("--parent", default="", metavar="ID", help="Only children of this run.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most rows.")
@click.option("--cursor", default="", help="Go on where the page before ended.")
@said
def ls(asked: Said, states: tuple[Any, ...], workflow: str, parent: str, limit: int, cursor: str) -> None:
    """List runs, the newest first."""
    app = app_without_tasks(asked)

    async def work() -> tuple[list[Run], str]:
        async with app:
            return await app.workflows.list(states=states, workflow=workflow, parent=parent, limit=limit, cursor=cursor)

    runs, more = wait_for(work())
    if asked.json:
        emit({"runs": runs, "cursor": more})
        return
    table(COLUMNS, [_row(run) for run in runs], empty="no runs")
    if more:
        note(f"there are more: --cursor {more}")


@command.command("start")
@click.argument("name")
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--args", "document", metavar="JSON", help="All parameters as one JSON object; - reads it from stdin.")
@click.option("--id", "run_id", help="The run's id; a second start with the same id makes no second run.")
@click.option("--restart", is_flag=True, help="Begin anew when a run of this id has ended.")
@click.option("--delay", type=Span(), help="Not before this span has passed.")
@click.option("--cancel-after", type=Span(), help="Cancel it when it has not ended so long after its start.")
@click.option("--max-suspend", type=Span(), help="Cancel it when it waits longer than this at one place.")
@click.option("--keep", type=Span(), help="Keep it so long after its end.")
@click.option("--wait", is_flag=True, help="Wait for the end and print the result; exit 1 if it did not succeed.")
@click.option("--timeout", type=Span(), help="How long --wait waits; else as long as it takes.")
@said
def start(
    asked: Said,
    name: str,
    words: tuple[str, ...],
    document: str | None,
    run_id: str | None,
    restart: bool,
    delay: timedelta | None,
    cancel_after: timedelta | None,
    max_suspend: timedelta | None,
    keep: timedelta | None,
    wait: bool,
    timeout: timedelta | None,
) -> None:
    """Start a run of the workflow NAME, or of NAME@VERSION.

    KEY=VALUE is a parameter: text as it is, everything else as JSON. a.b=1 reaches into a nested model.
    """
    if timeout is not None and not wait:
        raise UsageError("--timeout says how long --wait waits; add --wait")
    app = app_with_tasks(asked)
    found = app.load_workflows().get(name)
    given = {**document_of(name, document), **parse(name, found.params_model, words, what="parameters of workflow")}
    call = app.workflows.call(name, given)
    said_of = {
        "id": run_id,
        "if_exists": "restart" if restart else None,
        "delay": delay,
        "cancel_after": cancel_after,
        "max_suspend": max_suspend,
        "keep": keep,
    }
    for word, value in said_of.items():
        if value is not None:
            call = getattr(call, word)(value)
    new_file = missing_file(app)

    async def work() -> None:
        async with app:
            handle = await app.start_run(call)
            if new_file:
                note(f"made a new database, {new_file}")
            told = (
                f"run {handle.id} of {found.name}"
                + {
                    "new": " is started",
                    "exists": " was there already, and is left alone",
                    "restarted": " had ended, and begins anew",
                }[handle.started]
            )
            if wait:
                if handle.started == "exists":
                    note(told)
                await _finish(app, asked, handle.id, timeout)
            elif asked.json:
                emit({"id": handle.id, "workflow": found.name, "version": found.version, "started": handle.started})
            else:
                print(told)

    wait_for(work())


async def _finish(app: Stem, asked: Said, run_id: str, patience: timedelta | None) -> None:
    """Print the result as soon as there is one; raises what the run did."""
    value = await app.workflows.wait(run_id, patience)
    if asked.json:
        emit({"id": run_id, "result": value})
    else:
        print(value if isinstance(value, str) else json_text(value))


@command.command("show")
@click.argument("run_id", metavar="ID")
@said
def show(asked: Said, run_id: str) -> None:
    """Show a run: its facts, its steps on a timeline, what it waits for."""
    run = _get(asked, run_id)
    if asked.json:
        emit(run)
        return
    moments = ("created_at", "started_at", "finished_at", "due_at", "cancelled_at_latest")
    cancelled = (
        f"{run.cancel_reason}{f' (by {run.cancelled_by})' if run.cancelled_by else ''}" if run.cancel_reason else ""
    )
    facts(
        [
            ("id", run.id),
            ("workflow", f"{run.workflow}, version {run.version}"),
            ("state", run.state + (", cleaning up" if run.cleaning_up else "")),
            ("reason", run.reason if run.reason != run.cancel_reason and run.error is None else ""),
            ("cancelled", cancelled),
            ("waited for", run.waited_for),
            ("parent", run.parent),
            ("children", ", ".join(run.children)),
            ("rewound", many(run.generation, "time") if run.generation else ""),
            ("taken over", many(run.takeovers, "time") if run.takeovers else ""),
            ("worker", run.worker.removesuffix("/runs")),
            *((name, moment(getattr(run, name))) for name in moments),
            ("parameters", run.params),
            ("result", run.result),
            (
                "error",
                "" if run.error is None else run.error.traceback.rstrip() or f"{run.error.type}: {run.error.message}",
            ),
        ]
    )
    timeline(run)


@command.command("explain")
@click.argument("run_id", metavar="ID")
@said
def explain(asked: Said, run_id: str) -> None:
    """Say why a run does not move, or how it ended."""
    app = app_without_tasks(asked)

    async def work() -> list[str]:
        async with app:
            return list(await app.workflows.explain(run_id))

    reasons = wait_for(work())
    if asked.json:
        emit({"id": run_id, "reasons": reasons})
        return
    for reason in reasons:
        print(plain(reason))


@command.command("waiters")
@click.argument("event")
@click.option("--key", help="Only those that wait for this key.")
@said
def waiters(asked: Said, event: str, key: str | None) -> None:
    """List runs that wait for the topic EVENT, the longest first."""
    app = app_without_tasks(asked)

    async def work() -> list[Any]:
        async with app:
            return list(await app.workflows.watchers(event, key=key))

    found = wait_for(work())
    if asked.json:
        emit({"waiters": found})
        return
    rows = [[one.run, one.workflow, one.key, age(one.since), age(one.deadline)] for one in found]
    table(WAITERS, rows, empty="nobody waits for it")


@command.command("events")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most rows.")
@said
def events(asked: Said, limit: int) -> None:
    """List events that are kept, and messages nobody has read, the newest first."""
    app = app_without_tasks(asked)

    async def work() -> list[Any]:
        async with app:
            return list(await app.workflows.events(limit=limit))

    found = wait_for(work())
    if asked.json:
        emit({"events": found})
        return
    columns = (Column("EVENT"), Column("ID", spare=1), Column("SENT", whole=True), Column("PAYLOAD"))
    table(columns, [[one.mailbox, one.id, age(one.sent_at), one.payload] for one in found], empty="no events")


@command.command("emit")
@click.argument("event")
@click.argument("payload", default="null")
@click.option("--key", default="", help="About which thing it is.")
@click.option("--run", "run_id", default="", metavar="ID", help="Send it to the mailbox EVENT of this run instead.")
@click.option("--id", "event_id", default="", help="An id, so that a second time changes nothing.")
@said
def emit_(asked: Said, event: str, payload: str, key: str, run_id: str, event_id: str) -> int:
    """Emit the topic EVENT with PAYLOAD as JSON, or send it to one run; exit 1 if it came before.

    The payload is not checked against the type that the topic declares: a run that cannot read it is blocked.
    """
    import json

    from stem.core.run import Event, Message, event_topic
    from stem.core.task import name_problems

    try:
        data = json.dumps(json.loads(payload)).encode()
    except (ValueError, RecursionError) as fault:
        raise UsageError(
            f"the payload must be JSON, as '\"text\"' or '{{\"id\": 1}}', found {payload!r}: {fault}"
        ) from None
    problems = name_problems(event, "a mailbox" if run_id else "a topic")
    if problems:
        raise UsageError(problems)
    if run_id and key:
        raise UsageError("a mailbox belongs to one run and has no keys: leave out --key or --run")
    app = app_without_tasks(asked)

    async def work() -> bool:
        async with app:
            if run_id:
                return await app.send_message(Message(run=run_id, box=event, payload=data, id=event_id))
            return await app.emit_event(Event(topic=event_topic(event, key), payload=data, id=event_id))

    new = wait_for(work())
    if asked.json:
        emit({"new": new})
    elif new:
        print(f"{event} is {'sent' if run_id else 'emitted'}")
    else:
        say(f"{event} was {'sent' if run_id else 'emitted'} before: nothing has changed")
    return 0 if new else 1


@command.command("cancel")
@click.argument("run_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", default="cancelled by an operator", show_default=True, help="Kept with the run.")
@click.option("--terminate", is_flag=True, help="At once, without its clean-up and compensations.")
@said
def cancel(asked: Said, run_ids: tuple[str, ...], reason: str, terminate: bool) -> int:
    """Cancel runs; one that works is asked to stop and cleans up. Exit 1 if one had ended or is not known."""
    return _each(
        asked, run_ids, lambda app, run: app.workflows.cancel(run, reason, by="stem wf", terminate=terminate), _CANCEL
    )


@command.command("resume")
@click.argument("run_ids", nargs=-1, required=True, metavar="ID...")
@said
def resume(asked: Said, run_ids: tuple[str, ...]) -> int:
    """Let quarantined or blocked runs go on now. Exit 1 if one is neither."""
    return _each(asked, run_ids, lambda app, run: app.workflows.resume(run), _RESUME)


_CANCEL: Final = (
    "is cancelled, or will be by its worker",
    "had ended already, or has failed and is being undone: only --terminate ends it now",
)
_RESUME: Final = ("goes on", "is neither quarantined nor blocked")


def _each(asked: Said, run_ids: tuple[str, ...], ask: Any, words: tuple[str, str]) -> int:
    """Ask for each run in turn; say what came of it."""
    app = app_without_tasks(asked)

    async def work() -> list[tuple[str, bool | None]]:
        answers: list[tuple[str, bool | None]] = []
        async with app:
            for run in dict.fromkeys(run_ids):
                try:
                    answers.append((run, await ask(app, run)))
                except RunError:
                    answers.append((run, None))
        return answers

    answers = wait_for(work())
    if asked.json:
        emit({"runs": [{"id": run, "done": bool(done), "known": done is not None} for run, done in answers]})
    refused = [(run, words[1] if done is False else "is not known") for run, done in answers if not done]
    if not asked.json:
        for run, done in answers:
            if done:
                print(plain(f"run {run} {words[0]}"))
    if refused:
        say("\n".join(f"run {run} {why}" for run, why in refused))
    return 1 if refused else 0


@command.command("rewind")
@click.argument("run_id", metavar="ID")
@click.option("--step", required=True, help="Back to before this step; of numbered ones, the name means the first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@said
def rewind(asked: Said, run_id: str, step: str, yes: bool) -> None:
    """Forget a step and all behind it, whatever the run's state; the run goes on from there."""
    app = app_without_tasks(asked)

    async def work() -> None:
        async with app:
            await app.workflows.rewind(run_id, step)

    confirmed(f"do {step} of run {run_id} and all behind it again?", yes=yes or asked.json)
    wait_for(work())
    if asked.json:
        emit({"id": run_id, "rewound_to": step})
    else:
        print(plain(f"run {run_id} goes on from before {step}"))


@command.command("doctor")
@said
def doctor(asked: Said) -> int:
    """List runs that will not go on by themselves; exit 1 if there are any."""
    app = app_without_tasks(asked)

    async def work() -> list[Any]:
        async with app:
            return [one async for one in app.workflows.doctor()]

    found = wait_for(work())
    if asked.json:
        emit({"findings": found})
    else:
        rows = [[one.run, f"{one.workflow}@{one.version}", one.trouble, one.text, one.cure] for one in found]
        table(FINDINGS, rows, empty="every run can go on")
    return 1 if found else 0


@command.command("check")
@click.option("--workflow", default="", help="Only this workflow.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="Most runs.")
@said
def check(asked: Said, workflow: str, limit: int) -> int:
    """Replay unfinished runs against the code of this app, writing nothing; exit 1 if one would be blocked.

    The code between the steps runs; steps do not. Use it before a deploy.
    """
    app = app_with_tasks(asked)

    async def work() -> tuple[int, list[dict[str, Any]], bool]:
        looked = 0
        differing: list[dict[str, Any]] = []
        async with app:
            async for run, difference in app.workflows.check(workflow=workflow, limit=limit + 1):
                if looked == limit:
                    return looked, differing, True
                looked += 1
                if difference:
                    differing.append(
                        {"run": run.id, "workflow": run.workflow, "version": run.version, "difference": difference}
                    )
        return looked, differing, False

    looked, differing, more = wait_for(work())
    if asked.json:
        emit({"checked": looked, "differing": differing, "more": more})
    else:
        if more:
            note(f"only the {looked:,} newest were checked, and there are more: see --limit")
        columns = (Column("RUN", whole=True), Column("WORKFLOW"), Column("DIFFERENCE"))
        rows = [[one["run"], f"{one['workflow']}@{one['version']}", one["difference"]] for one in differing]
        table(
            columns,
            rows,
            empty=f"{many(looked, 'run')} checked: this code can go on with {'these' if more else 'all of them'}",
        )
    return 1 if differing else 0


@command.command("export")
@click.argument("run_id", metavar="ID")
@click.option("--format", "form", type=click.Choice(["json", "mermaid"]), default="json", show_default=True)
@said
def export(asked: Said, run_id: str, form: str) -> None:
    """Write a run with all its steps as JSON, or as a Mermaid diagram."""
    run = _get(asked, run_id)
    if form == "json" or asked.json:
        emit(run)
    else:
        sys.stdout.write(mermaid(run))


@command.command("workflows")
@said
def workflows(asked: Said) -> None:
    """List the workflows of an app with their signatures."""
    app = app_with_tasks(asked, memory=True)
    found = sorted(app.load_workflows(), key=lambda one: (one.name, one.version))
    if asked.json:
        emit(
            {
                "workflows": [
                    {
                        "name": one.name,
                        "version": one.version,
                        "signature": one.signature,
                        "description": one.description,
                    }
                    for one in found
                ]
            }
        )
        return
    columns = (
        Column("WORKFLOW", whole=True),
        Column("VERSION", right=True),
        Column("SIGNATURE"),
        Column("DESCRIPTION"),
    )
    rows = [[one.name, one.version, one.signature, one_line(one.description)] for one in found]
    table(columns, rows, empty="this app has no workflows: name them in Stem(workflows=[...]) or Stem(include=[...])")


def _get(asked: Said, run_id: str) -> Run:
    app = app_without_tasks(asked)

    async def work() -> Run:
        async with app:
            return await app.workflows.get(run_id)

    return wait_for(work())


def _row(run: Run) -> list[object]:
    next_ = age(run.due_at) if run.state in {"suspended", "blocked", "queued"} else ""
    return [run.id, f"{run.workflow}@{run.version}", run.state, age(run.created_at), next_, run.parent, _note(run)]


def _note(run: Run) -> str:
    if run.cancel_reason and not run.finished:
        return one_line(f"cancelling: {run.cancel_reason}")
    return one_line(run.reason)
