"""The documentation is run: its Python blocks as written, its links, and the drawing of the states.

Blocks of one page run in order and share their names, as a reader would type them. A `text` block right below a
Python block is what that block prints. A block whose first line is `# fragment` shows a shape and is not run.

A Python block that begins with `# name.py` is a file, and so is a TOML block that begins with `# pyproject.toml`; the `console` blocks of its page are run in a folder with these
files, one command after the other, and print what the page shows. `docs/reference/cli.md` is written from `--help`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest

from stem.core.states import FINAL, TRANSITIONS, WAITING

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (
        *sorted(ROOT.glob("docs/**/*.md")),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    )
}
STATES = "docs/internals/states.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block, the line where it begins, and what it prints if the page says so."""

    line: int
    language: str
    code: str
    prints: str | None

    @property
    def file(self) -> str:
        """The name of the file that the block shows, or "" when it is none."""
        kinds = {"python": r"\w+\.py", "toml": r"pyproject\.toml"}
        named = re.match(rf"# ({kinds[self.language]})\n", self.code) if self.language in kinds else None
        return named[1] if named else ""

    @property
    def runs(self) -> bool:
        return self.language == "python" and not self.file and not self.code.startswith("# fragment")

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each command of a console block with what it prints."""
        parts = re.split(r"^\$ (.+)\n", self.code, flags=re.MULTILINE) if self.language == "console" else []
        return list(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    found = list(_FENCE.finditer(text))
    for here, after in zip_longest(found, found[1:]):
        prints = None
        if after is not None and after[1] == "text" and not text[here.end() : after.start()].strip():
            prints = after[2]
        yield Block(text.count("\n", 0, here.start()) + 2, here[1], here[2], prints)


def links(text: str) -> list[str]:
    """The relative links of a page, without those in code."""
    prose = _FENCE.sub("", text)
    return [target for target in _LINK.findall(prose) if "://" not in target and not target.startswith("mailto:")]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# ---------------------------------------------------------------- the pages


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if any(block.runs for block in blocks(text))])
def test_the_python_of_the_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("page_" + re.sub(r"\W", "_", page))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(PAGES[page]):
        if not block.runs:
            continue
        printed = io.StringIO()
        # blank lines above, so that a traceback names the line of the page
        text = block.code.replace('if __name__ == "__main__":', "if True:")  # as `python page.py` would find it
        code = compile("\n" * (block.line - 1) + text, str(ROOT / page), "exec", dont_inherit=True)
        with contextlib.redirect_stdout(printed):
            exec(code, module.__dict__)
        if block.prints is not None:
            assert printed.getvalue() == block.prints, f"{page}:{block.line}"


def test_the_python_of_the_pages_pleases_the_type_checker(tmp_path: Path) -> None:
    """Each page as one module, its lines where the page has them; and the files that it shows."""
    for page, text in PAGES.items():
        lines = [""] * (text.count("\n") + 1)
        for block in blocks(text):
            if block.runs:
                code = block.code.splitlines()
                lines[block.line - 1 : block.line - 1 + len(code)] = code
        (tmp_path / f"{re.sub(r'[^a-z]', '_', page.lower())}.py").write_text("\n".join(lines))
        folder = tmp_path / re.sub(r"[^a-z]", "_", page.lower())
        for block in blocks(text):
            if block.file:
                folder.mkdir(exist_ok=True)
                (folder / block.file).write_text(block.code)
        if (folder / "pyproject.toml").exists():
            subprocess.run(
                [sys.executable, "-m", "stemgen"], cwd=folder, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(ROOT / ".mypy_cache")]
    done = [
        subprocess.run(
            [*command, *names],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "MYPYPATH": str(ROOT)},
        )
        for folder in (tmp_path, *(one for one in tmp_path.iterdir() if one.is_dir()))
        if (names := sorted(one.name for one in folder.glob("*.py")))
    ]
    assert "".join(one.stdout + one.stderr for one in done) == ""


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if any(block.file for block in blocks(text))])
def test_the_commands_of_the_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    here = list(blocks(PAGES[page]))
    for block in here:
        if block.file:
            (tmp_path / block.file).write_text(block.code.partition("\n")[2].lstrip())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEM_")}
    environment |= {"PATH": path, "COLUMNS": "120", "NO_COLOR": "1"}
    workers: list[subprocess.Popen[str]] = []
    try:
        for command, shown in (pair for block in here for pair in block.commands):
            if command.startswith(("stem worker", "stem dev")) and "--burst" not in command:
                workers.append(start_worker(command, tmp_path, environment))
                continue
            done = subprocess.run(
                command,
                shell=True,
                cwd=tmp_path,
                env=environment,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=30,
            )
            assert comparable(done.stdout) == comparable(shown), command
    finally:
        for worker in workers:
            worker.terminate()
            worker.communicate(timeout=20)
    assert [worker.returncode for worker in workers] == [0] * len(workers)


def start_worker(command: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A worker in the background, once it says that it is ready."""
    worker = subprocess.Popen(shlex.split(command), cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    assert worker.stderr is not None
    said = ""
    while "is ready" not in said:
        line = worker.stderr.readline()
        assert line, said
        said += line
    return worker


def comparable(printed: str) -> list[str]:
    """Its lines, without what is different each time: ids, spans, and the width of columns."""
    text = re.sub(r"\b[0-9a-f]{32}\b", "ID", printed)
    text = re.sub(r"\b(now|\d+s ago)\b", "AGO", text)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_the_page_lead_somewhere(page: str) -> None:
    broken = []
    for target in links(PAGES[page]):
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        if not there.exists() or (anchor and anchor not in anchors(there.read_text("utf-8"))):
            broken.append(target)
    assert not broken


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs/index.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in links(index.read_text("utf-8"))}
    pages = {path.resolve() for path in ROOT.glob("docs/**/*.md")} - {index.resolve()}
    assert not sorted(path.name for path in pages - listed)


