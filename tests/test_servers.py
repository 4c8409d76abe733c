"""The servers of `tests.servers` do what tests of the Redis engine rely on: they run, fail and come back for real."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    ConnectionError,  # noqa: A004
    MovedError,
    ReadOnlyError,
    TimeoutError,  # noqa: A004
    TryAgainError,
)
from redis.retry import Retry

from tests.servers.binaries import dotted, redis_binary, valkey_binary, version
from tests.servers.certificates import Certificates
from tests.servers.cluster import RedisCluster
from tests.servers.process import ServerError, wait_until
from tests.servers.proxy import FaultProxy
from tests.servers.redis import RedisServer
from tests.servers.sentinel import RedisSentinels

KEYS = [f"{{slot}}{number}" for number in range(6)]


@contextlib.contextmanager
def client(port: int, **options: Any) -> Iterator[redis.Redis]:
    """One connection that does not try again."""
    once = Retry(NoBackoff(), 0)
    one = redis.Redis(port=port, protocol=2, retry=once, **{"socket_timeout": 5, "max_connections": 1, **options})
    try:
        yield one
    finally:
        one.close()


def ended(pid: int) -> bool:
    """Whether nothing runs under this id; a zombie that init has not yet looked after does not run."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return said.stdout.strip()[:1] in {"", "Z"}


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer.start() as one:
        yield one


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster.start(replicas=1) as one:
        yield one


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[FaultProxy]:
    server.ask("FLUSHALL")
    with FaultProxy.start("127.0.0.1", server.port) as one:
        yield one


# ---------------------------------------------------------------- one server


@pytest.mark.parametrize("binary", [redis_binary, valkey_binary])
def test_a_server_runs_and_leaves_nothing_behind(binary: Callable[[], str]) -> None:
    with RedisServer.start(binary=binary()) as server:
        assert server.ask("PING") == b"PONG"
        about = server.info("server")
        assert about.get("valkey_version", about["redis_version"]).startswith(dotted(version(binary())))
        assert server.ask("DEBUG", "SLEEP", "0") == b"OK"
        pid = server.pid
    assert not server.folder.exists()
    assert ended(pid)
    with pytest.raises(ConnectionError):
        server.ask("PING")


def test_a_killed_server_comes_back_with_what_it_has_on_disk() -> None:
    with RedisServer.start(options={"appendonly": "yes", "appendfsync": "always"}) as server:
        url = server.url
        server.ask("SET", "key", b"\xff")
        server.kill()
        with pytest.raises(ConnectionError):
            server.ask("PING")
        server.restart()
        assert (server.url, server.ask("GET", "key")) == (url, b"\xff")


def test_a_paused_server_takes_connections_and_answers_later(server: RedisServer) -> None:
    server.pause()
    with client(server.port, socket_timeout=0.1) as one, pytest.raises(TimeoutError):
        one.ping()
    server.go_on()
    assert server.ask("PING") == b"PONG"


def test_one_connection_is_kept_in_a_session(server: RedisServer) -> None:
    with server.session() as ask:
        answers = [ask("MULTI"), ask("INCR", "counter"), ask("EXEC")]
    assert answers == [b"OK", b"QUEUED", [1]]


def test_a_server_that_does_not_start_shows_why() -> None:
    with pytest.raises(ServerError, match="no-such-option"):
        RedisServer.start(options={"no-such-option": "1"})


def test_a_missing_program_is_an_error_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEM_TEST_REDIS_BINARY", "/nowhere/redis-server")
    with pytest.raises(ServerError, match=r"'/nowhere/redis-server'.*Name one: STEM_TEST_REDIS_BINARY="):
        RedisServer.start()


def test_servers_end_with_an_interpreter_that_is_killed() -> None:
    program = (
        "import sys\n"
        "from tests.servers.redis import RedisServer\n"
        "server = RedisServer.start()\n"
        "print(server.pid, server.folder, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        pid, folder = child.stdout.readline().decode().split()
        assert Path(folder).exists()
        assert not ended(int(pid))
        child.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(folder).exists(), "the folder is gone")
    wait_until(lambda: ended(int(pid)), "the process is gone")


