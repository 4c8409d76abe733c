"""The command line. Nothing is imported before it is known what was asked: `stem --help` must answer at once."""

from __future__ import annotations

import sys


def main(args: list[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    said = sys.argv[1:] if args is None else args
    try:
        code = _run(said)
        sys.stdout.flush()
    except OSError as fault:  # the disk behind stdout is full
        from stem.cli.output import let_go_of_stdout
        from stem.cli.root import FAILED

        let_go_of_stdout()
        sys.stderr.write(f"stem: the answer could not be written: {fault.strerror}\n")
        return FAILED
    return code


def _run(said: list[str]) -> int:
    if said in ([], ["-h"], ["--help"]):
        from stem.cli.help import show

        return show()
    from stem.cli.root import run

    return run(said)
