"""A real primary with two replicas on loopback, watched by three real sentinels."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from redis.exceptions import ConnectionError, ResponseError, TimeoutError  # noqa: A004

from tests.servers.binaries import redis_binary, version
from tests.servers.ports import LOOPBACK
from tests.servers.process import ServerError, tail, wait_until
from tests.servers.redis import RedisServer

GROUP = "mymaster"
QUORUM = 2

#: What a sentinel of Redis 7 or later can be told. To look more often than each second or each ten; not `ping-period`: a
#: replica whose INFO is older than five of those is not promoted, and INFO is asked for each second at most meanwhile.
#: And not to keep still for half a minute ("tilt") each time a busy machine did not let it run for two seconds.
HASTE = {"info-period": 100, "ask-period": 100, "publish-period": 100, "tilt-trigger": 20_000, "tilt-period": 1_000}


class RedisSentinels:
    """Start it with `RedisSentinels.start`. The first of `servers` begins as the primary."""

    def __init__(self) -> None:
        self.servers: list[RedisServer] = []
        self.sentinels: list[RedisServer] = []

    @classmethod
    def start(
        cls,
        *,
        binary: str | None = None,
        options: Mapping[str, str] = {},
        down_after_ms: int = 500,
        failover_timeout_ms: int = 2000,
    ) -> Self:
        """Starts all six and waits until every sentinel knows every other one and the replicas; `options` are the
        servers'. A password is not told to the sentinels.
        """
        binary = binary or redis_binary()
        with contextlib.ExitStack() as stack:
            group = cls()
            stack.callback(group.stop)
            for number in range(3):
                replica = {"replicaof": f"{LOOPBACK} {group.servers[0].port}"} if number else {}
                wanted = {"replica-announce-ip": LOOPBACK, **replica, **options}
                group.servers.append(RedisServer.start(binary=binary, options=wanted))
            lines = [
                f"sentinel announce-ip {LOOPBACK}",
                f"sentinel monitor {GROUP} {LOOPBACK} {group.servers[0].port} {QUORUM}",
                f"sentinel failover-timeout {GROUP} {failover_timeout_ms}",
                f"sentinel parallel-syncs {GROUP} 2",
            ]
            for server in group.servers[1:]:
                server.in_step()
            # The third one is late to see that the primary is down. It votes, but does not vote for itself: with three
            # candidates nobody may win, and the next election is two failover timeouts away.
            for down in (down_after_ms, down_after_ms, 2 * down_after_ms):
                own = f"sentinel down-after-milliseconds {GROUP} {down}"
                sentinel = RedisServer.launch(binary, [*lines, own], sentinel=True)
                group.sentinels.append(sentinel)
                if version(binary) >= (7, 0):
                    for name, number in HASTE.items():
                        sentinel.ask("SENTINEL", "DEBUG", name, number)
            group.wait_for_calm()
            stack.pop_all()
        return group

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join(f"{LOOPBACK}:{one.port}" for one in self.sentinels) + f"/{GROUP}/0"

    def primary(self) -> RedisServer:
        """The primary, as the first sentinel says that runs."""
        for sentinel in self.sentinels:
            if sentinel.awake:
                return self._named_by(sentinel)
        raise ServerError("no sentinel runs that could name the primary")

    def kill_primary(self) -> RedisServer:
        """SIGKILL for the primary, which is returned: `restart()` brings it back, and it becomes a replica."""
        old = self.primary()
        old.kill()
        return old

    def wait_for_failover(self, old: RedisServer, *, seconds: float = 20) -> RedisServer:
        """Waits until all sentinels that run name another primary than this one, and that one says the same.

        The sentinel that leads names it as soon as it is promoted, and is still busy with the replicas: who wants to kill
        the next one asks for `wait_for_calm` first.
        """

        def successor() -> RedisServer | None:
            named = {self._named_by(one) for one in self.sentinels if one.awake}
            if len(named) != 1 or old in named:
                return None
            new = named.pop()
            with contextlib.suppress(ConnectionError, TimeoutError):
                return new if new.awake and new.ask("ROLE")[0] == b"master" else None
            return None

        try:
            return wait_until(successor, f"the sentinels name another primary than {old}", seconds=seconds)
        except ServerError as fault:
            raise ServerError(f"{fault}. {tail(*(one.log for one in self.sentinels))}") from None

    def wait_for_calm(self) -> None:
        """Waits until all six run, follow and know each other, and no failover is under way.

        A failover that begins while another one has not ended can hang for good: its first leader goes on to give orders
        for the former primary.
        """
        try:
            wait_until(
                lambda: all(watches(one) for one in self.sentinels),
                "each sentinel knows the other sentinels and the replicas",
                seconds=30,
            )
        except ServerError as fault:
            raise ServerError(f"{fault}. {tail(*(one.log for one in self.sentinels))}") from None

    def stop(self) -> None:
        for server in [*self.sentinels, *self.servers]:
            server.stop()

    def _named_by(self, sentinel: RedisServer) -> RedisServer:
        _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP)
        return next(server for server in self.servers if server.port == int(port))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def watches(sentinel: RedisServer) -> bool:
    """Whether this sentinel could have a failover decided and carried out."""
    with contextlib.suppress(ResponseError):  # NOQUORUM
        sentinel.ask("SENTINEL", "CKQUORUM", GROUP)
        others = sentinel.ask("SENTINEL", "SENTINELS", GROUP)
        primary = fields(sentinel.ask("SENTINEL", "MASTER", GROUP))
        replicas = [fields(one) for one in sentinel.ask("SENTINEL", "REPLICAS", GROUP)]
        return (
            len(others) == 2
            and primary[b"flags"] == b"master"
            and [(one[b"flags"], one[b"master-link-status"]) for one in replicas] == [(b"slave", b"ok")] * 2
        )
    return False


def fields(words: Sequence[bytes]) -> dict[bytes, bytes]:
    """Names and values in turn, as a sentinel answers."""
    return dict(zip(words[::2], words[1::2], strict=True))
