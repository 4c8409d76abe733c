"""Servers that restart, forget, refuse or fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator

import anyio
import pytest

from stem.contracts.engine import Engine
from stem.contracts.jobs import JobFilter
from stem.errors import EngineRefusedError, EngineUnavailableError
from stem.redis import RedisEngine
from stem.testing.contracts import (
    NEVER_MS,
    SOON_MS,
    bury,
    done,
    publish,
    run,
    settle_one,
    state_of,
    submission,
    take,
    take_all,
    take_one,
)
from tests.engines.redis.conftest import MakeEngine
from tests.servers.proxy import FaultProxy
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[FaultProxy]:
    with FaultProxy.start("127.0.0.1", server.port) as between:
        yield between


def through(proxy: FaultProxy, **options: int) -> str:
    """The URL of the server behind the proxy."""
    return f"redis://127.0.0.1:{proxy.port}/0?" + "&".join(f"{name}={value}" for name, value in options.items())


async def test_a_server_that_forgot_its_scripts_is_taught_again(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    await publish(engine, submission("a"))
    server.ask("SCRIPT", "FLUSH")
    assert await publish(engine, submission("b")) == ["new"]
    assert [one.id for one in await take_all(engine)] == ["a", "b"]


async def test_a_server_that_lost_everything_serves_what_comes_next(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    await publish(engine, submission("a"), submission("late", delay_ms=60_000))
    held = await take_one(engine)
    server.ask("FLUSHALL")
    assert await settle_one(engine, done(held)) == "stale"
    assert await take(engine) == []
    assert await publish(engine, submission("a")) == ["new"]
    again = await take_one(engine)
    assert again.fence > held.fence
    assert await settle_one(engine, done(again)) == "done"


async def test_parts_that_are_lost_stop_nobody(server: RedisServer, make: MakeEngine) -> None:
    """Somebody's hand in the keys: what is left is served, and counts come right again."""
    engine = await make()
    await publish(engine, *(submission(one) for one in "abc"), *(submission(f"late-{n}", delay_ms=1_000) for n in "ab"))
    server.ask("UNLINK", "{stem}:t:a", "{stem}:t:late-a")
    engine.skew_ms = 1_000
    assert sorted(one.id for one in await take_all(engine)) == ["b", "c", "late-b"]
    assert await take_all(engine) == []
    assert server.ask("XLEN", "{stem}:s0:q") == 2
    server.ask("UNLINK", "{stem}:t:b")
    engine.skew_ms = 10_000_000
    assert sorted(one.id for one in await take_all(engine)) == ["c", "late-b"]


async def test_a_job_whose_envelope_is_gone_is_handed_out_to_be_buried(server: RedisServer, make: MakeEngine) -> None:
    """It cannot run, but it can be seen; what it may not do is to end every worker that meets it."""
    engine = await make()
    await publish(engine, submission("gone", delay_ms=1_000), submission("fine", delay_ms=1_000))
    server.ask("UNLINK", "{stem}:m:gone")
    engine.skew_ms = 1_000
    found = {one.id: one for one in await take_all(engine)}
    assert (found["gone"].envelope, bool(found["fine"].envelope)) == (b"", True)
    assert await settle_one(engine, bury(found["gone"])) == "done"
    letter = await engine.dead_letters.get("gone")
    assert letter is not None
    assert await engine.dead_letters.purge(["gone"]) == 1


@pytest.mark.parametrize("delay_ms", [0, 1])
async def test_one_claim_hands_out_a_few_megabytes_at_most(make: MakeEngine, delay_ms: int) -> None:
    engine = await make()
    jobs = [submission(f"job-{n:02}", envelope=b"x" * 700_000, delay_ms=delay_ms) for n in range(30)]
    await publish(engine, *jobs)
    engine.skew_ms = 10
    seen: list[str] = []
    while found := await take(engine, limit=30):
        assert len(found) <= 16
        seen += [one.id for one in found]
    assert seen == [job.id for job in jobs]


async def test_replies_of_any_size_come_through(server: RedisServer, make: MakeEngine) -> None:
    """A server cuts a subscriber off who has more than 32 MB to read; commands have a connection of their own."""
    engine = await make()
    await publish(engine, *[submission(f"job-{n}") for n in range(50)])
    value = b'"' + b"x" * 900_000 + b'"'
    await engine.broker.settle([done(one, value) for one in await take(engine, limit=50)])
    many = await asyncio.gather(*(engine.results.get([f"job-{n}"]) for n in range(50)))
    assert all(record is not None and value in record for (record,) in many)
    assert len((await engine.jobs.page(JobFilter(), limit=50)).rows) == 50


async def test_a_fence_never_comes_again_after_a_history_was_lost(server: RedisServer, make: MakeEngine) -> None:
    """A failover may forget the last moments: numbers go on behind the clock, not behind what is remembered."""
    engine = await make()
    await publish(engine, submission("a"))
    server.ask("SET", "{stem}:fence", 5)
    held = await take_one(engine)
    server.ask("FLUSHALL")
    await publish(engine, submission("a"))
    assert (await take_one(engine)).fence > held.fence


