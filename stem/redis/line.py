"""One connection that many callers share: commands go out as they come, replies come back in their order.

The server's own messages (RESP3 push) arrive on it too, so what a reply says and what a message says keep their order.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import hiredis
from redis.exceptions import ConnectionError as BrokenError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as SilentError

from stem.errors import EngineUnavailableError
from stem.redis.wire import Wire

#: One word of a command.
Word: TypeAlias = str | bytes | int | float
Noted: TypeAlias = Callable[[Any], None]
_PUSH: Final = b"message"
#: What redis-py raises when the connection is gone; their subclasses are what a living server answered.
_BROKEN: Final = frozenset({BrokenError, SilentError, InvalidResponse})


class Line:
    """A connection in use. After a fault it is dead: its callers hear of it, and a new one is made."""

    def __init__(
        self,
        connection: Wire,
        *,
        timeout: float,
        heard: Callable[[bytes], None],
        died: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._timeout = timeout
        self._heard, self._died = heard, died
        self._pending: deque[tuple[asyncio.Future[Any], float, Noted | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self.alive = True
        self._reading = asyncio.create_task(self._read(), name="stem-redis-line")

    def send(self, words: Sequence[Word], noted: Noted | None = None) -> asyncio.Future[Any]:
        """Send one command; the future brings its reply, an error as a value.

        `noted` is called with it the moment it is read, before any message that comes behind it.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self.alive:
            future.set_exception(EngineUnavailableError("the connection to Redis is gone"))
            return future
        packed = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]  # typed for one word, made for many
        self._connection.write(packed)
        self._pending.append((future, time.monotonic(), noted))
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._look)
        return future

    async def close(self) -> None:
        """Let go; whoever waits for a reply hears that there will be none."""
        self._die(EngineUnavailableError("the engine was closed"))
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._connection.disconnect(nowait=True)

    async def _read(self) -> None:
        while self.alive:
            try:
                reply = await self._connection.read_response(
                    disable_decoding=True, timeout=None, disconnect_on_error=False, push_request=True
                )
            except (RedisError, OSError) as fault:
                if type(fault) in _BROKEN or isinstance(fault, OSError):
                    self._die(EngineUnavailableError(f"the connection to Redis broke: {fault}"))
                else:
                    self._answer(fault)  # an error is a reply too
                continue
            if isinstance(reply, hiredis.PushNotification):
                self._push(reply)
            else:
                self._answer(reply)

    def _push(self, message: Sequence[Any]) -> None:
        if message[0] == _PUSH:
            self._heard(message[2])

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
            self._die(EngineUnavailableError(f"Redis gave no answer for {self._timeout:g} s"))
        else:
            self._watch = self._loop.call_later(left, self._look)

    def _die(self, fault: EngineUnavailableError) -> None:
        if not self.alive:
            return
        self.alive = False
        if self._watch is not None:
            self._watch.cancel()
        pending, self._pending = self._pending, deque()
        for future, _, _ in pending:
            if not future.done():
                future.set_exception(fault)
                future.exception()  # looked at: who has stopped waiting is not to be told on stderr
        self._died()
