"""Looking at jobs through an app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from stem import Stem, task
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
