"""One live job for one key: a second enqueue finds the first job instead of making another."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from stem import Stem, Unique, UniqueConflictError, task


class Report(BaseModel):
    month: str
    asked_by: str


@task("reports.build", unique=Unique(key="month"))
async def build_report(args: Report) -> str:
    """Build the report of a month, once however many ask."""
    return f"report of {args.month}, first asked for by {args.asked_by}"


async def main() -> None:
    app = Stem.in_memory(tasks=[build_report])
    async with app:
        first = await build_report.enqueue(app, Report(month="2026-01", asked_by="Ada"))
        second = await build_report.enqueue(app, Report(month="2026-01", asked_by="Grace"))
        print(f"second enqueue: {second.enqueued}, same job: {second.id == first.id}")

        strict = build_report.build(Report(month="2026-01", asked_by="Linus"))
        try:
            await strict.unique(Unique(key="month", conflict="raise")).enqueue(app)
        except UniqueConflictError as conflict:
            print(f"third enqueue refused: the key is held by the first job: {conflict.holder == first.id}")

        async with app.worker():
            print(await second.result("5s"))
        again = await build_report.enqueue(app, Report(month="2026-01", asked_by="Linus"))
        print(f"after it has ended: {again.enqueued}")


if __name__ == "__main__":
    asyncio.run(main())
