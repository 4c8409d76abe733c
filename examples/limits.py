"""Limits that all workers share: so many starts in a span, so many at once, each counted by tenant."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from pydantic import BaseModel

from stem import Limit, Rate, Stem, task

running: Counter[str] = Counter()
most: Counter[str] = Counter()


class Import(BaseModel):
    tenant: str
    row: int


@task("rows.import", rate_limit=Rate("40/s", key="tenant", burst=4), concurrency=Limit(2, key="tenant"))
async def import_row(args: Import) -> None:
    """Import one row of one tenant."""
    running[args.tenant] += 1
    most[args.tenant] = max(most[args.tenant], running[args.tenant])
    await asyncio.sleep(0.02)
    running[args.tenant] -= 1


async def main() -> None:
    app = Stem.in_memory(tasks=[import_row])
    rows = [Import(tenant=tenant, row=row) for tenant in ("acme", "zenith") for row in range(20)]
    async with app, app.worker(concurrency=50):
        began = time.monotonic()
        handles = await app.enqueue_many(import_row.build(row) for row in rows)
        await asyncio.gather(*(handle.result("20s") for handle in handles))
        seconds = time.monotonic() - began
    print(f"most at once: {', '.join(f'{tenant} {count}' for tenant, count in sorted(most.items()))}")
    print(f"20 rows of each tenant, 4 at once and then 40 a second: {seconds:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
