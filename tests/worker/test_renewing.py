"""What is said when leases cannot be renewed."""

from __future__ import annotations

import logging

import pytest

from stem import EngineUnavailableError
from stem.worker.renew import Renewer

pytestmark = pytest.mark.anyio


async def test_renewals_that_fail_are_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "stem.worker")
    renewer = Renewer(lambda: pytest.fail("it opens nothing here"), list, owns_process=False)
    for _ in range(3):
        renewer._failed(EngineUnavailableError("away"))
    assert [one.getMessage() for one in caplog.records] == ["cannot renew leases, trying again: away"]
    renewer._quiet_until = 0.0  # a minute later
    renewer._failed(ValueError("odd"))
    assert len(caplog.records) == 2
    assert caplog.records[1].exc_info is not None
