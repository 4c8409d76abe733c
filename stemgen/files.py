"""What lies in the output folder against what should: the differences, and writing them."""

from __future__ import annotations

import ast
import difflib
import inspect
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from stemgen.errors import StemgenError
from stemgen.layout import HEADER

_HEADER = HEADER.encode()
#: Written without a header: JSON has no comments, and a marker is empty.
_BARE = frozenset({"stem.lock.json", "py.typed"})


class Change(msgspec.Struct, frozen=True):
    """One file that is not as it should be. `old` is None when it is missing, `new` when it is left over."""

    path: Path
    old: str | None
    new: str | None

    @property
    def what(self) -> str:
        """In one word."""
        return "missing" if self.old is None else "left over" if self.new is None else "stale"


def changes(folder: Path, wanted: Mapping[str, str]) -> list[Change]:
    """Every file that is missing, stale or left over; files that stemgen did not write are not looked at."""
    found = [_compared(folder / path, text) for path, text in wanted.items()]
    known = {folder / path for path in wanted}
    left = [
        Change(path, path.read_text("utf-8"), None)
        for path in sorted(folder.rglob("*.py"))
        if path not in known and path.read_bytes().startswith(_HEADER)
    ]
    return [one for one in found if one is not None] + left


def _compared(path: Path, text: str) -> Change | None:
    try:
        there = path.read_bytes()
    except FileNotFoundError:
        return Change(path, None, text)
    if there == text.encode() or (path.suffix == ".py" and _reads_alike(there, text)):
        return None
    if path.name not in _BARE and there and not there.startswith(_HEADER):
        raise StemgenError(f"{path} was not written by stemgen and is in its way; move it, or choose another output")
    return Change(path, there.decode("utf-8", "replace"), text)


def _reads_alike(there: bytes, text: str) -> bool:
    """Whether a file says the same: formatters break lines and sort imports as they are told, and must not make it stale."""
    if not there.startswith(_HEADER):
        return False
    try:
        return _said(there) == _said(text)
    except (SyntaxError, ValueError):
        return False


def _said(text: str | bytes) -> tuple[list[str], list[str]]:
    """The imports of a module, sorted, and the rest of it, without what is layout."""
    imports, rest = list[str](), list[str]()
    for node in _unfolded(ast.parse(text).body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            home = f"{'.' * node.level}{node.module or ''}" if isinstance(node, ast.ImportFrom) else ""
            imports += [f"{home} {name.name} {name.asname}" for name in node.names]
        else:
            rest.append(_dumped(node))
    return sorted(imports), rest


def _unfolded(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, those for the checker alone among them: their imports are sorted too."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body
        else:
            yield node


def _dumped(node: ast.AST) -> str:
    for one in ast.walk(node):
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
            one.value.value = inspect.cleandoc(one.value.value).rstrip()  # a docstring
    return ast.dump(node)


def write(found: list[Change]) -> None:
    """Make it so: whole files, each in one step."""
    for one in found:
        if one.new is None:
            one.path.unlink()
            continue
        one.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=one.path.parent, prefix=".stemgen-")
        with os.fdopen(handle, "wb") as file:
            file.write(one.new.encode())
        Path(name).chmod(0o644)
        Path(name).replace(one.path)
    for folder in {one.path.parent for one in found if one.new is None}:
        _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    """A folder in which nothing is left but bytecode."""
    if folder.is_dir() and all(one.name == "__pycache__" for one in folder.iterdir()):
        shutil.rmtree(folder)


def diff(one: Change, root: Path) -> str:
    """The change as a unified diff."""
    name = one.path.relative_to(root).as_posix()
    old, new = (one.old or "").splitlines(keepends=True), (one.new or "").splitlines(keepends=True)
    before = "/dev/null" if one.old is None else f"a/{name}"
    after = "/dev/null" if one.new is None else f"b/{name}"
    return "".join(difflib.unified_diff(old, new, before, after))
