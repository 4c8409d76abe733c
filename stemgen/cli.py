"""The command `stemgen`. What needs the app, pydantic or jinja2 is imported only when the cache says so."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from stemgen.cache import FRESH

if TYPE_CHECKING:
    from stemgen.breaking.report import Compat, Report
    from stemgen.config import Config
    from stemgen.generate import Run
    from stemgen.lock import Lock

#: Exit codes: what lies there is right; it is stale, or a change breaks something; the app cannot be imported, or usage.
OK, NO, USAGE, UNAVAILABLE = 0, 1, 2, 69

_project = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where to look for pyproject.toml, here and above (default: the current folder).",
)
_staged = click.option(
    "--staged", is_flag=True, help="Also ask git whether a commit would have the stubs as they lie here (for hooks)."
)
_json = click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")


def main() -> NoReturn:
    """Run the command line."""
    try:
        code = stemgen.main(prog_name="stemgen", standalone_mode=False)
    except click.ClickException as fault:
        fault.show()
        code = USAGE
    except click.Abort:
        code = USAGE
    except Exception as fault:
        if not _is_known(fault):
            raise
        click.echo(f"stemgen: {fault}", err=True)
        code = USAGE
    if any(not one.daemon for one in threading.enumerate() if one is not threading.current_thread()):
        sys.stdout.flush()  # what the app has started must not keep us
        os._exit(code or 0)
    sys.exit(code or 0)


def _is_known(fault: Exception) -> bool:
    """Whether it is told in words; stem's own errors can only come when stem has been imported."""
    from stemgen.errors import StemgenError

    known = sys.modules.get("stem.errors")
    return isinstance(fault, StemgenError) or (known is not None and isinstance(fault, known.StemError))


@click.group(invoke_without_command=True)
@_project
@_staged
@click.pass_context
def stemgen(ctx: click.Context, project: Path, *, staged: bool) -> int:
    """Write typed stubs of an app's tasks, workflows and events, and see what a change would break.

    Without a command: write what is missing or stale. [tool.stemgen] in pyproject.toml says where the tasks are
    declared and where the stubs go.
    """
    ctx.obj = project
    if ctx.invoked_subcommand is not None:
        return OK
    file = _file(project)
    return _write(file) or _is_unstaged(file, staged=staged)


@stemgen.command(short_help="Say whether the stubs are up to date.")
@_project
@_staged
@_json
@click.pass_obj
def check(above: Path, project: Path, *, staged: bool, as_json: bool) -> int:
    """Say whether the stubs are up to date: 0 yes, 1 no, with a diff, 2 the app cannot be imported."""
    file = _file(project, above)
    from stemgen import cache

    if cache.is_fresh(file.parent):
        return _fresh(file, staged=staged, as_json=as_json)
    config, run = _run(file)
    if not run.changes:
        _remember(file, run)
        return _fresh(file, staged=staged, as_json=as_json)
    from stemgen.files import diff

    shown = [{"path": str(one.path.relative_to(config.root)), "what": one.what} for one in run.changes]
    text = "".join(diff(one, config.root) for one in run.changes)
    count = f"{len(shown)} file{'s' if len(shown) > 1 else ''}"
    _say(as_json, {"fresh": False, "changes": shown}, f"{text}\n{count} to change: run stemgen")
    return NO


@stemgen.command(short_help="Say what a deploy of the stubs as they are would break.")
@click.option(
    "--against",
    required=True,
    metavar="git:REF|FILE|URL",
    help="The older side: a commit, a stem.lock.json, or an engine in which jobs wait.",
)
@click.option(
    "--compat",
    type=click.Choice(["queue", "full"]),
    default="queue",
    show_default=True,
    help="full: new producers beside old workers, too.",
)
@click.option(
    "--namespace", default="stem", show_default=True, help="The app's namespace, when --against is an engine."
)
@_project
@_json
@click.pass_obj
def breaking(above: Path, project: Path, against: str, compat: Compat, namespace: str, *, as_json: bool) -> int:
    """Say what the stubs as they are now would break: 0 nothing, 1 something, 69 the engine cannot be reached.

    Jobs that are queued must still be read, runs in flight go on, events reach who waits for them, and results be
    understood by whoever waits for them.
    """
    file = _file(project, above)
    import msgspec

    from stemgen.breaking.compare import compare, unknown
    from stemgen.breaking.events import compare_events
    from stemgen.breaking.sources import UnavailableError, older
    from stemgen.breaking.workflows import compare_workflows, in_flight
    from stemgen.config import read
    from stemgen.lock import load

    config = read(file)
    try:
        before = older(against, config.lock, config.root, namespace)
    except UnavailableError as fault:
        click.echo(f"stemgen: {fault}", err=True)
        return UNAVAILABLE
    now, allow = load(config.lock), config.options.breaking.allow
    found = [
        *compare(before.tasks, now, compat=compat, allow=allow),
        *unknown(before.unknown, now, allow=allow),
        *compare_workflows(before.workflows, now, compat=compat, allow=allow),
        *in_flight(before.runs, now, allow=allow),
        *compare_events(before.events, now, compat=compat, allow=allow),
    ]
    breaks = sum(one.breaks for one in found)
    said = {"breaks": breaks, "findings": [msgspec.to_builtins(one) for one in found], "notes": before.notes}
    lines = [*map(_line, found), *(f"note     {note}" for note in before.notes)]
    verdict = f"{breaks} change{'s break' if breaks > 1 else ' breaks'} something" if breaks else "nothing breaks"
    _say(as_json, said, "\n".join([*lines, verdict]))
    return NO if breaks else OK


