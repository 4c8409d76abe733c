"""Calls that are built and never sent, found in source: the one slip that no type checker sees.

A call is a value, so `charge.build(order)` alone on a line is legal, does nothing, and looks like Celery's `charge.delay(...)`.
Reads the syntax tree only; nothing is imported.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from stemgen.errors import StemgenError

#: Methods that set an option of a call; each returns a new call and leaves the old one as it was.
OPTION_METHODS: Final = frozenset(
    {
        "at", "cancel_after", "delay", "eta", "expires", "header", "id", "if_exists", "keep", "limit_key", "max_suspend",
        "meta", "priority", "queue", "retries", "then", "time_limit", "unique",
    }
)  # fmt: skip
#: Files that are not looked at.
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})
_DECORATORS: Final = frozenset({"task", "workflow"})
_DEFINITIONS: Final = frozenset({"TaskDefinition", "WorkflowDefinition", "Flow"})


class Unsent(NamedTuple):
    """A call that is dropped: where, and how it reads; `is_option`: only the call with one more option is dropped."""

    file: Path
    line: int
    text: str
    is_option: bool

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: {self.text}"
        if self.is_option:
            return f"{place} gives a new call, which is dropped: use what it returns"
        return f"{place} is built and never sent: await it with .enqueue(app) or .start(app), or hand it on"


def unsent(paths: Iterable[Path]) -> Iterator[Unsent]:
    """In these files, and in all below these folders; a file that is no Python is passed over."""
    for file in _files(paths):
        yield from sorted(_Reader(file, _parsed(file)).found(), key=lambda one: one.line)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
        else:
            yield from (one for one in sorted(path.rglob("*.py")) if not _is_skipped(one.relative_to(path)))


def _is_skipped(path: Path) -> bool:
    return any(part in _SKIPPED or part.startswith(".") for part in path.parts)


class _Reader:
    """One file: which names in it are tasks, workflows, modules of stubs, and calls that were kept."""

    def __init__(self, file: Path, tree: ast.Module) -> None:
        self._file, self._tree = file, tree
        #: Names of tasks and workflows of this file, and of those imported from stubs by name.
        self._declared: set[str] = set()
        #: A name here to the dotted path under a package of stubs, as "orders" or "orders.charge".
        self._stubs: dict[str, str] = {}
        #: Tasks and workflows of the packages of stubs that are imported here.
        self._known: set[str] = set()
        #: Modules of the project that are imported whole, by the name here, and the file that each is.
        self._modules: dict[str, Path] = {}
        #: Names of the scope that is read which mean something else there.
        self._hidden: frozenset[str] = frozenset()
        self._read_names()

    def found(self) -> Iterator[Unsent]:
        for scope in ast.walk(self._tree):
            if isinstance(scope, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._in_scope(scope)

    def _in_scope(self, scope: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Unsent]:
        kept: set[str] = set()
        self._hidden = _bound(scope)
        for node in _own(scope):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and self._is_call(node.value):
                kept |= _assigned(node)
            for call in _dropped_values(node.value) if isinstance(node, ast.Expr) else ():
                if self._is_call(call):
                    yield self._dropped(call, is_option=False)
                elif isinstance(call.func, ast.Attribute) and call.func.attr in OPTION_METHODS and _root(call) in kept:
                    yield self._dropped(call, is_option=True)

    def _dropped(self, call: ast.Call, *, is_option: bool) -> Unsent:
        text = ast.unparse(call).splitlines()[0]
        return Unsent(self._file, call.lineno, text if len(text) < 70 else f"{text[:67]}...", is_option)

    def _is_call(self, node: ast.expr) -> bool:
        """Whether this makes a call of a task or workflow: `x.build(...)`, a stub's call, and either with options."""
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Attribute) and node.func.attr in OPTION_METHODS:
            return self._is_call(node.func.value)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "build":
            return self._is_task(node.func.value)
        path = self._stub_path(node.func)
        return path is not None and path in self._known

    def _is_task(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name) and node.id in self._declared - self._hidden:
            return True
        if isinstance(node, ast.Attribute) and (module := self._modules.get(ast.unparse(node.value))) is not None:
            return node.attr in _declared_by(module) and _root(node) not in self._hidden
        path = self._stub_path(node)
        return path is not None and path in self._known

    def _stub_path(self, node: ast.expr) -> str | None:
        """The dotted path under its package of stubs; None when it leads to none."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self._stubs or node.id in self._hidden:
            return None
        return ".".join(part for part in (self._stubs[node.id], *reversed(parts)) if part)

    # ---------------------------------------------------------------- names

    def _read_names(self) -> None:
        self._declared |= _declared_in(self._tree)
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                self._read_from(node)
            elif isinstance(node, ast.Import):
                for name in node.names:
                    self._read_import(name)

    def _read_from(self, node: ast.ImportFrom) -> None:
        package, _, inside = str(node.module).partition(".")
        tasks = _tasks_of(package) if not node.level else None
        for name in node.names:
            shown = name.asname or name.name
            if tasks is not None:
                self._known |= tasks
                self._stubs[shown] = f"{inside}.{name.name}".strip(".")
            elif (source := _source_of(self._file, str(node.module), node.level)) is not None:
                declared = _declared_by(source)
                self._declared |= declared if name.name == "*" else {shown} if name.name in declared else set()

    def _read_import(self, name: ast.alias) -> None:
        package, _, inside = name.name.partition(".")
        tasks = _tasks_of(package)
        if tasks is not None:
            self._known |= tasks
            self._stubs[name.asname or package] = inside if name.asname else ""
        elif (source := _source_of(self._file, name.name, 0)) is not None:
            self._modules[name.asname or name.name] = source


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """What stands in a scope, without the functions in it, and without what is there to be refused."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _expects_an_error(node):
            yield from _own(node)


