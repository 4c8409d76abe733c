"""Single jobs, on Redis."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from stem.contracts.jobs import JobFilter, JobRow
from stem.core import cursor as cursors
from stem.redis.names import safe
from stem.redis.rows import CANCEL, FAILED, PARKED, RUNNING, STATES, Over, pairs, unpack_result, unpack_state
from stem.redis.store import Store

#: Above every sequence number.
END: Final = 2**53
#: Rows that one look takes from each place in which jobs may lie.
_SLICE: Final = 200
#: What stands before the id of a finished job in the index of the last ones.
_NUMBER: Final = struct.Struct("<d")


class RedisJobs:
    """The Jobs of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, job_id: str) -> JobRow | None:
        said = await self._store.run("job", job_id)
        if len(said) == 1:
            return _finished(job_id, unpack_result(said[0]))
        if not said:
            return None
        state, lease, envelope, more = said
        return _live(job_id, state, lease, pairs(more), envelope)[1]

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[JobRow], str]:
        before = cursors.number(cursor)
        rows = await self.rows(which, limit + 1, END if before is None else before)
        page = rows[:limit]
        return [row for _, row in page], str(page[-1][0]) if len(rows) > limit else ""

    async def rows(self, which: JobFilter, limit: int, below: int) -> list[tuple[int, JobRow]]:
        """Up to `limit` of the newest jobs with a number below this one, each with its number."""
        queues = [safe(which.queue)] if which.queue else await self._queues()
        rows = await self._live(which, queues, limit, below) + await self._over(which, limit, below)
        rows.sort(key=lambda pair: -pair[0])
        return rows[:limit]

    async def _queues(self) -> list[str]:
        return [name.decode() for name in await self._store.ask("SMEMBERS", f"{self._store.prefix}qs")]

    async def _live(self, which: JobFilter, queues: list[str], limit: int, below: int) -> list[tuple[int, JobRow]]:
        """The newest live jobs that fit, in slices: a filter may leave little of each."""
        found: list[tuple[int, JobRow]] = []
        wanted = min(limit, _SLICE)
        while queues and len(found) < limit:
            said = await self._store.run("live_jobs", below, wanted, *queues)
            rows = [_live(one[0].decode(), one[1], one[2], pairs(one[3])) for one in said]
            rows.sort(key=lambda pair: -pair[0])
            if len(rows) > wanted:
                rows = rows[:wanted]  # below them one place may have more than it was asked for
            found += [pair for pair in rows if _fits(pair[1], which)]
            if len(rows) < wanted:
                break
            below = rows[-1][0]
        return found[:limit]

    async def _over(self, which: JobFilter, limit: int, below: int) -> list[tuple[int, JobRow]]:
        """The newest finished jobs that fit, from the index of the last ones."""
        listed = await self._store.ask("LRANGE", f"{self._store.prefix}recent", 0, -1)
        known = {entry[_NUMBER.size :]: int(_NUMBER.unpack_from(entry)[0]) for entry in reversed(listed)}
        order = sorted((seq, job_id) for job_id, seq in known.items() if seq < below)[::-1]
        found: list[tuple[int, JobRow]] = []
        while order and len(found) < limit:
            part, order = order[:_SLICE], order[_SLICE:]
            values = await self._store.run("finished_jobs", *(job_id for _, job_id in part))
            for (seq, job_id), value in zip(part, values, strict=True):
                if not value or (over := unpack_result(value)).seq != seq:
                    continue
                row = _finished(job_id.decode(), over)
                if _fits(row, which):
                    found.append((seq, row))
        return found[:limit]


def _fits(row: JobRow, which: JobFilter) -> bool:
    return (
        (not which.states or row.state in which.states)
        and which.queue in {"", row.queue}
        and which.task in {"", row.task}
    )


def _live(
    job_id: str, packed: bytes, lease: Any, more: Mapping[str, bytes], envelope: bytes = b""
) -> tuple[int, JobRow]:
    """Its place in the order of arrival, and the row."""
    state = unpack_state(packed)
    dead = state.state >= FAILED
    return state.seq, JobRow(
        id=job_id,
        task=state.task,
        queue=state.queue,
        state=STATES[state.state],
        priority=state.priority,
        attempts=state.attempts,
        fence=max(0, state.fence),
        deliveries=state.deliveries,
        losses=state.losses,
        result_ttl_ms=state.result_ttl_ms,
        enqueued_at=state.enqueued_at,
        ready_at=state.ready_at,
        expires_at=_known(state.expires_at),
        lease_until=int(float(lease)) if lease and state.state == RUNNING else None,
        started_at=_known(state.started_at),
        finished_at=int(more["died"]) if dead else None,
        worker=state.worker,
        unique_key=more.get("unique", b"").decode(),
        parked_key=more["parked"].decode() if state.state == PARKED else "",
        reason=more.get("reason", b"").decode(),
        cancel_requested=bool(state.flags & CANCEL),
        progress=more.get("progress", b""),
        error=more.get("error", b""),
        record=more.get("record", b""),
        envelope=envelope,
    )


def _known(at: int) -> int | None:
    return None if at < 0 else at


def _finished(job_id: str, over: Over) -> JobRow:
    return JobRow(
        id=job_id,
        task=over.task,
        queue=over.queue,
        state=STATES[over.state],
        fence=max(0, over.fence),
        deliveries=over.deliveries,
        finished_at=over.finished_at,
        record=over.record,
    )