@stemgen.command(short_help="Print the tasks as JSON Schema or AsyncAPI.")
@click.option("--asyncapi", is_flag=True, help="An AsyncAPI 3.0 document instead of a JSON Schema.")
@_project
@click.pass_obj
def export(above: Path, project: Path, *, asyncapi: bool) -> int:
    """Print what the tasks take and give, for other languages: as JSON Schema, or as AsyncAPI."""
    file = _file(project, above)
    from stemgen import export as documents
    from stemgen.config import read
    from stemgen.lock import load

    config = read(file)
    lock = load(config.lock)
    made = documents.asyncapi(lock, config.package) if asyncapi else documents.json_schema(lock)
    click.echo(json.dumps(made, indent=2, ensure_ascii=False))
    return OK


@stemgen.command(short_help="Find calls that are built and never sent.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@_json
def unsent(paths: tuple[Path, ...], *, as_json: bool) -> int:
    """Find calls of tasks and workflows that are built and never sent: 0 none, 1 some.

    `charge.build(order)` alone on a line is legal and does nothing, and no type checker sees it. Reads Python files, here
    and below or those of PATHS, and imports nothing.
    """
    from stemgen.unsent import unsent as find_unsent

    sys.path[:0] = [str(Path.cwd()), str(Path.cwd() / "src"), *_output_folder()]  # where packages of stubs may lie
    found = list(find_unsent(paths or [Path()]))
    said = [{"path": str(one.file), "line": one.line, "text": one.text} for one in found]
    many = f"{len(found)} call{'s' if len(found) > 1 else ''} never sent" if found else "every call is sent"
    _say(as_json, {"unsent": said}, "\n".join([*map(str, found), many]))
    return NO if found else OK


def _output_folder() -> list[str]:
    """The folder of the package that this project writes; none where it writes none."""
    from stemgen import project
    from stemgen.config import read
    from stemgen.errors import StemgenError

    try:
        file = project.find(Path.cwd())
    except StemgenError:
        return []
    return [str(read(file).output.parent)]


@stemgen.command(short_help="Write the stubs after every change.")
@_project
@click.pass_obj
def watch(above: Path, project: Path) -> int:
    """Write the stubs anew after every change, until Ctrl-C."""
    file = _file(project, above)
    from stemgen.watch import watch as run

    click.echo(f"watching {file.parent}; Ctrl-C ends")
    with contextlib.suppress(KeyboardInterrupt):
        run(file, click.echo)
    return OK


def _line(one: Report) -> str:
    level = "allowed" if one.allowed else one.level
    reason = f" (allowed: {one.allowed})" if one.allowed else ""
    return f"{level:<8} {one.rule:<22} {one.task} {one.part} {one.path}: {one.text}{reason}".replace("  $", " $")


def _write(file: Path) -> int:
    from stemgen import cache
    from stemgen.files import write

    if cache.is_fresh(file.parent):
        click.echo(FRESH)
        return OK
    config, run = _run(file)
    write(run.changes)
    _remember(file, run)
    for one in run.changes:
        click.echo(f"{'removed' if one.new is None else 'wrote'} {one.path.relative_to(config.root)}")
    many = f"{_counted(run.lock)} in {config.options.output}"
    click.echo(f"{many}: {len(run.changes)} files changed" if run.changes else f"{many}: up to date")
    return OK


def _fresh(file: Path, *, staged: bool, as_json: bool) -> int:
    """The stubs are up to date; whether git has them is another question."""
    missing = _unstaged(file) if staged else []
    if missing:
        said = [{"path": name, "what": "unstaged"} for name in missing]
        _say(as_json, {"fresh": False, "changes": said}, _unstaged_words(missing))
        return NO
    _say(as_json, {"fresh": True, "changes": []}, FRESH)
    return OK


def _is_unstaged(file: Path, *, staged: bool) -> int:
    missing = _unstaged(file) if staged else []
    if missing:
        click.echo(_unstaged_words(missing))
    return NO if missing else OK


def _unstaged(file: Path) -> list[str]:
    from stemgen.config import read
    from stemgen.staged import unstaged

    return unstaged(read(file).output)


def _unstaged_words(missing: list[str]) -> str:
    return "\n".join([*missing, "the commit would not have these stubs as they are: git add them"])


def _counted(lock: Lock) -> str:
    """As `2 tasks, 1 workflow`."""
    workflows = len({one.name for one in lock.workflows.values()})
    counts = {"task": len(lock.tasks), "workflow": workflows, "event": len(lock.events)}
    return ", ".join(f"{count} {what}{'s' if count > 1 else ''}" for what, count in counts.items() if count)


def _run(file: Path) -> tuple[Config, Run]:
    from stemgen.config import read
    from stemgen.errors import StemgenError

    try:
        from stemgen import generate
    except ModuleNotFoundError as fault:
        if fault.name != "jinja2":
            raise
        raise StemgenError("stemgen needs jinja2: pip install 'stem-jobs[gen]'") from None

    config = read(file)
    return config, generate.run(config, file)


def _remember(file: Path, run: Run) -> None:
    from stemgen import cache

    cache.store(file.parent, run.inputs, run.outputs, run.borrowed)


def _file(project: Path, above: Path = Path()) -> Path:
    """The pyproject.toml; `above` is what was said in front of the command."""
    from stemgen.project import find

    return find((project if project != Path() else above).resolve())


def _say(as_json: bool, said: object, text: str) -> None:  # noqa: FBT001
    click.echo(json.dumps(said, indent=2) if as_json else text)
