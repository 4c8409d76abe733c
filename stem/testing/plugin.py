"""The pytest plugin: `stem_simulate`, the simulator as a fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

import pytest

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Protocol

    from pydantic import BaseModel
    from typing_extensions import Unpack

    from stem.core.codec import NoArgs
    from stem.core.workflow import DeclaredWorkflow
    from stem.testing.simulate import Report, SimulateOptions

    A = TypeVar("A", bound=BaseModel)

    class Simulate(Protocol):
        """What the fixture gives: `stem.testing.simulate`."""

        @overload
        def __call__(
            self, workflow: DeclaredWorkflow[NoArgs, Any], **options: Unpack[SimulateOptions]
        ) -> Coroutine[Any, Any, Report]: ...
        @overload
        def __call__(
            self, workflow: DeclaredWorkflow[A, Any], params: A, **options: Unpack[SimulateOptions]
        ) -> Coroutine[Any, Any, Report]: ...


@pytest.fixture
def stem_simulate() -> Simulate:
    """`stem.testing.simulate`: every crash of a workflow, in virtual time."""
    from stem.testing.simulate import simulate

    return simulate
