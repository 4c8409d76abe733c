"""Fan-out over real files: one job for each module of the standard library's `json`, on any worker, awaited durably.

python examples/workflows/fan_out_files.py
"""

import asyncio
import json
from pathlib import Path

from pydantic import BaseModel

from stem import Stem, WorkflowContext, task, workflow


class File(BaseModel):
    path: str


class Folder(BaseModel):
    path: str


@task("files.count")
def count(file: File) -> int:
    return len(Path(file.path).read_text("utf-8").splitlines())


def list_files(folder: str) -> list[str]:
    return sorted(str(path) for path in Path(folder).glob("*.py"))


@workflow("files.count-all")
async def count_all(ctx: WorkflowContext, folder: Folder) -> dict[str, int]:
    """The list is a step, so every replay sees the same files, whatever has happened on the disk."""
    paths = await ctx.step("list", list_files, folder.path)
    async with ctx.gather() as g:
        counts = {Path(path).name: g.call(count.build(File(path=path))) for path in paths}
    return {name: await lines for name, lines in counts.items()}


async def main() -> None:
    async with Stem.in_memory(tasks=[count], workflows=[count_all]) as app, app.worker():
        run = await count_all.start(app, Folder(path=str(Path(json.__file__).parent)))
        found = await run.result(timeout="10s")
        print(f"{len(found)} files, the decoder among them: {'decoder.py' in found}")
        print(f"more than 1,000 lines: {sum(found.values()) > 1_000}")


if __name__ == "__main__":
    asyncio.run(main())
