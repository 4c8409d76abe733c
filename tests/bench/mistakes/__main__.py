"""The same mistakes in several libraries, and which of them mypy and pyright flag: `python -m tests.bench.mistakes`.

Strict mode, and the environment of `requirements.lock`; versions are printed beside. In each file a mistake is named by the
comment at the end of its line, and the next line is the right use of the same thing: where a checker flags that too, it does
not see the mistake. `...` stands where a library has no such thing. `--messages` prints what is said of each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from rich.console import Console
from rich.table import Table

from tests.bench.peers import environments

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
CLIENT: Final = ROOT / "examples" / "two_services" / "client"
SYSTEMS: Final = ("stem", "celery", "dramatiq", "taskiq", "streaq", "procrastinate", "dbos", "temporal")
MARK: Final = re.compile(r"  # (\w.*)$")
RIGHT: Final = "right"
#: Line -> what a checker says of it.
Said: TypeAlias = dict[int, str]


class Cell(NamedTuple):
    """One mistake in one library: what each checker says of it, and of the right use."""

    exists: bool
    mistake: dict[str, str]
    right: dict[str, str]

    def seen_by(self) -> list[str]:
        return [checker for checker in self.mistake if checker not in self.right]

    def __str__(self) -> str:
        seen = self.seen_by()
        return "" if not self.exists else "both" if len(seen) == 2 else seen[0] if seen else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", action="store_true", help="print what each checker says of each mistake")
    asked = parser.parse_args()
    python = environments.make("mistakes", HERE / "requirements.lock")
    with tempfile.TemporaryDirectory(prefix="stem-mistakes-") as name:
        cells = {system: judged(Path(name), system, python) for system in SYSTEMS}
    console = Console(width=150, soft_wrap=asked.messages)
    console.print(table(cells))
    for line in messages(cells) if asked.messages else flagged_though_right(cells):
        console.print(line, markup=False, highlight=False)
    console.print(versions(python))


def judged(folder: Path, system: str, python: Path) -> dict[str, Cell]:
    """Mistake -> what is said of it."""
    source = HERE / f"{system}_.py"
    shutil.copy(source, folder)
    said = {"mypy": mypy(folder, system, python), "pyright": pyright(folder, system, python)}

    def at(line: int) -> dict[str, str]:
        return {checker: lines[line] for checker, lines in said.items() if line in lines}

    return {
        mistake: Cell(line > 0, at(line), at(line + 1)) for mistake, line in marked(source.read_text().splitlines())
    }


def marked(lines: list[str]) -> Iterator[tuple[str, int]]:
    """Each mistake and the number of its line, 0 where the library has no such thing."""
    for number, line in enumerate(lines, start=1):
        found = MARK.search(line)
        if found and found[1] != RIGHT:
            exists = not line.lstrip().startswith("...")
            assert not exists or lines[number].endswith(f"# {RIGHT}"), f"line {number} has no right use below it: {line}"
            yield found[1], number if exists else 0


def table(cells: dict[str, dict[str, Cell]]) -> Table:
    """A row a mistake, a column a library; "both", the one checker that flags it, "-", or nothing where there is no such thing."""
    made = Table("mistake", *SYSTEMS, title="flagged by")
    for mistake in cells["stem"]:
        made.add_row(mistake, *(str(cells[system][mistake]) for system in SYSTEMS))
    made.add_section()
    made.add_row("by both", *(count(cells[system].values(), 2) for system in SYSTEMS))
    made.add_row("by one of them", *(count(cells[system].values(), 1) for system in SYSTEMS))
    return made


def count(cells: Iterable[Cell], least: int) -> str:
    there = [cell for cell in cells if cell.exists]
    return f"{sum(len(cell.seen_by()) >= least for cell in there)} of {len(there)}"


def messages(cells: dict[str, dict[str, Cell]]) -> Iterator[str]:
    for system, rows in cells.items():
        for mistake, cell in rows.items():
            for checker, text in cell.mistake.items():
                yield f"{system}: {mistake}: {checker}: {text}"
    yield from flagged_though_right(cells)


def flagged_though_right(cells: dict[str, dict[str, Cell]]) -> Iterator[str]:
    for system, rows in cells.items():
        for mistake, cell in rows.items():
            for checker, text in cell.right.items():
                yield f"{system}: right, and flagged ({mistake}): {checker}: {text}"


def mypy(folder: Path, system: str, python: Path) -> Said:
    words = ["--strict", "--config-file=", "--follow-imports=silent", "--output=json"]
    chosen = [] if system == "stem" else ["--python-executable", str(python)]
    done = run(folder, system, "mypy", *words, *chosen, f"{system}_.py")
    entries = [json.loads(line) for line in done.splitlines()]
    return {entry["line"]: entry["message"].partition("\n")[0] for entry in entries if entry["severity"] == "error"}


def pyright(folder: Path, system: str, python: Path) -> Said:
    """Without its reports of values that are left lying about and of types that are not known."""
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT), str(CLIENT)] if system == "stem" else []}
    off = dict.fromkeys(
        (
            "reportUnusedVariable",
            "reportUnusedExpression",
            "reportUnknownMemberType",
            "reportUnknownVariableType",
            "reportUnknownArgumentType",
            "reportMissingTypeStubs",
        ),
        False,
    )
    (folder / "pyrightconfig.json").write_text(json.dumps(settings | off))
    chosen = sys.executable if system == "stem" else str(python)
    answer = json.loads(run(folder, system, "pyright", "--outputjson", "--pythonpath", chosen, f"{system}_.py"))
    return {
        one["range"]["start"]["line"] + 1: " ".join(one["message"].split())
        for one in answer["generalDiagnostics"]
        if one["severity"] == "error"
    }


def run(folder: Path, system: str, *command: str) -> str:
    paths = f"{ROOT}:{CLIENT}" if system == "stem" else ""
    env = {**os.environ, "MYPYPATH": paths, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def versions(python: Path) -> str:
    names = ("celery", "celery-types", "dramatiq", "taskiq", "streaq", "procrastinate", "dbos", "temporalio")
    code = f"from importlib.metadata import version; print(', '.join(n + ' ' + version(n) for n in {names!r}))"
    theirs = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    ours = subprocess.run([sys.executable, "-m", "mypy", "--version"], capture_output=True, text=True, check=True).stdout
    return f"{theirs}; {ours.split(' (')[0].strip()}, strict; pyright strict, without its reports of unknown and unused"


if __name__ == "__main__":
    main()
