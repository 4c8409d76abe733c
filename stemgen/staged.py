"""What git would commit of the stubs, against what lies there: a hook sees the files, and the commit may lack them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from stemgen.errors import StemgenError


def unstaged(output: Path) -> list[str]:
    """Files of the package that git does not have as they lie there: new ones, and changed ones that are not added.

    StemgenError when there is no git, or the folder is in no repository.
    """
    words = ["git", "ls-files", "--others", "--modified", "--deduplicate", "-z", "--", output.name]
    try:
        done = subprocess.run(words, cwd=output.parent, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise StemgenError("git is not installed, so --staged cannot be asked") from None
    if done.returncode:
        raise StemgenError(f"git cannot say what is staged: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return sorted(name for name in done.stdout.split("\0") if name.endswith((".py", "py.typed", "stem.lock.json")))
