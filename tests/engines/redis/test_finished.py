"""The lists of finished jobs: what is rare stays in sight, and none of the lists grows without bound."""

from __future__ import annotations

import pytest

from stem.contracts.jobs import JobFilter
from stem.core.states import JobState
from stem.redis import RedisEngine
from stem.testing.contracts import bury, done, publish, run, submission, take, take_all
from tests.engines.redis.conftest import MakeEngine
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio

#: More than the list of all jobs holds.
MANY = 11_100


async def drain(engine: RedisEngine, count: int, task: str) -> None:
    """This many jobs of a task succeed."""
    for start in range(0, count, 500):
        await publish(engine, *[submission(f"{task}-{n}", task=task) for n in range(start, min(count, start + 500))])
        await engine.broker.settle([done(one) for one in await take_all(engine, limit=500)])


async def shown(engine: RedisEngine, task: str, *states: JobState) -> tuple[list[str], int]:
    """The ids on the first page, and how many jobs it looked at."""
    page = await engine.jobs.page(JobFilter(task=task, states=states))
    return [row.id for row in page.rows], page.looked


async def test_what_became_of_a_rare_task_is_shown_however_many_others_have_ended(make: MakeEngine) -> None:
    engine = await make()
    await run(engine, submission("rare-1", task="rare"), submission("rare-2", task="rare"))
    await publish(engine, submission("rare-3", task="rare"))
    (delivery,) = await take(engine)
    await engine.broker.settle([bury(delivery)])
    await drain(engine, MANY, "often")
    assert await shown(engine, "rare", "succeeded") == (["rare-2", "rare-1"], 2)
    assert (await shown(engine, "rare"))[0] == ["rare-3", "rare-2", "rare-1"]
    assert await shown(engine, "never") == ([], 1)  # the dead letter lies among those that are not over


async def test_a_task_that_ends_often_is_shown_from_the_list_of_all(make: MakeEngine, server: RedisServer) -> None:
    engine = await make()
    await drain(engine, 600, "often")
    page = await engine.jobs.page(JobFilter(task="often", states=("succeeded",)), limit=600)
    assert [row.id for row in page.rows] == [f"often-{n}" for n in reversed(range(600))]
    assert 200 <= int(server.ask("LLEN", "{stem}:recent:t:often")) <= 220


async def test_tasks_after_the_first_500_share_one_list(make: MakeEngine, server: RedisServer) -> None:
    engine = await make()
    for n in range(510):
        await publish(engine, submission(f"job-{n}", task=f"task-{n}"))
    await engine.broker.settle([done(one) for one in await take_all(engine, limit=510)])
    own = [key for key in server.ask("KEYS", "{stem}:recent:t:*") if not key.endswith(b":t:")]
    assert len(own) == int(server.ask("SCARD", "{stem}:recent:tasks")) == 500
    assert int(server.ask("LLEN", "{stem}:recent:t:")) == 10
    for n in range(510):
        assert (await shown(engine, f"task-{n}", "succeeded"))[0] == [f"job-{n}"]


async def test_the_list_of_the_others_is_not_taken_for_whole(make: MakeEngine, server: RedisServer) -> None:
    engine = await make()
    server.ask("SADD", "{stem}:recent:tasks", *(f"taken-{n}" for n in range(500)))
    await run(engine, submission("rare", task="rare"))
    await drain(engine, 400, "often")
    assert (await shown(engine, "rare", "succeeded"))[0] == ["rare"]
