"""A ceiling: as `redis_py`, with one script call a batch, which spares redis-py the cost of each command."""

from __future__ import annotations

from tests.bench.peers.redis_py.app import RedisPyPeer


class RedisPyScriptPeer(RedisPyPeer):
    scripted = True


peer = RedisPyScriptPeer()
