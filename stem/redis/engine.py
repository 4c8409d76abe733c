"""All roles over one server and one namespace."""

from __future__ import annotations

import logging
from typing import Any, Final

from stem.contracts.engine import Finding
from stem.errors import EngineRefusedError
from stem.redis.address import parse, shown
from stem.redis.broadcast import RedisBroadcast
from stem.redis.broker import RedisBroker, RedisRenewals
from stem.redis.dead_letters import RedisDeadLetters
from stem.redis.groups import RedisGroups
from stem.redis.inbox import RedisInbox
from stem.redis.jobs import RedisJobs
from stem.redis.limiter import RedisLimiter
from stem.redis.locks import RedisLocks
from stem.redis.names import prefix
from stem.redis.presence import RedisPresence
from stem.redis.queues import RedisQueues
from stem.redis.results import RedisResults
from stem.redis.schedules import RedisSchedules
from stem.redis.schemas import RedisSchemas
from stem.redis.store import FullError, Store
from stem.redis.workflows import RedisWorkflows

log = logging.getLogger("stem.redis")

#: The oldest servers that know all commands used here.
_OLDEST: Final = {"redis": (6, 2), "valkey": (7, 2)}


class RedisEngine:
    """The engine on Redis or Valkey; `url` as in `stem.redis.address`.

    `look_ms`: after how long who waits looks by itself for the first time, should a message have been lost. `queue`: the
    keys are those of the part of the namespace that one queue has for itself, see `stem.redis.partition`.
    """

    def __init__(self, url: str, *, namespace: str = "stem", look_ms: int = 1_000, queue: str | None = None) -> None:
        self.url = url
        self.namespace = namespace
        self.queue = queue
        self._prefix = prefix(namespace, queue)
        self.skew_ms = 0
        self._look_ms = look_ms
        self.address = parse(url)
        self._server: dict[str, str] = {}
        self.store = store = self.make_store()
        self.broker = RedisBroker(store)
        self.queues = RedisQueues(store)
        self.jobs = RedisJobs(store)
        self.dead_letters = RedisDeadLetters(store)
        self.results = RedisResults(store)
        self.groups = RedisGroups(store)
        self.locks = RedisLocks(store)
        self.limiter = RedisLimiter(store)
        self.inbox = RedisInbox(store)
        self.broadcast = RedisBroadcast(store)
        self.presence = RedisPresence(store)
        self.schedules = RedisSchedules(store)
        self.schemas = RedisSchemas(store)
        self.workflows = RedisWorkflows(store)

    async def open(self) -> None:
        """Connect, and see whether the server is fit; EngineRefusedError when it would lose jobs."""
        try:
            await self.store.open()
            self._server = _facts(await self.store.ask("INFO"))
            _check(self._server)
            await self._check_form()
        except BaseException:
            await self.store.close()
            raise

    async def _check_form(self) -> None:
        """The two forms of a namespace in a cluster do not see each other's jobs."""
        if self.address.mode != "cluster" or self.queue is not None:
            return
        parted = self.address.partition == "queue"
        if await self.store.ask("EXISTS", f"{self.store.prefix}{'qs' if parted else 'parts'}"):
            raise EngineRefusedError(
                f"the namespace {self.namespace!r} is in use {'without' if parted else 'with'} partition=queue; "
                "its jobs would not be seen: use the same URL everywhere, or another namespace"
            )

    async def close(self) -> None:
        await self.store.close()

    async def now_ms(self) -> int:
        return int(await self.store.run("now"))

    def renewals(self) -> RedisRenewals:
        """A second connection, for the renewal thread."""
        return RedisRenewals(lambda: self.make_store(listens=False))

    async def findings(self) -> list[Finding]:
        """Whether the server is full, or cannot write."""
        try:
            await self.store.run("try_publish", again=False)
        except FullError as fault:
            return [Finding(f"full: enqueues are refused. {fault}", refuses=True)]
        return []

    def describe(self) -> dict[str, str]:
        said = self._server
        product, version = _product(said)
        return {
            "engine": "redis",
            "server": f"{product} {'.'.join(map(str, version))}" if said else "not connected",
            "mode": self.address.mode,
            "at": self._at(),
            "aof": {"1": "on", "0": "off"}.get(said.get("aof_enabled", ""), "unknown"),
            "replicas": said.get("connected_slaves", "unknown"),
            "durability": _promise(self.address.durability, self.address.replicas, said),
        }

    def _at(self) -> str:
        hosts = self.address.hosts
        if not hosts:
            return self.address.unix
        return shown(hosts[0]) + (f" and {len(hosts) - 1} more" if hosts[1:] else "")

    def make_store(self, *, listens: bool = True) -> Store:
        """Connections of their own to the same keys."""
        return Store(self.address, self._prefix, lambda: self.skew_ms, self._look_ms, listens=listens)


def _facts(info: bytes) -> dict[str, str]:
    lines = info.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _product(said: dict[str, str]) -> tuple[str, tuple[int, ...]]:
    valkey = said.get("valkey_version")
    text = valkey or said.get("redis_version", "0")
    return "valkey" if valkey else "redis", tuple(int(part) for part in text.split(".") if part.isdecimal())


def _check(said: dict[str, str]) -> None:
    if said.get("redis_mode") == "sentinel":
        raise EngineRefusedError("this is a sentinel, not a server: use redis+sentinel://host:26379/service")
    product, version = _product(said)
    if version < _OLDEST[product]:
        needed = ".".join(map(str, _OLDEST[product]))
        raise EngineRefusedError(f"stem needs {product} {needed} or newer, found {'.'.join(map(str, version))}")
    policy = said.get("maxmemory_policy")
    if policy is None:
        log.warning("the server does not tell its maxmemory-policy; make sure that it is noeviction")
    elif policy != "noeviction":
        raise EngineRefusedError(
            f"the server's maxmemory-policy is {policy}: when memory runs short it would throw jobs away; "
            "set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in its configuration file)"
        )


def _promise(durability: str, replicas: int, said: dict[str, Any]) -> str:
    aof = said.get("aof_enabled") == "1"
    own = "in its append-only file as appendfsync says" if aof else "in memory, and in snapshots if it makes any"
    return f"{own}; confirmed by {replicas} replica(s)" if durability == "wait" else own
