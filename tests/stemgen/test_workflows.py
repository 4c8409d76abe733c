"""Workflows and events in the package that stemgen writes: what stands in it, that it does, and what is refused."""

from __future__ import annotations

import json
import sys
from typing import Final

import pytest

from stem import ConfigError, Mailbox, Topic, workflow
from tests.stemgen.conftest import ROOT, Project, ruff_rules

#: An app with one of everything that a run or an event has.
FLOWS: Final = '''
from __future__ import annotations
import enum
from typing import Annotated, Literal
from uuid import UUID, uuid4
from pydantic import BaseModel, Field
from stem import Flow, Mailbox, StepContext, Topic, WorkflowContext, task, workflow

class Speed(enum.StrEnum):
    SLOW = "slow"
    FAST = "fast"

class Order(BaseModel):
    id: str = Field(min_length=1, description="The number on the bill.")
    total: int = Field(gt=0)
    speed: Speed = Speed.SLOW
    class_: str | None = Field(default=None, alias="class")
    token: UUID = Field(default_factory=uuid4)

class Receipt(BaseModel):
    order_id: str

class Shipment(BaseModel):
    carrier: Literal["post", "bike"] = "post"
    weight: float

order_shipped = Topic("order.shipped", payload=Shipment, ttl="90m")
stock = Topic("stock", payload=Annotated[int, Field(ge=0)])
nothing = Topic("nothing", payload=int | None)
approval = Mailbox("approval", payload=list[Shipment])
renamed = Mailbox("order-shipped", payload=None, stub="order_handed_over")

async def clean(ctx: WorkflowContext, order: object) -> None: ...

@workflow("orders.fulfil")
async def fulfil_1(ctx: WorkflowContext, order: Receipt) -> str:
    await ctx.step("only", str)
    return ""

@workflow("orders.fulfil", version=2, cancel_after="30d", max_suspend="36h", visibility_timeout="90s", keep="1d",
          on_cancel=clean, on_change="warn")
async def fulfil(ctx: WorkflowContext, order: Order) -> Receipt:
    """Charge an order \\\\ and ship it.

    In two steps.
    """
    await ctx.step("charge", str)
    await ctx.wait(order_shipped, key=order.id)
    await ctx.wait(approval)
    return Receipt(order_id=order.id)

@workflow("orders.with-dash", stub="dashed")
async def dashed(ctx: WorkflowContext, order: Receipt) -> list[Receipt] | None:
    return None

@workflow("tick")
async def tick(ctx: WorkflowContext) -> None: ...

def greet(ctx: StepContext) -> str: return "hello"
def shout(ctx: StepContext) -> int: return 1

hello = Flow("demo.hello", params=Receipt, cancel_after="1h").step("greet", greet).step("shout", shout)

@task("orders.charge")
async def charge(order: Order) -> Receipt: ...

@task("events.sweep")
async def sweep(order: Receipt) -> None:
    """A task in the namespace of events."""
'''
USE: Final = """
import asyncio, sys
from app_client import demo, events, orders, tick, all_tasks, all_workflows
from stem import InvalidArgumentsError, Stem, StubWorkflow

def sent(call):
    workflow = call.request.workflow
    return workflow.name, workflow.arguments.encode(call.request.params).decode()

print(sent(orders.fulfil(id="1", total=5)))
print(sent(orders.fulfil(id="1", total=5, speed=orders.Speed.FAST, class_="k")))
print(sent(orders.dashed(order_id="1")), sent(tick()), sent(demo.hello(order_id="2")))
said = orders.fulfil.options
print(orders.fulfil.version, said.cancel_after_ms, said.max_suspend_ms, said.lease_ms, said.keep_ms, said.cleans_up)
print(isinstance(orders.fulfil, StubWorkflow), orders.fulfil.schema, demo.hello.options.cancel_after_ms)
for wrong in (lambda: orders.fulfil(id="", total=0), lambda: events.order_shipped.event(3), lambda: events.stock.event(-1)):
    try:
        wrong()
    except InvalidArgumentsError as fault:
        print(fault)
print(events.order_shipped, events.order_shipped.ttl_ms, events.nothing.encode(None), events.approval, events.order_handed_over.name)
print(events.order_shipped.event(events.Shipment(weight=1), key="7").payload, events.sweep(order_id="1"))
print([one.name for one in all_tasks()], [one.name for one in all_workflows()], "app" in sys.modules)

async def main():
    app = Stem.in_memory(workflows=all_workflows())
    async with app:
        run = await orders.fulfil(id="1", total=5).id("x").start(app)
        row = await run.status()
        print(run.id, row.workflow, row.version, row.state)
        print((await app.workflows.start("orders.fulfil", {"id": "1", "total": 3})).started)
        print(await events.order_shipped.emit(app, events.Shipment(weight=1), key="1"))
        print(await events.approval.send(app, "x", []))

asyncio.run(main())
"""


