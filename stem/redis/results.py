"""What became of jobs, on Redis: one connection hears of all that this process waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stem.contracts.results import Kept
from stem.redis.line import Word
from stem.redis.names import safe
from stem.redis.rows import NUMBER
from stem.redis.store import Store

#: Ids in one script.
_SLICE: Final = 200


class RedisResults:
    """The Results of a Store."""

    #: Nothing to put into a Submission: who waits tells the server so.
    reply_to = ""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, ids: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for start in range(0, len(ids), _SLICE):
            found += await self._store.run("records", *ids[start : start + _SLICE])
        return found

    async def wait(self, job_id: str, timeout_ms: int | None) -> bytes | None:
        async def look(me: str) -> list[bytes] | None:
            answer: list[bytes] | None = await self._store.run("await_end", job_id, me)
            return answer

        found = await self._store.until(f"e:{job_id}", look, timeout_ms)
        return found[0] if found else None

    async def changed(self, job_id: str, version: str, timeout_ms: int | None) -> str:
        async def look(me: str) -> str | None:
            here = await self._store.run("await_change", job_id, me, version)
            return None if here is None else here.decode()

        return await self._store.until(f"j:{job_id}", look, timeout_ms) or version

    async def keep(self, batch: Sequence[Kept]) -> None:
        for start in range(0, len(batch), _SLICE):
            words: list[Word] = []
            for one in batch[start : start + _SLICE]:
                names = safe(one.queue), safe(one.task)
                words += (one.id, one.fence, *names, NUMBER[one.state], one.record, one.keep_ms)
            await self._store.run("keep", *words, durable="yes")

    async def sweep(self, limit: int = 500) -> int:
        return int(await self._store.run("sweep", limit))
