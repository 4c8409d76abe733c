"""The public names: a change of them is a decision, and this test makes it visible."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

SNAPSHOT = Path(__file__).with_name("public_names.txt")
PACKAGES = ("stem", "stem.testing")
#: What `import stem` alone must not pay for.
HEAVY = ("pydantic", "msgspec", "anyio", "sqlite3")


def public_names(package: str) -> list[str]:
    """The names of a package that are neither private, nor submodules, nor there for annotations."""
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None)
    if names is None:
        # pytest puts names with an @ into the modules of its plugins
        names = [name for name in vars(module) if not name.startswith(("_", "@")) and name not in submodules(package)]
    return sorted(f"{package}.{name}" for name in names)


def submodules(package: str) -> set[str]:
    """The modules and folders directly under a package."""
    return {found.name for found in pkgutil.iter_modules(importlib.import_module(package).__path__)}


def test_the_public_names_are_those_of_the_snapshot() -> None:
    found = [name for package in PACKAGES for name in public_names(package)]
    text = "".join(f"{name}\n" for name in found)
    if os.environ.get("STEM_UPDATE_DOCS") == "1":
        SNAPSHOT.write_text(text)
    assert SNAPSHOT.read_text() == text, "the public names have changed; if meant, run with STEM_UPDATE_DOCS=1"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)
    for name in (one.rpartition(".")[2] for one in public_names(package)):
        found = getattr(module, name)
        assert name in dir(module)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert found.__name__ == name
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_is_also_a_submodule(package: str) -> None:
    # a package of the same name would take the name's place as soon as somebody imports it
    names = {name.rpartition(".")[2] for name in public_names(package)}
    assert not names & submodules(package)


def test_what_checkers_see_is_what_the_program_has() -> None:
    # the lazy table and the imports for type checkers are written down twice in stem/__init__.py
    source = Path(importlib.import_module("stem").__file__ or "").read_text()
    seen = {line.split()[-1] for line in source.splitlines() if line.startswith("    from stem.") and " as " in line}
    assert seen == {name.rpartition(".")[2] for name in public_names("stem")}


def test_importing_stem_alone_imports_nothing_heavy() -> None:
    code = "import sys, json, stem; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30)
    loaded: list[str] = json.loads(done.stdout)
    assert not [name for name in loaded if name.partition(".")[0] in HEAVY]
