"""Where the command `stemgen` starts: the check that runs most often is answered before click is imported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from stemgen import cache, project
from stemgen.errors import StemgenError


def main() -> NoReturn:
    """Run the command line. All but a fresh `stemgen check` without options is the matter of `stemgen.cli`."""
    if sys.argv[1:] == ["check"] and _is_fresh():
        sys.stdout.write(f"{cache.FRESH}\n")
        sys.exit(0)
    from stemgen import cli

    cli.main()


def _is_fresh() -> bool:
    try:
        return cache.is_fresh(project.find(Path.cwd()).parent)
    except (StemgenError, OSError):
        return False  # `stemgen.cli` says what is wrong
