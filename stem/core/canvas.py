"""Composition, typed: the output of each part is the input of the next."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)
Next_co = TypeVar("Next_co", covariant=True)


class Composable(Generic[In_contra, Out_co]):
    """Something that consumes `In` and produces `Out`: a task, a call with its arguments bound, or a chain.

    A bound call consumes `object`: contravariance lets it stand anywhere in a chain.
    """

    def then(self, after: Composable[Out_co, Next_co], /) -> Chain[In_contra, Next_co]:
        """This, then `after` with this one's result."""
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
