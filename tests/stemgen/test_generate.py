"""The package that stemgen writes: what stands in it, and that it does."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.stemgen.conftest import ROOT, Project, ruff_rules

#: What a producer does with the package of the shop; each line prints.
USE = """
import sys
from app_client import demo, orders, pack, label, TaskName, all_tasks, REGISTRY_DIGEST
from stem import InvalidArgumentsError

def sent(call):
    request = call.request
    return request.task.arguments.encode(request.args).decode()

print(sent(demo.hello(name="x")))
print(sent(demo.hello(name="x", times=1)))
print(sent(demo.ping()), sent(demo.class_()), sent(demo.with_a_dash(order_id="1")))
address = orders.Address(street=" s ")
print(sent(orders.ship(order_id="1", to=address, class_="k", pets=[orders.Dog(name="d")], by_name={"a": [address]})))
print(sent(orders.nested.deep.walk(value=1, children=[orders.nested.deep.Node(value=2)])))
print(sent(label(root=["a", "b"])))
for wrong in (lambda: demo.hello(name="", times=99), lambda: orders.ship(order_id="1", to=address, names=["long"])):
    try:
        wrong()
    except InvalidArgumentsError as fault:
        print(fault)
print(orders.report.results.decode(b'{"items":[{"order_id":"1","by":"me"}],"total":1}'))
print(orders.ship.options, orders.once.options.at_most_once, orders.once.options.unique)
print(len(all_tasks()), "app" in sys.modules, "jinja2" in sys.modules, "stemgen" in sys.modules)
print([name for name in dir(__import__("app_client")) if name.islower()])
"""


def test_the_package_is_called_with_keywords_and_sends_what_was_given(shop: Project) -> None:
    shop.generate()
    shop.write({"use.py": USE})
    done = shop.python("-W", "error", "use.py", env={"PYTHONPATH": f"{ROOT}:{shop.folder / 'client'}"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        '{"name":"x"}',
        '{"name":"x","times":1}',
        '{} {} {"order_id":"1"}',
        '{"order_id":"1","to":{"street":"s","country":"FR"},"colour":"red","class":"k","pets":[{"kind":"dog","name":"d"}],"by_name":{"a":[{"street":"s","country":"FR"}]}}',
        '{"value":1,"children":[{"value":2,"children":[],"parent":null}]}',
        '["a","b"]',
        f"arguments of task 'demo.hello' were refused: {TOO_SHORT}; times: {TOO_MANY}",
        "arguments of task 'orders.ship' were refused: names.0: String should have at most 3 characters (found 'long')",
        "items=[Signed(order_id='1', by='me')] total=1",
        shown_options(shop),
        "10 False False False",
        "['all_tasks', 'demo', 'label', 'orders', 'pack']",
    ]


#: Says of which fields a wrong value is refused.
USE_BOUNDED = """
import datetime
from app_client import t
from stem import InvalidArgumentsError

good = dict({good})
t.f(**good)

def refused(field, /, **wrong):
    try:
        t.f(**(good | wrong))
    except InvalidArgumentsError as fault:
        print(str(fault).partition(" were refused: ")[2].partition(":")[0].partition(".")[0])
    else:
        print(field, "takes", wrong[field])

{tries}
"""

TOO_SHORT = "name: String should have at least 1 character (found '')"
TOO_MANY = "Input should be less than or equal to 10 (found 99)"


def shown_options(shop: Project) -> str:
    """What the worker's own declarations say."""
    code = (
        "from app import tasks; print(tasks.ship.options, tasks.once.options.at_most_once, tasks.once.options.unique)"
    )
    return shop.python("-c", code).stdout.strip()


def test_whoever_enqueues_the_digest_is_the_same(shop: Project) -> None:
    shop.generate()
    code = "from app import tasks; from app_client import orders; print(tasks.ship.schema, orders.ship.schema)"
    app, stub = shop.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{shop.folder / 'client'}"}).stdout.split()
    assert app == stub
    assert json.loads(shop.read("client/app_client/stem.lock.json"))["tasks"]["orders.ship"]["schema"] == app


