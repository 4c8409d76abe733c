"""Going back: the steps from one on are done again; what they had stored is kept aside.

python examples/workflows/versioned_rewind.py
"""

import asyncio

from stem import Stem, WorkflowContext, workflow

prices = iter([100, 80, 120])


async def ask_for_price() -> int:
    return next(prices)


@workflow("prices.best")
async def best(ctx: WorkflowContext) -> int:
    numbered = ctx.options(auto_version=True)
    return min([await numbered.step("ask", ask_for_price) for _ in range(2)])


async def main() -> None:
    async with Stem.in_memory(workflows=[best]) as app, app.worker():
        run = await best.start(app, id="best")
        print("best price", await run.result(timeout="10s"))
        await app.workflows.rewind("best", "ask#1")  # "ask" would mean the first round
        print("best price", await run.result(timeout="10s"))
        for step in (await run.status()).steps:
            print(f"{step.key} = {step.value}{' (put aside)' if step.aside else ''}")


if __name__ == "__main__":
    asyncio.run(main())
