"""Which runs need somebody, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from stem.core.run import RunRow
from stem.durable.explain import _look

NOW = 1_000_000


@pytest.mark.parametrize(
    ("ago", "lines", "trouble"),
    [
        (10_000, {}, "no worker"),
        (10_000, {"w@2": 1}, "no worker"),
        (10_000, {"w@1": 1}, "not claimed"),
        (4_000, {}, None),
        (4_000, {"w@1": 1}, None),
        (-60_000, {}, None),
        (None, {}, None),
    ],
)
@pytest.mark.parametrize("state", ["queued", "running", "suspended"])
def test_a_run_that_is_due_is_waited_for_a_moment(state: Any, ago: int | None, lines: Any, trouble: str | None) -> None:
    row = RunRow(id="r", workflow="w", version=1, state=state, due_at=None if ago is None else NOW - ago)
    found = _look(row, lines, NOW)
    assert (found.trouble if found is not None else None) == trouble


@pytest.mark.parametrize(
    ("fields", "trouble", "cure"),
    [
        ({"state": "quarantined", "reason": "why"}, "quarantined", "mend it, then `stem wf resume r`"),
        ({"state": "blocked", "reason": "why"}, "blocked", "deploy code that fits, `stem wf rewind` it, or end it"),
        ({"state": "blocked", "reason": "why", "cancel": b"{}"}, "blocked", "stem wf cancel r --terminate"),
        ({"state": "blocked", "reason": "why", "cleaning": True}, "blocked", "stem wf cancel r --terminate"),
    ],
)
def test_a_run_that_stands_still_says_why_and_what_to_do(fields: Any, trouble: str, cure: str) -> None:
    found = _look(RunRow(id="r", workflow="w", version=1, **fields), {"w@1": 1}, NOW)
    assert found is not None
    assert (found.trouble, found.text) == (trouble, "why")
    assert cure in found.cure
