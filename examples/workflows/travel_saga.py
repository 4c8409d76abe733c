"""A saga: three bookings, each of which can be undone. When the third fails, the others are undone, the last first.

python examples/workflows/travel_saga.py
"""

import asyncio

from pydantic import BaseModel

from stem import RunFailed, Stem, WorkflowContext, workflow


class Trip(BaseModel):
    to: str


async def book(what: str, to: str) -> str:
    if what == "car":
        raise LookupError(f"no cars left in {to}")
    print(f"booked   {what} to {to}")
    return f"{what} to {to}"


async def release(booking: str) -> None:
    """Called with what the step gave, as a durable step of its own."""
    print(f"released {booking}")


@workflow("travel.book")
async def book_trip(ctx: WorkflowContext, trip: Trip) -> list[str]:
    undoable = ctx.options(compensate=release, max_retries=0)
    return [await undoable.step(what, book, what, trip.to) for what in ("flight", "hotel", "car")]


async def main() -> None:
    async with Stem.in_memory(workflows=[book_trip]) as app, app.worker():
        run = await book_trip.start(app, Trip(to="Lisbon"))
        try:
            await run.result(timeout="10s")
        except RunFailed as fault:
            print(fault.error_message)
        print(", ".join(f"{step.key} {step.outcome}" for step in (await run.status()).steps))


if __name__ == "__main__":
    asyncio.run(main())
