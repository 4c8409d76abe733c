"""The engines of a namespace: its root, and one for each queue."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from stem.errors import EngineError
from stem.redis.engine import RedisEngine

T = TypeVar("T")
K = TypeVar("K")

log = logging.getLogger("stem.redis")
#: Seconds between two tries to reach a queue that did not answer.
_AGAIN: Final = 1.0
#: Jobs whose queue is remembered, so that nobody has to ask all of them: those enqueued here last.
_REMEMBERED: Final = 20_000


class Parts:
    """The root, and the engines of queues, opened when they are first used."""

    def __init__(self, root: RedisEngine, make: Callable[[str], RedisEngine]) -> None:
        self.root = root
        self._make = make
        self._open: dict[str, RedisEngine] = {}
        self._ready: set[str] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._queues: dict[str, str] = {}
        #: Queues whose server does not answer, each with what asks it again and again.
        self._away: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Close all, the root last."""
        await _end(list(self._away.values()))
        parts = list(self._open.values())
        self._open, self._ready = {}, set()
        await asyncio.gather(*(part.close() for part in parts))
        await self.root.close()

    def opened(self) -> list[RedisEngine]:
        """The engines that are in use, the root among them."""
        return [self.root, *self._open.values()]

    # ---------------------------------------------------------------- which

    async def of(self, queue: str) -> RedisEngine:
        """The engine of a queue, which everybody knows of from now on and which has all limits."""
        if queue in self._ready:
            return self._open[queue]
        part = await self._opened(queue)
        await self.root.store.run("add_parts", queue, durable="yes")
        await part.limiter.define(await self.root.limiter.rows())
        self._ready.add(queue)
        return part

    def doubt(self, queue: str) -> None:
        """It may lack limits by now: they are written again when it is used next."""
        self._ready.discard(queue)

    async def known(self, queue: str) -> RedisEngine | None:
        """The engine of a queue that somebody has used; None for any other."""
        return await self._opened(queue) if queue in self._ready or queue in await self.queues() else None

    async def queues(self) -> list[str]:
        """The names of all queues that somebody has used."""
        return sorted(name.decode() for name in await self.root.store.ask("SMEMBERS", f"{self.root.store.prefix}parts"))

    async def _opened(self, queue: str) -> RedisEngine:
        if queue not in self._open:
            async with self._locks[queue]:
                if queue not in self._open:
                    part = self._make(queue)
                    await part.open()
                    self._open[queue] = part
        return self._open[queue]

    # ---------------------------------------------------------------- who is away

    def is_away(self, queue: str) -> bool:
        """Whether this queue did not answer lately and is being asked until it does."""
        return queue in self._away

    def lost(self, queue: str, fault: EngineError) -> None:
        """This queue does not answer: whoever serves several passes over it until it does."""
        if queue not in self._away:
            log.warning("queue %r cannot be served until its server is back: %s", queue, fault)
            self._away[queue] = asyncio.create_task(self._ask_again(queue))

    async def _ask_again(self, queue: str) -> None:
        while True:
            await asyncio.sleep(_AGAIN)
            try:
                await (await self.of(queue)).now_ms()
            except EngineError:
                continue
            break
        log.warning("queue %r is served again", queue)
        del self._away[queue]

    # ---------------------------------------------------------------- where a job is

    def remember(self, job_id: str, queue: str) -> None:
        """This job lies in this queue."""
        self._queues.pop(job_id, None)
        self._queues[job_id] = queue
        while len(self._queues) > _REMEMBERED:
            del self._queues[next(iter(self._queues))]

    def queue_of(self, job_id: str) -> str:
        """The queue in which this job lies, as far as it was enqueued here; "" for any other."""
        return self._queues.get(job_id, "")

    async def place_of(self, job_id: str) -> RedisEngine | None:
        """The engine of that queue."""
        queue = self.queue_of(job_id)
        return await self._opened(queue) if queue else None

    # ---------------------------------------------------------------- asking many

    async def everywhere(self, ask: Callable[[RedisEngine], Awaitable[T]]) -> list[T]:
        """The answers of all queues."""
        answers, faults = await self.wherever(ask)
        if faults:
            raise faults[0]
        return answers

    async def wherever(self, ask: Callable[[RedisEngine], Awaitable[T]]) -> tuple[list[T], list[EngineError]]:
        """The answers of all queues that give one, and why the others do not."""

        async def one(queue: str) -> T | EngineError:
            try:
                return await ask(await self._opened(queue))
            except EngineError as fault:
                return fault

        said = await asyncio.gather(*(one(queue) for queue in await self.queues()))
        return (
            [each for each in said if not isinstance(each, EngineError)],
            [each for each in said if isinstance(each, EngineError)],
        )

    async def first(self, ask: Callable[[RedisEngine], Awaitable[T | None]]) -> T | None:
        """The first answer that is one. When there is none, and a queue could not be asked, its error."""
        answers, faults = await self.wherever(ask)
        found: list[T] = [one for one in answers if one is not None]
        if not found and faults:
            raise faults[0]
        return found[0] if found else None

    async def until(self, ask: Callable[[RedisEngine], Awaitable[T | None]], timeout_ms: float | None) -> T | None:
        """The first answer that is one, of queues that each wait for theirs; queues that come to be meanwhile are asked, too.

        None at the time-out.
        """
        loop = asyncio.get_running_loop()
        deadline = None if timeout_ms is None else loop.time() + timeout_ms / 1000
        asked: dict[str, asyncio.Task[T | None]] = {}
        change: asyncio.Task[Any] | None = None
        try:
            while True:
                queues = await self.queues()
                for queue in queues:
                    if queue not in asked:
                        asked[queue] = asyncio.ensure_future(self._ask(ask, queue))
                change = asyncio.ensure_future(self._more_than(len(queues)))
                left = None if deadline is None else max(0.0, deadline - loop.time())
                pending = {task for task in asked.values() if not task.done()}
                await asyncio.wait({change, *pending}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                found = _first_found(list(asked.values()))
                if found is not None or (deadline is not None and loop.time() >= deadline):
                    return found
                if not change.done():
                    await _end([change])
        finally:
            await _end([*asked.values(), *([change] if change is not None else [])])

    async def _ask(self, ask: Callable[[RedisEngine], Awaitable[T | None]], queue: str) -> T | None:
        return await ask(await self._opened(queue))

    async def _more_than(self, count: int) -> bool | None:
        """Wait for a queue that nobody had used before."""

        async def look(me: str) -> bool | None:
            return bool(await self.root.store.run("await_parts", count, me)) or None

        return await self.root.store.until("p", look, None)


def _first_found(tasks: Sequence[asyncio.Task[T | None]]) -> T | None:
    """The first result that is one; an error only when no task can bring a result any more."""
    done = [task for task in tasks if task.done()]
    for task in done:
        if task.exception() is None and (found := task.result()) is not None:
            return found
    if len(done) == len(tasks):
        for task in done:
            if isinstance(fault := task.exception(), EngineError):
                raise fault
    return None


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def in_groups(
    batch: Sequence[K], keys: Sequence[str], ask: Callable[[str, list[K]], Awaitable[list[T]]]
) -> list[T]:
    """Ask for all of one key at once; the answers in the order of the batch."""
    if len(set(keys)) == 1:
        return await ask(keys[0], list(batch))
    places: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    said = await asyncio.gather(*(ask(key, [batch[i] for i in of_key]) for key, of_key in places.items()))
    answers: dict[int, T] = {}
    for of_key, part in zip(places.values(), said, strict=True):
        answers.update(zip(of_key, part, strict=True))
    return [answers[place] for place in range(len(batch))]