# ---------------------------------------------------------------- several


def test_a_cluster_redirects_and_refuses_keys_of_two_slots(cluster: RedisCluster) -> None:
    slot = cluster.slot("a")
    owner = cluster.owner(slot)
    other = next(node for node in cluster.nodes if node is not owner)
    owner.ask("SET", "a", 1)
    with pytest.raises(MovedError, match=f"{slot} 127.0.0.1:{owner.port}"):
        other.ask("GET", "a")
    with pytest.raises(ClusterCrossSlotError):
        owner.ask("MGET", "a", "b")
    with contextlib.closing(redis.RedisCluster("127.0.0.1", cluster.nodes[0].port, protocol=2)) as one:
        assert one.get("a") == b"1"


def test_a_slot_is_seen_half_moved(cluster: RedisCluster) -> None:
    slot = cluster.slot(KEYS[0])
    source = cluster.owner(slot)
    target = next(node for node in cluster.nodes[:3] if node is not source)
    source.ask("MSET", *(word for key in KEYS for word in (key, key)))
    seen = list[str]()

    def in_the_middle() -> None:
        with pytest.raises(TryAgainError):
            source.ask("MGET", *KEYS)
        for key in KEYS:
            try:
                assert source.ask("GET", key) == key.encode()
                seen.append("here")
            except AskError:
                with target.session() as ask:
                    assert (ask("ASKING"), ask("GET", key)) == (b"OK", key.encode())
                seen.append("there")

    cluster.move_slot(slot, target, step=in_the_middle)
    assert sorted(seen) == ["here"] * 3 + ["there"] * 3
    assert cluster.owner(slot) is target
    assert target.ask("MGET", *KEYS) == [key.encode() for key in KEYS]


def test_a_replica_takes_the_place_of_a_killed_master(cluster: RedisCluster) -> None:
    old = cluster.owner(0)
    old.kill()
    new = cluster.wait_for_failover(old)
    assert new is cluster.owner(0)
    assert new is not old
    old.restart()
    old.in_step()
    cluster.settled()


def test_sentinels_put_a_replica_into_the_place_of_a_killed_primary() -> None:
    with RedisSentinels.start() as group:
        ports = [("127.0.0.1", one.port) for one in group.sentinels]
        connect: Any = redis.Sentinel  # not annotated by redis-py
        watch = connect(ports, sentinel_kwargs={"protocol": 2})
        old = group.kill_primary()
        new = group.wait_for_failover(old)
        assert new is group.primary()

        def is_found() -> bool:
            """SENTINEL MASTERS, which redis-py asks, names the old one for a moment longer."""
            with contextlib.suppress(redis.sentinel.MasterNotFoundError):
                return bool(watch.discover_master("mymaster") == ("127.0.0.1", new.port))
            return False

        wait_until(is_found, "redis-py finds the new primary")
        assert new.ask("SET", "key", 1) == b"OK"
        old.restart()
        old.in_step()
        with pytest.raises(ReadOnlyError):
            old.ask("SET", "key", 2)
        for one in watch.sentinels:
            one.close()


# ---------------------------------------------------------------- TLS


def test_tls_lets_in_who_knows_the_authority(tmp_path: Path) -> None:
    ours, theirs = (tmp_path / name for name in ("ours", "theirs"))
    ours.mkdir()
    theirs.mkdir()
    known, strange = Certificates.write(ours), Certificates.write(theirs)
    with RedisServer.start(tls=known) as server:
        with client(server.tls_port, ssl=True, ssl_ca_certs=str(known.ca)) as one:
            assert one.ping() is True
        wrong = pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED")
        with client(server.tls_port, ssl=True, ssl_ca_certs=str(strange.ca)) as one, wrong:
            one.ping()
        with client(server.tls_port) as one, pytest.raises(ConnectionError):
            one.ping()


