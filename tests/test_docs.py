"""The documentation is run: its Python blocks as written, its links, and the drawing of the states.

Blocks of one page run in order and share their names, as a reader would type them. A `text` block right below a
Python block is what that block prints. A block whose first line is `# fragment` shows a shape and is not run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
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
    def runs(self) -> bool:
        return self.language == "python" and not self.code.startswith("# fragment")


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    found = list(_FENCE.finditer(text))
    for here, after in zip(found, [*found[1:], None], strict=True):
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
        code = compile("\n" * (block.line - 1) + block.code, str(ROOT / page), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, module.__dict__)
        if block.prints is not None:
            assert printed.getvalue() == block.prints, f"{page}:{block.line}"


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
    begin, end = "<!-- drawn by tests/test_docs.py: begin -->\n", "<!-- end -->\n"
    text = (ROOT / STATES).read_text("utf-8")
    above, _, rest = text.partition(begin)
    drawn, _, below = rest.partition(end)
    if os.environ.get("STEM_UPDATE_DOCS") == "1":
        (ROOT / STATES).write_text(above + begin + drawn_states() + end + below, "utf-8")
        return
    assert drawn == drawn_states(), "the states have changed: run with STEM_UPDATE_DOCS=1"


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
