"""Tracebacks for people: the frames of their own code and of what it calls, without those of stem."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from itertools import groupby
from traceback import FrameSummary, StackSummary, TracebackException
from types import TracebackType
from typing import Final, Literal, TypeAlias

from stem.errors import StemError

Whose: TypeAlias = Literal["stem", "standard", "own"]

_STEM: Final = __file__.removesuffix("core/trace.py")
_STANDARD: Final = f"{sysconfig.get_path('stdlib')}/"
_INSTALLED: Final = f"{sysconfig.get_path('purelib')}/"


def traceback_text(fault: BaseException, start: TracebackType | None = None) -> str:
    """As Python prints it, from `start` on, without stem's frames: in the error itself, in what caused it, in groups.

    Where an error comes out of stem that stem does not raise on purpose, the frames that it comes from stay.
    """
    told = TracebackException(type(fault), fault, start or fault.__traceback__)
    for one, error in _all_of(told, fault):
        kept = users_frames(one.stack, on_purpose=isinstance(error, StemError))
        one.stack = StackSummary.from_list(kept) if kept else None  # type: ignore[assignment]  # then without a headline
    return "".join(told.format())


def users_frames(frames: list[FrameSummary], *, on_purpose: bool = True) -> list[FrameSummary]:
    """Those of users' code; `on_purpose`: also without the frames of stem at the end, which raised the error."""
    runs = [(whose, [*some]) for whose, some in groupby(frames, _whose)]
    kept: list[FrameSummary] = []
    for place, (whose, some) in enumerate(runs):
        around = {one for one, _ in (*runs[max(0, place - 1) : place], *runs[place + 1 : place + 2])}
        between = whose == "standard" and 0 < place < len(runs) - 1 and around == {"stem"}
        at_the_end = place == len(runs) - 1 and not on_purpose
        if not between and (whose != "stem" or at_the_end):
            kept += some
    return kept


def _whose(frame: FrameSummary) -> Whose:
    if frame.filename.startswith(_STEM):
        return "stem"
    standard = frame.filename.startswith(_STANDARD) and not frame.filename.startswith(_INSTALLED)
    return "standard" if standard else "own"


def _all_of(
    told: TracebackException, fault: BaseException | None
) -> Iterator[tuple[TracebackException, BaseException | None]]:
    """It, what caused it, and what it groups, each with the exception that it tells of."""
    yield told, fault
    cause, context = (None, None) if fault is None else (fault.__cause__, fault.__context__)
    if told.__cause__ is not None:
        yield from _all_of(told.__cause__, cause)
    if told.__context__ is not None:
        yield from _all_of(told.__context__, context)
    if told.exceptions:
        grouped: tuple[BaseException, ...] = getattr(fault, "exceptions", ())
        for part, error in zip(told.exceptions, grouped, strict=False):
            yield from _all_of(part, error)
