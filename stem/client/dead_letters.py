"""`app.dead_letters`: what was given up, and giving it another chance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from typing import Literal, TypeAlias, cast, get_args

import msgspec

from stem.contracts.dead_letters import DeadFilter, Replayed
from stem.contracts.dead_letters import DeadLetter as StoredLetter
from stem.contracts.engine import Engine
from stem.core.cursor import page_size
from stem.core.duration import Duration, instant, instant_ms, milliseconds
from stem.core.outcome import ErrorRecord
from stem.core.record import decode_record
from stem.core.settle import DeadReason
from stem.errors import ConfigError, UnknownJobError, hint, nearest

# the view has a method called `list`, which hides the type inside its class
Replays: TypeAlias = list[Replayed]
Ids: TypeAlias = list[str]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A buried job: why, when, and its original bytes. `envelope` is empty in lists."""

    id: str
    task: str
    queue: str
    reason: DeadReason
    died_at: datetime
    enqueued_at: datetime
    attempts: int
    losses: int
    replays: int
    error: ErrorRecord | None
    unique_key: str
    envelope: bytes


class DeadLettersView:
    """Looking at dead letters, replaying and purging them."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    async def get(self, job_id: str) -> DeadLetter:
        """One, with its bytes; UnknownJobError when there is none of this id."""
        found = await self._engine().dead_letters.get(job_id)
        if found is None:
            raise UnknownJobError(job_id, f"there is no dead letter {job_id!r} in this namespace")
        return _letter(found)

    async def list(
        self,
        *,
        queue: str = "",
        task: str = "",
        reason: DeadReason | Literal[""] = "",
        since: datetime | None = None,
        before: datetime | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> tuple[list[DeadLetter], str]:
        """A page, newest death first, and the cursor of the next page ("" at the end)."""
        page_size(limit)
        which = _filter(queue, task, reason, since, before)
        page, more = await self._engine().dead_letters.page(which, limit=limit, cursor=cursor)
        return [_letter(one) for one in page], more

    async def replay(
        self,
        ids: Iterable[str] | None = None,
        *,
        queue: str = "",
        task: str = "",
        reason: DeadReason | Literal[""] = "",
        since: datetime | None = None,
        before: datetime | None = None,
        delay: Duration = 0,
        dry_run: bool = False,
    ) -> Replays:
        """Put these, or all that match, back in their lines with attempts starting anew; one answer each.

        With `dry_run` nothing changes and every answer says what would have been tried. A unique key that somebody
        else holds by now makes the answer "held", with the holder.
        """
        delay_ms = milliseconds(delay, what="delay")
        chosen = await self._chosen(ids, _filter(queue, task, reason, since, before))
        if dry_run:
            return [Replayed(job_id, "replayed") for job_id in chosen]
        done: Replays = []
        for start in range(0, len(chosen), 500):
            done += await self._engine().dead_letters.replay(chosen[start : start + 500], delay_ms=delay_ms)
        return done

    async def purge(
        self,
        ids: Iterable[str] | None = None,
        *,
        queue: str = "",
        task: str = "",
        reason: DeadReason | Literal[""] = "",
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> int:
        """Forget these, or all that match; how many there were."""
        chosen = await self._chosen(ids, _filter(queue, task, reason, since, before))
        gone = 0
        for start in range(0, len(chosen), 500):
            gone += await self._engine().dead_letters.purge(chosen[start : start + 500])
        return gone

    async def _chosen(self, ids: Iterable[str] | None, which: DeadFilter) -> Ids:
        if isinstance(ids, str):
            raise ConfigError(f"ids must be a list of job ids, found the text {ids!r}; write [{ids!r}]")
        if ids is not None and which != DeadFilter():
            raise ConfigError("name ids, or say which by queue, task, reason, since or before, not both")
        if ids is not None:
            return [*dict.fromkeys(ids)]
        return [letter.id async for letter in self._all(which)]

    async def _all(self, which: DeadFilter) -> AsyncIterator[StoredLetter]:
        cursor = ""
        while True:
            page, cursor = await self._engine().dead_letters.page(which, limit=500, cursor=cursor)
            for one in page:
                yield one
            if not cursor:
                return


def _filter(queue: str, task: str, reason: str, since: datetime | None, before: datetime | None) -> DeadFilter:
    known = get_args(DeadReason)
    if reason and reason not in known:
        raise ConfigError(
            f"there is no reason {reason!r} to be a dead letter; {hint(nearest(reason, known), known, 9)}"
        )
    return DeadFilter(
        queue=queue,
        task=task,
        reason=reason,
        since=None if since is None else instant_ms(since, what="since"),
        before=None if before is None else instant_ms(before, what="before"),
    )


def _letter(stored: StoredLetter) -> DeadLetter:
    record = decode_record(stored.record) if stored.record else None
    return DeadLetter(
        id=stored.id,
        task=stored.task,
        queue=stored.queue,
        reason=cast("DeadReason", stored.reason),  # engines keep what core has decided
        died_at=instant(stored.died_at),
        enqueued_at=instant(stored.enqueued_at),
        attempts=record.attempts if record else stored.attempts,
        losses=record.losses if record else stored.losses,
        replays=stored.replays,
        error=record.error if record else None,
        unique_key=stored.unique_key,
        envelope=stored.envelope,
    )
