"""The root of the command line: options that every command takes, and errors in a few words."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from stem.cli import help as texts
from stem.cli.output import let_go_of_stdout
from stem.errors import ConfigError, StemError, hint, nearest
from stem.values import plain

T = TypeVar("T")

#: Most lines a failure may take without -v.
LINES: Final = 5
INTERRUPTED: Final = 130
FAILED: Final = 70


class NegativeAnswer(StemError):  # noqa: N818 - an answer, not a fault
    """The command did its work, and the answer is no."""

    exit_code = 1


class UsageError(ConfigError):
    """What was asked does not make sense."""


@dataclass
class Said:
    """The options that every command takes."""

    app: str = ""
    url: str = ""
    namespace: str = ""
    json: bool = False
    verbose: bool = False
    #: What the app itself says, before `url` was put in its place.
    own_url: str = ""
    #: Whether `stem dev` has started this process.
    dev: bool = False


said = click.make_pass_decorator(Said)


# ---------------------------------------------------------------- click, with the common options


def _common() -> list[click.Parameter]:
    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(Said), param.name or "", value)

    def option(*names: str, **more: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=keep, **more)

    return [
        option("-A", "--app", metavar="MODULE:APP", help="Where the Stem is; else STEM_APP, or app = in stem.toml."),
        option("--url", metavar="URL", help="The database; else the app's own, or STEM_URL."),
        option("--namespace", metavar="NAME", help="The part of the database; else the app's own."),
        option("--json", is_flag=True, help="One JSON document on stdout instead of words and tables."),
        option("-v", "--verbose", is_flag=True, help="Show the traceback of an error."),
    ]


_COMMON: Final = _common()


class Command(click.Command):
    """A command that takes the common options after its name, too."""

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002 - click's signature
        """The first sentence, whole: a list of commands wraps it, and a sentence without its end says little."""
        return self.short_help or _first_sentence(self.help or "")

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *_COMMON]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [one.get_help_record(ctx) for one in super().get_params(ctx)]
        for heading, found in (("Options", own), ("Common options", [one.get_help_record(ctx) for one in _COMMON])):
            lines = [line for line in found if line is not None]
            if lines:
                with formatter.section(heading):
                    formatter.write_dl(lines)


class Group(click.Group):
    """Commands under one word; an unknown one is refused with the nearest."""

    command_class = Command

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *_COMMON]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            known = self.list_commands(ctx)
            raise UsageError(f"{ctx.command_path} has no command {name!r}; {hint(nearest(name, known), known, 20)}")
        return super().resolve_command(ctx, args)


class Root(Group):
    """Commands by the table of the help text; a command's module is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for commands in texts.GROUPS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = texts.ALIASES.get(cmd_name, cmd_name)
        if name not in self.list_commands(ctx):
            return None
        found: click.Command = importlib.import_module(f"stem.cli.{name}").command
        return found

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        return texts.text().rstrip()


def _first_sentence(text: str) -> str:
    """Up to the first full stop or semicolon of the first paragraph, without it."""
    flat = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"[.;](?: |$)", flat, maxsplit=1)[0]


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"stem {version('stem-jobs')}")
        ctx.exit()


root = Root(
    "stem",
    params=[click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version)],
    context_settings={"help_option_names": ["-h", "--help"]},
)


if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:  # generic only since click 8.2
    ParamType = click.ParamType


class Span(ParamType):
    """A span of time: '30s', '5m', '1h30m', or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        from datetime import timedelta

        from stem.core.duration import milliseconds

        if isinstance(value, timedelta):
            return value
        what = param.opts[0] if param is not None else "duration"
        return timedelta(milliseconds=milliseconds(_seconds(value), what=what))


def _seconds(value: str) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value


# ---------------------------------------------------------------- running


def run(args: list[str]) -> int:
    """Do what `args` say; the exit code."""
    asked = Said(verbose="-v" in args or "--verbose" in args, json="--json" in args)
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = root.main(args, prog_name="stem", standalone_mode=False, obj=asked)
        sys.stdout.flush()
    except BrokenPipeError:
        let_go_of_stdout()
        return 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as fault:
        return report(fault, verbose=asked.verbose, as_json=asked.json)
    return code if isinstance(code, int) else 0


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end."""
    return asyncio.run(work)


def report(fault: Exception, *, verbose: bool, as_json: bool = False) -> int:
    """Say on stderr what went wrong, in at most five lines without `verbose`; the exit code.

    With `as_json` the same is the one document on stdout, with the facts of the error.
    """
    if isinstance(fault, click.exceptions.NoArgsIsHelpError) and fault.ctx is not None:
        click.echo(fault.ctx.get_help(), err=True)
        return fault.exit_code
    if as_json:
        _emit_error(fault)
    if isinstance(fault, click.ClickException):
        say(fault.format_message(), then=_help_line(fault))
        return fault.exit_code
    if verbose:
        traceback.print_exception(fault, file=sys.stderr)
    if isinstance(fault, StemError):
        say(str(fault))
        return fault.exit_code
    text = " ".join(str(fault).split())
    say(
        f"{type(fault).__name__}{': ' if text else ''}{text}",
        then="" if verbose else "run again with -v for the traceback",
    )
    return FAILED


def _emit_error(fault: Exception) -> None:
    from stem.cli.output import emit

    message = fault.format_message() if isinstance(fault, click.ClickException) else str(fault)
    facts = vars(fault) if isinstance(fault, StemError) else {}
    emit({"error": {"type": type(fault).__name__, "message": message, **facts}})


def say(message: str, *, then: str = "") -> None:
    """Lines on stderr, the first marked with the program's name, the last with the next step."""
    lines = [line for line in plain(message).splitlines() if line.strip()] or ["failed without a message"]
    room = LINES - bool(then)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"... and {len(lines) - room + 1} more"]
    lines[0] = f"stem: {lines[0]}"
    if then:
        lines.append(then)
    click.echo("\n".join(lines), err=True)


def _help_line(fault: click.ClickException) -> str:
    ctx = fault.ctx if isinstance(fault, click.UsageError) else None
    return f"try: {ctx.command_path} --help" if ctx is not None else ""


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only after a yes; NegativeAnswer after anything else, UsageError where nobody can answer."""
    if yes:
        return
    try:
        answer = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)  # the question waits for its end of line
        raise UsageError("nothing was done: nobody is here to confirm it; add --yes") from None
    if not answer:
        raise NegativeAnswer("nothing was done")


#: What click's decorators take and give.
Function = Callable[..., Any]
