"""Projects in a folder of their own, on which stemgen runs as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
#: An app with one of everything that a producer package copies.
SHOP: Final = Path(__file__).parent / "shop"


class Project:
    """A folder with a pyproject.toml and the modules of an app."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace one place in a file; it must be there."""
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) >= 1, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1))

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def run(self, *words: str, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        """`stemgen ...` in this folder."""
        return self.python("-m", "stemgen", *words, env=env)

    def python(self, *words: str, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def generate(self) -> str:
        """Run stemgen, which must succeed; what it says."""
        done = self.run()
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def output(self) -> dict[str, bytes]:
        """Every file of the package."""
        base = self.folder / "client"
        return {str(path.relative_to(base)): path.read_bytes() for path in sorted(base.rglob("*")) if path.is_file()}


def ruff_rules(project: Project) -> Path:
    """The rules of this repository, as they would stand in a project of its own."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    rules = said["lint"]
    words = [
        'target-version = "py311"',
        "[lint]",
        f"select = {json.dumps(rules['select'])}",
        f"ignore = {json.dumps(rules['ignore'])}",
        "[lint.flake8-bugbear]",
        f"extend-immutable-calls = {json.dumps(rules['flake8-bugbear']['extend-immutable-calls'])}",
    ]
    file = project.folder / "ruff.toml"
    file.write_text("\n".join(words))
    return file


PYPROJECT: Final = """
[tool.stemgen]
modules = ["app.*"]
output = "client/app_client"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty app, and where its package goes."""
    made = Project(tmp_path)
    made.write({"pyproject.toml": PYPROJECT, "app/__init__.py": ""})
    return made


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """An app with one of everything."""
    made = Project(tmp_path)
    made.write({"pyproject.toml": PYPROJECT, "app/__init__.py": ""})
    for path in sorted(SHOP.glob("*.py")):
        made.write({f"app/{path.name}": path.read_text()})
    return made
