"""Policies end a run whoever works: it may not take longer than this, nor wait longer than that at one place.

python examples/workflows/cancellation_policy.py
"""

import asyncio

from stem import NoArgs, RunCancelled, Stem, Topic, WorkflowContext, workflow
from stem.testing import FakeClock

answer = Topic("answer", payload=str)


async def tell_support(text: str) -> None:
    print(text)


async def clean_up(ctx: WorkflowContext, _: NoArgs) -> None:
    """Runs as part of the end, with durable steps of its own."""
    await ctx.step("tell support", tell_support, f"{ctx.run_id} was given up")


@workflow("questions.ask", cancel_after="2d", max_suspend="1h", on_cancel=clean_up)
async def ask(ctx: WorkflowContext) -> str:
    return await ctx.wait(answer, key=ctx.run_id)


async def main() -> None:
    clock = FakeClock()
    async with Stem.in_memory(workflows=[ask], clock=clock) as app, app.worker():
        run = await ask.start(app, id="question-1")
        async for seen in run.watch():
            if seen.state == "suspended":
                clock.advance("1h")
        try:
            await run.result(timeout="10s")
        except RunCancelled as fault:
            print(fault.reason)


if __name__ == "__main__":
    asyncio.run(main())
