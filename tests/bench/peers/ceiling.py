"""The least that at-least-once with a stored result costs one Python process: what the ceilings share.

A stream with a consumer group. Two loops, each with a connection of its own, take turns: while one waits for the server,
the other runs handlers. A batch is one read, the handlers one after the other, and one trip that stores all results,
acknowledges all entries and deletes them: a pipeline of plain commands, or one call of a script. No retries, no renewal,
no limits, no logging: it is headroom, not a queue.
"""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Protocol

import msgspec

from tests.bench.peers.board import ran
from tests.bench.peers.side import KEEP, TEXT, Peer, slots

STREAM: Final = b"bench:jobs"
GROUP: Final = b"workers"
RESULT: Final = b"bench:result:"
#: Claims in alternation.
LOOPS: Final = 2

_ADD: Final = b"for n = 1, #ARGV do redis.call('XADD', KEYS[1], '*', 'd', ARGV[n]) end return #ARGV"
_SETTLE: Final = b"""
local ids = {}
for n = 3, #ARGV, 2 do
    redis.call('SET', 'bench:result:' .. ARGV[n], ARGV[n + 1], 'EX', ARGV[2])
    ids[#ids + 1] = ARGV[n]
end
redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
redis.call('XDEL', KEYS[1], unpack(ids))
return #ids
"""


class Job(msgspec.Struct, gc=False):
    number: int
    text: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Job).decode


class Connection(Protocol):
    """One connection to the server."""

    async def call(self, *words: bytes) -> Any:
        """Send a command; its reply, or the error it came to."""

    async def pipeline(self, commands: Sequence[tuple[bytes, ...]]) -> None:
        """Send commands together and wait for all replies."""

    async def close(self) -> None:
        """Let go."""


async def noop(job: Job) -> int:
    return ran(job.number)


class CeilingPeer(Peer):
    guarantee = "at-least-once: consumer group of a stream; acknowledged after the run"
    results = "SET with expiry, in the same trip as the acknowledgement"
    settings = "batches of 100, two claims in alternation, no task a job"
    ceiling = True
    bulk = True
    weight = 10.0
    #: One script call a batch instead of a pipeline of commands.
    scripted: ClassVar[bool]

    @abstractmethod
    async def connect(self) -> Connection:
        """A new connection."""

    async def open(self) -> None:
        self._connection = await self.connect()
        self._add, self._settle = await _prepare(self._connection)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        await self._connection.close()

    # ---------------------------------------------------------------- producing

    async def send(self, number: int) -> None:
        """Calls that wait at the same time share a round trip."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((_encode(Job(number, TEXT)), done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def send_many(self, numbers: Sequence[int]) -> None:
        await self._publish([_encode(Job(number, TEXT)) for number in numbers])

    async def _flush(self) -> None:
        try:
            while self._waiting:
                sent, self._waiting = self._waiting, []
                await self._publish([payload for payload, _ in sent])
                for _, done in sent:
                    done.set_result(None)
        finally:
            self._flushing = None

    async def _publish(self, payloads: list[bytes]) -> None:
        if len(payloads) == 1:
            await self._connection.call(b"XADD", STREAM, b"*", b"d", payloads[0])
        elif self.scripted:
            await self._connection.call(b"EVALSHA", self._add, b"1", STREAM, *payloads)
        else:
            await self._connection.pipeline([(b"XADD", STREAM, b"*", b"d", payload) for payload in payloads])

    # ---------------------------------------------------------------- looking

    async def left(self) -> int:
        return int(await self._connection.call(b"XLEN", STREAM))  # an acknowledged entry is deleted

    async def stored(self) -> int:
        found, cursor = 0, b"0"
        while True:
            cursor, keys = await self._connection.call(b"SCAN", cursor, b"MATCH", RESULT + b"*", b"COUNT", b"1000")
            found += len(keys)
            if int(cursor) == 0:
                return found
            cursor = str(int(cursor)).encode()

    # ---------------------------------------------------------------- working

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            for loop in range(LOOPS):
                group.create_task(self._loop(loop))

    async def _loop(self, number: int) -> None:
        connection = await self.connect()
        _, settle = await _prepare(connection)
        keep, size = str(KEEP).encode(), str(slots()).encode()
        me = f"{os.getpid()}-{number}".encode()
        read = (b"XREADGROUP", b"GROUP", GROUP, me, b"COUNT", size, b"BLOCK", b"5000", b"STREAMS", STREAM, b">")
        while True:
            streams = await connection.call(*read)
            if not streams:
                continue
            done = [(entry, _encode(await noop(_decode(fields[1])))) for entry, fields in streams[0][1]]
            if self.scripted:
                words = [word for pair in done for word in pair]
                await connection.call(b"EVALSHA", settle, b"1", STREAM, GROUP, keep, *words)
            else:
                ids = [entry for entry, _ in done]
                stored = [(b"SET", RESULT + entry, result, b"EX", keep) for entry, result in done]
                await connection.pipeline([*stored, (b"XACK", STREAM, GROUP, *ids), (b"XDEL", STREAM, *ids)])


async def _prepare(connection: Connection) -> tuple[bytes, bytes]:
    try:
        await connection.call(b"XGROUP", b"CREATE", STREAM, GROUP, b"0", b"MKSTREAM")
    except Exception as fault:
        if "BUSYGROUP" not in str(fault):
            raise
    add, settle = [await connection.call(b"SCRIPT", b"LOAD", script) for script in (_ADD, _SETTLE)]
    return add, settle
