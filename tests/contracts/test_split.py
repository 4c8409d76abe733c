"""Two engines as one keep the contracts: jobs in SQLite, values in memory and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from stem import Stem, task
from stem.contracts.engine import Engine
from stem.core.record import decode_record
from stem.errors import EngineUnavailableError, UnknownJobError
from stem.memory.engine import MemoryEngine, MemoryStore
from stem.redis import RedisEngine
from stem.split import SplitEngine
from stem.sqlite import SqliteEngine
from stem.testing.contracts import (
    EngineFactory,
    Engines,
    bury,
    done,
    publish,
    record_of,
    settle_one,
    shift,
    state_of,
    submission,
    take_one,
)
from stem.testing.contracts.broker import BrokerContract
from stem.testing.contracts.dead_letters import DeadLettersContract
from stem.testing.contracts.engine import EngineContract
from stem.testing.contracts.jobs import JobsContract
from stem.testing.contracts.results import ResultsContract
from stem.testing.sabotage import Sabotage
from tests.servers.redis import RedisServer


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[EngineFactory]:
    values = MemoryStore()

    def build(namespace: str) -> Engine:
        jobs = SqliteEngine(tmp_path / "stem.db", namespace=namespace, look_ms=600_000)
        return SplitEngine(jobs, MemoryEngine(values, namespace=namespace))

    kept = Engines(build)
    yield kept
    await kept.close()


class TestBroker(BrokerContract): ...


class TestJobs(JobsContract): ...


class TestDeadLetters(DeadLettersContract): ...


class TestResults(ResultsContract): ...


class TestEngine(EngineContract): ...


pytestmark = pytest.mark.anyio
VALUE = b'"' + b"x" * 1_000 + b'"'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer.start() as running:
        yield running


@pytest.fixture
async def parts(server: RedisServer) -> AsyncIterator[tuple[Engine, Engine]]:
    """The engine of the jobs and that of the values."""
    server.ask("FLUSHALL")
    jobs, values = RedisEngine(server.url), MemoryEngine()
    await SplitEngine(jobs, values).open()
    yield jobs, values
    await jobs.close()


async def test_the_value_is_in_one_engine_and_the_job_in_the_other(parts: tuple[Engine, Engine]) -> None:
    jobs, values = parts
    both = SplitEngine(jobs, values)
    await publish(both, submission("a"))
    await settle_one(both, done(await take_one(both), VALUE))
    assert VALUE not in ((await jobs.results.get(["a"]))[0] or b"")
    record = decode_record((await both.results.get(["a"]))[0] or b"")
    assert (bytes(record.value), record.elsewhere) == (VALUE, False)  # type: ignore[arg-type]
    assert await both.results.wait("a", None) == (await both.results.get(["a"]))[0]
    row = await both.jobs.get("a")
    assert row is not None
    assert VALUE in row.record


async def test_a_job_without_a_value_is_in_one_engine_only(parts: tuple[Engine, Engine]) -> None:
    jobs, values = parts
    both = SplitEngine(jobs, values)
    await publish(both, submission("a"))
    await settle_one(both, bury(await take_one(both)))
    assert await values.results.get(["a"]) == [None]
    assert (await record_of(both, "a")) is not None


async def test_a_value_that_cannot_be_stored_leaves_the_job_running(parts: tuple[Engine, Engine]) -> None:
    jobs, values = parts
    failing = Sabotage(values)
    both = SplitEngine(jobs, failing)
    await publish(both, submission("a"))
    delivery = await take_one(both)
    failing.fail_before("results.keep")
    with pytest.raises(EngineUnavailableError):
        await both.broker.settle([done(delivery, VALUE)])
    assert await state_of(both, "a") == "running"
    assert await settle_one(both, done(delivery, VALUE)) == "done"


async def test_a_crash_between_the_two_steps_shows_nothing_and_is_written_over(parts: tuple[Engine, Engine]) -> None:
    jobs, values = parts
    failing = Sabotage(jobs)
    both = SplitEngine(failing, values)
    await publish(both, submission("a", max_losses=9))
    failing.fail_before("broker.settle")
    with pytest.raises(EngineUnavailableError):
        await both.broker.settle([done(await take_one(both), b'"of the dead worker"')])
    assert await both.results.get(["a"]) == [None]
    shift(60_000, jobs)
    zombie = done(await take_one(both), b'"of a zombie"')
    shift(60_000, jobs)
    assert await settle_one(both, done(await take_one(both), b'"right"')) == "done"
    assert await settle_one(both, zombie) == "stale"
    record = await record_of(both, "a")
    assert record is not None
    assert bytes(record.value) == b'"right"'  # type: ignore[arg-type]


class Number(BaseModel):
    number: int


@task("double")
async def double(given: Number) -> int:
    return 2 * given.number


async def test_an_app_says_where_values_go(server: RedisServer, tmp_path: Path) -> None:
    server.ask("FLUSHALL")
    app = Stem(server.url, results=f"sqlite:///{tmp_path}/values.db", tasks=[double])
    async with app:
        handle = await double.enqueue(app, Number(number=21))
        await app.worker(burst=True).run()
        assert await handle.result("5s") == 42
        assert app.engine.describe()["results engine"] == "sqlite"
    async with Stem(server.url, results=f"sqlite:///{tmp_path}/others.db", tasks=[double]) as elsewhere:
        with pytest.raises(UnknownJobError, match="its value is not in the engine of results"):
            await elsewhere.handle(handle.id).result("5s")
