"""Jobs that write down when they begin."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pydantic import BaseModel

from stem import Rate, Stem, task


class Named(BaseModel):
    name: str


def begin(name: str) -> str:
    with Path(os.environ["CLOCK_LEDGER"]).open("a") as ledger:
        ledger.write(f"{name}\n")
    return name


@task("clock.held", visibility_timeout="3s")
async def held(args: Named) -> str:
    begin(args.name)
    await asyncio.sleep(5)
    return args.name


@task("clock.parked", rate_limit=Rate("1/s", burst=1))
async def parked(args: Named) -> str:
    return begin(args.name)


app = Stem(os.environ.get("CLOCK_URL", "memory://"), tasks=[held, parked])
