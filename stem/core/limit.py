"""Limits shared by all workers: their names, their keys, and the concurrency count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from stem.core.rate import Bucket
from stem.errors import ConfigError

#: Joins a limit's name and the key's value; it cannot stand in a task name.
_JOINT: Final = "\x1f"


class Limit(msgspec.Struct, frozen=True, omit_defaults=True):
    """At most `count` jobs running at once; with `key`, for each value of that argument field."""

    count: int
    key: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 1:
            raise ConfigError(f"a concurrency limit must be a whole number of at least 1, found {self.count!r}")
        if self.key is not None and not isinstance(self.key, str):
            raise ConfigError(f"the key of a limit must be the name of an argument field, found {self.key!r}")


def limit(value: Limit | int | None) -> Limit | None:
    """The option as a Limit; a number means one count for the whole task."""
    return value if value is None or isinstance(value, Limit) else Limit(value)


class LimitRow(msgspec.Struct, frozen=True):
    """A limit as engines store it, by `name`: workers write it at start, `stem limits set` may change it."""

    name: str
    bucket: Bucket | None = None
    running: int | None = None


def limit_key(name: str, value: str = "") -> str:
    """The counter one job falls under: the limit's name and the value of its key field."""
    return f"{name}{_JOINT}{value}" if value else name


def limit_name(key: str) -> str:
    """The name of the limit that a key belongs to."""
    return key.partition(_JOINT)[0]


def shown(key: str) -> str:
    """A limit key for people: 'orders.charge[acme]'."""
    name, joint, value = key.partition(_JOINT)
    return f"{name}[{value}]" if joint else name


def is_freed_by_time(key: str, running: int | None, first: Iterable[str]) -> bool:
    """Whether jobs that are parked under a key without a rate are let go by a timer, and not by the end of others.

    `running`: the limit in force under the key; `first`: the limit keys of those that come first in their queues. A job
    that was parked for a rate falls under no count, so nobody's end makes room for it.
    """
    return running is None or any(limit_key != key for limit_key in first)


def admits(limit: int | None, running: int) -> bool:
    """Whether one more job may start while `running` of the same key do. No row, no limit."""
    return limit is None or running < limit
