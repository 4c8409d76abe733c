"""Waking across processes: one datagram socket a process, rung after a commit; nobody polls."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from stem.errors import EngineRefusedError
from stem.sqlite.step import Bell

#: A socket's path must fit into sockaddr_un: 104 bytes on macOS, 108 on Linux.
_LONGEST_PATH: Final = 100
#: Topics in one datagram: about 20 KB, well under the 200 KB that a socket takes at once.
_TOPICS: Final = 400
_LARGEST: Final = 262_144
#: Bells owed to one process that does not listen; what is beyond, its own looks will find.
_MOST_OWED: Final = 10_000
#: Datagrams a receiver has not read yet fill its queue; these faults pass.
_FULL: Final = {errno.EAGAIN, errno.ENOBUFS}

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[str]).decode


class Bells:
    """The ears of this process: the socket at `address`, and futures by topic. Lives in one event loop.

    `dozing` and `watched` say which rows of this process lie in the store, so that it knows what can still ring. The
    writing thread adds to them before it commits, so a ring never comes before them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            folder = _folder()
            _clear(folder)
            path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
            self._socket.bind(str(path))
        except BaseException:
            self._socket.close()
            raise
        self.address = str(path)
        self.dozing: dict[str, frozenset[str]] = {}
        self.watched: set[str] = set()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        loop.add_reader(self._socket, self._on_datagram)

    @property
    def has_rows(self) -> bool:
        """Whether rows by which this process is rung may lie in the store."""
        return bool(self.dozing or self.watched)

    def forget_rows(self) -> None:
        """They lay in a file that is not ours any more."""
        self.dozing.clear()
        self.watched.clear()

    def arm(self, topic: str) -> asyncio.Future[None]:
        """A future that the next ring of the topic completes."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.setdefault(topic, []).append(future)
        return future

    def disarm(self, topic: str, future: asyncio.Future[None]) -> None:
        """Forget a future nobody waits for any more."""
        rest = [one for one in self._waiting.get(topic, ()) if one is not future]
        if rest:
            self._waiting[topic] = rest
        else:
            self._waiting.pop(topic, None)

    def is_waited_for(self, topic: str) -> bool:
        """Whether anybody in this process waits for the topic."""
        return topic in self._waiting

    def cares_for(self, topic: str) -> bool:
        """Whether hearing of the topic would change anything; also asked from the writing thread.

        Who arms a bell looks at the store after that, through the same thread, so nobody comes too late.
        """
        return topic in self._waiting or topic in self.watched or topic.startswith("work ")

    def hear(self, topics: Iterable[str]) -> None:
        """Complete the futures of these topics; whoever rang has taken our rows out of the store."""
        for topic in topics:
            if topic.startswith("work "):
                self.dozing.pop(topic[5:], None)
            self.watched.discard(topic)
            for future in self._waiting.pop(topic, ()):
                if not future.done():
                    future.set_result(None)

    def close(self) -> None:
        """Wake everybody, to find the engine closed, and take the socket away."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        Path(self.address).unlink(missing_ok=True)
        self.hear(list(self._waiting))

    def _on_datagram(self) -> None:
        while True:
            try:
                message = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return
            with contextlib.suppress(msgspec.MsgspecError):
                self.hear(_decode(message))


class Ringer:
    """The hand that rings, in the writing thread. Never waits: what a full receiver cannot take is owed to it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.owed: dict[str, list[Bell]] = {}

    def ring(self, bells: Iterable[Bell]) -> list[Bell]:
        """Send these and what is owed, a datagram or few an address; the bells whose address is dead come back."""
        by_address, self.owed = self.owed, {}
        for bell in bells:
            by_address.setdefault(bell.address, []).append(bell)
        dead: list[Bell] = []
        for address, rung in by_address.items():
            fault, left = self._send(address, rung)
            if fault in _FULL:
                self.owed[address] = left[-_MOST_OWED:]
            elif fault not in {0, errno.EMSGSIZE}:
                dead += rung
        return dead

    def close(self) -> None:
        self._socket.close()

    def _send(self, address: str, bells: list[Bell]) -> tuple[int, list[Bell]]:
        """0, or the errno that stopped it, and what was not sent then."""
        once = list({bell.topic: bell for bell in bells}.values())
        for start in range(0, len(once), _TOPICS):
            try:
                self._socket.sendto(_encode([bell.topic for bell in once[start : start + _TOPICS]]), address)
            except OSError as fault:
                return fault.errno or errno.EIO, once[start:]
        return 0, []


async def sleep_on(future: asyncio.Future[None], timeout_ms: float | None) -> bool:
    """Wait for the future; False at the time-out. The future is left as it is."""
    done, _ = await asyncio.wait({future}, timeout=None if timeout_ms is None else max(0, timeout_ms) / 1000)
    return bool(done)


def _clear(folder: Path) -> None:
    """Take away the sockets of processes that were killed: nobody listens there any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        for path in folder.iterdir():
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:  # numbers of processes tell nothing: a container has its own
                path.unlink(missing_ok=True)
            except OSError:
                continue


def _folder() -> Path:
    """A folder of this user alone, with a path short enough for sockets in it."""
    name = f"stem-{os.getuid()}"
    usual = Path(tempfile.gettempdir()) / name
    folder = usual if len(os.fsencode(usual)) + 30 <= _LONGEST_PATH else Path("/tmp") / name  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid() or stat.S_IMODE(there.st_mode) & 0o077:
        raise EngineRefusedError(
            f"{folder} must be a folder that only this user can enter, for its sockets wake stem's processes; "
            f"delete it, or set TMPDIR to another place"
        )
    return folder
