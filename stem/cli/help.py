"""What the command line can do, as one table: the help text is drawn from it, and commands are found by it."""

from __future__ import annotations

import sys

#: Heading -> commands under it, each with one line that says what it does.
GROUPS = {
    "Run": {
        "dev": "run an app here, and restart it when its code changes",
        "worker": "run the tasks and workflows of an app until told to stop",
    },
    "Send": {
        "enqueue": "enqueue a job by the name of its task (also: call)",
        "result": "wait for a job and print its result",
    },
    "Look and steer": {
        "jobs": "list jobs, show one, cancel some",
        "queues": "list queues; pause, resume or purge them",
        "dlq": "list dead letters, show one; replay or purge them",
        "wf": "start workflow runs; list, show and explain them; cancel, rewind",
        "tasks": "list the tasks of an app with their signatures",
        "health": "ask the database whether it answers, and who is alive",
    },
}
ALIASES = {"call": "enqueue"}

USAGE = "Usage: stem [-A module:app] COMMAND [OPTIONS]"
INTRO = "Background jobs that the type checker knows.\nJobs live in .stem/stem.db unless a URL says otherwise."
#: The options every command takes, before or after its name.
COMMON = {
    "-A, --app MODULE:APP": "the Stem; else STEM_APP, or app = in stem.toml",
    "--url URL": "the database; else the app's own, or STEM_URL",
    "--namespace NAME": "its part; else the app's own, or STEM_NAMESPACE",
    "--json": "one JSON document instead of words and tables",
    "-v, --verbose": "show the traceback of an error",
    "--version": "show the version",
    "-h, --help": "show this help, or that of a command",
}
EXAMPLE = """\
Example, with a task "hello" in shop.py and `app = Stem(tasks=[hello])`:
  stem dev -A shop                              in one terminal
  stem enqueue hello name=Ada --wait -A shop    in another"""


def text() -> str:
    """The help of `stem` itself."""
    parts = [USAGE, INTRO]
    for heading, commands in GROUPS.items():
        parts.append(_section(heading, commands))
    parts += [_section("Options", COMMON), EXAMPLE]
    return "\n\n".join(parts) + "\n"


def show() -> int:
    """Print it."""
    try:
        sys.stdout.write(text())
        sys.stdout.flush()
    except BrokenPipeError:
        from stem.cli.output import let_go_of_stdout

        let_go_of_stdout()
    return 0


def _section(heading: str, lines: dict[str, str]) -> str:
    width = max(len(left) for left in lines)
    return "\n".join([f"{heading}:", *(f"  {left:<{width}}  {right}" for left, right in lines.items())])
