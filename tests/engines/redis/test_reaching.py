"""Ways to a server: passwords, TLS, Sentinel, Cluster."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stem.errors import EngineRefusedError, EngineUnavailableError
from stem.redis import RedisEngine
from stem.testing.contracts import done, publish, run, settle_one, submission, take_all, take_one
from tests.engines.redis.conftest import MakeEngine
from tests.servers.certificates import Certificates
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer
from tests.servers.sentinel import RedisSentinels

pytestmark = pytest.mark.anyio

NAMES = itertools.count()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.write(tmp_path)


@pytest.fixture
async def on_cluster(cluster: RedisCluster) -> AsyncIterator[RedisEngine]:
    engine = RedisEngine(cluster.url, namespace=f"n{next(NAMES)}")
    await engine.open()
    yield engine
    await engine.close()


async def test_a_user_with_a_password_of_any_characters(server: RedisServer, make: MakeEngine) -> None:
    server.ask("ACL", "SETUSER", "us@er", "on", "resetchannels", ">p/w:#?%", "~{stem}:*", "&{stem}:*", "+@all")
    engine = await make(f"redis://us%40er:p%2Fw%3A%23%3F%25@127.0.0.1:{server.port}/0")
    await run(engine, submission("a"))


async def test_a_user_needs_no_more_than_the_namespace(server: RedisServer, make: MakeEngine) -> None:
    server.ask(
        "ACL",
        "SETUSER",
        "narrow",
        "on",
        "resetchannels",
        ">x",
        "~{stem}:*",
        "&{stem}:*",
        "+@all",
        "-@dangerous",
        "+info",
    )
    engine = await make(f"redis://narrow:x@127.0.0.1:{server.port}/0")
    await run(engine, submission("a"))
    with pytest.raises(EngineRefusedError, match="refused"):
        await make(f"redis://narrow:x@127.0.0.1:{server.port}/0", namespace="away")


@pytest.mark.parametrize("login", ["us:wrong", "nobody:wrong"])
async def test_a_wrong_login_is_refused_without_its_password(server: RedisServer, make: MakeEngine, login: str) -> None:
    server.ask("ACL", "SETUSER", "us", "on", ">right", "~*", "&*", "+@all")
    with pytest.raises(EngineRefusedError, match="refused the login") as refused:
        await make(f"redis://{login}@127.0.0.1:{server.port}/0")
    assert "wrong" not in str(refused.value)


async def test_tls_with_the_authority_that_signed_the_server(certificates: Certificates) -> None:
    with RedisServer.start(tls=certificates) as server:
        engine = RedisEngine(f"{server.tls_url}?tls_ca={certificates.ca}")
        await engine.open()
        await run(engine, submission("a"))
        await engine.close()
        stranger = RedisEngine(server.tls_url)
        with pytest.raises(EngineUnavailableError, match=r"(?i)certificate"):
            await stranger.open()
        unchecked = RedisEngine(f"{server.tls_url}?tls_verify=none")
        await unchecked.open()
        await unchecked.close()


async def test_a_server_that_asks_for_a_certificate_of_ours(certificates: Certificates) -> None:
    with RedisServer.start(tls=certificates, options={"tls-auth-clients": "yes"}) as server:
        own = f"&tls_cert={certificates.client_cert}&tls_key={certificates.client_key}"
        engine = RedisEngine(f"{server.tls_url}?tls_ca={certificates.ca}{own}")
        await engine.open()
        await run(engine, submission("a"))
        await engine.close()
        nobody = RedisEngine(f"{server.tls_url}?tls_ca={certificates.ca}&patience_ms=0")
        with pytest.raises(EngineUnavailableError):
            await nobody.open()


async def test_a_replica_says_that_it_cannot_be_written(server: RedisServer) -> None:
    """As `stem health` asks."""
    with RedisServer.start() as replica:
        replica.ask("REPLICAOF", "127.0.0.1", server.port)
        engine = RedisEngine(f"{replica.url}?patience_ms=0")
        await engine.open()
        with pytest.raises(EngineUnavailableError, match="READONLY"):
            await engine.presence.leave("nobody")
        await engine.close()


async def test_databases_of_one_server_are_kept_apart(server: RedisServer, make: MakeEngine) -> None:
    zero, one = await make(), await make(f"redis://127.0.0.1:{server.port}/1")
    await publish(zero, submission("a"))
    assert await take_all(one) == []


async def test_the_primary_is_found_through_sentinels_and_found_again_after_a_failover() -> None:
    with RedisSentinels.start() as sentinels:
        engine = RedisEngine(f"{sentinels.url}?durability=wait&patience_ms=15000")
        await engine.open()
        assert await publish(engine, submission("before")) == ["new"]
        old = sentinels.kill_primary()
        publishing = asyncio.create_task(publish(engine, submission("during")))
        await asyncio.to_thread(sentinels.wait_for_failover, old)
        assert (await publishing)[0] in {"new", "duplicate"}
        deliveries = await take_all(engine)
        assert [one.id for one in deliveries] == ["before", "during"]
        assert await settle_one(engine, done(deliveries[0])) == "done"
        await engine.close()


async def test_a_service_that_sentinels_do_not_know_is_said() -> None:
    with RedisSentinels.start() as sentinels:
        engine = RedisEngine(sentinels.url.replace("mymaster", "other"))
        with pytest.raises(EngineUnavailableError, match="'other'"):
            await engine.open()
        await engine.close()


async def test_durability_wait_refuses_what_no_replica_has_confirmed(server: RedisServer, make: MakeEngine) -> None:
    """The job may be there: the same id again makes no second one."""
    engine = await make(f"{server.url}?durability=wait&wait_ms=50&patience_ms=0")
    with pytest.raises(EngineUnavailableError, match="0 of 1 replicas confirmed it within 50 ms"):
        await publish(engine, submission("a"))
    other = await make()
    assert await publish(other, submission("a")) == ["duplicate"]


async def test_a_server_that_refuses_to_wait_has_confirmed_nothing(server: RedisServer, make: MakeEngine) -> None:
    """As a primary does that is deposed meanwhile: UNBLOCKED."""
    server.ask("ACL", "SETUSER", "hasty", "on", ">x", "~*", "&*", "+@all", "-wait")
    engine = await make(f"redis://hasty:x@127.0.0.1:{server.port}/0?durability=wait&patience_ms=0")
    with pytest.raises(EngineUnavailableError, match="0 of 1 replicas"):
        await publish(engine, submission("a"))


async def test_a_user_who_may_not_teach_scripts_is_told_so(server: RedisServer, make: MakeEngine) -> None:
    server.ask("SCRIPT", "FLUSH")
    server.ask("ACL", "SETUSER", "dumb", "on", ">x", "~*", "&*", "+@all", "-script")
    engine = await make(f"redis://dumb:x@127.0.0.1:{server.port}/0")
    with pytest.raises(EngineRefusedError, match=r"(?i)no permissions"):
        await publish(engine, submission("a"))


async def test_a_settlement_that_no_replica_has_confirmed_is_stored_and_told(
    server: RedisServer, make: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker could do nothing with an error: after a failover such a job would run again."""
    careless = await make()
    await publish(careless, submission("a"), submission("b"))
    engine = await make(f"{server.url}?durability=wait&wait_ms=50&patience_ms=0")
    for delivery in await take_all(engine):
        assert await settle_one(engine, done(delivery)) == "done"
    assert [record.message for record in caplog.records if "0 of 1 replicas" in record.message] == [
        "a settlement is stored, but 0 of 1 replicas confirmed it within 50 ms"
    ]


