"""Ports of 127.0.0.1 that stay ours, whether somebody listens on them or not."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Self

LOOPBACK = "127.0.0.1"

#: A node of a cluster speaks with the others on its port plus this.
BUS = 10_000


class Port:
    """A free port, as the kernel gave it.

    On Linux a socket stays bound to it without listening: a server that sets SO_REUSEADDR (Redis, asyncio) still gets
    the port, but nobody else is given it, also while the server is dead. Without that a client that tries again and
    again can be given the port for its own end, connect to itself, and keep the server from coming back.
    """

    def __init__(self, *holders: socket.socket) -> None:
        self.number: int = holders[0].getsockname()[1]
        self._holders = holders if sys.platform == "linux" else ()
        for one in holders[len(self._holders) :]:
            one.close()

    @classmethod
    def reserve(cls, *, bus: bool = False) -> Self:
        """Asks the kernel for a port; with `bus` the one of the cluster bus is ours too."""
        while True:
            first = bind(0)
            if not bus:
                return cls(first)
            with contextlib.suppress(OSError, OverflowError):  # taken, or beyond 65535
                return cls(first, bind(first.getsockname()[1] + BUS))
            first.close()

    def release(self) -> None:
        for one in self._holders:
            one.close()


def bind(number: int) -> socket.socket:
    holder = socket.socket()
    try:
        holder.bind((LOOPBACK, number))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except BaseException:
        holder.close()
        raise
    return holder
