"""What all tests share."""

from __future__ import annotations

import pytest

from tests.servers import binaries


def pytest_report_header() -> list[str]:
    """The head of the run names the server that each suite meets."""
    return binaries.describe()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Stem runs on asyncio."""
    return "asyncio"