def test_mutual_tls_lets_in_who_has_a_certificate(tmp_path: Path) -> None:
    own = Certificates.write(tmp_path)
    with RedisServer.start(tls=own, options={"tls-auth-clients": "yes"}) as server:
        wanted = {"ssl": True, "ssl_ca_certs": str(own.ca)}
        with client(server.tls_port, **wanted) as one, pytest.raises(ConnectionError):
            one.ping()
        shown = {"ssl_certfile": str(own.client_cert), "ssl_keyfile": str(own.client_key)}
        with client(server.tls_port, **wanted, **shown) as one:
            assert one.ping() is True


# ---------------------------------------------------------------- the network


def test_the_proxy_cuts_connections(proxy: FaultProxy) -> None:
    with client(proxy.port) as one:
        one.ping()
        assert proxy.connections == 1
        with socket.create_connection(("127.0.0.1", proxy.port)) as line:
            wait_until(lambda: proxy.connections == 2, "the proxy has both")
            proxy.cut()
            assert proxy.connections == 0
            assert line.recv(1) == b""
        assert one.ping() is True  # redis-py sees that its connection is closed, and opens another one


def test_the_proxy_refuses_new_connections_only(proxy: FaultProxy) -> None:
    with client(proxy.port) as old, client(proxy.port) as new:
        old.ping()
        proxy.refuse()
        with pytest.raises(ConnectionError, match="refused"):
            new.ping()
        assert old.ping() is True
        proxy.accept()
        assert new.ping() is True


def test_the_proxy_resets_in_the_middle_of_an_answer(proxy: FaultProxy) -> None:
    proxy.reset_after(3)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        line.sendall(b"PING\r\n")
        got = b""
        with pytest.raises(ConnectionResetError):
            while data := line.recv(100):
                got += data
    assert got == b"+PO"
    with client(proxy.port) as one:
        assert one.ping() is True


def test_the_proxy_holds_up_half_open_connections(proxy: FaultProxy, server: RedisServer) -> None:
    with client(proxy.port, socket_timeout=0.1) as new, socket.create_connection(("127.0.0.1", proxy.port)) as line:
        line.settimeout(0.1)
        line.sendall(b"PING\r\n")
        assert line.recv(100) == b"+PONG\r\n"
        proxy.half_open()
        line.sendall(b"INCR passed\r\n")
        with pytest.raises(OSError, match="timed out"):
            line.recv(100)
        assert server.ask("GET", "passed") is None
        assert new.ping() is True
        proxy.heal()
        line.settimeout(5)
        assert line.recv(100) == b":1\r\n"


def test_the_proxy_takes_its_time(proxy: FaultProxy) -> None:
    with client(proxy.port) as one:
        one.ping()
        proxy.latency(50)
        began = time.monotonic()
        one.ping()
        assert time.monotonic() - began >= 0.1
        proxy.heal()
        began = time.monotonic()
        one.ping()
        assert time.monotonic() - began < 0.1


def test_the_proxy_drops_replies_of_commands_that_arrived(proxy: FaultProxy, server: RedisServer) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        proxy.drop_replies()
        line.sendall(b"INCR arrived\r\n")
        wait_until(lambda: server.ask("GET", "arrived") == b"1", "the command arrived")
        line.settimeout(0.1)
        with pytest.raises(OSError, match="timed out"):
            line.recv(100)
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            line.recv(100)
    with client(proxy.port) as one:
        assert one.incr("arrived") == 2


def test_the_proxy_resets_who_comes_while_the_server_is_dead(proxy: FaultProxy, server: RedisServer) -> None:
    with client(proxy.port) as one:
        one.ping()
        server.kill()
        with pytest.raises(ConnectionError):
            one.ping()
        server.restart()
        assert one.ping() is True
