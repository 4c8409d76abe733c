"""Tasks as a producer's generated package knows them: called with keywords, without the worker's code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from typing_extensions import TypeForm, Unpack

from stem.core.call import Request, TaskEnqueueBuilder
from stem.core.canvas import Composable
from stem.core.codec import faults
from stem.core.default import Default
from stem.core.task import DefinitionOptions, TaskDefinition
from stem.errors import InvalidArgumentsError

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class StubTask(TaskDefinition[A, R]):
    """The base of generated task classes; their `__call__` has one keyword for each field of the arguments."""

    def __init__(
        self, name: str, *, args: type[A], returns: TypeForm[R], schema: str, **options: Unpack[DefinitionOptions]
    ) -> None:
        """`schema` is the digest of the worker's argument model when the stub was generated."""
        super().__init__(name, args=args, returns=returns, **options)
        self.schema = schema

    @property
    def sparse(self) -> bool:
        """What was not given does not travel."""
        return True

    def _bind(self, **given: Any) -> TaskEnqueueBuilder[R]:
        """A call with what was given; InvalidArgumentsError names the faults."""
        said = {name: value for name, value in given.items() if not isinstance(value, Default)}
        try:
            args = self.args_model(**said)
        except ValidationError as fault:
            raise InvalidArgumentsError(self.name, faults(fault, self.args_model)) from None
        return TaskEnqueueBuilder(Request(task=self, args=args))

    def _take(self, field: str, **given: Any) -> Taken[Any, R]:
        """This task with all its arguments but one, which comes from what stands before it."""
        said = {name: value for name, value in given.items() if not isinstance(value, Default)}
        return Taken(self, field, said)


class Taken(Composable[In_contra, Out_co]):
    """A task whose argument `field` is what the part before it in a chain gives."""

    __slots__ = ("field", "given", "task")

    def __init__(self, task: TaskDefinition[Any, Out_co], field: str, given: Mapping[str, object]) -> None:
        self.task, self.field, self.given = task, field, dict(given)

    def __repr__(self) -> str:
        return f"<{self.task!r} that takes {self.field}>"
