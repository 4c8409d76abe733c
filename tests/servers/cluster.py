"""A real cluster on loopback: three masters, and replicas when they are asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeAlias

from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004

from tests.servers.binaries import redis_binary, version
from tests.servers.ports import LOOPBACK
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer, pairs

MASTERS = 3
SLOTS = 16_384


class RedisCluster:
    """Start it with `RedisCluster.start`. The first three `nodes` begin as masters, the others as their replicas."""

    def __init__(self, nodes: list[RedisServer]) -> None:
        self.nodes = nodes

    @classmethod
    def start(
        cls,
        *,
        binary: str | None = None,
        options: Mapping[str, str] = {},
        replicas: int = 0,
        node_timeout_ms: int = 500,
    ) -> Self:
        """Starts the nodes and waits until all of them say the same; `replicas` is a number for each master.

        A master takes no writes in the first two seconds of its life, so this takes longer than that.
        """
        binary = binary or redis_binary()
        wanted = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(node_timeout_ms),
            "cluster-announce-ip": LOOPBACK,
            "cluster-replica-validity-factor": "0",  # any replica may take over, however long it was alone
            "cluster-allow-replica-migration": "no",  # a master that gives its last slot away stays a master
        }
        if version(binary) < (7, 0):
            wanted["cluster-migration-barrier"] = "100"
            del wanted["cluster-allow-replica-migration"]
        with contextlib.ExitStack() as stack:
            cluster = cls([])
            stack.callback(cluster.stop)
            for _ in range(MASTERS * (1 + replicas)):
                cluster.nodes.append(RedisServer.start(binary=binary, options={**wanted, **options}))
            cluster._join()
            stack.pop_all()
        return cluster

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes[:MASTERS])

    def owner(self, slot: int) -> RedisServer:
        """The master that has this slot, as the first node says that runs."""
        node = next(node for node in self.nodes if node.awake)
        ports = [port for first, last, port, *_ in layout(node) if first <= slot <= last]
        return next(node for node in self.nodes if node.port in ports)

    def slot(self, key: str | bytes) -> int:
        """The slot of a key."""
        found: int = next(node for node in self.nodes if node.awake).ask("CLUSTER", "KEYSLOT", key)
        return found

    def move_slot(self, slot: int, target: RedisServer, *, step: Callable[[], None] | None = None) -> None:
        """Moves a slot as an operator's tool does, and calls `step` when half of its keys have gone over.

        Whatever `step` raises, the move is finished before.
        """
        source = self.owner(slot)
        if source is target:
            return
        source_id, target_id = node_id(source), node_id(target)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        try:
            migrate(source, target, slot, source.ask("CLUSTER", "COUNTKEYSINSLOT", slot) // 2)
            if step is not None:
                step()
        finally:
            while left := source.ask("CLUSTER", "COUNTKEYSINSLOT", slot):
                migrate(source, target, slot, left)
            masters = [node for node in self.nodes if node.awake and node.ask("ROLE")[0] == b"master"]
            for node in sorted(masters, key=lambda node: (node is not target, node is not source)):
                node.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)
            self.settled()

    def wait_for_failover(self, old: RedisServer) -> RedisServer:
        """Waits until a replica has the slots of this master, which was killed or paused, and returns that replica."""
        group = self.nodes[self.nodes.index(old) % MASTERS :: MASTERS]

        def successor() -> RedisServer | None:
            others = [node for node in self.nodes if node.awake and node is not old]
            with contextlib.suppress(ConnectionError, TimeoutError):
                masters = {port for _, _, port, *_ in layout(others[0])}
                heirs = [node for node in others if node in group and node.port in masters]
                return heirs[0] if heirs and agree(others) else None
            return None

        return wait_until(successor, f"a replica of {old} has its slots")

    def settled(self) -> None:
        """Waits until all nodes that run say that the cluster is whole, and the same about its slots."""
        wait_until(lambda: agree([node for node in self.nodes if node.awake]), "the nodes agree on a whole cluster")

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def _join(self) -> None:
        masters = self.nodes[:MASTERS]
        for number, node in enumerate(masters):
            first, last = SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS - 1
            if version(node.binary) >= (7, 0):
                node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
            else:
                node.ask("CLUSTER", "ADDSLOTS", *range(first, last + 1))
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for other in self.nodes[:number]:  # each meets each: hearsay takes longer
                node.ask("CLUSTER", "MEET", LOOPBACK, other.port)
        wait_until(lambda: all(known(node) == len(self.nodes) for node in self.nodes), "each node knows each other")
        for number, node in enumerate(self.nodes[MASTERS:]):
            node.ask("CLUSTER", "REPLICATE", node_id(masters[number % MASTERS]))
        self.settled()
        for node in self.nodes[MASTERS:]:
            node.in_step()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


Stretch: TypeAlias = tuple[int, int, int, frozenset[int]]


def layout(node: RedisServer) -> list[Stretch]:
    """First slot, last slot, the master's port, the replicas' ports, as this node has it."""
    return sorted(
        (first, last, master[1], frozenset(one[1] for one in replicas))
        for first, last, master, *replicas in node.ask("CLUSTER", "SLOTS")
    )


def agree(nodes: list[RedisServer]) -> bool:
    """Whether these nodes say that the cluster is whole, and the same about its slots."""
    if any(pairs(node.ask("CLUSTER", "INFO"))["cluster_state"] != "ok" for node in nodes):
        return False
    first, *others = [layout(node) for node in nodes]
    return sum(last - start + 1 for start, last, *_ in first) == SLOTS and all(one == first for one in others)


def known(node: RedisServer) -> int:
    """How many nodes this one has shaken hands with, and itself."""
    lines = node.ask("CLUSTER", "NODES").decode().splitlines()
    return sum("handshake" not in line and "disconnected" not in line for line in lines)


def node_id(node: RedisServer) -> bytes:
    found: bytes = node.ask("CLUSTER", "MYID")
    return found


def migrate(source: RedisServer, target: RedisServer, slot: int, count: int) -> None:
    """Moves so many keys of a slot, all or none."""
    keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, count)
    if keys:
        source.ask("MIGRATE", LOOPBACK, target.port, "", 0, 10_000, "KEYS", *keys)