@pytest.fixture
def flows(project: Project) -> Project:
    """That app, and its package."""
    project.write({"app/flows.py": FLOWS, "use.py": USE})
    project.generate()
    return project


def test_runs_are_started_with_keywords_and_events_are_sent(flows: Project) -> None:
    done = flows.python("-W", "error", "use.py", env={"PYTHONPATH": f"{ROOT}:{flows.folder / 'client'}"})
    assert done.returncode == 0, done.stderr
    lock = json.loads(flows.read("client/app_client/stem.lock.json"))
    assert done.stdout.splitlines() == [
        '(\'orders.fulfil\', \'{"id":"1","total":5}\')',
        '(\'orders.fulfil\', \'{"id":"1","total":5,"speed":"fast","class":"k"}\')',
        "('orders.with-dash', '{\"order_id\":\"1\"}') ('tick', '{}') ('demo.hello', '{\"order_id\":\"2\"}')",
        "2 2592000000 129600000 90000 86400000 True",
        f"True {lock['workflows']['orders.fulfil@2']['schema']} 3600000",
        f"parameters of workflow 'orders.fulfil' were refused: {TOO_SHORT}; {TOO_SMALL}",
        "the payload of event 'order.shipped' was refused: expected Shipment, found int",
        "the payload of event 'stock' was refused: Input should be greater than or equal to 0 (found -1)",
        "<topic order.shipped> 5400000 b'null' <mailbox approval> order-shipped",
        'b\'{"carrier":"post","weight":1.0}\' <call of events.sweep with Receipt(order_id=\'1\')>',
        "['events.sweep', 'orders.charge'] ['tick', 'demo.hello', 'orders.fulfil', 'orders.with-dash'] False",
        "x orders.fulfil 2 queued",
        "new",
        "True",
        "True",
    ]


TOO_SHORT: Final = "id: String should have at least 1 character (found '')"
TOO_SMALL: Final = "total: Input should be greater than 0 (found 0)"


def test_the_stub_of_a_workflow_reads_like_that_of_a_task(flows: Project) -> None:
    text = flows.read("client/app_client/orders.py")
    digest = json.loads(flows.read("client/app_client/stem.lock.json"))["workflows"]["orders.fulfil@2"]["schema"]
    begin = text.index("class _FulfilWorkflow")
    assert text[begin : text.index("\n\n\nclass _DashedWorkflow")] == STUB.replace("DIGEST", digest)
    assert flows.read("client/app_client/events.py").endswith(EVENTS)
    assert "Tasks and workflows named orders.*" in text


STUB: Final = '''class _FulfilWorkflow(_stem.StubWorkflow[Order, Receipt]):
    """Charge an order \\\\ and ship it.

    In two steps.
    """  # noqa: D301

    def __call__(
        self,
        *,
        id: str,  # noqa: A002
        total: int,
        speed: Speed = _stem.default(Speed.SLOW),
        class_: str | None = _stem.default(None),
        token: _uuid.UUID = _stem.default(),
    ) -> _stem.WorkflowCall[Receipt]:
        """Charge an order \\\\ and ship it.

        * `id`: The number on the bill.
        """  # noqa: D301
        return self._bind(**{
            "id": id, "total": total, "speed": speed, "class": class_, "token": token
        })


fulfil = _FulfilWorkflow(
    "orders.fulfil",
    params=Order,
    returns=Receipt,
    schema="DIGEST",
    version=2,
    cancel_after="30d",
    max_suspend="36h",
    visibility_timeout="90s",
    keep="1d",
    cleans_up=True,
)
FulfilWorkflowCall: _TypeAlias = _stem.WorkflowCall[Receipt]'''
EVENTS: Final = """

approval: _stem.Mailbox[list[Shipment]] = _stem.Mailbox(
    "approval", payload=list[Shipment]
)
nothing: _stem.Topic[int | None] = _stem.Topic("nothing", payload=int | None, ttl="7d")
order_handed_over: _stem.Mailbox[None] = _stem.Mailbox("order-shipped", payload=None)
order_shipped: _stem.Topic[Shipment] = _stem.Topic(
    "order.shipped", payload=Shipment, ttl="90m"
)
stock: _stem.Topic[int] = _stem.Topic(
    "stock", payload=_t.Annotated[int, _pydantic.Field(ge=0)], ttl="7d"
)
"""


