"""TLS in front of a server that was built without it: it takes TLS on a port and passes plain bytes on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from types import TracebackType
from typing import Self

from tests.servers.certificates import Certificates
from tests.servers.ports import LOOPBACK, Port
from tests.servers.process import PATIENCE

CHUNK = 65_536
#: How long the other end may take to say that it has heard the end, seconds.
FAREWELL = 0.01


class TlsFront:
    """Listens on a port as a server with TLS does, in a thread of its own. Start it with `TlsFront.start`."""

    def __init__(self, port: Port, target: int, certificates: Certificates, *, client_certificates: bool) -> None:
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.cert, certificates.key)
        self._context.load_verify_locations(certificates.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED if client_certificates else ssl.CERT_NONE
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((LOOPBACK, port.number))
        self._loop = asyncio.new_event_loop()
        # A broken handshake is what some tests are about, and is the client's to report.
        self._loop.set_exception_handler(lambda _loop, _about: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name="TLS front", daemon=True)
        self._links: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    @classmethod
    def start(cls, port: Port, target: int, certificates: Certificates, *, client_certificates: bool) -> Self:
        """A front on `port` for the server on `target`; with `client_certificates` clients must show one."""
        front = cls(port, target, certificates, client_certificates=client_certificates)
        front._thread.start()
        asyncio.run_coroutine_threadsafe(front._listen(), front._loop).result(PATIENCE)
        return front

    def stop(self) -> None:
        """Closes everything and ends the thread. Once more does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _listen(self) -> None:
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())

    async def _close(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
        self._listener.close()
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await asyncio.sleep(3 * FAREWELL)  # asyncio lets go of the sockets of handshakes that were broken off

    async def _accept(self) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            link = asyncio.create_task(self._carry(client))
            self._links.add(link)
            link.add_done_callback(self._links.discard)

    async def _carry(self, client: socket.socket) -> None:
        """Passes bytes on in both directions, until one of the two ends is closed."""
        with client, contextlib.suppress(OSError):
            reader, writer = await shake_hands(client, self._context)
            try:
                there, back = await self._reach_server()
                ways = {asyncio.create_task(pass_on(reader, back)), asyncio.create_task(pass_on(there, writer))}
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    back.transport.abort()  # before any wait: a stop of the front may end this link here too
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
            finally:
                writer.transport.abort()
                await asyncio.sleep(0)  # asyncio lets go of both sockets now

    async def _reach_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the server; one that is made while this link is ended is closed."""
        opening = asyncio.ensure_future(asyncio.open_connection(LOOPBACK, self._target))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                _, back = await opening
                back.transport.abort()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


async def shake_hands(
    client: socket.socket, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The server's side of TLS on a connection that was accepted; OSError when the client does not agree."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, client, ssl=context, ssl_shutdown_timeout=FAREWELL
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
