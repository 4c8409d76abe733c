"""Looking at a namespace in parts, and steering it: queues, jobs, dead letters, results, limits."""

from __future__ import annotations

from collections.abc import Sequence

from stem.contracts.dead_letters import DeadFilter, DeadLetter, Replayed
from stem.contracts.jobs import LOOK, JobFilter, JobPage, JobRow
from stem.contracts.limiter import Grant
from stem.contracts.queues import QueueStats
from stem.contracts.results import Kept
from stem.core import cursor as cursors
from stem.core.limit import LimitRow
from stem.errors import EngineError
from stem.redis.engine import RedisEngine
from stem.redis.jobs import END, Seen
from stem.redis.partition.parts import Parts, in_groups
from stem.redis.partition.post import Post


class PartitionedQueues:
    """The Queues of a namespace in parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def stats(self, queue: str) -> QueueStats:
        part = await self._parts.known(queue)
        return QueueStats(name=queue) if part is None else await part.queues.stats(queue)

    async def all(self) -> list[QueueStats]:
        said = await self._parts.everywhere(lambda part: part.queues.all())
        return sorted((one for each in said for one in each), key=lambda one: one.name)

    async def pause(self, queue: str) -> None:
        await (await self._parts.of(queue)).queues.pause(queue)

    async def resume(self, queue: str) -> None:
        await (await self._parts.of(queue)).queues.resume(queue)

    async def purge(self, queue: str, limit: int = 1_000) -> int:
        part = await self._parts.known(queue)
        return 0 if part is None else await part.queues.purge(queue, limit)


class PartitionedJobs:
    """The Jobs of a namespace in parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def get(self, job_id: str) -> JobRow | None:
        place = await self._parts.place_of(job_id)
        row = None if place is None else await place.jobs.get(job_id)
        return row or await self._parts.first(lambda part: part.jobs.get(job_id))

    async def page(self, which: JobFilter, *, limit: int = 50, cursor: str = "", look: int = LOOK) -> JobPage:
        """Numbers are by the clock, so those of different queues go together; equal ones are told apart by the queue."""
        place = cursors.moment(cursor)
        queues = [which.queue] if which.queue else await self._parts.queues()
        rows: list[tuple[int, str, JobRow]] = []
        whole = Seen()
        for queue in queues:
            part = await self._parts.known(queue)
            if part is not None:
                below = END if place is None else place[0] + (queue > place[1])
                seen = await part.jobs.rows(which, limit + 1, below, max(1, look // len(queues)))
                rows += [(-number, queue, row) for number, row in seen.rows]
                whole.add(Seen([], seen.end, seen.looked, seen.back_to))
        rows = sorted((one for one in rows if -one[0] >= whole.end), key=lambda one: one[:2])
        page = rows[:limit]
        # else below the last number that every part has looked at: no queue is named "", and all come behind it
        rest = f"{whole.end - 1}:" if whole.end else ""
        more = f"{-page[-1][0]}:{page[-1][1]}" if len(rows) > limit else rest
        return JobPage([row for _, _, row in page], more, whole.looked, whole.back_to)


class PartitionedDeadLetters:
    """The DeadLetters of a namespace in parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def get(self, job_id: str) -> DeadLetter | None:
        return await self._parts.first(lambda part: part.dead_letters.get(job_id))

    async def page(self, which: DeadFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[DeadLetter], str]:
        cursors.moment(cursor)  # refused here also when there is no queue yet
        said = await self._pages(which, limit + 1, cursor)
        letters = sorted((one for page, _ in said for one in page), key=lambda one: (one.died_at, one.id))[::-1]
        page = letters[:limit]
        return page, f"{page[-1].died_at}:{page[-1].id}" if len(letters) > limit else ""

    async def _pages(self, which: DeadFilter, limit: int, cursor: str) -> list[tuple[list[DeadLetter], str]]:
        if not which.queue:
            return await self._parts.everywhere(lambda one: one.dead_letters.page(which, limit=limit, cursor=cursor))
        part = await self._parts.known(which.queue)
        return [] if part is None else [await part.dead_letters.page(which, limit=limit, cursor=cursor)]

    async def replay(self, ids: Sequence[str], *, delay_ms: int = 0) -> list[Replayed]:
        said = await self._parts.everywhere(lambda part: part.dead_letters.replay(ids, delay_ms=delay_ms))
        rows = zip(*said, strict=True) if said else [(Replayed(job_id, "gone"),) for job_id in ids]
        return [next((one for one in row if one.status != "gone"), row[0]) for row in rows]

    async def purge(self, ids: Sequence[str]) -> int:
        return sum(await self._parts.everywhere(lambda part: part.dead_letters.purge(ids)))


class PartitionedResults:
    """The Results of a namespace in parts."""

    #: Nothing to put into a Submission.
    reply_to = ""

    def __init__(self, parts: Parts, post: Post) -> None:
        self._parts, self._post = parts, post

    async def get(self, ids: Sequence[str]) -> list[bytes | None]:
        async def one(queue: str, of_queue: list[str]) -> list[bytes | None]:
            if queue:
                return await (await self._parts.of(queue)).results.get(of_queue)
            said, faults = await self._parts.wherever(lambda part: part.results.get(of_queue))
            rows = zip(*said, strict=True) if said else [(None,)] * len(of_queue)
            found = [next((record for record in row if record is not None), None) for row in rows]
            if faults and None in found:
                raise faults[0]  # it may be there
            return found

        return await in_groups(ids, [self._parts.queue_of(job_id) for job_id in ids], one)

    async def wait(self, job_id: str, timeout_ms: int | None) -> bytes | None:
        place = await self._parts.place_of(job_id) or await self._parts.first(lambda part: _where(part, job_id))
        return None if place is None else await place.results.wait(job_id, timeout_ms)

    async def changed(self, job_id: str, version: str, timeout_ms: int | None) -> str:
        place = await self._parts.place_of(job_id) or await self._parts.first(lambda part: _where(part, job_id))
        if place is not None:
            return await place.results.changed(job_id, version, timeout_ms)
        if version != "gone":
            return "gone"

        async def look(part: RedisEngine) -> str | None:
            said = await part.results.changed(job_id, version, timeout_ms)
            return None if said == version else said

        return await self._parts.until(look, timeout_ms) or version

    async def keep(self, batch: Sequence[Kept]) -> None:
        for queue in dict.fromkeys(one.queue for one in batch):
            await (await self._parts.of(queue)).results.keep([one for one in batch if one.queue == queue])

    async def sweep(self, limit: int = 500) -> int:
        """Also what was put out and has not arrived."""
        await self._post.sweep()
        swept, _ = await self._parts.wherever(lambda part: part.results.sweep(limit))
        return sum(swept)


class PartitionedLimiter:
    """The Limiter of a namespace in parts: the root has the rows, and every queue its own counts of them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def define(self, rows: Sequence[LimitRow], *, force: bool = False) -> None:
        await self._parts.root.limiter.define(rows, force=force)

        async def one(part: RedisEngine) -> None:
            try:
                await part.limiter.define(rows, force=force)
            except EngineError:
                self._parts.doubt(part.queue or "")

        await self._parts.wherever(one)

    async def rows(self) -> list[LimitRow]:
        return await self._parts.root.limiter.rows()

    async def acquire(self, key: str, tokens: int = 1) -> Grant:
        return await self._parts.root.limiter.acquire(key, tokens)


async def _where(part: RedisEngine, job_id: str) -> RedisEngine | None:
    return None if await part.jobs.get(job_id) is None else part
