"""Rows as values: the columns that operations need of a job, and its states by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from stem.core.states import JobState
from stem.sqlite.step import View

#: The states by their number in the file.
STATES: Final[tuple[JobState, ...]] = ("queued", "delayed", "parked", "running", "succeeded", "failed", "cancelled")
QUEUED, DELAYED, PARKED, RUNNING, SUCCEEDED, FAILED, CANCELLED = range(7)
NUMBER: Final[dict[str, int]] = {state: number for number, state in enumerate(STATES)}

#: Stands for the fence where a job was ended by somebody who held no delivery: equal to no worker's.
NO_FENCE: Final = -1


class Job(NamedTuple):
    """What changing the state of a job needs to know."""

    seq: int
    id: str
    qid: int
    task: str
    state: int
    attempts: int
    fence: int
    deliveries: int
    losses: int
    settled: int
    lease_ms: int
    unique_key: str | None
    unique_until: str | None
    unique_for_ms: int | None
    limit_key: str
    counted: int
    parked_key: str
    reply_to: str
    cancel_reason: str | None
    died_at: int
    dead_until: int
    overrides: bytes
    error: bytes


class Ending(NamedTuple):
    """What ending a running job for good needs to know: much less, for most jobs end so."""

    seq: int
    id: str
    qid: int
    task: str
    state: int
    fence: int
    deliveries: int
    unique_key: str | None
    unique_for_ms: int | None
    limit_key: str
    counted: int
    reply_to: str


#: The columns of Job, to be put into a SELECT.
JOB: Final = ", ".join(Job._fields)
_ONE: Final = f"SELECT {JOB} FROM job WHERE ns = ? AND id = ?"  # noqa: S608
_MANY: Final = f"""
SELECT {", ".join(Ending._fields)} FROM job WHERE ns = ? AND id IN (SELECT value FROM json_each(?))"""  # noqa: S608


def find(view: View, job_id: str) -> Job | None:
    """The job of this id, dead letters included."""
    row = view.execute(_ONE, (view.ns, job_id)).fetchone()
    return None if row is None else Job._make(row)


def find_all(view: View, ids: Sequence[str]) -> dict[str, Ending]:
    """The jobs of these ids, by id, dead letters included."""
    rows = view.execute(_MANY, (view.ns, as_json(ids))).fetchall()
    return {row[1]: Ending._make(row) for row in rows}


def as_json(ids: Sequence[str | int]) -> str:
    """Ids or numbers as one value, for `json_each`."""
    return msgspec.json.encode(ids).decode()


def record_of(view: View, job_id: str) -> bytes | None:
    """The record of a finished job while its result lives, or while it lies among the dead letters."""
    query = """
    SELECT record FROM result WHERE ns = ?1 AND id = ?2 AND expires_at > ?3
    UNION ALL SELECT record FROM job WHERE ns = ?1 AND id = ?2 AND died_at > 0 AND dead_until > ?3"""
    row = view.execute(query, (view.ns, job_id, view.now)).fetchone()
    return None if row is None else bytes(row[0])
