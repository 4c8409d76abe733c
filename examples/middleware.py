"""Code around every job: a header added at the enqueue, and time and errors seen at the worker."""

from __future__ import annotations

import asyncio
import time

from stem import AnyCall, ExecuteNext, JobHandle, Middleware, SendNext, Stem, TaskContext, task


class Timing(Middleware):
    """Measures handlers and passes on who asked."""

    async def on_enqueue(self, call: AnyCall, proceed: SendNext) -> JobHandle[object]:
        return await proceed(call.header("x-asked-by", "web-1"))

    async def on_execute(self, ctx: TaskContext, proceed: ExecuteNext) -> object:
        began = time.perf_counter()
        try:
            return await proceed()
        finally:
            print(f"{ctx.task} for {ctx.headers['x-asked-by']}: {(time.perf_counter() - began) * 1000:.0f} ms")

    async def on_error(self, ctx: TaskContext, error: BaseException) -> None:
        print(f"{ctx.task} attempt {ctx.attempt} raised {type(error).__name__}")


@task("demo.slow", max_retries=0)
async def slow() -> None:
    """Take a moment."""
    await asyncio.sleep(0.05)


@task("demo.broken", max_retries=0)
def broken() -> None:
    """Fail."""
    raise ValueError("as always")


async def main() -> None:
    app = Stem.in_memory(tasks=[slow, broken], middleware=[Timing()])
    async with app, app.worker():
        await (await slow.enqueue(app)).result("5s")
        async for job in (await broken.enqueue(app)).watch():
            print(f"{job.task} is {job.state}")


if __name__ == "__main__":
    asyncio.run(main())