async def test_a_restart_between_two_calls_is_not_noticed(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    await publish(engine, submission("a"))
    server.kill()
    server.restart()
    assert await publish(engine, submission("b")) == ["new"]


async def test_calls_made_while_the_server_restarts_wait_for_it(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    server.kill()
    back = threading.Timer(0.5, server.restart)
    back.start()
    assert await publish(engine, submission("a")) == ["new"]
    back.join()


async def test_a_server_that_stays_away_is_an_error_in_bounded_time(server: RedisServer, make: MakeEngine) -> None:
    engine = await make(f"{server.url}?patience_ms=300")
    server.kill()
    began = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=f"cannot reach Redis at 127.0.0.1:{server.port}"):
        await publish(engine, submission("a"))
    assert time.monotonic() - began < 2


async def test_no_server_is_said_at_once(server: RedisServer) -> None:
    server.kill()
    engine = RedisEngine(server.url)
    began = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="cannot reach Redis"):
        await engine.open()
    assert time.monotonic() - began < 1
    await engine.close()


async def test_sleepers_wake_on_a_server_that_came_back(server: RedisServer, make: MakeEngine) -> None:
    """Whoever was listed on the old server looks again, and is listed on the new one."""
    engine, other = await make(), await make()
    assert await take(engine) == []
    waiting = asyncio.create_task(engine.broker.wait("w", 2 * SOON_MS))
    watching = asyncio.create_task(engine.results.changed("a", "gone", 2 * SOON_MS))
    await anyio.wait_all_tasks_blocked()
    server.kill()
    server.restart()
    with anyio.fail_after(SOON_MS / 1000):
        assert await waiting
        await publish(other, submission("a"))
        assert await watching != "gone"
    assert [one.id for one in await take(engine)] == ["a"]


async def test_a_connection_cut_in_the_middle_is_an_error_or_is_made_good(proxy: FaultProxy, make: MakeEngine) -> None:
    engine = await make(through(proxy))
    jobs = [submission(f"job-{n}") for n in range(20)]
    for job in jobs:
        proxy.reset_after(7)
        proxy.cut()
        assert (await publish(engine, job))[0] in {"new", "duplicate"}
    assert len(await take_all(engine)) == 20


async def test_an_answer_that_was_lost_is_asked_for_again_where_that_is_safe(
    proxy: FaultProxy, make: MakeEngine
) -> None:
    engine = await make(through(proxy, timeout_ms=200))
    await run(engine, submission("first"))  # the script is known, so that the next call is one round
    await publish(engine, submission("a"))
    delivery = await take_one(engine)
    healing = threading.Timer(0.1, proxy.heal)
    proxy.drop_replies()
    healing.start()
    assert await settle_one(engine, done(delivery)) == "repeated"
    healing.join()
    assert await state_of(engine, "a") == "succeeded"


async def test_a_silent_connection_is_given_up(proxy: FaultProxy, make: MakeEngine) -> None:
    """Nothing tells that the other side is gone: an answer that does not come does."""
    engine = await make(through(proxy, timeout_ms=200, patience_ms=5_000))
    await publish(engine, submission("a"))
    proxy.half_open()
    began = time.monotonic()
    assert await publish(engine, submission("b")) == ["new"]
    assert 0.15 < time.monotonic() - began < 3


async def test_a_server_that_does_not_answer_the_greeting_is_given_up(proxy: FaultProxy, make: MakeEngine) -> None:
    engine = await make(through(proxy, timeout_ms=200, patience_ms=0))
    proxy.drop_replies()
    proxy.cut()
    for _ in range(2):
        with anyio.fail_after(SOON_MS / 1000):
            with pytest.raises(EngineUnavailableError):
                await engine.now_ms()
    proxy.heal()
    await publish(engine, submission("a"))


async def test_a_claim_whose_answer_was_lost_is_handed_out_again_after_its_lease(
    proxy: FaultProxy, make: MakeEngine
) -> None:
    engine, other = await make(through(proxy, timeout_ms=200)), await make()
    await publish(engine, submission("a"))
    assert await take(other, "another") == []  # the server knows the script
    proxy.drop_replies()
    with pytest.raises(EngineUnavailableError):
        await take(engine)
    assert await take(other) == []
    other.skew_ms = 60_000
    assert (await take_one(other)).losses == 1


