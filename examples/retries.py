"""A task that fails at first: waits between attempts, errors that are not worth one, a snooze that costs none."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from stem import JobFailed, RetryPolicy, Stem, TaskContext, task


class CardDeclinedError(Exception):
    """No retry will help."""


class Charge(BaseModel):
    card: str


@task("shop.charge", max_retries=4, retry=RetryPolicy.fixed("20ms", give_up_on=CardDeclinedError))
async def charge(ctx: TaskContext, args: Charge) -> str:
    """Charge a card; the bank answers at the third attempt."""
    if args.card == "stolen":
        raise CardDeclinedError("the bank said no")
    if ctx.attempt < 3:
        raise ConnectionError("the bank did not answer")
    return f"charged at attempt {ctx.attempt}"


naps: list[str] = []


@task("shop.wait")
async def wait_for_bank(ctx: TaskContext) -> str:
    """Come back later, twice, without using up an attempt."""
    if len(naps) < 2:
        naps.append("nap")
        ctx.snooze("20ms")
    return f"attempt {ctx.attempt} after {len(naps)} naps"


async def main() -> None:
    app = Stem.in_memory(tasks=[charge, wait_for_bank])
    app.signals.job_retried.connect(lambda event: print(f"attempt {event.attempt} failed: retrying"))
    async with app, app.worker():
        print(await (await charge.enqueue(app, Charge(card="good"))).result("5s"))
        try:
            await (await charge.enqueue(app, Charge(card="stolen"))).result("5s")
        except JobFailed as failed:
            print(f"not retried: {failed.error_type}: {failed.error_message}")
        print(await (await wait_for_bank.enqueue(app)).result("5s"))


if __name__ == "__main__":
    asyncio.run(main())
