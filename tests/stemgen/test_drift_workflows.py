"""Edits of workflows and events, and who notices each: as test_drift, in a file of its own so that both run side by side."""

from __future__ import annotations

import pytest

from tests.stemgen.test_drift import FLOW_DRIFTS, FLOWS, Fresh, look_who_notices


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    return Fresh(tmp_path_factory.mktemp("drift"), FLOWS)


@pytest.mark.parametrize("what", FLOW_DRIFTS)
def test_who_notices_an_edit_of_a_workflow(fresh: Fresh, what: str) -> None:
    look_who_notices(fresh.put_back(), FLOW_DRIFTS[what])
