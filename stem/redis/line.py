"""One connection that many callers share: commands go out as they come, replies come back in their order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import hiredis

from stem.errors import EngineUnavailableError
from stem.redis.wire import Wire

#: One word of a command.
Word: TypeAlias = str | bytes | int | float
Noted: TypeAlias = Callable[[Any], None]
#: A reply that is an error; its text begins with a code.
ReplyError: TypeAlias = hiredis.ReplyError

_MESSAGE: Final = b"message"
_NOT_YET: Final = object()


class Line(asyncio.Protocol):
    """A connection in use. After a fault it is dead: its callers hear of it, and a new one is made."""

    def __init__(
        self, connection: Wire, *, timeout: float, heard: Callable[[bytes], None], died: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._timeout = timeout
        self._heard, self._died = heard, died
        self._pending: deque[tuple[asyncio.Future[Any], float, Noted | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)
        self.alive = True
        self._transport = connection.hand_over(self)

    def send(self, words: Sequence[Word], noted: Noted | None = None) -> asyncio.Future[Any]:
        """Send one command; the future brings its reply, an error as a value.

        `noted` is called with it the moment it is read, before anything that comes behind it.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self.alive:
            future.set_exception(EngineUnavailableError("the connection to Redis is gone"))
            return future
        packed = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]  # typed for one word, made for many
        self._transport.write(packed)
        self._pending.append((future, time.monotonic(), noted))
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._look)
        return future

    async def close(self, why: str) -> None:
        """Let go; whoever waits for a reply hears why there will be none."""
        self._die(why)
        await self._connection.disconnect(nowait=True)

    # ---------------------------------------------------------------- what the transport calls

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOT_YET:
                if isinstance(reply, hiredis.PushNotification) and reply[0] == _MESSAGE:
                    self._heard(reply[2])
                else:  # a subscription is answered by a push of its own
                    self._answer(reply)
        except hiredis.HiredisError as fault:
            self._die(f"what came from Redis cannot be read: {fault}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._die(f"the connection to Redis broke: {exc or 'closed by the server'}")

    # ---------------------------------------------------------------- inside

    def _answer(self, reply: Any) -> None:
        if self._pending:
            future, _, noted = self._pending.popleft()
            if noted is not None:
                noted(reply)
            if not future.done():
                future.set_result(reply)

    def _look(self) -> None:
        """A reply that is overdue means that nobody is there any more, whatever the socket says."""
        self._watch = None
        if not self.alive or not self._pending:
            return
        left = self._pending[0][1] + self._timeout - time.monotonic()
        if left <= 0:
            self._die(f"Redis gave no answer for {self._timeout:g} s")
        else:
            self._watch = self._loop.call_later(left, self._look)

    def _die(self, why: str) -> None:
        if not self.alive:
            return
        self.alive = False
        if self._watch is not None:
            self._watch.cancel()
        pending, self._pending = self._pending, deque()
        fault = EngineUnavailableError(why)
        for future, _, _ in pending:
            if not future.done():
                future.set_exception(fault)
                future.exception()  # looked at: who has stopped waiting is not to be told on stderr
        self._transport.abort()
        self._died()
