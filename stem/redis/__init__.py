"""The engine on Redis and Valkey: standalone, behind Sentinel, or in a Cluster."""

from stem.redis.address import parse
from stem.redis.engine import RedisEngine as RedisEngine
from stem.redis.partition import PartitionedEngine as PartitionedEngine


def engine_class(url: str) -> type[RedisEngine] | type[PartitionedEngine]:
    """The engine that a Redis URL asks for."""
    return PartitionedEngine if parse(url).partition == "queue" else RedisEngine
