"""redis-py's connections, with a way to write without waiting."""

from __future__ import annotations

from redis.asyncio import Connection, SSLConnection


class Wire(Connection):
    """A connection whose commands leave the moment they are written.

    `send_packed_command` waits until the socket has room, which costs a turn of the event loop for each command even
    when there is room. Here whoever sends waits for the reply anyway, and that bounds what lies in the buffer.
    """

    def write(self, packed: bytes) -> None:
        """Send these bytes, or leave them to the transport; a broken connection shows at the next read."""
        if self._writer is not None:
            self._writer.write(packed)


class TlsWire(Wire, SSLConnection):
    """The same with TLS."""
