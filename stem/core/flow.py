"""Flows: workflows declared as steps in order, each given what stands in its StepContext."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar, overload

from pydantic import BaseModel
from typing_extensions import Unpack

from stem.core.codec import NoArgs
from stem.core.replay import OnChange
from stem.core.run_context import StepContext
from stem.core.step import returns_of, step_name
from stem.core.workflow import (
    DeclaredWorkflow,
    DefinitionWords,
    WorkflowOptions,
    refuse_unknown,
    workflow_options,
)
from stem.errors import ConfigError

A = TypeVar("A", bound=BaseModel)
A_contra = TypeVar("A_contra", bound=BaseModel, contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class FlowWords(DefinitionWords, total=False):
    """What a Flow may be told; see `workflow`."""

    on_change: OnChange
    stub: str
    description: str


class FlowStep(NamedTuple):
    """One declared step."""

    name: str
    fn: Callable[[StepContext], Any]
    auto_version: bool


class Flow(DeclaredWorkflow[A_contra, R_co], Generic[A_contra, R_co]):
    """`Flow("demo.hello").step("greet", greet).step("shout", shout)`: the last step's result is the run's.

    Every function takes a StepContext, with the run's `params` and the `previous_result`. Each `.step` gives a new Flow.
    """

    @overload
    def __init__(self: Flow[NoArgs, None], name: str, **options: Unpack[FlowWords]) -> None: ...
    @overload
    def __init__(self: Flow[A, None], name: str, *, params: type[A], **options: Unpack[FlowWords]) -> None: ...
    def __init__(self, name: str, *, params: Any = NoArgs, **options: Unpack[FlowWords]) -> None:
        """ConfigError says what is wrong with the name or an option."""
        refuse_unknown("Flow", options, FlowWords.__annotations__)
        self.steps: tuple[FlowStep, ...] = ()
        self._shape_as(name, params, (), workflow_options(**options))
        self.__module__ = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    @overload
    def step(
        self, name: str, fn: Callable[[StepContext], Coroutine[Any, Any, R]], /, *, auto_version: bool = ...
    ) -> Flow[A_contra, R]: ...
    @overload
    def step(self, name: str, fn: Callable[[StepContext], R], /, *, auto_version: bool = ...) -> Flow[A_contra, R]: ...
    def step(
        self, name: str, fn: Callable[[StepContext], Any], /, *, auto_version: bool = False
    ) -> Flow[A_contra, Any]:
        """The same flow with one more step at its end."""
        step_name(name)
        if any(one.name == name for one in self.steps):
            raise ConfigError(f"the flow {self.name!r} has two steps named {name!r}; give each its own name")
        if not callable(fn):
            raise ConfigError(f"step {name!r} must be a function that takes a StepContext, found {fn!r}")
        made: Flow[A_contra, Any] = object.__new__(Flow)  # pyright: ignore[reportUnknownVariableType]
        made._shape_as(self.name, self.params_model, (*self.steps, FlowStep(name, fn, auto_version)), self.options)
        made.__module__ = self.__module__
        return made

    def _shape_as(self, name: str, params: Any, steps: tuple[FlowStep, ...], options: WorkflowOptions) -> None:
        self.steps = steps
        self._declare(name, params, returns_of(steps[-1].fn) if steps else None, options)
