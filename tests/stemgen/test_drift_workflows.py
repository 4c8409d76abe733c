"""Edits of workflows and events, and who notices each: as test_drift, in a file of its own so that both run side by side."""

from __future__ import annotations

import pytest

from tests.stemgen.conftest import Project
from tests.stemgen.test_drift import FLOW_DRIFTS, FLOWS, look_who_notices


@pytest.mark.parametrize("what", FLOW_DRIFTS)
def test_who_notices_an_edit_of_a_workflow(project: Project, what: str) -> None:
    look_who_notices(project, FLOWS, FLOW_DRIFTS[what])