async def test_many_calls_at_once_share_a_connection(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    answers = await asyncio.gather(*(publish(engine, submission(f"job-{n}")) for n in range(200)))
    assert answers == [["new"]] * 200
    assert int(server.info("clients")["connected_clients"]) <= 3


async def test_a_wait_given_up_between_ring_and_return_passes_it_on(make: MakeEngine) -> None:
    leaves, stays = await make(), await make()
    assert await take(leaves, worker="leaves") == []
    leaving = asyncio.create_task(leaves.broker.wait("leaves", SOON_MS))
    await anyio.wait_all_tasks_blocked()
    assert await take(stays, worker="stays") == []
    staying = asyncio.create_task(stays.broker.wait("stays", SOON_MS))
    await anyio.wait_all_tasks_blocked()
    await leaves.store.run("get_up", "", "leaves")  # what a ring does to the lists, and then the ring itself
    leaves.store.bells.naps.rang("leaves")
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    with anyio.fail_after(SOON_MS / 1000):
        assert await staying


async def test_a_ring_that_the_server_refuses_to_pass_on_is_the_only_one_lost(
    server: RedisServer, make: MakeEngine
) -> None:
    leaves, stays = await make(), await make()
    server.ask("SET", "{stem}:nap", "somebody else's")
    leaves.store._pass_on("leaves", ["q"])
    while leaves.store._later:
        await asyncio.sleep(0.01)
    server.ask("DEL", "{stem}:nap")
    assert await take(stays, worker="stays") == []
    leaves.store._pass_on("leaves", ["q"])
    assert await stays.broker.wait("stays", SOON_MS)


async def test_a_ring_passed_on_while_its_engine_closes_arrives(make: MakeEngine) -> None:
    leaves, stays = await make(), await make()
    assert await take(stays, worker="stays") == []
    leaves.store._pass_on("leaves", ["q"])
    await leaves.close()
    assert await stays.broker.wait("stays", NEVER_MS)


async def test_a_worker_that_died_asleep_is_passed_over(server: RedisServer, make: MakeEngine) -> None:
    gone, stays = await make(), await make()
    assert await take(gone, worker="gone") == []
    connection = gone.store._ear
    assert connection is not None
    await connection.close("gone")
    assert await take(stays, worker="stays") == []
    await publish(stays, submission("a"))
    assert await stays.broker.wait("stays", NEVER_MS)


async def test_a_worker_that_hangs_with_its_ring_holds_a_job_up_for_seconds_only(make: MakeEngine) -> None:
    """Whoever is next in line looks a little later."""
    hangs, stays = await make(), await make()
    assert await take(hangs, worker="hangs") == []  # and never waits for its bell
    assert await take(stays, worker="stays") == []
    began = time.monotonic()
    await publish(stays, submission("a"))
    assert await stays.broker.wait("stays", 10_000)
    assert 1 < time.monotonic() - began < 4
    assert [one.id for one in await take(stays, worker="stays")] == ["a"]


async def test_a_socket_in_the_file_system_and_the_name_of_valkey_reach_the_same_server(
    server: RedisServer, make: MakeEngine
) -> None:
    path = server.folder / "socket"
    with RedisServer.start(binary=server.binary, options={"unixsocket": str(path)}) as behind:
        for url in (f"redis+unix://{path}?db=2", f"unix://{path}?db=2", f"valkey://127.0.0.1:{behind.port}/2"):
            engine = await make(url)
            assert await publish(engine, submission("a")) in (["new"], ["duplicate"])
            assert str(path) in engine.describe()["at"] or "valkey" in url
        assert behind.ask("INFO", "keyspace").decode().startswith("# Keyspace\r\ndb2:")


async def test_an_engine_carried_over_a_fork_is_refused(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(BaseException):
            try:
                asyncio.new_event_loop().run_until_complete(engine.now_ms())
            except EngineRefusedError as fault:
                code = 0 if "carried over a fork" in str(fault) else 2
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert await engine.now_ms() > 0


async def test_a_key_of_somebody_else_is_an_error_that_names_it_and_not_overwritten(
    server: RedisServer, make: MakeEngine
) -> None:
    engine = await make()
    server.ask("RPUSH", "{stem}:h:q", "not ours")
    with pytest.raises(EngineRefusedError, match=r"another program.*\(key \{stem\}:h:q\).*begin with '\{stem\}:'"):
        await publish(engine, submission("a"))
    assert server.ask("LRANGE", "{stem}:h:q", 0, -1) == [b"not ours"]


async def test_a_server_that_would_evict_is_refused(server: RedisServer, make: MakeEngine) -> None:
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(EngineRefusedError, match=r"maxmemory-policy is allkeys-lru.*set it to noeviction"):
            await make()
    finally:
        server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_an_engine_that_was_closed_says_so(make: MakeEngine) -> None:
    engine: Engine = await make()
    await engine.close()
    with pytest.raises(EngineUnavailableError, match="closed"):
        await publish(engine, submission("a"))
    await engine.open()
    assert await publish(engine, submission("a")) == ["new"]


async def test_closing_takes_sleepers_off_the_lists(server: RedisServer, make: MakeEngine) -> None:
    engine = await make()
    assert await take(engine, "q", "r") == []
    assert server.ask("HLEN", "{stem}:nap") == 1
    await engine.close()
    assert server.ask("EXISTS", "{stem}:nap", "{stem}:sl:q", "{stem}:sl:r") == 0
