"""Unique jobs: one live job for one key."""

from __future__ import annotations

import hashlib
from typing import Literal, TypeAlias

import msgspec

from stem.core.duration import Duration, milliseconds
from stem.errors import ConfigError

#: Until when a key is held: the final state, the first start, or a fixed time after the enqueue.
Until: TypeAlias = Literal["done", "start"]


class Unique(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Refuse a second job for the same key while the first holds it.

    `until="done"` holds the key until the job has ended (a buried job lets it go); `"start"` until it first starts;
    `for_="1h"` for that long after the enqueue, whatever happens to the job. `key` is a field path of the
    argument model; without it all arguments count. Headers, metadata and tracing never do.
    `conflict="return"` gives the handle of the holder, `"raise"` raises UniqueConflictError.
    """

    until: Until = "done"
    key: str | None = None
    for_: Duration | None = None
    conflict: Literal["return", "raise"] = "return"

    @property
    def for_ms(self) -> int | None:
        """The fixed time in ms, when there is one."""
        return None if self.for_ is None else milliseconds(self.for_, what="Unique(for_=)", minimum=1)

    def __post_init__(self) -> None:
        if self.until not in ("done", "start"):
            raise ConfigError(f"Unique(until=) must be 'done' or 'start', found {self.until!r}")
        if self.key is not None and not isinstance(self.key, str):
            raise ConfigError(f"Unique(key=) must be the name of an argument field, found {self.key!r}")
        if self.conflict not in ("return", "raise"):
            raise ConfigError(f"Unique(conflict=) must be 'return' or 'raise', found {self.conflict!r}")
        if self.for_ is not None:
            milliseconds(self.for_, what="Unique(for_=)", minimum=1)
            if self.until == "start":
                raise ConfigError("Unique(for_=) holds the key for a fixed time, so until='start' cannot hold too")


class UniqueClaim(msgspec.Struct, frozen=True):
    """What travels of it: the key, until when it is held, and for how long when the time is fixed."""

    key: str
    until: Until = "done"
    for_ms: int | None = None


def unique_key(task: str, canonical_arguments: bytes) -> str:
    """The key of a call from its task and arguments as canonical JSON (sorted keys): 'task:<32 hex>'."""
    return f"{task}:{hashlib.sha256(canonical_arguments).hexdigest()[:32]}"
