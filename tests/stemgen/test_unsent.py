"""`stemgen unsent`: calls that are built and dropped, and none of the others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from stem import TaskEnqueueBuilder, WorkflowCall
from stemgen.unsent import OPTION_METHODS, unsent
from tests.stemgen.conftest import Project

#: Lines that drop a call end in `# E`.
APP: Final = """
from pydantic import BaseModel
from stem import Flow, Stem, TaskDefinition, WorkflowContext, group, task, workflow
import stem

class Order(BaseModel):
    id: str

@task("shop.charge")
async def charge(order: Order) -> int:
    return 1

@stem.workflow("shop.flow")
async def flow(ctx: WorkflowContext, order: Order) -> int:
    ctx.call(charge.build(order))
    charge.build(order)  # E
    return await ctx.call(charge.build(order))

mail = TaskDefinition("mail.send", args=Order, returns=str)
steps = Flow("shop.steps").step("a", lambda ctx: None)
mail.build(Order(id="1"))  # E
typed: TaskDefinition[Order, str] = TaskDefinition("mail.typed", args=Order, returns=str)
typed.build(Order(id="1"))  # E
steps.build(Order(id="1"))  # E

class Docker:
    def build(self, tag): ...

async def use(app: Stem, order: Order) -> None:
    charge.build(order)  # E
    charge.build(order).priority(5)  # E
    charge.build(order).delay("5m").queue("slow")  # E
    flow.build(order).delay("5m")  # E
    charge.build(order).then(charge)  # E
    call = charge.build(order)
    call.priority(5)  # E
    noted: object = charge.build(order)
    noted.priority(5)  # E
    call = call.priority(5)
    await call.enqueue(app)
    await charge.build(order).priority(5).enqueue(app)
    await charge.enqueue(app, order)
    app.enqueue_many([charge.build(order)])
    group(charge.build(order), charge.build(order))
    Docker().build("x")
    docker = Docker()
    docker.build("x").priority
    docker.build("x")
    if order:
        charge.build(order)  # E
    for _ in range(3):
        mail.build(order).header("a", "b")  # E
    with open("x") as f:
        f.write("x")
    return None

def plain(order: Order):
    return charge.build(order)

def several(order: Order):
    kept = [charge.build(order) for _ in range(3)]
    yield charge.build(order)
    print(charge.build(order))
"""
PRODUCER: Final = """
from {package} import orders, reports as told
from {package}.orders import charge
import {package}
import {package}.reports as all_reports

async def use(app):
    orders.charge(id="1", customer="c", cents=1)  # E
    orders.charge(id="1", customer="c", cents=1).priority(3)  # E
    charge(id="1", customer="c", cents=1)  # E
    told.stock()  # E
    all_reports.stock()  # E
    {package}.orders.charge(id="1", customer="c", cents=1)  # E
    orders.charge.build(orders.Order(id="1"))  # E
    orders.fulfil(id="1")  # E
    orders.Order(id="1")
    await orders.charge(id="1", customer="c", cents=1).enqueue(app)
    call = told.stock()
    call.queue("x")  # E
    await call.enqueue(app)
"""


def marked(source: str) -> list[int]:
    return [number for number, line in enumerate(source.splitlines(), 1) if line.endswith("# E")]


def lines(path: Path) -> list[int]:
    return sorted(one.line for one in unsent([path]))


def test_dropped_calls_are_found_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    assert lines(tmp_path) == marked(APP)


OTHER_PLACES: Final = """
import pytest
from app import charge, mail
from app import *
import app
import deep.tasks
import deep.tasks as deep_tasks

def expressions(order, urgent):
    urgent and charge.build(order)  # E
    charge.build(order) if urgent else None  # E
    [charge.build(one) for one in order]  # E
    charge.build(order), mail.build(order)  # E
    app.charge.build(order)  # E
    flow.build(order)  # E
    deep.tasks.charge.build(order)  # E
    deep_tasks.charge.build(order)  # E
    _ = charge.build(order)
    kept = charge.build(order) if urgent else None
    charge.build(order) and urgent
    app.unknown.build(order)

def hidden(charge, app):
    charge.build(3)
    app.charge.build(3)
    for mail in charge:
        mail.build(3)

def refused(order):
    with pytest.raises(ValueError):
        charge.build(order)
    with pytest.raises(ValueError) as caught:
        charge.build(order).priority(10)
    charge.build(order)  # E
"""


def test_dropped_calls_are_found_in_all_expressions_and_by_all_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("app.py", "deep/tasks.py"):
        (tmp_path / name).write_text(APP)
    (tmp_path / "uses.py").write_text(OTHER_PLACES)
    assert sorted(set(lines(tmp_path / "uses.py"))) == marked(OTHER_PLACES)


def test_a_package_without_workflows_is_known_and_found_where_the_project_writes_it(project: Project) -> None:
    task = '@task("shop.nothing")\ndef nothing() -> None:\n    """Does nothing."""\n'
    project.write({"app/__init__.py": "", "app/one.py": f"from stem import task\n\n\n{task}"})
    project.generate()
    lock = project.folder / "client/app_client/stem.lock.json"
    said = json.loads(lock.read_text())
    assert "workflows" not in said
    project.write({"use.py": "from app_client import shop\n\nshop.nothing()\n"})
    done = project.run("unsent")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "use.py:3: shop.nothing() is built and never sent" in done.stdout
    lock.write_text("<<<<<<< HEAD")
    done = project.run("unsent")
    assert done.returncode == 2
    assert "stem.lock.json is no JSON" in done.stderr


def test_stubs_are_known_by_their_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Path(__file__).parents[2] / "examples/two_services/client"
    monkeypatch.syspath_prepend(str(client))
    source = PRODUCER.format(package="warehouse_client")
    (tmp_path / "producer.py").write_text(source)
    assert lines(tmp_path) == marked(source)


def test_tasks_of_other_modules_of_the_project_are_known(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/tasks.py").write_text(APP)
    uses = "from shop.tasks import charge as pay, Order, Docker\npay.build(Order(id='1'))\nDocker().build('x')\n"
    (tmp_path / "shop/api.py").write_text(uses)
    (tmp_path / "shop/near.py").write_text("from .tasks import charge\ncharge.build(1)\n")
    assert lines(tmp_path / "shop/api.py") == [2]
    assert lines(tmp_path / "shop/near.py") == [2]


def test_the_option_methods_are_those_that_calls_have() -> None:
    methods = {name for kind in (TaskEnqueueBuilder, WorkflowCall) for name in dir(kind) if not name.startswith("_")}
    assert methods - {"enqueue", "start", "request"} == OPTION_METHODS


def test_what_is_no_python_and_environments_are_passed_over(tmp_path: Path) -> None:
    for name in (".venv/lib", "node_modules/x"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "app.py").write_text(APP)
    (tmp_path / "broken.py").write_text("def f(:\n")
    assert lines(tmp_path) == []


def test_the_command_says_where_and_what_to_do(project: Project) -> None:
    assert project.run("unsent").returncode == 0
    project.write({"app/more.py": APP})
    done = project.run("unsent")
    assert done.returncode == 1
    first, *_, last = done.stdout.splitlines()
    assert re.fullmatch(
        r"app/more\.py:16: charge\.build\(order\) is built and never sent: await it with \.enqueue\(app\) or "
        r"\.start\(app\), or hand it on",
        first,
    )
    assert "call.priority(5) gives a new call, which is dropped: use what it returns" in done.stdout
    assert last == f"{len(marked(APP))} calls never sent"
    said = json.loads(project.run("unsent", "--json", "app").stdout)["unsent"]
    assert [one["line"] for one in said] == marked(APP)
