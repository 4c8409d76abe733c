"""For code without an event loop (Flask, Django, notebooks): the same calls and the same types, blocking."""

from __future__ import annotations

import asyncio
import threading

from pydantic import BaseModel

from stem import Stem, task


class Resize(BaseModel):
    width: int
    height: int


@task("images.resize")
def resize(args: Resize) -> tuple[int, int]:
    """Halve an image; a plain def runs in a thread of the worker."""
    return args.width // 2, args.height // 2


app = Stem.in_memory(tasks=[resize])


def view(width: int, height: int) -> str:
    """What a request handler would do."""
    with app.sync as sync:
        handle = sync.enqueue(resize.build(Resize(width=width, height=height)))
        small = handle.result(timeout="5s")
        return f"{handle.status().state}: {small[0]} x {small[1]}"


async def work(stop: threading.Event) -> None:
    """A worker, here in a thread; in production it is `stem worker -A ...`, a process of its own."""
    async with app, app.worker():
        await asyncio.to_thread(stop.wait)


def main() -> None:
    stop = threading.Event()
    worker = threading.Thread(target=lambda: asyncio.run(work(stop)))
    worker.start()
    print(view(640, 480))
    stop.set()
    worker.join()


if __name__ == "__main__":
    main()