def _expects_an_error(node: ast.AST) -> bool:
    """`with pytest.raises(...)` and its kind."""
    return isinstance(node, ast.With | ast.AsyncWith) and any(
        _last(one.context_expr) in {"raises", "assertRaises", "assertRaisesRegex"} for one in node.items
    )


def _dropped_values(node: ast.expr) -> Iterator[ast.Call]:
    """The calls whose values are dropped when this expression stands alone on a line."""
    match node:
        case ast.Call():
            yield node
        case ast.BoolOp(values=[*_, last]):
            yield from _dropped_values(last)
        case ast.IfExp(body=body, orelse=other):
            yield from (one for part in (body, other) for one in _dropped_values(part))
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            yield from (one for part in parts for one in _dropped_values(part))
        case ast.ListComp(elt=part) | ast.SetComp(elt=part):
            yield from _dropped_values(part)
        case _:
            pass


def _bound(scope: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """The parameters of a function, and what it assigns: these hide names of the module."""
    if isinstance(scope, ast.Module):
        return frozenset()
    names = {one.arg for one in ast.walk(scope.args) if isinstance(one, ast.arg)}
    names |= {one.id for one in _own(scope) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return frozenset(names)


def _last(node: ast.expr) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _root(node: ast.expr) -> str:
    """The name at which a chain of attributes and calls begins."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            node = node.value
        else:
            return ""
    return node.id


@cache
def _tasks_of(package: str) -> set[str] | None:
    """The tasks and workflows of an installed package of stubs, by dotted name; None when it is no such package."""
    if package in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(package)  # of a package by itself: nothing is imported
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        lock = Path(folder) / "stem.lock.json"
        if lock.is_file():
            said = _read_lock(lock)
            return {*said["tasks"], *(one["name"] for one in said.get("workflows", {}).values())}
    return None


def _read_lock(lock: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(lock.read_bytes())
    except ValueError as fault:
        raise StemgenError(f"{lock} is no JSON ({fault}): run stemgen, which writes it anew") from None
    return said


def _source_of(file: Path, module: str, level: int) -> Path | None:
    """The file of a module that lies in the project; `level`: the dots in front of its name."""
    start = file.resolve().parent
    for _ in range(level - 1):
        start = start.parent
    for folder in [start] if level else [start, *start.parents]:
        found = folder.joinpath(*module.split("."))
        source = found.with_suffix(".py") if found.with_suffix(".py").is_file() else found / "__init__.py"
        if source.is_file():
            return source
    return None


def _declared_in(tree: ast.Module) -> set[str]:
    """The names of tasks and workflows that a module declares."""
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(_last(one) in _DECORATORS for one in node.decorator_list):
                found.add(node.name)
        elif (
            isinstance(node, ast.Assign | ast.AnnAssign)
            and isinstance(node.value, ast.Call)
            and _is_definition(node.value)
        ):
            found |= _assigned(node)
    return found


def _assigned(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {one.id for one in targets if isinstance(one, ast.Name)}


def _is_definition(call: ast.Call) -> bool:
    return _last(call) in _DEFINITIONS or (_last(call) == "step" and _root(call) == "Flow")


@cache
def _declared_by(file: Path) -> set[str]:
    return _declared_in(_parsed(file))


@cache
def _parsed(file: Path) -> ast.Module:
    """The syntax tree; an empty one for what is no Python."""
    try:
        return ast.parse(file.read_text("utf-8"))
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])
