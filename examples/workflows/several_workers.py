"""Several worker processes on one file: one is killed in the middle of a step, another goes on.

python examples/workflows/several_workers.py
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from stem import Stem, WorkflowContext, workflow

folder = Path(os.environ.get("HERE") or tempfile.mkdtemp())


async def work(number: int) -> int:
    """Step 2 is the one in whose middle the first worker dies."""
    with (folder / "workers").open("a") as seen:
        seen.write(f"{number}:{os.getpid()}\n")
    if number == 2 and (folder / "workers").read_text().count("2:") == 1:
        await asyncio.sleep(60)
    return number * 10


@workflow("numbers.add", visibility_timeout="1s")
async def add(ctx: WorkflowContext) -> int:
    return sum([await ctx.step(f"work[{number}]", work, number) for number in range(1, 4)])


app = Stem(f"sqlite:///{folder / 'stem.db'}", workflows=[add])


def start_worker() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "stem", "worker", "-A", "several_workers", "--log-level", "error"]
    environment = {**os.environ, "HERE": str(folder)}
    return subprocess.Popen(command, cwd=Path(__file__).parent, env=environment, stderr=subprocess.DEVNULL)


async def main() -> None:
    workers = [start_worker() for _ in range(2)]
    async with app:
        run = await add.start(app, id="sum")
        async for seen in run.watch():
            if [step.key for step in seen.steps] == ["work[1]"] and seen.takeovers == 0:
                await begun(2)
                os.kill(pids(2)[0], signal.SIGKILL)
        print("sum", await run.result())
    print("step 2 was begun twice, by two workers:", len(set(pids(2))) == 2)
    print("step 1 was done once:", len(pids(1)) == 1)
    for worker in workers:
        worker.terminate()
        worker.wait()


def pids(step: int) -> list[int]:
    """The workers that have begun this step."""
    lines = [line.partition(":") for line in (folder / "workers").read_text().split()]
    return [int(pid) for number, _, pid in lines if number == str(step)]


async def begun(step: int) -> None:
    async with asyncio.timeout(20):
        while not pids(step):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main())
