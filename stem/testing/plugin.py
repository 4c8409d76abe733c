"""The pytest plugin: `stem_simulate`, the simulator as a fixture."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from stem.testing.simulate import Report

    Simulate: TypeAlias = Callable[..., Awaitable[Report]]


@pytest.fixture
def stem_simulate() -> Simulate:
    """`stem.testing.simulate`: every crash of a workflow, in virtual time."""
    from stem.testing.simulate import simulate

    return simulate
