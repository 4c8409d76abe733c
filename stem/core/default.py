"""Defaults that only the worker has: shown to readers, never sent."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Default(Generic[T]):
    """What the worker uses for an argument that is not given."""

    __slots__ = ("shown",)

    def __init__(self, shown: T) -> None:
        self.shown = shown

    def __repr__(self) -> str:
        return "<made by the worker>" if self.shown is ... else repr(self.shown)


@overload
def default() -> Any: ...
@overload
def default(shown: T, /) -> T: ...
def default(shown: Any = ..., /) -> Any:
    """The worker's default of an argument; without `shown` only the worker can make it.

    An argument left at it does not travel, so that a changed default holds at once.
    """
    return Default(shown)
