"""Laying out Python: docstrings, and lines that are broken when they are too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

WIDTH = 100


def docstring(text: str, indent: int) -> str:
    """The text as a docstring, whatever stands in it."""
    pad = " " * indent
    safe = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').replace("\r", "").replace("\x00", "\\x00")
    if safe.endswith('"'):
        safe = f'{safe[:-1]}\\"'
    lines = [line.rstrip() for line in safe.split("\n")]
    if len(lines) == 1:
        return f'{pad}"""{lines[0]}"""'
    body = "\n".join(f"{pad}{line}" if line else "" for line in lines[1:])
    return f'{pad}"""{lines[0]}\n{body}\n{pad}"""'


def call(head: str, parts: Sequence[str], tail: str, indent: int, *, comma: bool = True) -> str:
    """`head(parts)tail` on one line, else the parts on the next, else each on its own."""
    pad, inner = " " * indent, " " * (indent + 4)
    one = f"{pad}{head}{', '.join(parts)}{tail}"
    if len(one) <= WIDTH - 30 * (not comma and head == "("):
        return one
    second = f"{inner}{', '.join(parts)}"
    if len(second) <= WIDTH and comma:
        return f"{pad}{head}\n{second}\n{pad}{tail}"
    return f"{pad}{head}\n" + "".join(f"{inner}{part},\n" for part in parts) + f"{pad}{tail}"


def imports(whole: Mapping[str, str], names: Mapping[str, Iterable[str]], *, re_export: bool) -> str:
    """The imports of a file: the standard library, other packages, this package."""
    groups: list[list[str]] = [[], [], []]
    for module in sorted(whole):
        groups[_group(module)].append(f"import {module} as {whole[module]}")
    for module in sorted(names):
        listed = sorted(names[module])
        shown = [one if " as " in one else f"{one} as {one}" for one in listed] if re_export else listed
        groups[_group(module)].append(
            call(f"from {module} import ", shown, "", 0) if len(shown) == 1 else _from(module, shown)
        )
    return "\n\n".join("\n".join(group) for group in groups if group)


def _from(module: str, names: Sequence[str]) -> str:
    one = f"from {module} import {', '.join(names)}"
    return one if len(one) <= WIDTH else f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _group(module: str) -> int:
    if module.startswith("."):
        return 2
    return 1 if module.partition(".")[0] in {"pydantic", "stem"} or module.partition(".")[0] not in _STDLIB else 0


_STDLIB = frozenset(
    {"typing", "enum", "datetime", "uuid", "decimal", "pathlib", "ipaddress", "fractions", "collections", "importlib"}
)
