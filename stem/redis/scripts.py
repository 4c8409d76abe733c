"""The operations: Lua text by name, put together from `lua/<name>.lua` and the parts of `lua/lib` that it uses.

Numbers that Python knows too come from there: see `numbers.py`.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from stem.redis.numbers import with_numbers

_USES: Final = re.compile(r"^-- uses: (.+)$", re.MULTILINE)
_GOES_ON: Final = re.compile(r"^-- when full: goes on$", re.MULTILINE)
#: A server out of memory refuses the first write of a script that could take some, and lets a script go on that has
#: written before (Redis 6.2, 7 and Valkey alike: what has begun must not stop half-way). So a script that frees memory in
#: the end, or that workers cannot do without, begins with a write that takes none: of a key that is never there.
_FIRST_WRITE: Final = "redis.call('DEL', KEYS[2])"
_SLOWLY: Final = re.compile(r"^-- slowly: (.+)$", re.MULTILINE)


class Script(NamedTuple):
    """One operation as the server knows it."""

    name: str
    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The operation of this name, with all that it uses in front."""
    body = _read(f"{name}.lua")
    parts: dict[str, str] = {}
    _add_uses(body, parts)
    first = [_FIRST_WRITE] if _GOES_ON.search(body) else []
    text = "\n".join([*first, *parts.values(), _slow_part(body, parts), body])
    return Script(name, text, hashlib.sha1(text.encode()).hexdigest())  # noqa: S324 - the server names scripts so


def _add_uses(text: str, parts: dict[str, str]) -> None:
    found = _USES.search(text)
    for name in found[1].split() if found else ():
        if name not in parts:
            part = _read(f"lib/{name}.lua")
            _add_uses(part, parts)
            parts[name] = part


def _slow_part(body: str, there: dict[str, str]) -> str:
    """`slowly(...)`, with all that it uses inside: what it needs is made only when it is called."""
    found = _SLOWLY.search(body)
    if not found:
        return ""
    text, parts = _read(f"lib/{found[1]}.lua"), dict(there)
    _add_uses(text, parts)
    inside = "\n".join(part for name, part in parts.items() if name not in there)
    return f"local function slowly(...)\n{inside}\n{text}\nend"


@cache
def _read(path: str) -> str:
    return with_numbers((files("stem.redis") / "lua" / path).read_text("utf-8"))
