"""The app is edited and nobody runs stemgen: who notices?

mypy, through the witnesses, what is structural; `check` everything; `breaking`, after generating, what queued jobs, runs
in flight and events feel.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.stemgen.conftest import PYPROJECT, ROOT, Project

pytestmark = pytest.mark.timeout(120)

APP: Final = '''
from __future__ import annotations
import enum
from pydantic import BaseModel, Field
from stem import task

class Carrier(enum.StrEnum):
    UPS = "ups"
    DHL = "dhl"

class Address(BaseModel):
    street: str
    zip: str = ""

class Hello(BaseModel):
    name: str
    times: int = Field(default=1, le=10)
    to: Address | None = None
    carrier: Carrier = Carrier.UPS

class Other(BaseModel):
    text: str

@task("demo.hello", queue="greetings")
def hello(args: Hello) -> dict[str, int]:
    """Greet."""
    return {}

@task("demo.bye")
def bye(args: Other) -> Address | None:
    return None
'''


class Drift(NamedTuple):
    """One edit, and who notices."""

    old: str
    new: str
    mypy: str
    breaking: str


DRIFTS: Final = {
    "required field added": Drift(
        "name: str", "name: str\n    locale: str", 'Missing named argument "locale"', "REQUIRED_FIELD_ADDED"
    ),
    "optional field added": Drift("name: str", 'name: str\n    locale: str = "en"', "", ""),
    "field removed": Drift('    zip: str = ""\n', "", '"Address" has no attribute "zip"', "FIELD_REMOVED"),
    "field renamed": Drift("text: str", "words: str", '"Other" has no attribute "text"', "REQUIRED_FIELD_ADDED"),
    "field type changed": Drift("text: str", "text: list[str]", "incompatible type", "TYPE_CHANGED"),
    "nested field type changed": Drift("street: str", "street: int", "incompatible type", "TYPE_CHANGED"),
    "default changed": Drift("default=1", "default=2", "", "DEFAULT_CHANGED"),
    "constraint tightened": Drift("le=10", "le=5", "", "CONSTRAINT_TIGHTENED"),
    "handler takes another model": Drift(
        "def bye(args: Other)", "def bye(args: Address)", "incompatible type|Incompatible types", "REQUIRED_FIELD_ADDED"
    ),
    "result type changed": Drift(
        "dict[str, int]:", "dict[str, float]:", "Incompatible types in assignment", "TYPE_CHANGED"
    ),
    "handler renamed": Drift("def bye", "def goodbye", 'has no attribute "bye"', ""),
    "enum member removed": Drift('    DHL = "dhl"\n', "", 'has no attribute "DHL"', "ENUM_VALUE_REMOVED"),
    "task renamed": Drift("demo.bye", "demo.goodbye", "", "REMOVED"),
    "task added": Drift(
        '@task("demo.bye")', '@task("demo.new")\ndef new(args: Other) -> None: ...\n@task("demo.bye")', "", ""
    ),
    "queue changed": Drift("greetings", "hellos", "", "QUEUE_CHANGED"),
    "documentation changed": Drift('"""Greet."""', '"""Greet them."""', "", ""),
}


#: The same with workflows and events.
FLOWS: Final = '''
from __future__ import annotations
from pydantic import BaseModel, Field
from stem import Flow, Mailbox, StepContext, Topic, WorkflowContext, workflow

class Order(BaseModel):
    id: str
    total: int = Field(default=1, le=10)

class Receipt(BaseModel):
    order_id: str

class Shipment(BaseModel):
    weight: float

order_shipped = Topic("order.shipped", payload=Shipment, ttl="1h")
approval = Mailbox("approval", payload=bool)

def work() -> int: return 1

@workflow("orders.fulfil")
async def fulfil(ctx: WorkflowContext, order: Order) -> Receipt:
    """Charge and ship."""
    await ctx.step("charge", work)
    await ctx.wait(order_shipped)
    await ctx.step("close", work)
    return Receipt(order_id=ctx.run_id)

def greet(ctx: StepContext) -> str: return "hello"
def shout(ctx: StepContext) -> int: return 1

hello = Flow("demo.hello").step("greet", greet).step("shout", shout)
'''
FLOW_DRIFTS: Final = {
    "required parameter added": Drift(
        "id: str", "id: str\n    locale: str", 'Missing named argument "locale"', "REQUIRED_FIELD_ADDED"
    ),
    "constraint of a parameter tightened": Drift("le=10", "le=5", "", "CONSTRAINT_TIGHTENED"),
    "default of a parameter changed": Drift("default=1", "default=2", "", "DEFAULT_CHANGED"),
    "workflow takes another model": Drift(
        "order: Order)", "order: Shipment)", "Incompatible types in assignment", "REQUIRED_FIELD_ADDED"
    ),
    "result of a workflow changed": Drift(
        "order: Order) -> Receipt:",
        "order: Order) -> Receipt | None:",
        "Incompatible types in assignment",
        "TYPE_WIDENED",
    ),
    "result of a flow changed": Drift(
        "-> int: return 1\n\nhello", '-> str: return ""\n\nhello', "Incompatible types in assignment", "TYPE_CHANGED"
    ),
    "function of a workflow renamed": Drift("def fulfil", "def fill", 'has no attribute "fulfil"', ""),
    "workflow renamed": Drift("orders.fulfil", "orders.fill", "", "WORKFLOW_REMOVED"),
    "version raised": Drift('"orders.fulfil"', '"orders.fulfil", version=2', "", "WORKFLOW_REMOVED"),
    "policy of a workflow changed": Drift('"orders.fulfil"', '"orders.fulfil", cancel_after="1d"', "", ""),
    "step renamed": Drift('"charge"', '"pay"', "", "STEP_REMOVED"),
    "step added in between": Drift(
        '    await ctx.step("close"',
        '    await ctx.step("weigh", work)\n    await ctx.step("close"',
        "",
        "STEP_INSERTED",
    ),
    "step added at the end": Drift(
        '    await ctx.step("close", work)',
        '    await ctx.step("close", work)\n    await ctx.step("file", work)',
        "",
        "",
    ),
    "steps of a flow swapped": Drift(
        '.step("greet", greet).step("shout", shout)',
        '.step("shout", shout).step("greet", greet)',
        "Incompatible types in assignment",
        "STEP_REORDERED",
    ),
    "payload changed": Drift("weight: float", "grams: int", 'has no attribute "weight"', "EVENT_PAYLOAD"),
    "payload of another type": Drift(
        "payload=bool", "payload=str", "Incompatible types in assignment", "EVENT_PAYLOAD"
    ),
    "ttl changed": Drift('ttl="1h"', 'ttl="2h"', "", ""),
    "event renamed": Drift('"order.shipped"', '"order.sent"', "", "EVENT_REMOVED"),
    "topic became a mailbox": Drift(
        'Topic("order.shipped", payload=Shipment, ttl="1h")',
        'Mailbox("order.shipped", payload=Shipment)',
        "Incompatible types in assignment",
        "EVENT_REMOVED",
    ),
}


class Fresh:
    """An app whose stubs are fresh, with the caches of stemgen and mypy, made once and put back for every edit."""

    def __init__(self, folder: Path, app: str) -> None:
        self._kept, self.project = folder / "kept", Project(folder / "project")
        self.project.write({"pyproject.toml": PYPROJECT, "app/__init__.py": "", "app/tasks.py": app})
        self.project.generate()
        self.project.write({"before.json": self.project.read("client/app_client/stem.lock.json")})
        assert mypy(self.project) == ""
        shutil.copytree(self.project.folder, self._kept)

    def put_back(self) -> Project:
        """The project as it was, with the times of its files."""
        shutil.rmtree(self.project.folder)
        shutil.copytree(self._kept, self.project.folder)
        return self.project


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    return Fresh(tmp_path_factory.mktemp("drift"), APP)


def test_nothing_is_noticed_where_nothing_was_edited(fresh: Fresh) -> None:
    assert fresh.put_back().run("check").returncode == 0


@pytest.mark.parametrize("what", DRIFTS)
def test_who_notices_an_edit(fresh: Fresh, what: str) -> None:
    look_who_notices(fresh.put_back(), DRIFTS[what])


def look_who_notices(project: Project, drift: Drift) -> None:
    """The edit of an app whose stubs were fresh: check, mypy, and breaking."""
    project.edit("app/tasks.py", drift.old, drift.new)

    assert project.run("check").returncode == 1
    said = mypy(project)
    assert bool(said) == bool(drift.mypy), said
    assert not drift.mypy or any(word in said for word in drift.mypy.split("|")), said

    project.generate()
    assert mypy(project) == ""
    done = project.run("breaking", "--against", "before.json")
    assert (drift.breaking or "nothing breaks") in done.stdout
    errors = {"", "FIELD_REMOVED", "DEFAULT_CHANGED", "QUEUE_CHANGED"}
    assert done.returncode == (0 if drift.breaking in errors else 1), done.stdout


def mypy(project: Project) -> str:
    """What mypy says about app and stubs, with a cache."""
    words = ["--strict", "--follow-imports=silent", "--config-file=", "--no-error-summary", "app", "client/app_client"]
    return project.python("-m", "mypy", *words, env={"MYPYPATH": f"client:{ROOT}"}).stdout
