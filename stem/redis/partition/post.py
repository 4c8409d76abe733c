"""What a step in one part brings about in another.

It is put out in the same atomic step, under a token that never comes again, and then carried: brought about where it
belongs, once for each token; taken away where it was put out; and after a while forgotten where it came in. Whoever dies
in between leaves it lying, and the next sweep of any worker carries it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from stem.core.envelope import Submission
from stem.core.settle import Effect, Enqueue, Settlement
from stem.errors import EngineError
from stem.redis.engine import RedisEngine
from stem.redis.line import Word
from stem.redis.partition.parts import Parts
from stem.redis.rows import Outgoing, StoredEffect, packed_effect

log = logging.getLogger("stem.redis")

#: Effects in one script.
_SLICE: Final = 200
#: How long a step waits for what it brings about elsewhere, seconds; it goes on being carried.
_PATIENCE: Final = 1.0
_read: Final = msgspec.msgpack.Decoder[Effect](Effect)
_write: Final = msgspec.msgpack.Encoder()


class Post:
    """Carries what was put out."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._under_way: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def carry(self, source: RedisEngine, tokens: Sequence[str]) -> None:
        """Carry these now, and wait for it a little."""
        if not tokens:
            return
        task = asyncio.create_task(self._carry_quietly(source, tokens))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait({task}, timeout=_PATIENCE)

    async def sweep(self) -> None:
        """Carry what others have left lying, as far as it can be reached."""
        await self._swept(self._parts.root)
        await self._parts.wherever(self._swept)

    async def _swept(self, source: RedisEngine) -> None:
        while await self._carry(source, ()) == _SLICE:
            pass

    async def _carry_quietly(self, source: RedisEngine, tokens: Sequence[str]) -> None:
        try:
            await self._carry(source, tokens)
        except EngineError as fault:
            log.warning("%d follow-up(s) lie in their outbox until the next sweep: %s", len(tokens), fault)

    async def _carry(self, source: RedisEngine, tokens: Sequence[str]) -> int:
        """Carry these, or some that have lain for a while; how many there were."""
        taken, *found = await source.store.run("outbox", _SLICE, *tokens)
        targets: dict[str | None, list[Word]] = defaultdict(list)
        for token, what in zip(found[::2], found[1::2], strict=True):
            effect = _read.decode(what)
            targets[_home_of(effect)] += (token, taken, packed_effect(effect))
        carried = await asyncio.gather(
            *(self._delivered(source, home, words) for home, words in targets.items()), return_exceptions=True
        )
        for fault in carried:
            if isinstance(fault, BaseException):
                raise fault  # what could be delivered was
        return len(found) // 2

    async def _delivered(self, source: RedisEngine, home: str | None, words: Sequence[Word]) -> None:
        """Bring about what belongs to one part."""
        target = self._parts.root if home is None else await self._parts.of(home)
        came, more = await target.store.run("deliver", *words, durable="yes")
        if came:
            await source.store.run("take_away", *came)
            target.store.run_later("let_go", *came)
        if more:
            await self._carry(target, more)


def outgoing(effect: Effect) -> Outgoing:
    """What is put out for an effect."""
    return Outgoing(secrets.token_urlsafe(12), _write.encode(effect))


def outgoing_job(job: Submission | None) -> Outgoing | None:
    """What the root puts out for a job."""
    return None if job is None else outgoing(Enqueue(job))


def parted(one: Settlement, queue: str) -> list[StoredEffect]:
    """The effects of a settlement in the part of this queue."""
    return [effect if _home_of(effect) == queue else outgoing(effect) for effect in one.effects]


def tokens_of(effects: Sequence[StoredEffect]) -> list[str]:
    """The tokens under which some of them are put out."""
    return [one.token for one in effects if isinstance(one, Outgoing)]


def _home_of(effect: Effect) -> str | None:
    """The queue of whose part this is; None: the root."""
    return effect.submission.queue if isinstance(effect, Enqueue) else None
