"""The engine on Redis and Valkey: standalone, behind Sentinel, or in a Cluster."""

from stem.redis.engine import RedisEngine as RedisEngine
