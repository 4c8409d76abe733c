"""redis-py's connections, handed over once they are made: its streams would cost two turns of the event loop a reply."""

from __future__ import annotations

import asyncio

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection


class Wire(Connection):
    """A connection whose bytes, once it has been made and logged in, go to a protocol of our own."""

    def hand_over(self, protocol: asyncio.BaseProtocol) -> asyncio.WriteTransport:
        """Bytes go to `protocol` from now on; nothing may be on its way. The transport, for writing."""
        assert self._writer is not None
        transport = self._writer.transport
        transport.set_protocol(protocol)
        return transport

    def abort(self) -> None:
        """Close at once: with TLS a polite end would wait for the other side, which may be what is wrong."""
        if self._writer is not None:
            self._writer.transport.abort()


class UnixWire(UnixDomainSocketConnection, Wire):
    """The same through a socket in the file system."""


class TlsWire(Wire, SSLConnection):
    """The same with TLS."""
