"""One real Redis or Valkey server on loopback."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

from redis import Connection
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004
from redis.retry import Retry

from tests.servers.binaries import has_tls, redis_binary, version
from tests.servers.certificates import Certificates
from tests.servers.front import TlsFront
from tests.servers.ports import LOOPBACK, Port
from tests.servers.process import PATIENCE, Process, ServerError, make_folder, remove_folder, tail, wait_until

Ask: TypeAlias = Callable[..., Any]

TAKEN = "Address already in use"


class RedisServer:
    """A server with its own port, folder and process. Start it with `RedisServer.start`.

    After `kill()` it can be started again as it was with `restart()`; after `stop()` nothing of it is left.
    """

    def __init__(self, binary: str, lines: list[str], *, bus: bool, tls: Certificates | None, sentinel: bool) -> None:
        self.binary = binary
        self.folder = make_folder("sentinel" if sentinel else "redis")
        self.log, self.output = self.folder / "log", self.folder / "output"
        self._ports = [Port.reserve(bus=bus), *(Port.reserve() for _ in range(tls is not None))]
        self._tls = tls
        self._front: TlsFront | None = None
        self._command = [binary, str(self.folder / "conf"), *["--sentinel"] * sentinel]
        # requirepass of the start, so that `ask` may come in.
        self._password = next((line.split(" ", 1)[1] for line in lines if line.startswith("requirepass ")), None)
        self._process: Process | None = None
        self._paused = False
        # Written once: a server may write its own changes there, and a sentinel always does.
        own = [f"port {self.port}", f"dir {self.folder}", f"logfile {self.log}", f"bind {LOOPBACK}"]
        self._client_certificates = "tls-auth-clients yes" in lines
        if tls is not None and has_tls(binary):
            own += [f"tls-port {self.tls_port}", f"tls-cert-file {tls.cert}"]
            own += [f"tls-key-file {tls.key}", f"tls-ca-cert-file {tls.ca}"]
        elif tls is not None:
            lines = [line for line in lines if not line.startswith("tls-")]
        (self.folder / "conf").write_text("\n".join([*own, "protected-mode no", *lines, ""]))

    @classmethod
    def start(
        cls, *, binary: str | None = None, options: Mapping[str, str] = {}, tls: Certificates | None = None
    ) -> Self:
        """Starts one and waits until it answers. `options` are lines of redis.conf; an empty value is written as "".

        With `tls` it takes TLS on `tls_port`: itself, or by a front where the program was built without TLS.
        """
        binary = binary or redis_binary()
        wanted = {"save": "", "appendonly": "no", "repl-diskless-sync-delay": "0"}
        if version(binary) >= (7, 0):
            # A test that ends a primary does not wait for replicas that are behind.
            wanted |= {"enable-debug-command": "yes", "shutdown-timeout": "0"}
        if tls is not None:
            wanted |= {"tls-auth-clients": "no"}
        lines = [f"{key} {value}" if value else f'{key} ""' for key, value in {**wanted, **options}.items()]
        return cls.launch(binary, lines, bus=options.get("cluster-enabled") == "yes", tls=tls)

    @classmethod
    def launch(
        cls,
        binary: str,
        lines: list[str],
        *,
        bus: bool = False,
        tls: Certificates | None = None,
        sentinel: bool = False,
    ) -> Self:
        """Starts one with these lines of configuration; on other ports when its own were taken meanwhile."""
        for _ in range(5):
            server = cls(binary, lines, bus=bus, tls=tls, sentinel=sentinel)
            try:
                server._run()
                return server
            except BaseException as fault:
                server.stop()
                if TAKEN not in str(fault):
                    raise
        raise ServerError(f"{binary} was given five ports, and all were taken when it began to listen")

    @property
    def port(self) -> int:
        return self._ports[0].number

    @property
    def tls_port(self) -> int:
        if self._tls is None:
            raise ServerError("this server was started without certificates: RedisServer.start(tls=Certificates...)")
        return self._ports[1].number

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def tls_url(self) -> str:
        return f"rediss://{LOOPBACK}:{self.tls_port}/0"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether its process exists; a paused one does."""
        return self._process is not None and self._process.alive

    @property
    def awake(self) -> bool:
        """Whether it runs and is not paused."""
        return self.alive and not self._paused

    def kill(self) -> None:
        """SIGKILL; what was not yet written is lost, and port and folder stay."""
        self._running().kill()
        self._process = None

    def restart(self) -> None:
        """Starts it again as it was: after `kill`, or after a gentle end when it still runs."""
        if not self.folder.exists():
            raise ServerError("this server was stopped for good, and its folder is gone: start another one")
        if self._process is not None:
            self._process.end()
        self._run()

    def stop(self) -> None:
        """Ends it for good: port and folder are given back. Once more does nothing."""
        if self._front is not None:
            self._front.stop()
        if self._process is not None:
            self._process.kill()
            self._process = None
        for one in self._ports:
            one.release()
        remove_folder(self.folder)

    def pause(self) -> None:
        """SIGSTOP: the kernel still accepts connections for it, and nothing answers."""
        self._running().send(signal.SIGSTOP)
        self._paused = True

    def go_on(self) -> None:
        """SIGCONT."""
        self._running().send(signal.SIGCONT)
        self._paused = False

    def ask(self, *words: Any) -> Any:
        """One command on a connection of its own; the answer is as RESP2 has it, an error answer is raised."""
        with self.session() as ask:
            return ask(*words)

    @contextlib.contextmanager
    def session(self) -> Iterator[Ask]:
        """Several commands on one connection, as MULTI and ASKING need it."""
        connection: Any = Connection  # not annotated by redis-py
        line = connection(
            host=LOOPBACK,
            port=self.port,
            password=self._password,
            protocol=2,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )

        def ask(*words: Any) -> Any:
            line.send_command(*words)
            return line.read_response()

        try:
            yield ask
        finally:
            line.disconnect()

    def info(self, section: str) -> dict[str, str]:
        """A section of INFO."""
        return pairs(self.ask("INFO", section))

    def ready(self) -> None:
        """Waits until PING is answered: the port is open and the data is loaded."""
        deadline = time.monotonic() + PATIENCE
        trouble: object = "it was not asked yet"
        while time.monotonic() < deadline:
            if not self.alive:
                raise ServerError(f"{self.binary} ended while it started. {tail(self.log, self.output)}")
            try:
                if self.ask("PING") == b"PONG":
                    return
            except (BusyLoadingError, ConnectionError, TimeoutError) as fault:
                trouble = fault
            time.sleep(0.002)
        raise ServerError(
            f"{self.binary} answered no PING within {PATIENCE:g} s ({trouble}). {tail(self.log, self.output)}"
        )

    def in_step(self) -> None:
        """Waits until this is a replica that has its primary's data and follows it."""

        def follows() -> bool:
            with contextlib.suppress(BusyLoadingError, ConnectionError):  # a demoted primary drops its clients
                return self.info("replication").get("master_link_status") == "up"
            return False

        wait_until(follows, f"{self} follows its primary")

    def _run(self) -> None:
        self._process = Process(self._command, self.folder, self.output)
        self._paused = False
        self.ready()
        if self._tls is not None and self._front is None and not has_tls(self.binary):
            self._front = TlsFront.start(
                self._ports[1], self.port, self._tls, client_certificates=self._client_certificates
            )

    def _running(self) -> Process:
        if self._process is None:
            raise ServerError("this server does not run: it was killed or stopped")
        return self._process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.port} {'runs' if self.alive else 'does not run'}>"


def pairs(text: bytes) -> dict[str, str]:
    """The lines "key:value" of INFO and CLUSTER INFO."""
    lines = (line.partition(":") for line in text.decode().splitlines())
    return {key: value for key, colon, value in lines if colon}
