"""Jobs we stopped trying, on Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from stem.contracts.dead_letters import DeadFilter, DeadLetter, Replayed
from stem.core import cursor as cursors
from stem.redis.rows import pairs, unpack_state
from stem.redis.store import Store

#: Ids in one script.
_SLICE: Final = 200
_STATUS: Final[tuple[Literal["gone", "replayed", "held"], ...]] = ("gone", "replayed", "held")


class RedisDeadLetters:
    """The DeadLetters of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, job_id: str) -> DeadLetter | None:
        (said,) = await self._store.run("dead_letters", "1", job_id)
        return _letter(said) if said else None

    async def page(self, which: DeadFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[DeadLetter], str]:
        place = cursors.moment(cursor)
        newest, before = ("+inf", "") if place is None else (str(place[0]), place[1])
        if which.before is not None and (place is None or place[0] >= which.before):
            newest, before = f"({which.before}", ""
        oldest = "-inf" if which.since is None else str(which.since)
        found: list[DeadLetter] = []
        while len(found) <= limit:
            wanted = _SLICE if which.queue or which.task or which.reason else min(limit + 1 - len(found), _SLICE)
            said = await self._store.run("dead_page", newest, before, oldest, wanted)
            ids = [job_id.decode() for job_id in said[::2]]
            if not ids:
                break
            letters = [_letter(one) for one in await self._store.run("dead_letters", "", *ids) if one]
            found += [letter for letter in letters if _fits(letter, which)]
            newest, before = str(int(float(said[-1]))), ids[-1]
        page = found[:limit]
        return page, f"{page[-1].died_at}:{page[-1].id}" if len(found) > limit else ""

    async def replay(self, ids: Sequence[str], *, delay_ms: int = 0) -> list[Replayed]:
        answers: list[Replayed] = []
        for start in range(0, len(ids), _SLICE):
            part = ids[start : start + _SLICE]
            said = await self._store.run("replay", delay_ms, *part, durable="yes")
            answers += [
                Replayed(job_id, _STATUS[status], holder.decode())
                for job_id, status, holder in zip(part, said[::2], said[1::2], strict=True)
            ]
        return answers

    async def purge(self, ids: Sequence[str]) -> int:
        purged = 0
        for start in range(0, len(ids), _SLICE):
            purged += await self._store.run("dead_purge", *ids[start : start + _SLICE], durable="yes")
        return purged


def _fits(letter: DeadLetter, which: DeadFilter) -> bool:
    return which.queue in {"", letter.queue} and which.task in {"", letter.task} and which.reason in {"", letter.reason}


def _letter(said: list[Any]) -> DeadLetter:
    job_id, packed, more, envelope = said
    state, known = unpack_state(packed), pairs(more)
    return DeadLetter(
        id=job_id.decode(),
        task=state.task,
        queue=state.queue,
        reason=known["reason"].decode(),
        died_at=int(known["died"]),
        enqueued_at=state.enqueued_at,
        attempts=state.attempts,
        losses=state.losses,
        replays=int(known.get("replays", b"0")),
        priority=state.priority,
        unique_key=known.get("unique", b"").decode(),
        record=known["record"],
        envelope=envelope,
    )
