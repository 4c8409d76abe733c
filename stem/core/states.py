"""The states of a job and the only ways between them; docs/internals/states.md is drawn from this table."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

JobState: TypeAlias = Literal["queued", "delayed", "parked", "running", "succeeded", "failed", "cancelled"]

#: States a job does not leave by itself.
FINAL: Final = frozenset({"succeeded", "failed", "cancelled"})
#: States in which a job waits for a worker.
WAITING: Final = ("queued", "delayed", "parked")

#: (state before, what happens) -> state after. `-` is a job that does not exist yet.
TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    ("-", "publish"): "queued",
    ("-", "publish later"): "delayed",
    ("delayed", "due"): "queued",
    ("queued", "claim"): "running",
    ("queued", "over a limit"): "parked",
    ("parked", "room again"): "queued",
    ("running", "succeed"): "succeeded",
    ("running", "retry"): "delayed",
    ("running", "snooze"): "delayed",
    ("running", "hand back"): "queued",
    ("running", "lease lost"): "queued",
    ("running", "bury"): "failed",
    ("running", "expired"): "cancelled",
    ("running", "cancel"): "cancelled",
    ("queued", "cancel"): "cancelled",
    ("delayed", "cancel"): "cancelled",
    ("parked", "cancel"): "cancelled",
    ("failed", "replay"): "queued",
    ("cancelled", "replay"): "queued",
}
