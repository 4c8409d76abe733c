"""One slot of a cluster for each queue: `?partition=queue`.

The roles here are put together from the same engine, one for each queue and a root for what belongs to no queue. Each
step stays atomic where its job lies; what it brings about elsewhere is put out with it, and carried there once
(`stem.redis.partition.post`).
"""

from stem.redis.partition.engine import PartitionedEngine as PartitionedEngine
