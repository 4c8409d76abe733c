"""Looking at jobs through an app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from pydantic import BaseModel

from stem import JobCancelled, Stem, task
from stem.contracts.jobs import LOOK

pytestmark = pytest.mark.anyio


class Number(BaseModel):
    n: int


@task("known")
def known(args: Number) -> int:
    return args.n


@task("rare")
def rare(args: Number) -> int:
    return args.n


async def test_a_page_that_stops_looking_says_how_far_back_it_looked_and_goes_on_there() -> None:
    async with Stem.in_memory(tasks=[known, rare]) as app:
        assert (await app.jobs.page()).back_to is None
        first = await rare.enqueue(app, Number(n=0))
        began = datetime.now(UTC) - timedelta(seconds=1)
        await app.enqueue_many([known.build(Number(n=n)) for n in range(LOOK)])
        page = await app.jobs.page(task="rare")
        assert (page.jobs, page.looked) == ([], LOOK)
        assert page.back_to is not None
        assert began <= page.back_to <= datetime.now(UTC) + timedelta(seconds=1)
        rest = await app.jobs.page(task="rare", cursor=page.cursor)
        assert [job.id for job in rest.jobs] == [first.id]
        assert rest.cursor == ""


@task("slow")
async def slow() -> None:
    await anyio.sleep(60)


async def test_a_cancel_says_whether_the_job_ends_by_it() -> None:
    async with Stem.in_memory(tasks=[known, slow]) as app:
        waits, ends = await known.enqueue(app, Number(n=1)), await known.enqueue(app, Number(n=2))
        assert await waits.cancel()
        async with app.worker():
            await ends.result("10s")
            runs = await slow.enqueue(app)
            with anyio.fail_after(10):
                while (await runs.status()).state != "running":
                    await anyio.sleep(0.01)
            assert await runs.cancel()
            with pytest.raises(JobCancelled):
                await runs.result("10s")
        assert not await ends.cancel()
        assert await runs.cancel()