async def test_a_cluster_is_reached_through_any_of_its_nodes(cluster: RedisCluster) -> None:
    for node in cluster.nodes:
        engine = RedisEngine(f"redis+cluster://127.0.0.1:{node.port}", namespace=f"n{next(NAMES)}")
        await engine.open()
        await run(engine, submission("a"))
        await engine.close()


async def test_while_our_slot_moves_calls_wait_and_nothing_is_done_by_halves(
    cluster: RedisCluster, on_cluster: RedisEngine
) -> None:
    """Some keys here, some there: whatever a script did then would be wrong."""
    engine = on_cluster
    await publish(engine, *(submission(f"job-{n}") for n in range(50)))
    running = await take_one(engine)
    slot = cluster.slot(f"{{{engine.namespace}}}:seq")
    source = cluster.owner(slot)
    target = next(node for node in cluster.nodes if node is not source)
    asked: list[str] = []

    async def try_in_the_middle() -> None:
        impatient = RedisEngine(f"{cluster.url}?patience_ms=200", namespace=engine.namespace)
        try:
            await impatient.open()
            await publish(impatient, submission("half"))
        except EngineUnavailableError as fault:
            asked.append(str(fault))
        await impatient.close()

    await asyncio.to_thread(cluster.move_slot, slot, target, step=lambda: asyncio.run(try_in_the_middle()))
    assert len(asked) == 1
    assert await publish(engine, submission("after")) == ["new"]
    assert await settle_one(engine, done(running)) == "done"
    assert len(await take_all(engine)) == 50
    assert [one.id for one in await take_all(engine)] == []


async def test_a_call_made_while_our_slot_moves_ends_when_it_has_moved(
    cluster: RedisCluster, on_cluster: RedisEngine
) -> None:
    engine = on_cluster
    await publish(engine, *(submission(f"job-{n}") for n in range(50)))
    slot = cluster.slot(f"{{{engine.namespace}}}:seq")
    source = cluster.owner(slot)
    target = next(node for node in cluster.nodes if node is not source)
    loop = asyncio.get_running_loop()
    calls: list[asyncio.Future[list[str]]] = []

    def start() -> None:
        made = asyncio.run_coroutine_threadsafe(publish(engine, submission("during")), loop)
        calls.append(asyncio.wrap_future(made, loop=loop))

    await asyncio.to_thread(cluster.move_slot, slot, target, step=start)
    assert await calls[0] == ["new"]
    assert len(await take_all(engine)) == 51


async def test_a_replica_takes_over_the_slot_of_a_master_that_died() -> None:
    with RedisCluster.start(replicas=1) as cluster:
        engine = RedisEngine(f"{cluster.url}?durability=wait&patience_ms=15000")
        await engine.open()
        await publish(engine, submission("before"))
        old = cluster.owner(cluster.slot("{stem}:seq"))
        old.kill()
        publishing = asyncio.create_task(publish(engine, submission("during")))
        await asyncio.to_thread(cluster.wait_for_failover, old)
        with pytest.raises(EngineUnavailableError, match="0 of 1 replicas"):
            await publishing  # the replica is the primary now, and has none of its own
        assert [one.id for one in await take_all(engine)] == ["before", "during"]
        await engine.close()
