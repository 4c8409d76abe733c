"""A folder with an app, and `stem` as people start it: a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from stem import Job, Stem
from stem.core.task import AnyTask

R = TypeVar("R")

#: Longest wait for anything in these tests, seconds.
DEADLINE = 30.0
SHOP = '''
import asyncio
import threading
import time
from datetime import date
from pathlib import Path

from pydantic import BaseModel, Field

from stem import Limit, Stem, TaskContext, TaskDefinition, Unique, task


class Address(BaseModel):
    town: str
    number: int = 1


class Hello(BaseModel):
    name: str
    times: int = 1
    on: date | None = None
    tags: list[str] = []
    address: Address | None = None
    extra: dict[str, int] = {}
    sender: str = Field(default="", alias="from")


@task("demo.hello", tags=["greeting"], queue="greetings")
async def hello(args: Hello) -> str:
    """Greet somebody."""
    return f"Hello {args.name}!" * args.times


@task("demo.echo")
async def echo(args: Hello) -> Hello:
    return args


@task("demo.boom", max_retries=0)
def boom() -> None:
    raise ValueError("a [bold]bad[/bold] thing \\x1b[31m")


@task("demo.only", max_retries=0, unique=Unique())
def only() -> None:
    raise ValueError("again")


@task("demo.slow", concurrency=Limit(5), description="Takes its time.")
async def slow(ctx: TaskContext) -> str:
    Path("started").touch()
    await ctx.progress(40, "half way")
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return "done"


@task("demo.deaf", max_retries=0)
def deaf() -> None:
    Path("started").touch()
    threading.Event().wait(60)


tasks = [hello, echo, boom, only, slow, deaf, TaskDefinition("other.task", returns=int)]
app = Stem("sqlite:///jobs.db", tasks=tasks)
'''


@dataclass
class Answer:
    """What a finished command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


class Running:
    """A command that runs on, with its standard error as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def says(self, text: str, times: int = 1) -> None:
        """Wait until `text` stands on standard error that often."""
        with self._changed:
            seen = self._changed.wait_for(lambda: sum(text in line for line in self.lines) >= times, DEADLINE)
        assert seen, f"{text!r} was not said:\n" + "".join(self.lines)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    @property
    def err(self) -> str:
        return "".join(self.lines)


class Shop:
    """The folder, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Running] = []
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("STEM_")}
        self.environment |= {"STEM_APP": "shop", "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("COLUMNS", "FORCE_COLOR"):
            self.environment.pop(name, None)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def stem(self, *words: str, stdin: str = "", **environment: str) -> Answer:
        """Run `stem` to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "stem", *words],
            cwd=self.folder,
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> Running:
        """Start `stem` and let it run."""
        process = subprocess.Popen(
            [sys.executable, "-m", "stem", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.append(Running(process))
        return self._running[-1]

    def worker(self, *words: str) -> Running:
        """Start a worker that is ready."""
        worker = self.start("worker", *words)
        worker.says("is ready")
        return worker

    def enqueue(self, task: str, job_id: str | None = None, **args: object) -> str:
        """Enqueue one job, in this process: preparing a test needs no command; its id."""

        async def work(app: Stem) -> str:
            call = app.call(task, args)
            return (await app.submit(call.id(job_id) if job_id else call)).id

        return self._with_app(work)

    def make_database(self) -> None:
        """An empty one."""

        async def work(app: Stem) -> None:
            await app.queues.list()

        self._with_app(work)

    def finished(self, task: str, **args: object) -> str:
        """Enqueue one job and run it in this process; its id."""

        async def work(app: Stem) -> str:
            handle = await app.enqueue(task, args)
            async with app.worker(concurrency=1):
                async for job in handle.watch():
                    if job.finished:
                        break
            return handle.id

        return self._with_app(work)

    def job(self, job_id: str) -> Job:
        """A job as it stands."""

        async def work(app: Stem) -> Job:
            return await app.jobs.get(job_id)

        return self._with_app(work)

    def _with_app(self, work: Callable[[Stem], Coroutine[Any, Any, R]]) -> R:
        async def opened() -> R:
            async with Stem(f"sqlite:///{self.folder / 'jobs.db'}", tasks=_tasks()) as app:
                return await work(app)

        return asyncio.run(opened())

    def working(self) -> _Working:
        """A worker for the time of a block."""
        return _Working(self)

    @contextlib.contextmanager
    def working_on(self, url: str) -> Iterator[Running]:
        """A worker on another store for the time of a block."""
        worker = self.worker("--url", url)
        yield worker
        worker.send(15)
        worker.ended()

    def until(self, holds: Callable[[], bool]) -> None:
        """Look again until a condition holds."""
        give_up = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < give_up, "it did not come true"
            time.sleep(0.02)

    def close(self) -> None:
        for one in self._running:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()
            one._reader.join(DEADLINE)
            if one.process.stderr is not None:
                one.process.stderr.close()


@functools.cache
def _tasks() -> list[AnyTask]:
    """The tasks of the shop, in this process."""
    module = types.ModuleType("shop")
    sys.modules["shop"] = module
    exec(SHOP, module.__dict__)
    found: list[AnyTask] = module.__dict__["tasks"]
    return found


class _Working:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def __enter__(self) -> Running:
        self._worker = self._shop.worker()
        return self._worker

    def __exit__(self, *exc: object) -> None:
        self._worker.send(15)
        self._worker.ended()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.write("shop.py", SHOP)
    yield made
    made.close()