def test_the_lock_has_every_version_and_its_steps(flows: Project) -> None:
    lock = json.loads(flows.read("client/app_client/stem.lock.json"))
    workflows = lock["workflows"]
    assert {key: (one["handler"], one["steps"], one["on_change"]) for key, one in workflows.items()} == {
        "orders.fulfil@1": ("app.flows.fulfil_1", ["only"], "block"),
        "orders.fulfil@2": ("app.flows.fulfil", ["charge", "order.shipped[...]", "approval"], "warn"),
        "orders.with-dash@1": ("app.flows.dashed", [], "block"),
        "tick@1": ("app.flows.tick", [], "block"),
        "demo.hello@1": ("app.flows.hello", ["greet", "shout"], "block"),
    }
    assert workflows["orders.fulfil@2"]["params"]["required"] == ["id", "total"]
    assert workflows["demo.hello@1"]["result"] == {"type": "integer"}
    assert {key: (one["name"], one["kind"]) for key, one in lock["events"].items()} == {
        "topic:order.shipped": ("order.shipped", "topic"),
        "topic:stock": ("stock", "topic"),
        "topic:nothing": ("nothing", "topic"),
        "mailbox:approval": ("approval", "mailbox"),
        "mailbox:order-shipped": ("order-shipped", "mailbox"),
    }
    assert lock["events"]["topic:order.shipped"]["payload"]["required"] == ["weight"]


def test_names_are_types(flows: Project) -> None:
    text = flows.read("client/app_client/_names.py")
    assert 'WorkflowName: _TypeAlias = _Literal[\n    "demo.hello",\n    "orders.fulfil",\n' in text
    assert (
        '\nEventName: _TypeAlias = _Literal[\n    "approval",\n    "nothing",\n    "order-shipped",\n    "order.shipped",\n'
        in text
    )


