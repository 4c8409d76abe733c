"""DBOS with its own defaults: async functions, or plain ones when the environment asks for it."""

from __future__ import annotations

import asyncio
import os
import platform
import sqlite3
from importlib.metadata import version
from typing import Any, Final

from dbos import DBOS, DBOSClient
from dbos._dbos import _get_dbos_instance

from tests.bench.workflows.side import System, url

#: Set: workflow and step are plain functions.
PLAIN: Final = "BENCH_PLAIN"
#: Nobody listens to this queue.
QUEUE: Final = "bench"


@DBOS.step()  # type: ignore[untyped-decorator]
async def noop(number: int) -> int:
    return number


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def steps(count: int) -> int:
    for number in range(count):
        await noop(number)
    return count


@DBOS.step()  # type: ignore[untyped-decorator]
def plain_noop(number: int) -> int:
    return number


@DBOS.workflow()  # type: ignore[untyped-decorator]
def plain_steps(count: int) -> int:
    for number in range(count):
        plain_noop(number)
    return count


class DbosSystem(System):
    async def open(self) -> None:
        DBOS(config={"name": "bench", "system_database_url": url(), "log_level": "ERROR"})
        DBOS.launch()

    async def close(self) -> None:
        DBOS.destroy()

    async def run(self, workflows: int, steps_: int) -> None:
        raise NotImplementedError

    async def open_producer(self) -> None:
        self._client = DBOSClient(system_database_url=url())

    async def close_producer(self) -> None:
        self._client.destroy()

    async def start(self) -> None:
        await self._client.enqueue_async({"workflow_name": "steps", "queue_name": QUEUE}, 1)

    async def about(self) -> dict[str, Any]:
        engine = _get_dbos_instance()._sys_db.engine
        with engine.connect() as connection:
            mode, level = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
            )
        return {
            "versions": {"dbos": version("dbos"), "python": platform.python_version()},
            "usage": self.usage,
            "store": f"SQLite {sqlite3.sqlite_version}",
            "journal_mode": mode,
            "synchronous": ("off", "normal", "full", "extra")[level],
            "durability": "its own default, as read from its connection",
        }

    usage = ""


class AsyncDbos(DbosSystem):
    usage = "async workflow and step in one event loop; starts by DBOSClient into a queue"

    async def run(self, workflows: int, steps_: int) -> None:
        handles = await asyncio.gather(*(DBOS.start_workflow_async(steps, steps_) for _ in range(workflows)))
        await asyncio.gather(*(handle.get_result() for handle in handles))


class PlainDbos(DbosSystem):
    usage = "plain workflow and step in its threads; starts by DBOSClient into a queue"

    async def run(self, workflows: int, steps_: int) -> None:
        """From one thread: its own threads carry the workflows on."""

        def whole() -> None:
            for handle in [DBOS.start_workflow(plain_steps, steps_) for _ in range(workflows)]:
                handle.get_result()

        await asyncio.to_thread(whole)


system = PlainDbos() if os.environ.get(PLAIN) else AsyncDbos()
