"""Declare a task, enqueue it, read its result: the whole round in one process, in memory."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from stem import Stem, task


class Greeting(BaseModel):
    name: str
    times: int = 1


@task("demo.hello")
async def hello(args: Greeting) -> str:
    """Greet somebody."""
    return " ".join([f"Hello, {args.name}!"] * args.times)


async def main() -> None:
    app = Stem.in_memory(tasks=[hello])
    async with app, app.worker():
        handle = await hello.enqueue(app, Greeting(name="Ada", times=2))
        print(await handle.result(timeout="5s"))


if __name__ == "__main__":
    asyncio.run(main())
