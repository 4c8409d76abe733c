"""Workflows as a producer's generated package knows them: called with keywords, without the worker's code."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from typing_extensions import TypeForm, Unpack

from stem.core.codec import faults
from stem.core.default import Default
from stem.core.workflow import DefinitionWords, RunRequest, WorkflowCall, WorkflowDefinition
from stem.errors import InvalidArgumentsError

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R")


class StubWorkflow(WorkflowDefinition[A, R]):
    """The base of generated workflow classes; their `__call__` has one keyword for each field of the parameters."""

    def __init__(
        self, name: str, *, params: type[A], returns: TypeForm[R], schema: str, **options: Unpack[DefinitionWords]
    ) -> None:
        """`schema` is the digest of the worker's parameter model when the stub was generated."""
        super().__init__(name, params=params, returns=returns, **options)
        self.schema = schema

    @property
    def sparse(self) -> bool:
        """What was not given does not travel."""
        return True

    def _bind(self, **given: Any) -> WorkflowCall[R]:
        """A run with what was given, not yet started; InvalidArgumentsError names the faults."""
        said = {name: value for name, value in given.items() if not isinstance(value, Default)}
        try:
            params = self.params_model(**said)
        except ValidationError as fault:
            raise InvalidArgumentsError(
                self.name, faults(fault, self.params_model), what="parameters of workflow"
            ) from None
        return WorkflowCall(RunRequest(workflow=self, params=params))
