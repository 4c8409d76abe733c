"""A long job says how far it is, and whoever holds its handle sees it, without polling."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from stem import Stem, TaskContext, task


class Upload(BaseModel):
    parts: int


@task("files.upload")
async def upload(ctx: TaskContext, args: Upload) -> int:
    """Send a file in parts."""
    for part in range(args.parts):
        await asyncio.sleep(0.1)
        await ctx.progress(100 * (part + 1) / args.parts, f"part {part + 1} of {args.parts}")
    return args.parts


async def main() -> None:
    app = Stem.in_memory(tasks=[upload])
    async with app, app.worker():
        handle = await upload.enqueue(app, Upload(parts=4))
        async for job in handle.watch():
            note = f"{job.progress.percent:3.0f} %  {job.progress.message}" if job.progress else ""
            print(f"{job.state:9} {note}".rstrip())


if __name__ == "__main__":
    asyncio.run(main())
