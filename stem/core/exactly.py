"""Types that must be met as they are, where a checker would widen them until a mistake fits."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Exactly(Generic[T]):
    """Neither wider nor narrower; a type for checkers only, of which there are no values."""


class TakesArgs(Protocol[T]):
    """A task whose arguments are of exactly this model."""

    @property
    def name(self) -> str: ...
    @property
    def exact_args(self) -> Exactly[T]: ...


class TakesParams(Protocol[T]):
    """A workflow whose parameters are of exactly this model."""

    @property
    def name(self) -> str: ...
    @property
    def exact_params(self) -> Exactly[T]: ...


class Gives(Protocol[T]):
    """A task or workflow whose result is of exactly this type."""

    @property
    def name(self) -> str: ...
    @property
    def exact_result(self) -> Exactly[T]: ...