def test_a_unique_job_is_the_same_job_whoever_enqueues_it(project: Project) -> None:
    """A producer sends only what it was given, an app everything: their keys must still be equal."""
    project.write(
        {
            "app/tasks.py": "from pydantic import BaseModel\nfrom stem import Unique, task\n"
            "class A(BaseModel):\n    x: int\n    y: int = 1\n    z: list[int] = []\n"
            "@task('t.f', unique=Unique())\ndef f(a: A) -> None: ...\n"
        }
    )
    project.generate()
    code = (
        "from app import tasks; from app_client import t; from stem.core.submit import submission\n"
        "for call in (tasks.f.build(tasks.A(x=1)), tasks.f.build(tasks.A(x=1, y=1)), t.f(x=1), t.f(x=1, y=1)):\n"
        "    print(submission(call.request, job_id='j', now_ms=0, queues={}).unique.key)\n"
        "print(submission(t.f(x=1, y=2).request, job_id='j', now_ms=0, queues={}).unique.key)"
    )
    *same, other = project.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{project.folder / 'client'}"}).stdout.split()
    assert len(same) == 4
    assert len(set(same)) == 1
    assert other != same[0]


#: Every way to bound a value, with one that fits and those that do not.
BOUNDED: dict[str, tuple[str, str, list[str]]] = {
    "field": ("Annotated[int, Field(ge=1, lt=5)]", "1", ["0", "5"]),
    "steps": ("Annotated[int, Field(multiple_of=3)]", "3", ["4"]),
    "short": ("Annotated[str, Field(max_length=3)]", "'abc'", ["'abcd'"]),
    "code": (
        "Annotated[str, StringConstraints(min_length=2, max_length=4, pattern='^[a-z]+$')]",
        "'ab'",
        ["'a'", "'abcde'", "'AB'"],
    ),
    "exact": ("Annotated[str, StringConstraints(strict=True)]", "'1'", ["1"]),
    "interval": ("Annotated[float, Interval(gt=0, le=1)]", "1.0", ["0.0", "1.5"]),
    "length": ("Annotated[list[int], Len(1, 2)]", "[1]", ["[]", "[1, 2, 3]"]),
    "least": ("Annotated[list[int], MinLen(1)]", "[1]", ["[]"]),
    "words": ("constr(min_length=1)", "'a'", ["''"]),
    "number": ("conint(ge=1, le=3)", "3", ["0", "4"]),
    "share": ("confloat(gt=0, allow_inf_nan=False)", "0.5", ["0.0", "float('inf')"]),
    "price": ("condecimal(max_digits=4, decimal_places=2)", "'1.25'", ["'1.255'", "'12345'"]),
    "items": ("conlist(int, min_length=1, max_length=2)", "[1, 2]", ["[]", "[1, 2, 3]"]),
    "tags": ("conset(str, max_length=1)", "{'a'}", ["{'a', 'b'}"]),
    "kinds": ("confrozenset(str, min_length=1)", "frozenset({'a'})", ["frozenset()"]),
    "since": ("condate(ge=datetime.date(2020, 1, 1))", "datetime.date(2020, 1, 1)", ["datetime.date(2019, 12, 31)"]),
    "inner": ("list[Annotated[str, StringConstraints(max_length=1)]]", "['a']", ["['ab']"]),
}


