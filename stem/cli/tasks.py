"""`stem tasks`: what an app declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from stem.cli.find import app_with_tasks
from stem.cli.output import Column, emit, one_line, table
from stem.cli.root import Group, Said, said

if TYPE_CHECKING:
    from stem.core.task import AnyTask

COLUMNS: Final = (
    Column("TASK", whole=True),
    Column("SIGNATURE"),
    Column("QUEUE"),
    Column("OPTIONS"),
    Column("TAGS", spare=1),
    Column("DESCRIPTION"),
)


@click.group(cls=Group, short_help="list the tasks of an app with their signatures")
def command() -> None:
    """List the tasks of an app with their signatures."""


@command.command("ls")
@said
def ls(asked: Said) -> None:
    """List every task with its signature, queue and options."""
    app = app_with_tasks(asked, memory=True)
    tasks = sorted(app.load(), key=lambda task: task.name)
    if asked.json:
        emit({"tasks": [_shown(task) for task in tasks]})
        return
    rows = [
        [
            task.name,
            task.signature,
            _queue(task),
            ", ".join(f"{name}={value}" if value is not True else name for name, value in options(task).items()),
            _words(task),
            one_line(_description(task)),
        ]
        for task in tasks
    ]
    table(COLUMNS, rows, empty="this app has no tasks: name them in Stem(tasks=[...]) or Stem(include=[...])")


def options(task: AnyTask) -> dict[str, Any]:
    """What the task says differently from the defaults, in the words of `@task`."""
    from stem.core.duration import words
    from stem.values import Unset

    said_of, layer = task.options, task.options.layer
    spans = {
        "soft_time_limit": layer.soft_ms,
        "time_limit": layer.hard_ms,
        "visibility_timeout": layer.lease_ms,
        "expires": layer.expires_ms,
        "result_ttl": layer.result_ttl_ms,
    }
    told: dict[str, Any] = {"priority": layer.priority, "max_retries": layer.max_retries}
    told |= {name: words(ms) for name, ms in spans.items() if isinstance(ms, int)}
    if said_of.rate_limit is not None:
        told["rate_limit"] = said_of.rate_limit.text + _by(said_of.rate_limit.key)
    if said_of.concurrency is not None:
        told["concurrency"] = f"{said_of.concurrency.count}{_by(said_of.concurrency.key)}"
    if said_of.unique is not None:
        told["unique"] = f"until {said_of.unique.until}{_by(said_of.unique.key)}"
    for flag in ("ignore_result", "at_most_once", "isolate"):
        if getattr(said_of, flag):
            told[flag] = True
    if said_of.idempotent is not None:
        told["idempotent"] = said_of.idempotent
    return {name: value for name, value in told.items() if not isinstance(value, Unset)}


def _by(key: str | None) -> str:
    return f" by {key}" if key else ""


def _queue(task: AnyTask) -> str:
    from stem.core.options import NOTHING_SAID, resolve

    return resolve(NOTHING_SAID, task.options.layer).queue


def _words(task: AnyTask) -> str:
    """Tags, and attributes as 'team=billing'."""
    return ", ".join([*task.options.tags, *(f"{name}={value}" for name, value in task.options.attributes.items())])


def _description(task: AnyTask) -> str:
    """What `@task(description=)` says, else the first line of the handler's docstring."""
    handler = getattr(task, "fn", None)
    doc = (getattr(handler, "__doc__", "") or "").strip()
    return task.options.description or doc.partition("\n")[0]


def _shown(task: AnyTask) -> dict[str, Any]:
    return {
        "name": task.name,
        "signature": task.signature,
        "queue": _queue(task),
        "options": options(task),
        "tags": task.options.tags,
        "attributes": task.options.attributes,
        "description": _description(task),
        "handler": getattr(task, "where", None),
    }
