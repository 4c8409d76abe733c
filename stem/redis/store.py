"""One namespace, or the part of it for one queue, on one server: operations as calls, retried where that is safe, and waiting for what others do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import random
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, TypeAlias, TypeVar

from stem.errors import EngineError, EngineRefusedError, EngineUnavailableError
from stem.redis.address import Address
from stem.redis.bells import Bells, sleep_on
from stem.redis.connect import Connector
from stem.redis.line import Line, Noted, ReplyError, Word
from stem.redis.names import safe
from stem.redis.scripts import Script, script

T = TypeVar("T")
Durable: TypeAlias = Literal["no", "yes", "try"]
log = logging.getLogger("stem.redis")

#: Answers of a server that did nothing with what it was asked, and will not always answer so: their codes, at the
#: beginning or, where they come out of a script, inside.
_NOT_NOW: Final = re.compile(r"^(MOVED|ASK)\b|\b(TRYAGAIN|CLUSTERDOWN|LOADING|READONLY|MASTERDOWN|BUSY|NOREPLICAS)\b")
#: Among them those that mean: somebody else is the primary by now.
_ELSEWHERE: Final = re.compile(r"^MOVED\b|\b(READONLY|MASTERDOWN)\b")
#: A key holds what another program has put there.
_FOREIGN: Final = re.compile(r"\bWRONGTYPE\b|wrong kind of value")
#: The store cannot take it now: no memory, no disk.
_NO_MEMORY: Final = re.compile(r"\bOOM\b")
_NO_DISK: Final = re.compile(r"\bMISCONF\b")
#: Where in a script it happened: of use to nobody who reads the message.
_NOISE: Final = re.compile(r"(^user_script:\d+: )|( script:( \w+,)? on @user_script:\d+\.?$)")
#: Shortest and longest pause between two tries, seconds.
_PAUSE: Final = (0.02, 0.25)
#: Who waits looks by itself at growing intervals, up to so many times the first: a message that was lost costs no more.
_GROWTH: Final = 60


class Store:
    """Runs scripts on a Line that is made when it is needed, and anew when it died."""

    def __init__(
        self, address: Address, prefix: str, skew: Callable[[], int], look_ms: int, *, listens: bool = True
    ) -> None:
        self.prefix = prefix
        self.address = address
        self.me = secrets.token_urlsafe(9)
        self.bells = Bells(self._pass_on)
        self._skew, self._look = skew, look_ms / 1000
        self._root, self._never = f"{self.prefix}seq", f"{self.prefix}never"
        self._connector = Connector(address, self._root)
        # A connection of its own for messages: servers bound what may lie ready for a subscriber, and a reply may be large.
        self._line: Line | None = None
        self._ear: Line | None = None
        self._listens = listens
        self._making: asyncio.Task[Line] | None = None
        self._later: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._quiet_until = 0.0
        self._pid = 0

    # ---------------------------------------------------------------- life

    async def open(self) -> None:
        """Connect now; EngineUnavailableError when that does not work at once."""
        self._closed, self._pid = False, os.getpid()
        await self._get_line()

    async def close(self) -> None:
        """Tell the server that nobody of ours sleeps any more, and hang up."""
        self._check_process()
        while self._later:
            await asyncio.wait(set(self._later))
        if self._line is not None and self._line.alive:
            await asyncio.gather(*(self._quietly("get_up", ("", safe(one))) for one in self.bells.naps.listed()))
        self._closed = True
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
            self._making = None
        await self._hang_up("the engine was closed")

    # ---------------------------------------------------------------- asking

    async def run(
        self,
        name: str,
        *words: Word,
        again: bool = True,
        durable: Durable = "no",
        noted: Noted | None = None,
    ) -> Any:
        """The answer of one operation.

        `again`: it may be sent a second time when the connection broke before its answer came. `durable`: with
        `durability=wait` in the URL the replicas are asked to confirm: "yes", an answer without that is an error; "try", it
        is told in the log. `noted`: see Line.send.
        """
        wanted, deadline, pause = script(name), time.monotonic() + self.address.patience_ms / 1000, _PAUSE[0]
        while True:
            sent = False
            try:
                line = await self._get_line()
                sent = True
                return await self._answer(line, wanted, words, noted, durable=durable)
            except EngineUnavailableError as fault:
                harmless = again or not sent or isinstance(fault, _NotNowError)
                if not harmless or self._closed or time.monotonic() >= deadline:
                    raise (fault if isinstance(fault, FullError) else EngineUnavailableError(str(fault))) from None
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, _PAUSE[1])

    def run_later(self, name: str, *words: Word) -> None:
        """Send one operation whose answer nobody waits for."""
        task = asyncio.create_task(self._quietly(name, words))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def ask(self, *words: Word, flat: bool = False) -> Any:
        """The answer to a plain command; `flat`: a map as names and values in turn."""
        reply = await (await self._get_line()).send(words)
        if isinstance(reply, ReplyError):
            raise _fault(str(reply))
        return [word for pair in reply.items() for word in pair] if flat else reply

    async def until(
        self,
        topic: str,
        look: Callable[[str], Awaitable[T | None]],
        timeout_ms: float | None,
        *,
        again_ms: Callable[[], float] = lambda: math.inf,
    ) -> T | None:
        """What `look` finds, as soon as it finds something; None at the time-out.

        `look(address)` asks the server, which in the same step, when there is nothing yet, remembers to tell of the
        topic at that address. The last look is made without one. `again_ms` says, after a look, when to look again at the latest.
        """
        deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        pause = self._look
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            arming = left is None or left > 0
            bell = self.bells.arm(topic)
            try:
                found = await look(self.me if arming else "")
                if found is not None or not arming:
                    return found
                wait = min(pause, again_ms() / 1000, math.inf if left is None else left)
                rang = await sleep_on(bell, wait * 1000)
            finally:
                self.bells.disarm(topic, bell)
            pause = self._look if rang else min(2 * pause, _GROWTH * self._look)

    # ---------------------------------------------------------------- inside

    async def _answer(
        self, line: Line, wanted: Script, words: Sequence[Word], noted: Noted | None, *, durable: Durable
    ) -> Any:
        confirm = durable != "no" and self.address.durability == "wait"
        reply = self._send(line, wanted, words, noted)
        confirmed = line.send(("WAIT", self.address.replicas, self.address.wait_ms)) if confirm else None
        answer = await reply
        if isinstance(answer, ReplyError) and str(answer).startswith("NOSCRIPT"):
            loaded = line.send(("SCRIPT", "LOAD", wanted.text))
            reply = self._send(line, wanted, words, noted)
            confirmed = line.send(("WAIT", self.address.replicas, self.address.wait_ms)) if confirm else None
            answer = await reply
            if isinstance(refused := await loaded, ReplyError):
                answer = refused
        if isinstance(answer, ReplyError):
            if _ELSEWHERE.search(str(answer)) and line is self._line:
                await self._hang_up(str(_fault(str(answer))))
            raise _fault(str(answer), self.prefix)
        if confirmed is not None and (have := _count(await confirmed)) < self.address.replicas:
            text = (
                f"stored, but {have} of {self.address.replicas} replicas confirmed it within {self.address.wait_ms} ms"
            )
            if durable == "yes":
                raise EngineUnavailableError(text)
            self._warn(text)
        return answer

    def _warn(self, text: str) -> None:
        """Once a minute."""
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + 60
            log.warning("a settlement is %s", text)

    def _send(
        self, line: Line, wanted: Script, words: Sequence[Word], noted: Noted | None = None
    ) -> asyncio.Future[Any]:
        return line.send(("EVALSHA", wanted.sha, 2, self._root, self._never, self._skew(), *words), noted)

    async def _quietly(self, name: str, words: Sequence[Word]) -> None:
        with contextlib.suppress(EngineError):  # what is done so must not matter when the store cannot do it
            await self.run(name, *words)

    async def _get_line(self) -> Line:
        if self._closed:
            raise EngineUnavailableError("the engine is closed")
        self._check_process()
        if self._line is not None and self._line.alive and (self._ear is None or self._ear.alive):
            return self._line
        if self._making is None:
            self._making = asyncio.create_task(self._make_line())
            self._making.add_done_callback(self._made)
        return await asyncio.shield(self._making)

    def _check_process(self) -> None:
        """Two processes on one connection would read each other's answers."""
        self._pid = self._pid or os.getpid()
        if self._pid != os.getpid():
            raise EngineRefusedError(
                f"the engine on {self.address!r} was opened in process {self._pid} and carried over a fork into "
                f"{os.getpid()}; open an engine after the fork"
            )

    def _made(self, task: asyncio.Task[Line]) -> None:
        self._making = None
        if not task.cancelled():
            task.exception()  # each caller gets it from its own await

    async def _make_line(self) -> Line:
        await self._hang_up("the connection to Redis broke")
        made = await self._connector.connect(1 + self._listens)
        line, *ears = [
            Line(one, timeout=self.address.timeout_ms / 1000, heard=self.bells.heard, died=self._died) for one in made
        ]
        try:
            for ear in ears:  # nothing is asked before we hear: who lies down unheard is passed over as gone
                reply = await ear.send(("SUBSCRIBE", f"{self.prefix}@{self.me}"))
                if isinstance(reply, ReplyError):
                    raise _fault(str(reply))
        except BaseException:
            for one in (line, *ears):
                await one.close("the connection to Redis could not be used")
            raise
        self._line, self._ear = line, ears[0] if ears else None
        return line

    async def _hang_up(self, why: str) -> None:
        lines, self._line, self._ear = (self._line, self._ear), None, None
        for line in lines:
            if line is not None:
                await line.close(why)

    def _died(self) -> None:
        """What was on its way is lost: those who wait look for themselves, over a new line."""
        if not self._closed:
            self.bells.ring_all()

    def _pass_on(self, worker: str, queues: Sequence[str]) -> None:
        """A ring for a worker that had stopped waiting belongs to the next one."""
        self.run_later("get_up", "1", safe(worker), *map(safe, queues))


class FullError(EngineUnavailableError):
    """The server takes no new work: its memory is full, or it cannot save to its disk."""


class _NotNowError(EngineUnavailableError):
    """The server did nothing with it; asking again is safe."""


def _count(reply: Any) -> int:
    """How many replicas confirmed; none when the server said no instead, as a primary does that was just deposed."""
    return reply if isinstance(reply, int) else 0


def _fault(text: str, prefix: str = "") -> EngineUnavailableError | EngineRefusedError:
    """The error for a reply that is one."""
    text = _NOISE.sub("", text)
    if _FOREIGN.search(text):
        return EngineRefusedError(
            f"a key of stem's in Redis holds what another program has put there: {text}; all keys that begin with "
            f"{prefix!r} are stem's: delete that one, and give the program a database of its own"
        )
    if _NOT_NOW.search(text):
        return _NotNowError(f"Redis cannot serve this now: {text}")
    if _NO_MEMORY.search(text):
        return FullError(
            "Redis is full: its maxmemory is used up, so new work is refused until there is room; workers go on, and what "
            f"they finish makes some ({text})"
        )
    if _NO_DISK.search(text):
        return FullError(f"Redis cannot store anything now: {text}")
    return EngineRefusedError(f"Redis refused an operation: {text}")
