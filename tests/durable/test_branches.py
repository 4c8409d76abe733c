"""Branches of a run that is taken away."""

from __future__ import annotations

import asyncio
import gc

import anyio
import pytest

from stem import Stem, WorkflowContext, workflow
from stem.errors import RunCancelled

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_branches_that_hear_of_the_loss_together_leave_nothing_in_the_log() -> None:
    """Each of them raises; one is enough to leave by, and asyncio must not tell of the others."""
    at_work, go_on, told = asyncio.Queue[int](), asyncio.Event(), list[object]()

    async def branch(number: int) -> int:
        at_work.put_nowait(number)
        await go_on.wait()
        return number

    @workflow("both")
    async def both(ctx: WorkflowContext) -> int:
        async with ctx.gather() as g:
            one, other = g.step("one", branch, 1), g.step("other", branch, 2)
        return await one + await other

    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with Stem.in_memory(workflows=[both]) as app:
        worker = app.worker()
        working = asyncio.create_task(worker.run())
        with anyio.fail_after(10):
            run = await both.start(app)
            assert {await at_work.get(), await at_work.get()} == {1, 2}
            await run.cancel("taken away", terminate=True)
            go_on.set()
            with pytest.raises(RunCancelled):
                await run.result()
            while any(lane.running for lane in worker._lanes):
                await asyncio.sleep(0.01)
            gc.collect()
            worker.ask_to_stop("warm")
            await working
    assert not told
