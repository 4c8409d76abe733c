"""Composition, typed: the output of each part is the input of the next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar, overload

from stem.errors import ConfigError

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)
Next_co = TypeVar("Next_co", covariant=True)
In = TypeVar("In")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class Composable(Generic[In_contra, Out_co]):
    """Something that consumes `In` and produces `Out`: a task, a call with its arguments bound, or a chain.

    A bound call consumes `object`: contravariance lets it stand anywhere in a chain.
    """

    def then(self, after: Composable[Out_co, Next_co], /) -> Chain[In_contra, Next_co]:
        """This, then `after` with this one's result."""
        if not isinstance(after, Composable):
            raise ConfigError(f"a chain is of tasks and calls, as a.build(x) | b, found {after!r:.100}")
        return Chain((*_links(self), *_links(after)))

    def __or__(self, after: Composable[Out_co, Next_co], /) -> Chain[In_contra, Next_co]:
        return self.then(after)


class Chain(Composable[In_contra, Out_co]):
    """Parts that follow one another."""

    __slots__ = ("links",)

    def __init__(self, links: tuple[Composable[Any, Any], ...]) -> None:
        self.links = links


def _links(part: Composable[Any, Any]) -> tuple[Composable[Any, Any], ...]:
    return part.links if isinstance(part, Chain) else (part,)


class Group(Composable[In_contra, Out_co]):
    """Parts that run side by side; it gives their results in order, and followed by `.then(...)` it is a chord."""

    __slots__ = ("members",)

    def __init__(self, members: tuple[Composable[Any, Any], ...]) -> None:
        self.members = members


@overload
def group(a: Composable[In, A], /) -> Group[In, tuple[A]]: ...
@overload
def group(a: Composable[In, A], b: Composable[In, B], /) -> Group[In, tuple[A, B]]: ...
@overload
def group(a: Composable[In, A], b: Composable[In, B], c: Composable[In, C], /) -> Group[In, tuple[A, B, C]]: ...
@overload
def group(
    a: Composable[In, A], b: Composable[In, B], c: Composable[In, C], d: Composable[In, D], /
) -> Group[In, tuple[A, B, C, D]]: ...
@overload
def group(
    a: Composable[In, A], b: Composable[In, B], c: Composable[In, C], d: Composable[In, D], e: Composable[In, E], /
) -> Group[In, tuple[A, B, C, D, E]]: ...
@overload
def group(
    a: Composable[In, A],
    b: Composable[In, B],
    c: Composable[In, C],
    d: Composable[In, D],
    e: Composable[In, E],
    f: Composable[In, F],
    /,
) -> Group[In, tuple[A, B, C, D, E, F]]: ...
@overload
def group(members: Iterable[Composable[In, A]], /) -> Group[In, list[A]]: ...
def group(*members: Any) -> Group[Any, Any]:
    """Parts side by side: one to six of them, each with a type of its own, or any number of one kind as an iterable.

    ConfigError for anything else, and for no part at all.
    """
    parts = members if all(isinstance(one, Composable) for one in members) else _listed(members)
    wrong = [one for one in parts if not isinstance(one, Composable)]
    if wrong or not parts:
        found = f"{wrong[0]!r}" if wrong else "nothing"
        raise ConfigError(f"a group is of tasks and calls, as group(a.build(x), b.build(y)), found {found}")
    return Group(tuple(parts))


def _listed(members: tuple[Any, ...]) -> tuple[Any, ...]:
    """The parts of the one iterable that was given."""
    if len(members) == 1 and isinstance(members[0], Iterable) and not isinstance(members[0], str):
        return tuple(members[0])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return members
