"""The floors, read from the source: what import-linter cannot see.

`stem/core` is pure, imports stand at the top of their module, and no module imports itself by a detour. Every rule
is a function of source text, and is shown to notice what it forbids.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(ROOT.glob("stem/**/*.py"))}

#: Waiting, clocks, chance, environment and I/O: they come into `core` as arguments, or not at all.
IMPURE_MODULES = {
    *("asyncio", "anyio", "concurrent", "multiprocessing", "signal", "subprocess", "threading"),
    *("os", "pathlib", "platform", "socket", "sqlite3", "redis", "tempfile"),
    *("random", "secrets", "time"),
}
IMPURE_METHODS = {"now", "utcnow", "today"}
IMPURE_BUILTINS = {"open", "input", "print"}
#: Where an import inside a function is right: engines are loaded by URL, the command line and `import stem` are lazy.
LATE_IMPORTS_ALLOWED = ("stem/engines.py", "stem/__init__.py", "stem/cli/", "stem/testing/")


# ---------------------------------------------------------------- the rules


def impurities(source: str) -> list[str]:
    """What a module of `stem/core` does that belongs into a shell, as `line 3: imports time`."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [(node.lineno, f"imports {a.name}") for a in names if _root(a.name) in IMPURE_MODULES]
            case ast.ImportFrom(module=str(module), level=0) if _root(module) in IMPURE_MODULES:
                found.append((node.lineno, f"imports {module}"))
            case ast.AsyncFunctionDef(name=name):
                found.append((node.lineno, f"async def {name}"))
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                found.append((node.lineno, "waits"))
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
                found.append((node.lineno, f"reads the clock with .{name}()"))
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_BUILTINS:
                found.append((node.lineno, f"calls {name}()"))
            case _:
                pass
    return [f"line {line}: {what}" for line, what in sorted(found)]


def late_imports(source: str) -> list[str]:
    """The imports that run only when a function does."""
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    lines = {n.lineno for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)}
    return [f"line {line}: import inside a function" for line in sorted(lines)]


def import_cycle(sources: Mapping[str, str]) -> list[str] | None:
    """One circle of modules that import each other while loading, as `[a, b, a]`; None: there is none."""
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources}
    graph = {module: _loads(module, sources[path], modules) - {module} for module, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return None


def _loads(module: str, source: str, modules: Mapping[str, str]) -> set[str]:
    """The modules among `modules` that `module` imports while it loads."""
    parents = (module + ".__init__" if modules[module].endswith("/__init__.py") else module).split(".")
    found: set[str] = set()
    for node in _run_on_load(ast.parse(source).body):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=name, names=names, level=level):
                base = ".".join([*(parents[:-level] if level else []), *([name] if name else [])])
                found |= {inner if (inner := f"{base}.{alias.name}") in modules else base for alias in names}
            case _:
                pass
    return found & modules.keys()


def _run_on_load(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run while a module loads: not those in functions, nor those for type checkers only."""
    for node in body:
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=orelse):
                yield from _run_on_load(orelse)
            case _:
                for block in ("body", "orelse", "finalbody"):
                    yield from _run_on_load(getattr(node, block, []))
                for handler in getattr(node, "handlers", []):
                    yield from _run_on_load(handler.body)


def _root(module: str) -> str:
    return module.partition(".")[0]


# ---------------------------------------------------------------- stem keeps them


def test_core_never_waits_reads_a_clock_draws_lots_or_touches_the_machine() -> None:
    core = {path: source for path, source in SOURCES.items() if path.startswith("stem/core/")}
    assert core, "stem/core was not found, so nothing was checked"
    assert {path: found for path, source in core.items() if (found := impurities(source))} == {}


def test_imports_stand_at_the_top_of_their_module() -> None:
    held = {path: source for path, source in SOURCES.items() if not path.startswith(LATE_IMPORTS_ALLOWED)}
    assert {path: found for path, source in held.items() if (found := late_imports(source))} == {}


def test_no_module_imports_itself_by_a_detour() -> None:
    assert import_cycle(SOURCES) is None


# ---------------------------------------------------------------- the rules notice


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import time", "line 1: imports time"),
        ("import re, os.path as p", "line 1: imports os.path"),
        ("from asyncio import sleep", "line 1: imports asyncio"),
        ("def f() -> None:\n    from random import random", "line 2: imports random"),
        ("async def wait() -> None: ...", "line 1: async def wait"),
        ("f = lambda: [(await x) for x in y]", "line 1: waits"),
        ("from datetime import datetime\nstarted = datetime.now()", "line 2: reads the clock with .now()"),
        ("import datetime\nday = datetime.date.today()", "line 2: reads the clock with .today()"),
        ("import datetime\nt = datetime.datetime.utcnow()", "line 2: reads the clock with .utcnow()"),
        ("text = open('settings.toml').read()", "line 1: calls open()"),
    ],
)
def test_the_rule_of_purity_notices(source: str, complaint: str) -> None:
    assert impurities(source) == [complaint]


def test_the_rule_of_purity_lets_time_come_in_as_an_argument() -> None:
    source = (
        "from datetime import datetime\nimport timeit\ndef due(now: datetime, at: datetime) -> bool: return at <= now"
    )
    assert impurities(source) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f():\n    import json", [2]),
        ("async def f():\n    if True:\n        from json import dumps", [3]),
        ("class C:\n    def f(self):\n        def g():\n            import json", [4]),
        ("try:\n    import json\nexcept ImportError:\n    json = None", []),
        ("if TYPE_CHECKING:\n    import json", []),
    ],
)
def test_the_rule_of_late_imports_notices_those_in_functions_only(source: str, lines: list[int]) -> None:
    assert late_imports(source) == [f"line {line}: import inside a function" for line in lines]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("import stem.b", "import stem.a"),
        ("from stem.b import name", "from stem.a import name"),
        ("from stem import b", "from stem import a"),
        ("from . import b", "from .a import name"),
        ("try:\n    import stem.b\nexcept ImportError:\n    pass", "if True:\n    import stem.a"),
        ("if not TYPE_CHECKING:\n    import stem.b", "if TYPE_CHECKING:\n    pass\nelse:\n    import stem.a"),
    ],
)
def test_the_rule_of_cycles_notices_a_circle(a: str, b: str) -> None:
    circle = import_cycle({"stem/__init__.py": "", "stem/a.py": a, "stem/b.py": b})
    assert circle is not None
    assert (circle[0], set(circle)) == (circle[-1], {"stem.a", "stem.b"})


def test_the_rule_of_cycles_notices_a_circle_through_a_package() -> None:
    sources = {
        "stem/p/__init__.py": "from stem.c import x",
        "stem/c.py": "from stem.d import y",
        "stem/d.py": "from stem.p import z",
    }
    assert set(import_cycle(sources) or []) == {"stem.p", "stem.c", "stem.d"}


@pytest.mark.parametrize(
    "b",
    [
        "import json",
        "if TYPE_CHECKING:\n    from stem.a import name",
        "if typing.TYPE_CHECKING:\n    from stem.a import name",
        "def f():\n    from stem.a import name",
    ],
)
def test_the_rule_of_cycles_accepts_what_does_not_run_on_load(b: str) -> None:
    assert import_cycle({"stem/a.py": "from stem.b import name", "stem/b.py": b}) is None
