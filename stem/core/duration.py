"""Spans of time as people write them, and the milliseconds stem counts in."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final, TypeAlias

from stem.errors import ConfigError

#: timedelta, a number of seconds, or text with a unit: "250ms", "30s", "5m", "1h30m", "2d".
Duration: TypeAlias = timedelta | float | int | str

_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART: Final = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(ms|s|m|h|d|w)")
#: Longest span accepted: 100 years. Beyond it a number is a mistake (often milliseconds given as seconds).
_LONGEST_MS: Final = 100 * 366 * 86_400_000
#: The end of the year 2499: every instant up to it, and a century more, can be shown in every zone.
_LATEST_MS: Final = 16_725_225_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds(value: Duration, *, what: str = "duration", minimum: int = 0) -> int:
    """`value` as whole milliseconds, rounded up; ConfigError when it is no sensible span.

    `what` names the option in the message; `minimum` is the smallest accepted number of milliseconds.
    """
    exact = _exact_ms(value, what)
    if exact < 0 or not minimum <= math.ceil(exact) <= _LONGEST_MS:
        found = f"{value.total_seconds():g} s" if isinstance(value, timedelta) else repr(value)
        raise ConfigError(f"{what} must be between {words(minimum)} and 100 years, found {found}")
    return math.ceil(exact)


def _exact_ms(value: Duration, what: str) -> Fraction:
    if isinstance(value, timedelta):
        return Fraction(value // timedelta.resolution, 1000)
    if isinstance(value, str):
        return _text_ms(value, what)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{what} must be a timedelta, seconds, or text like '30s', found {value!r}")
    if isinstance(value, int):
        return Fraction(value * 1000)
    if not math.isfinite(value):
        raise ConfigError(f"{what} must be a finite number of seconds, found {value!r}")
    # through the shortest text: 0.07 means 70 ms, although 0.07 * 1000 is a little more
    return Fraction(repr(value)) * 1000


def _text_ms(text: str, what: str) -> Fraction:
    compact = text.strip().replace(" ", "").lower()
    parts = _PART.findall(compact)
    if not parts or "".join(n + u for n, u in parts) != compact:
        raise ConfigError(f"{what} must look like '250ms', '30s', '5m', '1h30m' or '2d', found {text!r}")
    return sum((Fraction(n) * _UNIT_MS[u] for n, u in parts), start=Fraction(0))


def span(ms: int) -> timedelta:
    """Milliseconds as the timedelta shown to users."""
    return timedelta(milliseconds=ms)


def instant_ms(value: datetime, *, what: str = "instant") -> int:
    """An aware datetime as unix milliseconds; a naive one is refused, because its zone can only be guessed."""
    if not isinstance(value, datetime):
        raise ConfigError(f"{what} must be an aware datetime, found {value!r}")
    if value.utcoffset() is None:
        raise ConfigError(f"{what} must carry a time zone, found the naive {value.isoformat()}; add tzinfo=UTC")
    ms = (value - _EPOCH) // _MILLISECOND
    if not 0 <= ms <= _LATEST_MS:
        raise ConfigError(f"{what} must lie between 1970 and 2500, found {value.isoformat()}")
    return ms


def instant(ms: int) -> datetime:
    """Unix milliseconds as an aware UTC datetime."""
    return _EPOCH + ms * _MILLISECOND


def words(ms: int) -> str:
    """A span for people: '250ms', '30s', '5m', '1h 30m', '2d'."""
    if ms < 1_000:
        return f"{ms}ms"
    for unit, size, lower, lower_size in (("d", 86_400_000, "h", 3_600_000), ("h", 3_600_000, "m", 60_000)):
        if ms >= size:
            rest = ms % size // lower_size
            return f"{ms // size}{unit}" + (f" {rest}{lower}" if rest else "")
    if ms >= 60_000:
        rest = ms % 60_000 // 1_000
        return f"{ms // 60_000}m" + (f" {rest}s" if rest else "")
    return f"{ms / 1000:g}s"