def test_every_test_that_the_documentation_names_exists() -> None:
    sources = [
        path.read_text("utf-8") for folder in ("tests", "stem/testing") for path in ROOT.glob(f"{folder}/**/*.py")
    ]
    there = set(re.findall(r"def (test_\w+)", "\n".join(sources)))
    named = {name for text in PAGES.values() for name in re.findall(r"`(test_\w+)`", text)}
    assert sorted(named - there) == []


# ---------------------------------------------------------------- the states


def drawn_states() -> str:
    """The diagram and the table of docs/internals/states.md, from the table in stem/core/states.py."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for (before, event), after in TRANSITIONS.items():
        lines.append(f"    {'[*]' if before == '-' else before} --> {after}: {event}")
    lines += [f"    {state} --> [*]" for state in sorted(FINAL)]
    lines += ["```", "", "| state before | what happens | state after |", "|---|---|---|"]
    for (before, event), after in TRANSITIONS.items():
        lines.append(f"| {'(no job)' if before == '-' else before} | {event} | {after} |")
    lines += [
        "",
        f"States in which a job waits for a worker: {', '.join(WAITING)}.",
        f"States that a job does not leave by itself: {', '.join(sorted(FINAL))}.",
    ]
    return "\n".join(lines) + "\n"


def test_the_states_are_drawn_as_they_are() -> None:
    assert written(STATES, drawn_states()), "the states have changed: run with STEM_UPDATE_DOCS=1"


def written(page: str, part: str) -> bool:
    """Whether the generated part of a page is this; with STEM_UPDATE_DOCS=1 it is made so."""
    begin, end = "<!-- written by tests/test_docs.py: begin -->\n", "<!-- end -->\n"
    text = (ROOT / page).read_text("utf-8")
    above, _, rest = text.partition(begin)
    there, _, below = rest.partition(end)
    if os.environ.get("STEM_UPDATE_DOCS") == "1":
        (ROOT / page).write_text(above + begin + part + end + below, "utf-8")
        return True
    return there == part


# ---------------------------------------------------------------- the command line

CLI = "docs/reference/cli.md"
COMMANDS = (
    "",
    *("dev", "worker", "enqueue", "result"),
    *("jobs ls", "jobs show", "jobs cancel"),
    *("queues ls", "queues pause", "queues resume", "queues purge"),
    *("dlq ls", "dlq show", "dlq replay", "dlq purge"),
    *("tasks ls", "health"),
    *("wf ls", "wf start", "wf show", "wf explain", "wf waiters", "wf events", "wf emit", "wf cancel"),
    *("wf resume", "wf rewind", "wf doctor", "wf check", "wf export", "wf workflows"),
)
STEMGEN_COMMANDS = ("", "check", "breaking", "export", "watch")


def help_of(program: str, command: str) -> str:
    """What `PROGRAM COMMAND --help` prints, without the options that all commands share."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    asked = [sys.executable, "-m", program, *command.split(), "--help"]
    done = subprocess.run(asked, env=environment, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout.partition("\nCommon options:\n")[0].rstrip() + "\n"


def test_the_reference_of_the_command_line_is_what_help_says() -> None:
    asked = [("stem", command) for command in COMMANDS] + [("stemgen", command) for command in STEMGEN_COMMANDS]
    parts = [f"### {' '.join(one)}".rstrip() + f"\n\n```text\n{help_of(*one)}```\n" for one in asked]
    assert written(CLI, "\n".join(parts)), "the help has changed: run with STEM_UPDATE_DOCS=1"


# ---------------------------------------------------------------- the rules notice what they forbid


def test_a_block_knows_what_it_prints() -> None:
    page = "a\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\n# fragment\nx\n```\n"
    first, text, fragment = blocks(page)
    assert (first.line, first.code, first.prints, first.runs) == (3, "print(1)\n", "1\n", True)
    assert not text.runs
    assert not fragment.runs


def test_links_in_code_and_to_other_sites_do_not_count() -> None:
    assert links("[a](b.md#c) [d](https://example.org)\n```text\n[e](f.md)\n```\n") == ["b.md#c"]
    assert anchors("# Soft limits, and hard ones\n") == {"soft-limits-and-hard-ones"}


@pytest.mark.parametrize("page", ["docs/reference/promises.md", "docs/reference/workflows.md"])
def test_the_tests_that_a_page_names_are_there(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGES[page]))
    code = "".join(
        path.read_text("utf-8") for folder in ("tests", "stem/testing") for path in (ROOT / folder).rglob("*.py")
    )
    known = set(re.findall(r"def (test_\w+)", code))
    assert named
    assert named <= known