def test_whatever_bounds_a_value_bounds_it_for_producers_too(project: Project) -> None:
    """Bounds that stand alone, and those that pydantic and annotated_types keep as a group."""
    fields = [f"    {name}: {kind}" for name, (kind, _, _) in BOUNDED.items()]
    heads = [
        "import datetime",
        "from typing import Annotated",
        "from annotated_types import Interval, Len, MinLen",
        "from pydantic import *",
        "from stem import task",
        "class A(BaseModel):",
    ]
    project.write({"app/tasks.py": "\n".join([*heads, *fields, "@task('t.f')\ndef f(a: A) -> None: ...\n"])})
    project.generate()
    good = ", ".join(f"{name}={fits}" for name, (_, fits, _) in BOUNDED.items())
    bad = [(name, value) for name, (_, _, wrong) in BOUNDED.items() for value in wrong]
    tries = "\n".join(f"refused({name!r}, {name}={value})" for name, value in bad)
    project.write({"use.py": USE_BOUNDED.format(good=good, tries=tries)})
    done = project.python("use.py", env={"PYTHONPATH": f"{ROOT}:{project.folder / 'client'}"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [name for name, _ in bad]


def test_the_same_app_gives_the_same_bytes(shop: Project) -> None:
    """Whatever the order of sets, and whether something lies there already."""
    seen = []
    for seed in ("0", "1", "4711"):
        done = shop.run(env={"PYTHONHASHSEED": seed})
        assert done.returncode == 0, done.stderr
        seen.append(shop.output())
        for name in shop.output():
            (shop.folder / "client" / name).unlink()
        (shop.folder / ".stemgen_cache.json").unlink()
    assert seen[0] == seen[1] == seen[2]
    everything = b"".join(seen[0].values())
    assert str(shop.folder).encode() not in everything


def test_once_more_changes_nothing(shop: Project) -> None:
    shop.generate()
    before = {path: path.stat().st_mtime_ns for path in (shop.folder / "client").rglob("*.py")}
    assert "up to date" in shop.generate()
    (shop.folder / ".stemgen_cache.json").unlink()
    assert "up to date" in shop.generate()
    assert before == {path: path.stat().st_mtime_ns for path in (shop.folder / "client").rglob("*.py")}


def test_checkers_and_linters_have_nothing_to_say(shop: Project) -> None:
    shop.generate()
    shop.write({"pyrightconfig.json": json.dumps(PYRIGHT | {"extraPaths": [".", "client", str(ROOT)]})})
    env = {"MYPYPATH": f".:client:{ROOT}"}
    mypy = ["-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "client/app_client"]
    for command in (
        mypy,
        ["-m", "pyright", "--pythonpath", sys.executable],
        ["-m", "ruff", "check", "--config", str(ruff_rules(shop)), "--no-cache", "client"],
    ):
        done = shop.python(*command, env=env)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    text = "".join(map(bytes.decode, shop.output().values()))
    assert not re.search(r"ruff: noqa|fmt: off|# noqa(?!: [A-Z]+\d+$)", text, re.MULTILINE)


@pytest.mark.parametrize("width", ["60", "120"])
def test_a_formatter_and_a_sorter_of_imports_make_nothing_stale(shop: Project, width: str) -> None:
    shop.generate()
    for words in (["format"], ["check", "--select", "I", "--fix"], ["check", "--select", "I", "--fix-only"]):
        shop.python("-m", "ruff", *words, "--isolated", "--no-cache", "--line-length", width, "client")
    before = shop.output()
    assert shop.run("check").returncode == 0
    assert "up to date" in shop.generate()
    assert shop.output() == before
    shop.edit("client/app_client/demo.py", "_stem.default(1)", "_stem.default(2)")
    assert shop.run("check").returncode == 1


PYRIGHT = {"typeCheckingMode": "strict", "include": ["client"]}


def test_no_line_of_code_is_too_long(shop: Project) -> None:
    shop.generate()
    for name, text in shop.output().items():
        if name.endswith(".py"):
            code = [line.partition("  # noqa")[0] for line in text.decode().splitlines() if '"""' not in line]
            assert max(map(len, code)) <= (120 if "_verify" in name else 100), name


def test_docstrings_say_what_was_written_whatever_it_was(shop: Project) -> None:
    shop.generate()
    tree = ast.parse(shop.read("client/app_client/demo.py"))
    hello = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "_HelloTask")
    assert ast.get_docstring(hello) == 'Greet """somebody""", politely\\.\n\nRuns on the default queue. "'


def test_a_producer_pays_only_for_the_namespaces_it_uses(shop: Project) -> None:
    shop.generate()
    code = (
        "import sys, app_client; app_client.demo; print([n for n in sorted(sys.modules) if n.startswith('app_client')])"
    )
    done = shop.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{shop.folder / 'client'}"})
    assert done.stdout.strip() == str(
        [
            "app_client",
            "app_client._models",
            "app_client._models.app_contracts",
            "app_client._models.app_tasks",
            "app_client.demo",
        ]
    )


def test_models_of_shared_modules_are_imported_and_not_copied(shop: Project) -> None:
    shop.edit("pyproject.toml", "output", 'shared-models = ["app.contracts"]\noutput')
    shop.generate()
    assert "from app.contracts import (" in shop.read("client/app_client/orders/_tasks.py")
    assert not (shop.folder / "client/app_client/_models/app_contracts.py").exists()


def test_in_a_monorepo_all_models_can_be_imported(shop: Project) -> None:
    shop.edit("pyproject.toml", "output", 'models = "import"\noutput')
    shop.edit("app/tasks.py", "-> Page[Signed]:\n    return Page(items=[])", "-> list[Signed]:\n    return []")
    shop.generate()
    assert not (shop.folder / "client/app_client/_models").exists()
    shop.write(
        {"use.py": "from app_client import orders; from app.contracts import Address; print(orders.Address is Address)"}
    )
    done = shop.python("use.py", env={"PYTHONPATH": f"{ROOT}:{shop.folder}:{shop.folder / 'client'}"})
    assert done.stdout.strip() == "True", done.stderr


def test_take_can_be_left_out(shop: Project) -> None:
    shop.edit("pyproject.toml", "output", "chain-fields = false\noutput")
    shop.generate()
    assert "def take" not in shop.read("client/app_client/demo.py")


def test_what_is_left_over_goes_and_what_is_not_ours_stays(shop: Project) -> None:
    shop.generate()
    shop.write({"client/app_client/notes.py": "# mine\n"})
    shop.edit("app/tasks.py", '@task("orders.nested.deep.walk")\n', "")
    assert "removed client/app_client/orders/nested/deep.py" in shop.generate()
    assert not (shop.folder / "client/app_client/orders/nested").exists()
    assert shop.read("client/app_client/notes.py") == "# mine\n"


def test_a_file_of_somebody_else_is_not_written_over(shop: Project) -> None:
    shop.write({"client/app_client/demo.py": "# mine\n"})
    done = shop.run()
    assert done.returncode == 2
    assert "was not written by stemgen and is in its way" in done.stderr
    assert shop.read("client/app_client/demo.py") == "# mine\n"


def test_two_that_run_at_once_leave_whole_files(shop: Project) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "stemgen"], cwd=shop.folder, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    assert shop.run("check").returncode == 0
    assert not list(shop.folder.rglob(".stemgen-*"))


@pytest.mark.parametrize("name", ["_stem", "type", "id"])
def test_names_that_python_uses_itself_do_no_harm(project: Project, name: str) -> None:
    """A task or a field of such a name must not stand in the way of what a file needs."""
    attribute = name.lstrip("_")
    project.write(
        {
            "app/tasks.py": "from pydantic import BaseModel\nfrom stem import task\n"
            f"class A(BaseModel):\n    {attribute}: str = 'x'\n    other: str = 'y'\n"
            f"@task('t.{attribute}')\ndef f(a: A) -> str: ...\n@task('t.g')\ndef g(a: A) -> str: ...\n"
        }
    )
    project.generate()
    code = f"from app_client import t; print(t.{attribute}({attribute}='a'), t.g(other='b'))"
    done = project.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{project.folder / 'client'}"})
    assert done.returncode == 0, done.stderr


def test_null_is_not_the_default_in_a_unique_key(project: Project) -> None:
    project.write(
        {
            "app/tasks.py": "from pydantic import BaseModel\nfrom stem import Unique, task\n"
            "class A(BaseModel):\n    x: str | None = 'd'\n    y: int = 1\n"
            "@task('t.f', unique=Unique(key='x'))\ndef f(a: A) -> None: ...\n"
        }
    )
    project.generate()
    code = (
        "from app import tasks; from app_client import t; from stem.core.submit import submission\n"
        "calls = [tasks.f.build(tasks.A()), t.f(), t.f(x='d', y=2), t.f(x=None), tasks.f.build(tasks.A(x=None)), t.f(x='')]\n"
        "keys = [submission(call.request, job_id='j', now_ms=0, queues={}).unique.key for call in calls]\n"
        "print([keys.index(key) for key in keys])"
    )
    done = project.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{project.folder / 'client'}"})
    assert done.stdout.strip() == "[0, 0, 0, 3, 3, 5]", done.stderr


def test_tasks_whose_classes_would_have_one_name_are_told_apart(project: Project) -> None:
    tasks = "".join(
        f"@task('t.{name}')\ndef f{n}() -> int: ...\n" for n, name in enumerate(("a_b", "aB", "AB", "Ab", "ab"))
    )
    project.write({"app/tasks.py": f"from stem import task\n{tasks}"})
    project.generate()
    words = ["-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "client/app_client"]
    done = project.python(*words, env={"MYPYPATH": f".:client:{ROOT}"})
    assert done.returncode == 0, done.stdout
    code = "from app_client import t; print([getattr(t, n).name for n in ('a_b', 'aB', 'AB', 'Ab', 'ab')])"
    done = project.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{project.folder / 'client'}"})
    assert done.stdout.strip() == "['t.a_b', 't.aB', 't.AB', 't.Ab', 't.ab']"


#: An app with what once went wrong; each line of TRICKY_USE prints.
TRICKY = """
import dataclasses, enum
from typing import Generic, NewType, Optional
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import TypeVar
from stem import Unique, task
from app.other import Cat as OtherCat

T = TypeVar("T", default=int)
UserId = NewType("UserId", int)

class Cat(BaseModel):
    lives: int = 9

class A(BaseModel):
    x: int

class B(BaseModel):
    x: int
    y: int = 0

class F(enum.Flag):
    ONE = 1
    TWO = 2

class Sub(BaseModel):
    n: int = 1
    m: str = "m"

class Page(BaseModel, Generic[T]):
    items: list[T] = []

class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    first_name: str
    last_name: str = "?"

class Shadows(BaseModel):
    things: list[int] = []
    kinds: dict[str, int] = {}

class All(BaseModel):
    ab: A | B
    flag: F = F.ONE | F.TWO
    sub: Sub = Sub(n=2)
    page: Page = Page()
    user: UserId = UserId(1)
    camel: Camel | None = None
    shadows: Shadows | None = None

@task("cats.mine")
def mine(c: Cat) -> Cat: ...
@task("cats.theirs")
def theirs(c: OtherCat) -> OtherCat: ...
@task("users.list")
def list_() -> list[int]: ...
@task("users.dict")
def dict_(a: All) -> dict[str, list[str]]: ...

def make(name):
    @task(name)
    def inner(a: A) -> int: ...
    return inner

made = make("facts.a")

class U(BaseModel):
    sub: Sub = Sub(n=2)
    f: int = 0

@task("u.all", unique=Unique())
def u(a: U) -> None: ...
"""
TRICKY_USE = """
from app import tasks
from app_client import cats, users, u, facts
from stem.core.submit import submission

def sent(call):
    return call.request.task.arguments.encode(call.request.args).decode()

def key(call):
    return submission(call.request, job_id="j", now_ms=0, queues={}).unique.key

print(sent(cats.mine(lives=3)), sent(cats.theirs(meow="m")))
print(sent(users.dict(ab=users.B(x=3))))
print(sent(users.dict(ab=users.A(x=3), camel=users.Camel(firstName="a"), shadows=users.Shadows(things=[1]))))
print(users.dict(ab=users.A(x=3)).request.args.flag, users.list.results.decode(b"[1]"), facts.a(x=1))
print(key(tasks.u.build(tasks.U())) == key(u.all()) == key(u.all(sub=u.Sub(n=2))) == key(tasks.u.build(tasks.U(sub=tasks.Sub(n=2)))))
print(key(tasks.u.build(tasks.U(sub=tasks.Sub(n=1), f=9))) == key(u.all(sub=u.Sub(n=1), f=9)) == key(u.all(sub=u.Sub(), f=9)))
"""


def test_what_is_easily_got_wrong(project: Project) -> None:
    project.write(
        {
            "app/other.py": "from pydantic import BaseModel\nclass Cat(BaseModel):\n    meow: str\n",
            "app/tasks.py": TRICKY,
            "use.py": TRICKY_USE,
        }
    )
    project.generate()
    env = {"PYTHONPATH": f"{ROOT}:{project.folder / 'client'}", "MYPYPATH": f".:client:{ROOT}"}
    done = project.python("use.py", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        '{"lives":3} {"meow":"m"}',
        '{"ab":{"x":3,"y":0}}',
        '{"ab":{"x":3},"camel":{"firstName":"a","lastName":"?"},"shadows":{"things":[1],"kinds":{}}}',
        "F.ONE|TWO [1] <call of facts.a with A(x=1)>",
        "True",
        "True",
    ]
    words = ["-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "client/app_client"]
    checked = project.python(*words, env=env)
    assert checked.returncode == 0, checked.stdout


def test_classes_of_any_kind_may_be_shared(project: Project) -> None:
    project.write(
        {
            "shared.py": "import dataclasses\nfrom typing import NamedTuple\nfrom typing_extensions import TypedDict\n"
            "@dataclasses.dataclass\nclass D:\n    x: int\nclass N(NamedTuple):\n    x: int\nclass T(TypedDict):\n    x: int\n",
            "app/tasks.py": "from pydantic import BaseModel\nfrom shared import D, N, T\nfrom stem import task\n"
            "class A(BaseModel):\n    d: D\n    n: N\n    t: T\n@task('t.f')\ndef f(a: A) -> D: ...\n",
        }
    )
    assert "app.tasks.A.d: the type shared.D cannot be copied" in project.run().stderr
    project.edit("pyproject.toml", "output", 'shared-models = ["shared"]\noutput')
    project.generate()
    code = "from app_client import t; print(t.f(d=t.D(x=1), n=t.N(x=2), t={'x': 3}).request.args)"
    done = project.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{project.folder}:{project.folder / 'client'}"})
    assert done.stdout.strip() == "d=D(x=1) n=N(x=2) t={'x': 3}", done.stderr


def test_what_people_want_to_know_of_a_task_stands_in_the_stub_and_in_the_lock(project: Project) -> None:
    project.write(
        {
            "app/tasks.py": "from stem import task\n"
            "@task('t.f', tags=['mail', \"it's\"], description='Sends.', attributes={'team': 'a', 'cost': 3, 'new': True},\n"
            "      idempotent=False)\ndef f() -> None: ...\n"
            "@task('t.g')\ndef g() -> None: ...\n"
        }
    )
    project.generate()
    code = (
        "from app_client import t; said = [one.options for one in (t.f, t.g)]; "
        "print([(one.tags, one.description, one.attributes, one.idempotent) for one in said])"
    )
    done = project.python("-c", code, env={"PYTHONPATH": f"{ROOT}:{project.folder / 'client'}"})
    told = [(("mail", "it's"), "Sends.", {"team": "a", "cost": 3, "new": True}, False), ((), "", {}, None)]
    assert done.stdout == f"{told}\n", done.stderr
    tasks = json.loads((project.folder / "client/app_client/stem.lock.json").read_text())["tasks"]
    said = {"tags": ["mail", "it's"], "attributes": {"team": "a", "cost": 3, "new": True}, "idempotent": False}
    assert {name: tasks["t.f"][name] for name in said} == said
    assert not said.keys() & tasks["t.g"].keys()
