"""What type checkers tell users: nothing about right uses, and every misuse on its own line.

`*_ok.py` hold right uses with `assert_type`. `*_bad.py` hold misuses, each on a line that ends in `# E: <what is
wrong, in words>`; mypy and pyright must both flag these lines and no others. The files are checked as a user's
project is: alone in a folder, with nothing but strict mode.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, TypeAlias

import pytest

pytestmark = pytest.mark.timeout(300)

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
#: A generated package.
CLIENT: Final = ROOT / "examples" / "two_services" / "client"
DOCUMENT: Final = ROOT / "docs" / "internals" / "types.md"
OK: Final = sorted(path.name for path in HERE.glob("*_ok.py"))
BAD: Final = sorted(path.name for path in HERE.glob("*_bad.py"))
MARK: Final = re.compile(r"# E: \w.*$")

#: What a checker says: file -> line -> messages.
Flagged: TypeAlias = dict[str, dict[int, list[str]]]

#: A file with one mark too many and one too few: line 1 is right, line 2 is wrong, line 3 is as marked.
MISMARKED: Final = "a: int = 1  # E: nothing is wrong\nb: int = 'text'\nc: int = 'text'  # E: text is no int\n"

#: Strict, but for what would flag a misuse because its value is left lying about, whatever its type.
PYRIGHT: Final = {
    "typeCheckingMode": "strict",
    "extraPaths": [str(ROOT), str(CLIENT)],
    "reportUnusedVariable": False,
    "reportUnusedExpression": False,
}


# ---------------------------------------------------------------- the checkers


def mypy(folder: Path) -> Flagged:
    """What mypy says about the files of `folder`."""
    # the errors of stem itself are not a user's affair, hence silent
    options = ["--strict", "--config-file=", "--cache-dir=.cache", "--follow-imports=silent", "--output=json"]
    done = _run(folder, "mypy", *options, *sorted(path.name for path in folder.glob("*.py")))
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    found: Flagged = {}
    for entry in entries:
        if entry["severity"] == "error":
            _note(found, entry["file"], entry["line"], entry["message"])
    return found


def pyright(folder: Path) -> Flagged:
    """What pyright says about the files of `folder`."""
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT), "utf-8")
    done = _run(folder, "pyright", "--outputjson", "--pythonpath", sys.executable)
    answer = json.loads(done.stdout)
    assert answer["summary"]["filesAnalyzed"] == len(list(folder.glob("*.py"))), done.stdout
    found: Flagged = {}
    for entry in answer["generalDiagnostics"]:
        if entry["severity"] in {"error", "warning"}:
            _note(found, Path(entry["file"]).name, entry["range"]["start"]["line"] + 1, entry["message"])
    return found


CHECKERS: Final = {"mypy": mypy, "pyright": pyright}


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """The finished checker; it must have judged: 0 is clean, 1 is complaints, all else is a checker that broke."""
    env = {**os.environ, "MYPYPATH": f"{ROOT}:{CLIENT}", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done


def _note(found: Flagged, file: str, line: int, message: str) -> None:
    found.setdefault(file, {}).setdefault(line, []).append(message.splitlines()[0])


# ---------------------------------------------------------------- marks


def marks(source: str) -> dict[int, str]:
    """The marked lines of a source, and what is wrong with each."""
    lines = enumerate(source.splitlines(), start=1)
    return {number: found[0].removeprefix("# E: ") for number, line in lines if (found := MARK.search(line))}


def differences(marked: dict[int, str], flagged: dict[int, list[str]]) -> list[str]:
    """One sentence for each line that is only marked or only flagged."""
    missed = [(line, f"line {line}: not flagged, although {marked[line]}") for line in marked.keys() - flagged.keys()]
    extra = [(line, f"line {line}: flagged, not marked: {flagged[line]}") for line in flagged.keys() - marked.keys()]
    return [sentence for _, sentence in sorted(missed + extra)]


# ---------------------------------------------------------------- the tests


@pytest.fixture(scope="module", params=CHECKERS)
def flagged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Flagged:
    """What one checker says about all files; it runs once."""
    folder = tmp_path_factory.mktemp("project")
    for name in OK + BAD:
        shutil.copy(HERE / name, folder)
    (folder / "mismarked.py").write_text(MISMARKED, "utf-8")
    return CHECKERS[request.param](folder)


@pytest.mark.parametrize("file", OK)
def test_right_uses_are_accepted(flagged: Flagged, file: str) -> None:
    found = differences({}, flagged.get(file, {}))
    assert not found, "\n".join([file, *found])


@pytest.mark.parametrize("file", BAD)
def test_misuses_are_flagged_on_their_lines_and_nothing_else_is(flagged: Flagged, file: str) -> None:
    found = differences(marks((HERE / file).read_text("utf-8")), flagged.get(file, {}))
    assert not found, "\n".join([file, *found])


@pytest.mark.parametrize("file", OK)
def test_right_uses_run(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CLIENT))
    runpy.run_path(str(HERE / file))


def test_there_are_as_many_misuses_and_right_uses_as_the_documentation_says() -> None:
    misuses = sum(len(marks((HERE / file).read_text("utf-8"))) for file in BAD)
    right = sum((HERE / file).read_text("utf-8").count("assert_type(") for file in OK)
    assert misuses >= 2_500
    assert f"hold {misuses:,} misuses" in (text := DOCUMENT.read_text("utf-8"))
    assert f"right uses with {right:,} `assert_type`" in text


def test_every_mark_says_what_is_wrong() -> None:
    for file in BAD:
        source = (HERE / file).read_text("utf-8")
        assert len(marks(source)) == source.count("# E:"), f"{file} has a mark without words"


def test_the_comparison_notices_a_mark_too_many_and_a_mark_too_few(flagged: Flagged) -> None:
    repaired, unmarked = differences(marks(MISMARKED), flagged["mismarked.py"])
    assert repaired == "line 1: not flagged, although nothing is wrong"
    assert unmarked.startswith("line 2: flagged, not marked: ")
