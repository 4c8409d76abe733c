"""Names in keys: one hash tag a namespace, and nothing in a name that could be taken for a boundary."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

#: What separates parts of keys and packed values, steers a terminal, or would end a hash tag.
_UNSAFE: Final = re.compile(r"[%|{}\x00-\x1f\x7f]")


def prefix(namespace: str, queue: str | None = None) -> str:
    """The beginning of every key of a namespace, or of its part for one queue, and with it the slot of a cluster."""
    part = "" if queue is None else f"|{safe(queue)}"
    return f"{{{safe(namespace)}{part}}}:"


@lru_cache(maxsize=4096)
def safe(name: str) -> str:
    """The name as it stands in keys; names without special characters are left as they are."""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", name)


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """The name that `safe` made this of."""
    return unquote(name) if "%" in name else name
