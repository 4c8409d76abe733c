"""The token bucket: how many jobs of one key may start, and when the next may."""

from __future__ import annotations

import math
import re
from typing import Final

import msgspec

from stem.core.duration import milliseconds
from stem.errors import ConfigError

_GRAMMAR: Final = re.compile(r"(\d{1,9})\s*/\s*(\d{0,9})\s*(ms|s|m|h|d)")


class Rate(msgspec.Struct, frozen=True, omit_defaults=True):
    """At most `count` starts in `per_ms` milliseconds on average, `burst` at once.

    `Rate("100/m", key="tenant")`: one bucket for each value of the argument field `tenant`, shared by all workers.
    """

    text: str
    key: str | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        found = _GRAMMAR.fullmatch(self.text.strip()) if isinstance(self.text, str) else None
        if found is None or int(found[1]) < 1:
            raise ConfigError(f"a rate must look like '10/s', '100/m' or '5/30s', found {self.text!r}")
        milliseconds(_per(found), what=f"the span of the rate {self.text!r}", minimum=1)
        if self.key is not None and not isinstance(self.key, str):
            raise ConfigError(f"the key of a rate must be the name of an argument field, found {self.key!r}")
        burst = self.burst
        if burst is not None and (isinstance(burst, bool) or not isinstance(burst, int) or burst < 1):
            raise ConfigError(f"the burst of a rate must be a whole number of at least 1, found {burst!r}")

    @property
    def bucket(self) -> Bucket:
        """The numbers an engine stores."""
        found = _GRAMMAR.fullmatch(self.text.strip())
        assert found is not None
        count, per_ms = int(found[1]), milliseconds(_per(found))
        return Bucket(count=count, per_ms=per_ms, burst=self.burst or max(1, math.ceil(count * 1_000 / per_ms)))


class Bucket(msgspec.Struct, frozen=True):
    """A rate as stored: `count` tokens are added every `per_ms`, never more than `burst` are held."""

    count: int
    per_ms: int
    burst: int


class Level(msgspec.Struct, frozen=True):
    """What a bucket held at an instant. Tokens are counted in parts of 1/`per_ms`, so that all is whole numbers.

    A rate may change while jobs wait: `per_ms` says in which parts this level was counted.
    """

    parts: int
    at_ms: int
    per_ms: int


def full(bucket: Bucket, now_ms: int) -> Level:
    """A bucket nobody has used yet."""
    return Level(bucket.burst * bucket.per_ms, now_ms, bucket.per_ms)


def refill(bucket: Bucket, level: Level, now_ms: int) -> Level:
    """The level at `now_ms`; a clock that went back adds nothing, and filling goes on from where it stands now; an
    outage never adds more than the burst.
    """
    held = level.parts if level.per_ms == bucket.per_ms else level.parts * bucket.per_ms // level.per_ms
    gained = max(0, now_ms - level.at_ms) * bucket.count
    return Level(min(bucket.burst * bucket.per_ms, held + gained), now_ms, bucket.per_ms)


def take(bucket: Bucket, level: Level, now_ms: int, tokens: int = 1) -> tuple[Level, bool]:
    """The level after taking `tokens` and True, or the refilled level and False when there are too few."""
    here = refill(bucket, level, now_ms)
    need = tokens * bucket.per_ms
    if here.parts < need:
        return here, False
    return Level(here.parts - need, here.at_ms, here.per_ms), True


def check_request(bucket: Bucket, key: str, tokens: int) -> None:
    """ConfigError for a number of tokens that this bucket can never hold at once."""
    if not 1 <= tokens <= bucket.burst:
        raise ConfigError(
            f"limit {key!r} never holds more than its burst of {bucket.burst}, so {tokens} cannot be taken"
        )


def available(bucket: Bucket, level: Level, now_ms: int) -> int:
    """Whole tokens that could be taken at `now_ms`."""
    return refill(bucket, level, now_ms).parts // bucket.per_ms


def wait_ms(bucket: Bucket, level: Level, now_ms: int, tokens: int = 1) -> int:
    """Milliseconds until `tokens` can be taken; 0 when they can be taken now."""
    missing = tokens * bucket.per_ms - refill(bucket, level, now_ms).parts
    return 0 if missing <= 0 else math.ceil(missing / bucket.count)


def rate(value: Rate | str | None) -> Rate | None:
    """The option as a Rate; text such as '100/m' means one bucket for the whole task."""
    if value is None or isinstance(value, Rate):
        return value
    if not isinstance(value, str):
        raise ConfigError(f"rate_limit must be text like '100/m', a Rate or None, found {value!r}")
    return Rate(value)


def _per(found: re.Match[str]) -> str:
    return (found[2] or "1") + found[3]
