"""Connections to the server that holds our keys: found through Sentinel or the cluster, made by redis-py."""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import Any

from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    RedisError,
    ResponseError,
)

from stem.errors import EngineRefusedError, EngineUnavailableError
from stem.redis.address import Address, Host, Tls, shown
from stem.redis.wire import TlsWire, UnixWire, Wire


class Connector:
    """Makes connections to whoever is the primary for the slot of one key now."""

    def __init__(self, address: Address, key: str) -> None:
        self.address = address
        self._slot = key_slot(key.encode())
        self._nodes: tuple[Host, ...] = address.hosts

    async def connect(self, how_many: int) -> list[Wire]:
        """New connections, logged in, speaking RESP3; EngineUnavailableError or EngineRefusedError."""
        where: Host | None = None
        try:
            where = await self._locate()
            return await self._connect_all(where, how_many)
        except (AuthenticationError, AuthorizationError) as fault:
            text = (
                f"Redis at {self._shown(where)} refused the login: {_said(fault)}; user and password stand in the URL"
            )
            raise EngineRefusedError(text) from None
        except MasterNotFoundError:
            text = f"none of the sentinels {self._shown(None)} answers and knows a primary of {self.address.service!r}"
            raise EngineUnavailableError(text) from None
        except ResponseError as fault:
            if isinstance(fault, BusyLoadingError | ClusterDownError):
                raise EngineUnavailableError(
                    f"Redis at {self._shown(where)} cannot serve this now: {_said(fault)}"
                ) from None
            raise EngineRefusedError(f"Redis at {self._shown(where)} refused the connection: {_said(fault)}") from None
        except (RedisError, OSError, ssl.SSLError, TimeoutError) as fault:
            raise EngineUnavailableError(f"cannot reach Redis at {self._shown(where)}: {_said(fault)}") from None

    async def _connect_all(self, where: Host, how_many: int) -> list[Wire]:
        made: list[Wire] = []
        try:
            for _ in range(how_many):
                made.append(await self._connect_to(where))  # noqa: PERF401 - what is made is let go of when the next fails
        except BaseException:
            for connection in made:
                await connection.disconnect(nowait=True)
            raise
        return made

    async def _connect_to(self, where: Host) -> Wire:
        """Connected and logged in within the time that an answer may take: redis-py bounds only the first half."""
        connection = self._make(where)
        try:
            async with asyncio.timeout(self.address.timeout_ms / 1000):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            connection.abort()
            await connection.disconnect(nowait=True)
            raise
        return connection

    def _make(self, where: Host) -> Wire:
        if self.address.unix:
            settings = self._settings()
            del settings["socket_keepalive"]
            return UnixWire(path=self.address.unix, **settings)
        return self._class(host=where[0], port=where[1], **self._settings())

    def _shown(self, where: Host | None) -> str:
        if self.address.unix:
            return self.address.unix
        return shown(where) if where is not None else ", ".join(map(shown, self._nodes))

    # ---------------------------------------------------------------- where

    async def _locate(self) -> Host:
        match self.address.mode:
            case "sentinel":
                return await self._ask_sentinels()
            case "cluster":
                return await self._ask_cluster()
            case _:
                return self.address.hosts[0] if self.address.hosts else ("", 0)

    async def _ask_sentinels(self) -> Host:
        address = self.address
        login = {"username": address.sentinel_username or None, "password": address.sentinel_password or None}
        sentinel = Sentinel(list(address.hosts), sentinel_kwargs=self._client_settings(**login))  # type: ignore[no-untyped-call]
        try:
            host, port = await sentinel.discover_master(address.service)
        finally:
            for client in sentinel.sentinels:
                await client.aclose()
        return str(host), int(port)

    async def _ask_cluster(self) -> Host:
        """The owner of our slot, as the first node says that answers; its list of nodes is asked the next time."""
        nodes = [*self._nodes, *(host for host in self.address.hosts if host not in self._nodes)]
        fault: Exception = ConnectionError("no node")
        for host in sorted(nodes, key=lambda _: random.random()):
            try:
                return await self._owner_says(host)
            except (AuthenticationError, AuthorizationError):
                raise
            except (RedisError, OSError, TimeoutError) as said:
                fault = said
        raise fault

    async def _owner_says(self, host: Host) -> Host:
        connection = await self._connect_to(host)
        try:
            async with asyncio.timeout(self.address.timeout_ms / 1000):
                await connection.send_command("CLUSTER", "SLOTS")
                ranges: list[Any] = await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)
        found = [(_node(one[2], host), int(one[0]), int(one[1])) for one in ranges]
        self._nodes = tuple(dict.fromkeys(node for node, _, _ in found))
        for node, first, last in found:
            if first <= self._slot <= last:
                return node
        raise ResponseError("no node of the cluster serves our slot")

    # ---------------------------------------------------------------- how

    @property
    def _class(self) -> type[Wire]:
        return TlsWire if self.address.tls is not None else Wire

    def _settings(self) -> dict[str, Any]:
        """Everything that has a default in redis-py and matters is said here."""
        address = self.address
        return {
            "db": address.db,
            "username": address.username or None,
            "password": address.password or None,
            "socket_timeout": None,  # the Line watches over its replies itself
            "socket_connect_timeout": address.timeout_ms / 1000,
            "socket_keepalive": True,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 3,
            "client_name": "stem",
            **_tls_settings(address.tls),
        }

    def _client_settings(self, **login: Any) -> dict[str, Any]:
        """The same for the short questions to sentinels."""
        seconds = self.address.timeout_ms / 1000
        tls = self.address.tls
        return {
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "decode_responses": True,
            **login,
            **({"ssl": True, **_tls_settings(tls)} if tls is not None else {}),
        }


def _tls_settings(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    return {
        "ssl_ca_certs": tls.ca or None,
        "ssl_certfile": tls.cert or None,
        "ssl_keyfile": tls.key or None,
        "ssl_cert_reqs": "required" if tls.verify else "none",
        "ssl_check_hostname": tls.verify,
    }


def _node(said: list[Any], asked: Host) -> Host:
    """A node that does not know its own name is the one that was asked."""
    return (said[0].decode() if said[0] else "") or asked[0], int(said[1])


def _said(fault: BaseException) -> str:
    text = str(fault) or type(fault).__name__
    return text.splitlines()[0]
