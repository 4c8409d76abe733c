"""The same mistakes in several libraries, and which of them mypy and pyright flag: `python -m tests.bench.mistakes`.

Strict mode, and the environment of `requirements.lock`; versions are printed beside. Each file marks a mistake by the
comment at the end of its line; `...` stands where a library has no such thing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.peers import environments

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
CLIENT: Final = ROOT / "examples" / "two_services" / "client"
SYSTEMS: Final = ("stem", "celery", "dramatiq", "taskiq", "streaq", "procrastinate")
MARK: Final = re.compile(r"  # (\w.*)$")


def main() -> None:
    python = environments.make("mistakes", HERE / "requirements.lock")
    with tempfile.TemporaryDirectory(prefix="stem-mistakes-") as name:
        folder = Path(name)
        for system in SYSTEMS:
            shutil.copy(HERE / f"{system}_.py", folder)
        flagged = {system: (mypy(folder, system, python), pyright(folder, system, python)) for system in SYSTEMS}
    console = Console(width=140)
    console.print(table(flagged))
    console.print(versions(python))


def table(flagged: dict[str, tuple[set[int], set[int]]]) -> Table:
    """A row a mistake, a column a library; "both", the one checker that flags it, "-", or nothing where there is no such thing."""
    made = Table("mistake", *SYSTEMS, title="flagged by")
    marks = {system: marked(system) for system in SYSTEMS}
    counts = dict.fromkeys(SYSTEMS, 0)
    for mistake in marks["stem"]:
        cells = []
        for system in SYSTEMS:
            line, there = marks[system][mistake]
            by = [name for name, lines in zip(("mypy", "pyright"), flagged[system], strict=True) if line in lines]
            cells.append("" if not there else "both" if len(by) == 2 else by[0] if by else "-")
            counts[system] += len(by) == 2
        made.add_row(mistake, *cells)
    made.add_row("by both", *(f"{counts[one]} of {len(marks['stem'])}" for one in SYSTEMS), end_section=True)
    return made


def marked(system: str) -> dict[str, tuple[int, bool]]:
    """Mistake -> its line, and whether the library has such a thing."""
    lines = enumerate((HERE / f"{system}_.py").read_text().splitlines(), start=1)
    return {found[1]: (number, "..." not in line.split("#")[0]) for number, line in lines if (found := MARK.search(line))}


def mypy(folder: Path, system: str, python: Path) -> set[int]:
    """The lines that mypy flags."""
    words = ["--strict", "--config-file=", "--follow-imports=silent", "--output=json"]
    chosen = [] if system == "stem" else ["--python-executable", str(python)]
    done = run(folder, system, "mypy", *words, *chosen, f"{system}_.py")
    entries = [json.loads(line) for line in done.splitlines()]
    return {entry["line"] for entry in entries if entry["severity"] == "error"}


def pyright(folder: Path, system: str, python: Path) -> set[int]:
    """The lines that pyright flags; values that are left lying about do not count."""
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT), str(CLIENT)] if system == "stem" else []}
    unused = dict.fromkeys(("reportUnusedVariable", "reportUnusedExpression", "reportUnusedCoroutine"), False)
    unknown = dict.fromkeys(
        ("reportUnknownMemberType", "reportUnknownVariableType", "reportUnknownArgumentType", "reportMissingTypeStubs"), False
    )
    (folder / "pyrightconfig.json").write_text(json.dumps(settings | unused | unknown))
    chosen = sys.executable if system == "stem" else str(python)
    answer = json.loads(run(folder, system, "pyright", "--outputjson", "--pythonpath", chosen, f"{system}_.py"))
    found = answer["generalDiagnostics"]
    return {one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"}


def run(folder: Path, system: str, *command: str) -> str:
    paths = f"{ROOT}:{CLIENT}" if system == "stem" else ""
    env = {**os.environ, "MYPYPATH": paths, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def versions(python: Path) -> str:
    names = ("celery", "celery-types", "dramatiq", "taskiq", "streaq", "procrastinate")
    code = f"from importlib.metadata import version; print(', '.join(n + ' ' + version(n) for n in {names!r}))"
    theirs = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    ours = subprocess.run([sys.executable, "-m", "mypy", "--version"], capture_output=True, text=True, check=True).stdout
    return f"{theirs}; {ours.split(' (')[0].strip()}, strict; pyright strict, without its reports of unknown and unused"


if __name__ == "__main__":
    main()