def test_checkers_and_linters_have_nothing_to_say(flows: Project) -> None:
    pyright = {"typeCheckingMode": "strict", "include": ["client"], "extraPaths": [".", "client", str(ROOT)]}
    flows.write({"pyrightconfig.json": json.dumps(pyright)})
    env = {"MYPYPATH": f".:client:{ROOT}"}
    for command in (
        ["-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "client/app_client"],
        ["-m", "pyright", "--pythonpath", sys.executable],
        ["-m", "ruff", "check", "--config", str(ruff_rules(flows)), "--no-cache", "client"],
    ):
        done = flows.python(*command, env=env)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_the_same_app_gives_the_same_bytes_and_once_more_nothing(flows: Project) -> None:
    before = flows.output()
    (flows.folder / ".stemgen_cache.json").unlink()
    done = flows.run(env={"PYTHONHASHSEED": "4711"})
    assert done.stdout == "2 tasks, 4 workflows, 5 events in client/app_client: up to date\n"
    assert flows.output() == before


def test_there_need_not_be_a_task(project: Project) -> None:
    project.write(
        {
            "app/flows.py": "from stem import WorkflowContext, workflow\n"
            "@workflow('tick')\nasync def tick(ctx: WorkflowContext) -> int: ...\n"
        }
    )
    assert "1 workflow in client/app_client" in project.generate()
    code = "import app_client; from app_client import WorkflowName, tick, all_workflows; print(tick(), dir(app_client))"
    done = project.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{project.folder / 'client'}"})
    assert done.returncode == 0, done.stderr
    assert "TaskName" not in done.stdout
    assert "all_tasks" not in done.stdout
    assert project.run("export").returncode == 0


def test_an_event_is_tied_where_it_is_made_and_not_where_it_is_imported(project: Project) -> None:
    """A type checker does not let a module hand on what it has only imported."""
    project.write(
        {
            "theirs.py": "from stem import Topic\ntheir_topic = Topic('their.topic', payload=int)\n",
            "app/a_first.py": "from app.topics import mine\nfrom theirs import their_topic\n",
            "app/topics.py": "from stem import Topic\nmine = Topic('mine', payload=int)\n",
        }
    )
    project.generate()
    assert "] = app.topics.mine\n" in project.read("client/app_client/_verify/app_topics_events.py")
    assert not (project.folder / "client/app_client/_verify/app_a_first_events.py").exists()
    assert 'their_topic: _stem.Topic[int] = _stem.Topic("their.topic"' in project.read("client/app_client/events.py")
    words = ["-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "client/app_client"]
    done = project.python(*words, env={"MYPYPATH": f".:client:{ROOT}"})
    assert done.returncode == 0, done.stdout


HEAD: Final = """
import dataclasses
from pydantic import BaseModel
from stem import Flow, Mailbox, StepContext, Topic, WorkflowContext, task, workflow

class A(BaseModel):
    x: int = 0

async def clean(ctx: WorkflowContext, a: A) -> None: ...
def step(ctx: StepContext) -> int: return 1
"""
RUN: Final = "async def {}(ctx: WorkflowContext, a: A) -> None: ...\n"

#: What stands in app/flows.py -> what stemgen says.
REFUSED: Final = {
    "a workflow and a task of one name": (
        f"@task('t.f')\ndef f(a: A) -> None: ...\n@workflow('t.f')\n{RUN.format('g')}",
        ["'t.f' (app.flows.f)", "'t.f' (app.flows.g)", "both would be t.f", "@workflow(..., stub='...')"],
    ),
    "a flow and a task of one name": (
        "@task('t.f')\ndef f(a: A) -> None: ...\ng = Flow('t.f', params=A).step('a', step)",
        ["'t.f' (app.flows.f)", "'t.f' (app.flows.g)", "both would be t.f", "@task(..., stub='...')"],
    ),
    "two flows that are one in Python": (
        "f = Flow('t.a-b').step('a', step)\ng = Flow('t.a_b').step('a', step)",
        ["'t.a-b' (app.flows.f)", "'t.a_b' (app.flows.g)", "both would be t.a_b; rename one"],
    ),
    "two workflows of one version": (
        f"@workflow('t.f')\n{RUN.format('f')}@workflow('t.f')\n{RUN.format('g')}",
        ["two workflows are named 't.f' and have version 1", "app.flows.f", "app.flows.g", "another version"],
    ),
    "two topics that are one in Python": (
        "f = Topic('a.b', payload=int)\ng = Topic('a_b', payload=int)",
        ["'a.b' (app.flows.f)", "'a_b' (app.flows.g)", "both would be events.a_b", "Topic(..., stub='...')"],
    ),
    "a topic and a mailbox of one name": (
        "f = Topic('a.b', payload=int)\ng = Mailbox('a.b', payload=int)",
        ["'a.b' (app.flows.f)", "'a.b' (app.flows.g)", "both would be events.a_b", "stub='...')"],
    ),
    "a topic declared twice": (
        "f = Topic('a.b', payload=int)\ng = Topic('a.b', payload=int)",
        ["two events are the topic 'a.b': app.flows.f and app.flows.g", "declare it once"],
    ),
    "an event and a task called events": (
        "f = Topic('a.b', payload=int)\n@task('events')\ndef g(a: A) -> None: ...",
        ["'a.b' (app.flows.f)", "'events' (app.flows.g)", "events would be a task and a namespace"],
    ),
    "an event of the name of its model": (
        "f = Topic('A', payload=A)",
        ["in namespace events, the topic 'A' has the name of the model", "Topic(..., stub='...')"],
    ),
    "a name of the package's own": (
        f"@workflow('all_workflows')\n{RUN.format('f')}",
        ["'all_workflows' (app.flows.f)", "is a name of the package's own; rename the workflow"],
    ),
    "a payload without a copy": (
        "@dataclasses.dataclass\nclass D:\n    x: int\nf = Topic('a.b', payload=D)",
        ["app.flows.f -> payload", "app.flows.D cannot be copied", "shared-models"],
    ),
    "a parameter that stands in the way of the call": (
        "class C(BaseModel):\n    self: int\n@workflow('t.f')\nasync def f(ctx: WorkflowContext, c: C) -> None: ...",
        ["app.flows.f", "a parameter cannot be named 'self'"],
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_clash_is_refused_with_both_places(project: Project, what: str) -> None:
    text, words = REFUSED[what]
    project.write({"app/flows.py": HEAD + text})
    done = project.run()
    assert done.returncode == 2, done.stdout
    said = " ".join(done.stderr.split())
    for word in words:
        assert word in said, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stub", ["_hidden", "a b", "class", "1st"])
def test_a_name_that_python_cannot_use_is_refused_where_it_is_written(stub: str) -> None:
    for declare in (
        lambda: workflow("t.f", stub=stub),
        lambda: Topic("t", payload=int, stub=stub),
        lambda: Mailbox("t", payload=int, stub=stub),
    ):
        with pytest.raises(ConfigError, match="stub must be a name that Python code can use"):
            declare()
