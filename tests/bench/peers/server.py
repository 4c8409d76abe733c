"""A redis-server of the bench's own, and the few questions that the driver has for it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import IO, Final, Self

#: Seconds for the start, and for one answer.
PATIENCE: Final = 30


class Server:
    """On a free port of the loopback interface, with its files in `folder`."""

    def __init__(self, folder: Path, aof: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("the bench needs redis-server on PATH (Debian: apt-get install redis-server)")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        durability = ("--appendonly", "yes", "--appendfsync", aof) if aof != "no" else ("--appendonly", "no")
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder))
        self._process = subprocess.Popen(
            [program, *place, "--save", "", "--auto-aof-rewrite-percentage", "0", *durability],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the driver, which ends it
        )
        assert self._process.stdout is not None
        ready = threading.Event()
        self._said: list[str] = []
        threading.Thread(target=self._listen, args=(self._process.stdout, ready), daemon=True).start()
        if not ready.wait(PATIENCE) or self._process.poll() is not None:
            self._process.kill()
            raise RuntimeError(f"redis-server did not start: {' / '.join(self._said[-3:])}")
        self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self._replies = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._replies.close()
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)

    def flush(self) -> None:
        """Forget everything: keys, scripts, functions."""
        for command in ("FLUSHALL SYNC", "SCRIPT FLUSH SYNC", "FUNCTION FLUSH SYNC"):
            self._ask(command)

    @property
    def version(self) -> str:
        return self._info("server")["redis_version"]

    @property
    def cpu(self) -> float:
        """Seconds of processor time, in user and kernel mode."""
        info = self._info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def _info(self, section: str) -> dict[str, str]:
        lines = self._ask(f"INFO {section}").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _ask(self, command: str) -> str:
        """A command without arguments that need quoting; a status or a bulk reply."""
        self._socket.sendall(command.encode() + b"\r\n")
        head = self._replies.readline().decode().rstrip()
        if head.startswith("$"):
            return self._replies.read(int(head[1:]) + 2).decode()
        if head.startswith("-"):
            raise RuntimeError(f"redis-server answered {command!r} with {head[1:]}")
        return head[1:]

    def _listen(self, out: IO[bytes], ready: threading.Event) -> None:
        for line in out:  # read to the end, so that the server never waits for a full pipe
            self._said.append(line.decode(errors="replace").strip())
            del self._said[:-20]
            if b"Ready to accept connections" in line:
                ready.set()
        ready.set()
