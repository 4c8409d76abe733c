"""A person decides: the run waits for a message in its own mailbox, and nobody has to be awake meanwhile.

python examples/workflows/human_approval.py
"""

import asyncio

from pydantic import BaseModel

from stem import Mailbox, Stem, Timeout, WorkflowContext, workflow


class Expense(BaseModel):
    who: str
    amount: int


class Decision(BaseModel):
    by: str
    granted: bool


decision = Mailbox("decision", payload=Decision)


async def pay_out(expense: Expense, granted_by: str) -> str:
    return f"{expense.amount} to {expense.who}, granted by {granted_by}"


@workflow("expenses.approve")
async def approve(ctx: WorkflowContext, expense: Expense) -> str:
    said = await ctx.wait(decision, timeout="14d")
    if isinstance(said, Timeout) or not said.granted:
        return f"nothing for {expense.who}"
    return await ctx.step("pay", pay_out, expense, said.by)


async def main() -> None:
    async with Stem.in_memory(workflows=[approve]) as app, app.worker():
        run = await approve.start(app, Expense(who="Ada", amount=120), id="expense-7")
        # elsewhere, days later: a web page, or `stem wf emit decision '{"by": "Grace", ...}' --run expense-7`
        await decision.send(app, "expense-7", Decision(by="Grace", granted=True), id="click-1")
        await decision.send(app, "expense-7", Decision(by="Grace", granted=True), id="click-1")  # a double click
        print(await run.result(timeout="10s"))


if __name__ == "__main__":
    asyncio.run(main())
