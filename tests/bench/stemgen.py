"""What stemgen costs on a large app: `python -m tests.bench.stemgen [--tasks 1000] [--modules 50]`.

Wall-clock seconds of whole commands, the best of `--rounds`; the machine's own noise is in them. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parents[2]

MODULE = '''"""Tasks of one part."""

from typing import Literal

from pydantic import BaseModel, Field

from stem import TaskContext, task


class Address(BaseModel):
    street: str = Field(min_length=1)
    city: str
    country: str = "FR"
'''
TASK = '''

class Args{n}(BaseModel):
    """What task {n} takes."""

    id: str = Field(description="The number.")
    count: int = Field(default=1, ge=0)
    tags: list[str] = []
    to: Address | None = None
    mode: Literal["slow", "fast"] = "slow"


class Result{n}(BaseModel):
    id: str
    total: int


@task("part{m}.task{n}", queue="q{m}")
async def task{n}(ctx: TaskContext, args: Args{n}) -> Result{n}:
    """Do the {n}th thing."""
    return Result{n}(id=args.id, total=args.count)
'''
CALLS = "from app_client import {names}\n\n\ndef call() -> None:\n{lines}"


def write(folder: Path, tasks: int, modules: int) -> None:
    """An app, and a file that calls every task through the stubs."""
    app = folder / "app"
    app.mkdir(parents=True)
    (app / "__init__.py").touch()
    (folder / "pyproject.toml").write_text('[tool.stemgen]\nmodules = ["app.*"]\noutput = "app_client"\n')
    each = tasks // modules
    lines = []
    for m in range(modules):
        numbers = range(m * each, (m + 1) * each)
        (app / f"part{m}.py").write_text(MODULE + "".join(TASK.format(m=m, n=n) for n in numbers))
        lines += [f'    part{m}.task{n}(id="1", count={n})\n' for n in numbers]
    names = ", ".join(f"part{m}" for m in range(modules))
    (folder / "calls.py").write_text(CALLS.format(names=names, lines="".join(lines)))


class Bench:
    """Times commands in one folder."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder, self.rounds = folder, rounds
        self.rows: list[tuple[str, float]] = []

    def time(self, what: str, *command: str, before: Callable[[], object] = lambda: None) -> None:
        """The best of all rounds; each begins with `before`, which is not counted."""
        best = float("inf")
        for _ in range(self.rounds):
            before()
            began = time.perf_counter()
            env = {**os.environ, "PYTHONPATH": f"{ROOT}:{self.folder}", "MYPYPATH": f"{ROOT}:."}
            done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            best = min(best, time.perf_counter() - began)
        self.rows.append((what, best))

    def forget(self, *names: str) -> Callable[[], object]:
        return lambda: subprocess.run(["rm", "-rf", *names], cwd=self.folder, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--modules", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stem-bench-") as name:
        folder = Path(name)
        write(folder, said.tasks, said.modules)
        bench = Bench(folder, said.rounds)
        measure(bench)
        files = [
            path for path in (folder / "app_client").rglob("*") if path.is_file() and "__pycache__" not in path.parts
        ]
        size = sum(path.stat().st_size for path in files)
    table = Table("what", "s", title=f"{said.tasks:,} tasks in {said.modules} modules, best of {said.rounds}")
    for what, seconds in bench.rows:
        table.add_row(what, f"{seconds:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{len(files)} files, {size / 1e6:.1f} MB")


def measure(bench: Bench) -> None:
    stemgen = (sys.executable, "-m", "stemgen")
    mypy = (
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--config-file=",
        "app",
        "app_client",
        "calls.py",
    )
    edited = bench.folder / "app" / "part0.py"
    count = iter(range(1_000))

    def edit() -> None:
        edited.write_text(edited.read_text() + f"\n\nEDIT{next(count)} = 1\n")

    bench.time("python -c pass", sys.executable, "-c", "pass")
    bench.time("stemgen, nothing there", *stemgen, before=bench.forget("app_client", ".stemgen_cache.json"))
    bench.time("stemgen check, without a cache", *stemgen, "check", before=bench.forget(".stemgen_cache.json"))
    bench.time("stemgen check, unchanged", *stemgen, "check")
    bench.time("stemgen, one edit", *stemgen, before=edit)
    bench.time("stemgen breaking, against itself", *stemgen, "breaking", "--against", "app_client/stem.lock.json")
    bench.time("import the package", sys.executable, "-c", "import app_client")
    bench.time("and its first namespace", sys.executable, "-c", "from app_client import part0")
    bench.time("all namespaces", sys.executable, "-c", "import app_client; app_client.all_tasks()")
    bench.time(
        "import stem and pydantic alone",
        sys.executable,
        "-c",
        "import stem, pydantic; stem.StubTask, pydantic.BaseModel",
    )
    bench.time("mypy, cold", *mypy, before=bench.forget(".mypy_cache"))
    bench.time("mypy, warm", *mypy)
    bench.time("mypy, after one edit", *mypy, before=edit)


if __name__ == "__main__":
    main()
