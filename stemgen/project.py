"""Where a project's pyproject.toml is, found with the standard library alone."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

from stemgen.errors import StemgenError

FILE: Final = "pyproject.toml"
EXAMPLE: Final = """
  [tool.stemgen]
  modules = ["shop.tasks"]      # where the tasks are declared; "shop.flows.*" means all modules below
  output = "src/shop_client"    # the package to write
"""


def find(start: Path) -> Path:
    """The nearest pyproject.toml with a [tool.stemgen], from `start` upwards; StemgenError when there is none."""
    for folder in (start, *start.parents):
        file = folder / FILE
        if file.is_file() and "stemgen" in tools(file):
            return file
    raise StemgenError(f"no {FILE} with a [tool.stemgen] in {start} or above; write one:\n{EXAMPLE}")


def tools(file: Path) -> dict[str, object]:
    """The [tool] tables of a pyproject.toml."""
    try:
        found: dict[str, object] = tomllib.loads(file.read_text("utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise StemgenError(f"{file} cannot be read: {fault}") from None
    return found
