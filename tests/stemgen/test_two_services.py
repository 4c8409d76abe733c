"""The example: two virtual environments, of which one has no worker code, and one queue between them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Final

import pytest

from tests.servers.process import wait_until
from tests.stemgen.conftest import ROOT

EXAMPLE: Final = ROOT / "examples" / "two_services"


class Services:
    """A copy of the example with an environment for each service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "two_services"
        shutil.copytree(EXAMPLE, self.folder, ignore=shutil.ignore_patterns("__pycache__", ".stem*", ".mypy_cache"))
        self.worker = environment(folder / "worker-env", self.folder / "worker")
        self.producer = environment(folder / "producer-env", self.folder / "client")
        self.env = {"PATH": os.environ["PATH"], "STEM_URL": f"sqlite:///{folder}/jobs.db", "NO_COLOR": "1"}

    def run(self, python: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, *words], cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=60
        )


def environment(folder: Path, code: Path) -> Path:
    """The python of a new environment that has stem, what stem needs, and this folder of code."""
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "code.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n{code}\n")
    return folder / "bin" / "python"


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(tmp_path)


def test_a_producer_without_the_workers_code_gets_typed_results(services: Services) -> None:
    command: list[str | Path] = [services.worker, "-m", "stem", "worker", "-A", "warehouse.app:app"]
    log = services.folder / "worker.log"
    with log.open("w") as sink:
        worker = subprocess.Popen(command, cwd=services.folder, env=services.env, stdout=sink, stderr=sink)
        try:
            wait_until(lambda: "is ready" in log.read_text(), "the worker is ready")
            done = services.run(services.producer, "producer/shop.py")
        finally:
            worker.terminate()
            worker.wait(20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "charged 42.00 for A-1",
        "A-1 goes by post to 1 rue de la Paix, Paris (FR)",
        "in stock: ['book', 'lamp']",
        "today: {'A-1': 4200}",
        "fulfil-A-3: 1 rue de la Paix, Paris (FR)",
        "arguments of task 'orders.charge' were refused: cents: Input should be greater than 0 (found 0)",
        "worker code here: False",
    ]
    assert services.run(services.producer, "-c", "import warehouse").returncode == 1


def test_the_committed_package_is_the_one_of_the_committed_tasks(services: Services) -> None:
    done = services.run(services.worker, "-m", "stemgen", "check")
    assert done.returncode == 0, done.stdout


def test_types_hold_in_both_services(services: Services) -> None:
    words = ["-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    for python, path in ((services.worker, "worker/warehouse"), (services.producer, "producer/shop.py")):
        services.env["MYPYPATH"] = f"worker:client:{ROOT}" if path.startswith("worker") else f"client:{ROOT}"
        done = services.run(python, *words, path)
        assert done.returncode == 0, done.stdout


def test_a_breaking_edit_is_refused_by_the_hook_and_in_ci(services: Services) -> None:
    """The recipes of the documentation: what a commit runs, and what CI runs."""

    def git(*words: str) -> int:
        return subprocess.call(["git", "-c", "user.name=n", "-c", "user.email=e@x", *words], cwd=services.folder)

    (services.folder / ".gitignore").write_text(".stemgen_cache.json\n.mypy_cache\n__pycache__\n")
    assert git("init", "-q", "-b", "main") == git("add", "-A") == git("commit", "-qm", "first") == 0
    hook = services.folder / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\nexec {services.worker} -m stemgen check\n")
    hook.chmod(0o755)
    tasks = services.folder / "worker/warehouse/tasks.py"
    tasks.write_text(tasks.read_text().replace("    customer: str\n", "    customer: str\n    currency: str\n"))

    assert git("commit", "-qam", "a field more") == 1  # the stubs are stale
    assert services.run(services.worker, "-m", "stemgen").returncode == 0
    assert git("add", "-A") == git("commit", "-qm", "a field more") == 0  # they are not any more, but

    assert services.run(services.worker, "-m", "stemgen", "check").returncode == 0
    broken = services.run(services.worker, "-m", "stemgen", "breaking", "--against", "git:HEAD~1")
    assert broken.returncode == 1
    assert "REQUIRED_FIELD_ADDED   orders.charge arguments $.currency" in broken.stdout
    services.env["MYPYPATH"] = f"client:{ROOT}"
    typed = services.run(
        services.producer, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "producer"
    )
    assert typed.returncode == 1
    assert 'Missing named argument "currency" for "__call__" of "_ChargeTask"' in typed.stdout


def test_a_job_of_before_a_breaking_deploy_is_told_from_a_broken_one(services: Services) -> None:
    """It was not refused in time: the worker says which schema the job has, and which one is here."""
    send = "import asyncio; from shop_send import main; asyncio.run(main())"
    (services.folder / "client" / "shop_send.py").write_text(
        "import os\nfrom stem import Stem\nfrom warehouse_client import orders\n"
        "async def main():\n    async with Stem(os.environ['STEM_URL']) as app:\n"
        "        await orders.charge(id='A-1', customer='ada', cents=1).id('old').enqueue(app)\n"
    )
    assert services.run(services.producer, "-c", send).returncode == 0
    tasks = services.folder / "worker/warehouse/tasks.py"
    tasks.write_text(tasks.read_text().replace("    customer: str\n", "    customer: str\n    currency: str\n"))
    burst = ("worker", "--burst", "--unknown-for", "0s")
    done = services.run(services.worker, "-m", "stem", *burst, "-A", "warehouse.app:app")
    assert done.returncode == 0, done.stderr
    shown = services.run(
        services.worker, "-m", "stem", "dlq", "show", "old", "-A", "warehouse.app:app", "--json"
    ).stdout
    assert "arguments of schema " in shown
    assert ", this worker has " in shown
    assert "currency: Field required" in shown
