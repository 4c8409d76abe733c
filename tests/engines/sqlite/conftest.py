"""Engines on one file, closed when the test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from stem.sqlite import SqliteEngine

MakeEngine: TypeAlias = Callable[..., Any]

#: Far longer than any test: who hears of something in time was rung.
LOOK_MS = 600_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stem.db"


@pytest.fixture
async def make(path: Path) -> AsyncIterator[MakeEngine]:
    """Opens one more engine on the file; options as of SqliteEngine."""
    made: list[SqliteEngine] = []

    async def open_one(**options: Any) -> SqliteEngine:
        engine = SqliteEngine(path, **{"look_ms": LOOK_MS, **options})
        await engine.open()
        made.append(engine)
        return engine

    yield open_one
    for engine in reversed(made):
        await engine.close()


@pytest.fixture
async def engine(make: MakeEngine) -> SqliteEngine:
    opened: SqliteEngine = await make()
    return opened
