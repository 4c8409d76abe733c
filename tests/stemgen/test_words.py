"""The documentation shows what mypy says: it must be what mypy says."""

from __future__ import annotations

import re

from tests.stemgen.conftest import PYPROJECT, ROOT, Project

PAGE = (ROOT / "docs/guide/typed-producers.md").read_text()


def block(language: str, begins: str) -> str:
    """The fenced block of the page that begins so."""
    found = re.search(rf"^```{language}\n({re.escape(begins)}.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, begins
    return found[1]


def test_the_page_shows_what_mypy_says(project: Project) -> None:
    project.write({"app/shop_tasks.py": block("python", "# shop_tasks.py"), "pyproject.toml": PYPROJECT})
    project.generate()
    calls = block("python", "# fragment\norders.charge(id=").partition("\n")[2]
    project.write({"wrong.py": f"from app_client import orders, reports\n{calls}"})
    words = [
        "--strict",
        "--follow-imports=silent",
        "--config-file=",
        "--no-error-summary",
        "--hide-error-codes",
        "wrong.py",
    ]
    said = project.python("-m", "mypy", *words, env={"MYPYPATH": f"client:{ROOT}"}).stdout
    shown = block("text", "Missing named argument").splitlines()
    assert [line.partition("error: ")[2].strip() for line in said.splitlines() if "error: " in line] == shown


def test_the_chains_of_the_page_have_the_types_it_says(project: Project) -> None:
    project.write({"app/shop_tasks.py": block("python", "# shop_tasks.py")})
    project.generate()
    lines = block("python", "# fragment\npaid =").splitlines()[1:]
    checked = [f"{line}\nassert_type({line.split(' =')[0]}, {line.partition('# ')[2]})" for line in lines]
    head = (
        "from typing import assert_type\nfrom app_client import orders, reports\nfrom app_client.orders import Receipt\n"
        "from stem import Chain, Group, group\n"
    )
    project.write({"chains.py": head + "\n".join(checked)})
    words = ["--strict", "--follow-imports=silent", "--config-file=", "--no-error-summary", "chains.py"]
    assert project.python("-m", "mypy", *words, env={"MYPYPATH": f"client:{ROOT}"}).stdout == ""
