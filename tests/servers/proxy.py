"""A network that fails on demand: a TCP proxy on loopback in front of a server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeAlias

from tests.servers.ports import LOOPBACK, Port
from tests.servers.process import PATIENCE

CHUNK = 65_536

#: Close with RST, and throw away what is still to be sent.
AT_ONCE = struct.pack("ii", 1, 0)


class FaultProxy:
    """Start it with `FaultProxy.start`. It runs in a thread of its own, so a blocked event loop does not block it.

    Each method returns when its fault is in force, and may be called from any thread. `heal()` takes all faults back.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._port = Port.reserve()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._reset_after: int | None = None
        self.delay = 0.0
        self.dropping = False

    @classmethod
    def start(cls, host: str, port: int) -> Self:
        """A proxy in front of this host and port. When nobody listens there, clients are reset after they connected."""
        proxy = cls(host, port)
        proxy._thread.start()
        proxy.accept()
        return proxy

    @property
    def port(self) -> int:
        """Where clients connect to, on 127.0.0.1."""
        return self._port.number

    @property
    def connections(self) -> int:
        """How many connections of clients are open now."""
        return len(self._links)

    def cut(self) -> None:
        """Closes all connections, as a server does that ends. New ones are taken."""
        self._do(self._end(self._links))

    def refuse(self) -> None:
        """New connections are refused; open ones go on."""
        self._do(self._close_door())

    def accept(self) -> None:
        """New connections are taken again."""
        self._do(self._open_door())

    def reset_after(self, count: int) -> None:
        """The next new connection is reset when so many bytes of the server's answers have gone to the client.

        With 0 its first answer is lost whole. Connections after that one are as usual.
        """

        async def arm() -> None:
            self._reset_after = count

        self._do(arm())

    def half_open(self) -> None:
        """Connections that are open stay so, and nothing passes in either direction, not even their end.

        New connections are as usual. After `heal()` what was held up passes.
        """

        async def freeze() -> None:
            for link in self._links:
                link.passing.clear()

        self._do(freeze())

    def latency(self, ms: float) -> None:
        """Everything takes so much longer in each direction: twice that for a command with its answer."""

        async def slow() -> None:
            self.delay = ms / 1000

        self._do(slow())

    def drop_replies(self) -> None:
        """What clients send arrives, and what the server answers is lost; the connections stay open.

        `heal()` resets those that lost something, so that no later answer is taken for a lost one.
        """

        async def drop() -> None:
            self.dropping = True

        self._do(drop())

    def heal(self) -> None:
        """All is well again: no fault is in force, and connections are taken."""

        async def restore() -> None:
            self.dropping, self.delay, self._reset_after = False, 0.0, None
            await self._end([link for link in self._links if link.lost], reset=True)
            for link in self._links:
                link.passing.set()
            await self._open_door()

        self._do(restore())

    def stop(self) -> None:
        """Closes everything and ends the thread. Once more does nothing."""
        if self._loop.is_closed():
            return

        async def end() -> None:
            await self._close_door()
            await self._end(self._links)

        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        self._port.release()

    def _do(self, change: Coroutine[Any, Any, None]) -> None:
        """Runs something in the proxy's thread, and waits for it."""
        asyncio.run_coroutine_threadsafe(change, self._loop).result(PATIENCE)

    async def _open_door(self) -> None:
        if self._listener is not None:
            return
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind((LOOPBACK, self.port))
        self._listener.listen(128)
        self._accepting = self._loop.create_task(self._accept(self._listener))

    async def _close_door(self) -> None:
        if self._listener is None or self._accepting is None:
            return
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        self._listener.close()
        self._listener = None

    async def _end(self, links: Iterable[Link], *, reset: bool = False) -> None:
        ending = {link: self._links[link] for link in links}
        for link, task in ending.items():
            link.reset = reset
            task.cancel()
        await asyncio.gather(*ending.values(), return_exceptions=True)
        for link in ending:
            self._forget(link)  # a task that had not begun has not done it

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = await self._loop.sock_accept(listener)
            link = Link(self, client, self._reset_after)
            self._reset_after = None
            self._links[link] = self._loop.create_task(self._serve(link))

    async def _serve(self, link: Link) -> None:
        try:
            await link.run(self._target)
        finally:
            self._forget(link)

    def _forget(self, link: Link) -> None:
        link.close()
        self._links.pop(link, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class LinkClosedError(Exception):
    """One of the two ends was closed, and the other one heard all that came before."""


#: When it is due, and the bytes; no bytes are the end, an error is what reading met.
Parcel: TypeAlias = tuple[float, bytes | OSError]


class Link:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, reset_after: int | None) -> None:
        self.proxy = proxy
        self.client = client
        self.server = socket.socket()
        self.reset_after = reset_after
        self.reset = False
        self.lost = False
        self.passing = asyncio.Event()
        self.passing.set()
        for one in (self.client, self.server):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self, target: tuple[str, int]) -> None:
        """Carries bytes until one of the two ends is closed."""
        there, back = asyncio.Queue[Parcel](64), asyncio.Queue[Parcel](64)
        try:
            await asyncio.get_running_loop().sock_connect(self.server, target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(self.client, there))
                group.create_task(self._write(there, self.server))
                group.create_task(self._read(self.server, back))
                group.create_task(self._write(back, self.client))
        except* OSError:
            self.reset = True
        except* LinkClosedError:
            pass

    def close(self) -> None:
        if self.reset:
            with contextlib.suppress(OSError):
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.client.close()
        self.server.close()

    async def _read(self, source: socket.socket, parcels: asyncio.Queue[Parcel]) -> None:
        loop = asyncio.get_running_loop()
        data: bytes | OSError = b"-"
        while data and not isinstance(data, OSError):
            try:
                data = await loop.sock_recv(source, CHUNK)
            except OSError as fault:
                data = fault
            await parcels.put((loop.time() + self.proxy.delay, data))

    async def _write(self, parcels: asyncio.Queue[Parcel], sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await parcels.get()
            await asyncio.sleep(due - loop.time())
            await self.passing.wait()
            if isinstance(data, OSError):
                raise data
            if not data:
                raise LinkClosedError
            if sink is self.client:
                data = self._answer(data)
            await loop.sock_sendall(sink, data)
            if self.reset:
                raise LinkClosedError

    def _answer(self, data: bytes) -> bytes:
        """What of an answer goes to the client."""
        if self.proxy.dropping:
            self.lost = True
            return b""
        if self.reset_after is not None:
            data = data[: self.reset_after]
            self.reset_after -= len(data)
            self.reset = self.reset_after == 0
        return data
