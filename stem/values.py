"""Plain values and arithmetic that every floor may use."""

from __future__ import annotations

from typing import Final, NamedTuple


class Receipt(NamedTuple):
    """The right to settle one delivery: valid while `fence` is still the fence of the job's latest delivery."""

    job_id: str
    fence: int


class Unset:
    """The type of UNSET: 'the caller said nothing', which None cannot say because None means 'none wanted'."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset()

_RAND_BITS = 74


def uuid7(unix_ms: int, chance: int) -> str:
    """A time-ordered id, 32 hex digits without dashes, from a time and at least 74 random bits.

    Source: RFC 9562, section 5.7.
    """
    rand = chance & ((1 << _RAND_BITS) - 1)
    high, low = rand >> 62, rand & ((1 << 62) - 1)
    number = (unix_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
    return f"{number:032x}"


def plain(text: str) -> str:
    """Text without what would steer a terminal; line breaks and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def is_text(value: object) -> bool:
    """Whether it is text that UTF-8 can carry: lone surrogates cannot travel."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
