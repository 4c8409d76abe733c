"""Single jobs, on Redis."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stem.contracts.jobs import LOOK, JobFilter, JobPage, JobRow
from stem.core import cursor as cursors
from stem.core.states import FINAL
from stem.redis.names import safe
from stem.redis.recent import LISTED_OF_TASK
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

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "", look: int = LOOK) -> JobPage:
        before = cursors.number(cursor)
        seen = await self.rows(which, limit + 1, END if before is None else before, look)
        page, more = cursors.cut(seen.rows, seen.end, limit)
        return JobPage([row for _, row in page], more, seen.looked, seen.back_to)

    async def rows(self, which: JobFilter, limit: int, below: int, look: int) -> Seen:
        """Up to `limit` of the newest jobs that fit, with a number below this one."""
        queues = [safe(which.queue)] if which.queue else await self._queues()
        wanted = set(which.states)
        if wanted == {"running"}:
            keys = [f"l:{queue}" for queue in queues]
            return await self._of(which, [id_ for key in keys for id_ in await self._all_in(key)], below)
        # a dead letter is listed where live jobs are, and what was cancelled before its start is not
        places = [bool(wanted != {"succeeded"}), not wanted or bool(wanted & FINAL)]
        share = max(1, look // sum(places))
        seen = Seen()
        if places[0] and wanted and wanted <= FINAL and await self._store.ask("ZCARD", self._key("dead")) <= share:
            seen.add(await self._of(which, await self._all_in("dead"), below))
        elif places[0]:
            seen.add(await self._live(which, queues, limit, below, share))
        if places[1]:
            seen.add(await self._over(which, limit, below, share))
        return seen

    def _key(self, name: str) -> str:
        return f"{self._store.prefix}{name}"

    async def _all_in(self, name: str) -> list[bytes]:
        """The ids in a zset that holds few: leases, as many as workers have slots, or a small number of dead letters."""
        found: list[bytes] = await self._store.ask("ZRANGE", self._key(name), 0, -1)
        return found

    async def _of(self, which: JobFilter, ids: list[bytes], below: int) -> Seen:
        """Those of these live jobs that fit."""
        seen = Seen()
        for start in range(0, len(ids), _SLICE):
            said = await self._store.run("jobs", *ids[start : start + _SLICE])
            rows = [_live(one[0].decode(), one[1], one[2], pairs(one[3])) for one in said]
            seen.look_at([pair for pair in rows if pair[0] < below], which, count=len(rows))
        seen.rows.sort(key=lambda pair: -pair[0])
        return seen

    async def _queues(self) -> list[str]:
        return [name.decode() for name in await self._store.ask("SMEMBERS", self._key("qs"))]

    async def _live(self, which: JobFilter, queues: list[str], limit: int, below: int, look: int) -> Seen:
        """The newest live jobs that fit, in slices: a filter may leave little of each."""
        seen = Seen()
        while queues and len(seen.rows) < limit:
            if seen.looked >= look:
                seen.end = below
                break
            wanted = min(limit, _SLICE, look - seen.looked)
            said = await self._store.run("live_jobs", below, wanted, *queues)
            rows = [_live(one[0].decode(), one[1], one[2], pairs(one[3])) for one in said]
            rows.sort(key=lambda pair: -pair[0])
            rows = rows[:wanted]  # below them one place may have more than it was asked for
            seen.look_at(rows, which)
            if len(rows) < wanted:
                break
            below = rows[-1][0]
        return seen

    async def _over(self, which: JobFilter, limit: int, below: int, look: int) -> Seen:
        """The newest finished jobs that fit, from the index of the last ones."""
        seen = Seen()
        order = [one for one in await self._listed(which) if one[0] < below]
        while order and len(seen.rows) < limit:
            if seen.looked >= look:
                seen.end = order[0][0] + 1
                break
            size = min(_SLICE, look - seen.looked)
            part, order = order[:size], order[size:]
            values = await self._store.run("finished_jobs", *(job_id for _, job_id in part))
            rows = [
                (seq, _finished(job_id.decode(), over))
                for (seq, job_id), value in zip(part, values, strict=True)
                if value and (over := unpack_result(value)).seq == seq
            ]
            seen.look_at(rows, which, count=len(part))
        return seen

    async def _listed(self, which: JobFilter) -> list[tuple[int, bytes]]:
        """Numbers and ids of the last finished jobs, the newest arrival first.

        Of one task, and of those that did not succeed, there are more than of all: see `note_finished` of the scripts.
        """
        of_task = await self._listed_of(which.task) if which.task else []
        if which.task and len(of_task) < LISTED_OF_TASK:
            return _newest_first(of_task)  # nothing was ever pushed out
        outcomes = sorted(set(which.states) & {"failed", "cancelled"})
        names = (
            [f"recent:{one}" for one in outcomes]
            if outcomes and set(which.states) <= FINAL - {"succeeded"}
            else ["recent"]
        )
        lists = [await self._store.ask("LRANGE", self._key(name), 0, -1) for name in names]
        return _newest_first(of_task, *lists)

    async def _listed_of(self, task: str) -> list[bytes]:
        """The list of the task; of one of the many that have none, that of all of them."""
        listed: list[bytes] = await self._store.ask("LRANGE", self._key(f"recent:t:{task}"), 0, -1)
        return listed or await self._store.ask("LRANGE", self._key("recent:t:"), 0, -1)


class Seen(msgspec.Struct):
    """What was looked at: the rows that fit with their numbers, and the number from which on everything was."""

    rows: list[tuple[int, JobRow]] = []
    end: int = 0
    looked: int = 0
    back_to: int | None = None

    def look_at(self, rows: list[tuple[int, JobRow]], which: JobFilter, *, count: int | None = None) -> None:
        """Take those that fit."""
        self.rows += [pair for pair in rows if which.shows(pair[1])]
        self.looked += len(rows) if count is None else count
        if rows:
            self.back_to = rows[-1][1].finished_at or rows[-1][1].enqueued_at

    def add(self, other: Seen) -> None:
        """The rows of another place among these."""
        self.rows = sorted([*self.rows, *other.rows], key=lambda pair: -pair[0])
        self.end, self.looked = max(self.end, other.end), self.looked + other.looked
        known = [one for one in (self.back_to, other.back_to) if one is not None]
        self.back_to = max(known, default=None)


def _newest_first(*lists: list[bytes]) -> list[tuple[int, bytes]]:
    """Numbers and ids of these entries, each id once with its latest number."""
    known: dict[bytes, int] = {}
    for listed in lists:
        known |= {entry[_NUMBER.size :]: int(_NUMBER.unpack_from(entry)[0]) for entry in reversed(listed)}
    return sorted(((seq, job_id) for job_id, seq in known.items()), reverse=True)


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
