"""What breaks: verdicts on changes of models, and their soundness by experiment."""

from __future__ import annotations

import enum
import json
import random
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from stem.core.schema import arguments_schema
from stemgen.breaking.compare import compare
from stemgen.breaking.subset import differences
from stemgen.config import Allowed
from stemgen.lock import FORMAT, Lock, TaskLock
from tests.stemgen.conftest import Project
from tests.stemgen.documents import Documents

CLOSED: Final = ConfigDict(extra="forbid")
OPEN: Final = ConfigDict(extra="allow")


def model(config: ConfigDict | None = None, **fields: Any) -> type[BaseModel]:
    """A model of these fields: a type, or a type and a default."""
    annotations = {name: value[0] if isinstance(value, tuple) else value for name, value in fields.items()}
    defaults = {name: value[1] for name, value in fields.items() if isinstance(value, tuple)}
    inside = {"__annotations__": annotations, "__module__": __name__, **defaults}
    if config is not None:
        inside["model_config"] = config
    return type("M", (BaseModel,), inside)


class Inner(BaseModel):
    a: int


class InnerMore(BaseModel):
    a: int
    b: int


class InnerOptional(BaseModel):
    a: int
    b: int = 0


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class FussyCat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9
    food: str


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str


class Bird(BaseModel):
    kind: Literal["bird"] = "bird"


class Tree(BaseModel):
    value: int
    below: list[Tree] = []
    beside: Tree | None = None


class TreeOfText(BaseModel):
    value: int | str
    below: list[TreeOfText] = []
    beside: TreeOfText | None = None


class NarrowTree(BaseModel):
    value: Annotated[int, Field(ge=0)]
    below: list[NarrowTree] = []
    beside: NarrowTree | None = None


class DeepTree(BaseModel):
    value: int
    below: list[DeepTree] = []
    beside: DeepTree | None = None
    depth: int


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class MoreColour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class LessColour(enum.StrEnum):
    RED = "red"


def told_apart(*kinds: Any) -> Any:
    return Annotated[kinds[0] | None if len(kinds) == 1 else _union(kinds), Field(discriminator="kind")]


def _union(kinds: tuple[Any, ...]) -> Any:
    made = kinds[0]
    for one in kinds[1:]:
        made = made | one
    return made


INT: Final = Annotated[int, Field(ge=0, le=10)]
WIDE: Final = Annotated[int, Field(ge=-5, le=20)]
TIGHT: Final = Annotated[int, Field(ge=0, le=5)]
#: name -> old, new, the rules that make it an error.
CASES: Final[dict[str, tuple[type[BaseModel], type[BaseModel], set[str]]]] = {
    "nothing": (model(a=int), model(a=int), set()),
    "optional field added": (model(a=int), model(a=int, b=(int, 0)), set()),
    "required field added": (model(a=int), model(a=int, b=int), {"REQUIRED_FIELD_ADDED"}),
    "nullable field added without default": (model(a=int), model(a=int, b=int | None), {"REQUIRED_FIELD_ADDED"}),
    "field removed": (model(a=int, b=int), model(a=int), set()),
    "field removed, extra refused": (model(a=int, b=int), model(CLOSED, a=int), {"FIELD_REMOVED"}),
    "field renamed": (model(a=int), model(b=int), {"REQUIRED_FIELD_ADDED"}),
    "field became required": (model(a=(int, 0)), model(a=int), {"FIELD_BECAME_REQUIRED"}),
    "field became optional": (model(a=int), model(a=(int, 0)), set()),
    "became nullable": (model(a=int), model(a=int | None), set()),
    "null no longer": (model(a=int | None), model(a=int), {"TYPE_NARROWED"}),
    "int to text": (model(a=int), model(a=str), {"TYPE_CHANGED"}),
    "int to float": (model(a=int), model(a=float), set()),
    "float to int": (model(a=float), model(a=int), {"TYPE_CHANGED"}),
    "int to int or text": (model(a=int), model(a=int | str), set()),
    "int or text to text": (model(a=int | str), model(a=str), {"TYPE_NARROWED"}),
    "anything to int": (model(a=Any), model(a=int), {"TYPE_CHANGED"}),
    "int to anything": (model(a=int), model(a=Any), set()),
    "bound widened": (model(a=INT), model(a=WIDE), set()),
    "bound tightened": (model(a=INT), model(a=TIGHT), {"CONSTRAINT_TIGHTENED"}),
    "bound added": (model(a=int), model(a=INT), {"CONSTRAINT_TIGHTENED"}),
    "bound dropped": (model(a=INT), model(a=int), set()),
    "bound became strict": (model(a=Annotated[int, Field(ge=0)]), model(a=Annotated[int, Field(gt=0)]), {"CONSTRAINT_TIGHTENED"}),
    "strict bound became loose": (model(a=Annotated[int, Field(gt=0)]), model(a=Annotated[int, Field(ge=0)]), set()),
    "multiple of less": (model(a=Annotated[int, Field(multiple_of=6)]), model(a=Annotated[int, Field(multiple_of=3)]), set()),
    "multiple of more": (model(a=Annotated[int, Field(multiple_of=3)]), model(a=Annotated[int, Field(multiple_of=6)]), {"CONSTRAINT_TIGHTENED"}),
    "text shorter": (model(a=Annotated[str, Field(max_length=9)]), model(a=Annotated[str, Field(max_length=5)]), {"CONSTRAINT_TIGHTENED"}),
    "text longer": (model(a=Annotated[str, Field(max_length=5)]), model(a=Annotated[str, Field(max_length=9)]), set()),
    "pattern changed": (model(a=Annotated[str, Field(pattern="^[a-z]+$")]), model(a=Annotated[str, Field(pattern="^[a-c]+$")]), {"CONSTRAINT_TIGHTENED"}),
    "pattern dropped": (model(a=Annotated[str, Field(pattern="^[a-c]+$")]), model(a=str), set()),
    "text to date": (model(a=str), model(a=date), {"CONSTRAINT_TIGHTENED"}),
    "date to text": (model(a=date), model(a=str), set()),
    "date and time to date": (model(a=datetime), model(a=date), {"CONSTRAINT_TIGHTENED"}),
    "enum member added": (model(a=Colour), model(a=MoreColour), set()),
    "enum member removed": (model(a=Colour), model(a=LessColour), {"ENUM_VALUE_REMOVED"}),
    "enum to text": (model(a=Colour), model(a=str), set()),
    "text to enum": (model(a=str), model(a=Colour), {"TYPE_NARROWED"}),
    "literal widened": (model(a=Literal["a"]), model(a=Literal["a", "b"]), set()),
    "literal narrowed": (model(a=Literal["a", "b"]), model(a=Literal["a"]), {"ENUM_VALUE_REMOVED"}),
    "literal one to true": (model(a=Literal[1]), model(a=Literal[True]), {"ENUM_VALUE_REMOVED"}),
    "literal to a bound that holds": (model(a=Literal[1, 2]), model(a=INT), set()),
    "literal to a bound that does not": (model(a=Literal[1, 20]), model(a=INT), {"CONSTRAINT_TIGHTENED"}),
    "one to many": (model(a=int), model(a=list[int]), {"TYPE_CHANGED"}),
    "items widened": (model(a=list[int]), model(a=list[int | str]), set()),
    "items narrowed": (model(a=list[int | str]), model(a=list[int]), {"TYPE_NARROWED"}),
    "list got a least length": (model(a=list[int]), model(a=Annotated[list[int], Field(min_length=1)]), {"CONSTRAINT_TIGHTENED"}),
    "list to set": (model(a=list[int]), model(a=set[int]), {"CONSTRAINT_TIGHTENED"}),
    "tuple to list": (model(a=tuple[int, int]), model(a=list[int]), set()),
    "list to tuple": (model(a=list[int]), model(a=tuple[int, int]), {"CONSTRAINT_TIGHTENED"}),
    "tuple longer": (model(a=tuple[int, int]), model(a=tuple[int, int, int]), {"CONSTRAINT_TIGHTENED"}),
    "tuple of another kind": (model(a=tuple[int, str]), model(a=tuple[int, int]), {"TYPE_CHANGED"}),
    "dict values narrowed": (model(a=dict[str, int | str]), model(a=dict[str, int]), {"TYPE_NARROWED"}),
    "dict to model": (model(a=dict[str, int]), model(a=Inner), {"REQUIRED_FIELD_ADDED"}),
    "model to dict": (model(a=Inner), model(a=dict[str, int]), set()),
    "nested required": (model(a=Inner), model(a=InnerMore), {"REQUIRED_FIELD_ADDED"}),
    "nested optional": (model(a=Inner), model(a=InnerOptional), set()),
    "nested in a list in a dict": (model(a=dict[str, list[Inner]]), model(a=dict[str, list[InnerMore]]), {"REQUIRED_FIELD_ADDED"}),
    "closed to extra": (model(OPEN, a=int), model(CLOSED, a=int), {"CLOSED"}),
    "opened to extra": (model(CLOSED, a=int), model(OPEN, a=int), set()),
    "kind added": (model(a=told_apart(Cat, Dog)), model(a=told_apart(Cat, Dog, Bird)), set()),
    "kind removed": (model(a=told_apart(Cat, Dog, Bird)), model(a=told_apart(Cat, Dog)), {"TYPE_NARROWED"}),
    "kind changed": (model(a=told_apart(Cat, Dog)), model(a=told_apart(FussyCat, Dog)), {"REQUIRED_FIELD_ADDED"}),
    "union to one": (model(a=told_apart(Cat, Dog)), model(a=Cat), {"TYPE_NARROWED"}),
    "one to union": (model(a=Cat), model(a=told_apart(Cat, Dog)), {"FIELD_BECAME_REQUIRED"}),
    "recursive, the same": (model(a=Tree), model(a=Tree), set()),
    "recursive, widened": (model(a=Tree), model(a=TreeOfText), set()),
    "recursive, narrowed": (model(a=Tree), model(a=NarrowTree), {"CONSTRAINT_TIGHTENED"}),
    "recursive, deeper": (model(a=Tree), model(a=DeepTree), {"REQUIRED_FIELD_ADDED"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_judged_by_what_it_does_to_jobs_that_are_queued(case: str) -> None:
    old, new, rules = CASES[case]
    found = differences(arguments_schema(old), arguments_schema(new))
    assert {one.rule for one in found if one.level == "error"} == rules


@pytest.mark.parametrize("case", CASES)
def test_by_experiment_no_change_that_is_called_right_refuses_a_document(case: str) -> None:
    """300 documents of the old model through the new one; and what is called wrong refuses one at least."""
    old, new, rules = CASES[case]
    documents = Documents(arguments_schema(old), random.Random(case))
    before, after = TypeAdapter(old), TypeAdapter(new)
    refused = []
    for _ in range(300):
        document = documents.draw()
        before.validate_json(json.dumps(document))  # it is one of the old model's
        try:
            after.validate_json(json.dumps(document))
        except ValidationError as fault:
            refused.append((document, str(fault)))
    assert bool(refused) == bool(rules) or case in CAUTIOUS, refused[:1]
    if not rules:
        assert refused == []


#: Called wrong although pydantic reads it: what is lost is told, or pydantic is more lenient than the schema says.
CAUTIOUS: Final = {
    "float to int",
    "list to set",
    "text to date",
    "date and time to date",
    "one to union",
    "literal one to true",
}


def lock(**tasks: Any) -> Lock:
    """A lock of tasks by name: (arguments, result) as models, or a TaskLock."""
    made: dict[str, TaskLock] = {}
    for name, (args, result) in tasks.items():
        schema = arguments_schema(args)
        written = TypeAdapter(result).json_schema(mode="serialization")
        made[name] = TaskLock(
            handler="app.f", schema=str(len(made)), args=schema, result=written, reads=TypeAdapter(result).json_schema()
        )
    return Lock(FORMAT, made)


def said(old: Lock, new: Lock, **more: Any) -> list[tuple[str, str, str, str]]:
    return [(one.level, one.rule, one.part, one.path) for one in compare(sorted(old.tasks.items()), new, **more)]


def test_a_task_that_is_gone_breaks_and_a_new_one_does_not() -> None:
    a = (model(a=int), int)
    assert said(lock(f=a, g=a), lock(f=a)) == [("error", "REMOVED", "", "$")]
    assert said(lock(f=a), lock(f=a, g=a)) == []


def test_results_are_judged_from_the_other_side() -> None:
    """Whoever waits with the old model must understand what the new worker writes."""
    args = model(a=int)
    small, large = model(a=int), model(a=int, b=(int, 0))
    assert said(lock(f=(args, small)), lock(f=(args, large))) == [("warning", "FIELD_ADDED", "result", "$.b")]
    assert said(lock(f=(args, model(a=int, b=int))), lock(f=(args, small))) == [
        ("error", "FIELD_REMOVED", "result", "$.b")
    ]
    assert said(lock(f=(args, large)), lock(f=(args, small))) == []
    assert said(lock(f=(args, int)), lock(f=(args, int | None))) == [("error", "TYPE_WIDENED", "result", "$")]
    assert said(lock(f=(args, int | None)), lock(f=(args, int))) == []
    assert said(lock(f=(args, MoreColour)), lock(f=(args, Colour))) == []
    assert said(lock(f=(args, Colour)), lock(f=(args, MoreColour))) == [("error", "ENUM_VALUE_ADDED", "result", "$")]


def test_full_compatibility_looks_at_new_producers_too() -> None:
    old, new = lock(f=(model(a=INT), int)), lock(f=(model(a=WIDE), int))
    assert said(old, new) == []
    found = said(old, new, compat="full")
    assert {one[:3] for one in found} == {("error", "CONSTRAINT_TIGHTENED", "arguments of new producers")}


def test_what_is_meant_is_allowed_with_its_reason() -> None:
    old, new = lock(f=(model(a=int), int)), lock(f=(model(a=int, b=int, c=int), int))
    allow = [Allowed(rule="REQUIRED_FIELD_ADDED", task="f", path="$.b", reason="drained on Monday")]
    found = compare(sorted(old.tasks.items()), new, allow=allow)
    assert {one.path: (one.allowed, one.breaks) for one in found} == {
        "$.b": ("drained on Monday", False),
        "$.c": ("", True),
    }


# ---------------------------------------------------------------- the command

APP = """
from pydantic import BaseModel
from stem import task

class A(BaseModel):
    x: int
    tags: list[str] = []

@task("t.f")
def f(a: A) -> int:
    return a.x
"""


@pytest.fixture
def committed(project: Project) -> Project:
    """An app whose stubs are committed."""
    project.write({"app/tasks.py": APP})
    project.generate()
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "first"],
    ):
        done = project.python("-c", f"import subprocess, sys; sys.exit(subprocess.call(['git', *{words!r}]))")
        assert done.returncode == 0, done.stderr
    return project


def test_against_a_commit(committed: Project) -> None:
    assert committed.run("breaking", "--against", "git:HEAD").returncode == 0
    committed.edit("app/tasks.py", "x: int", "x: int\n    y: str")
    committed.generate()
    done = committed.run("breaking", "--against", "git:HEAD")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "error    REQUIRED_FIELD_ADDED   t.f arguments $.y: jobs already queued do not carry it; give it a default",
        "1 change breaks something",
    ]
    as_json = json.loads(committed.run("breaking", "--against", "git:HEAD", "--json").stdout)
    assert as_json["breaks"] == 1
    assert as_json["findings"][0]["rule"] == "REQUIRED_FIELD_ADDED"
    committed.write(
        {
            "pyproject.toml": committed.read("pyproject.toml")
            + "[[tool.stemgen.breaking.allow]]\ntask = 't.f'\nreason = 'drained'\n"
        }
    )
    done = committed.run("breaking", "--against", "git:HEAD")
    assert done.returncode == 0
    assert "(allowed: drained)" in done.stdout


def test_against_a_file(committed: Project) -> None:
    committed.write({"old.json": committed.read("client/app_client/stem.lock.json")})
    committed.edit("app/tasks.py", "-> int", "-> str")
    committed.generate()
    done = committed.run("breaking", "--against", "old.json")
    assert done.returncode == 1
    assert "TYPE_CHANGED           t.f result $: integer -> string" in done.stdout


@pytest.mark.parametrize(
    ("against", "code", "words"),
    [
        ("git:no-such-ref", 2, "git has no client/app_client/stem.lock.json at 'no-such-ref'"),
        ("no-such-file.json", 2, "cannot be read"),
        ("pyproject.toml", 2, "is no stem.lock.json"),
        ("redis://127.0.0.1:1", 69, "cannot reach"),
        ("nosql://x", 2, "no engine for"),
        ("sqlite:///typo.db", 69, "there is no file typo.db"),
    ],
)
def test_what_cannot_be_compared_is_said_in_words(committed: Project, against: str, code: int, words: str) -> None:
    done = committed.run("breaking", "--against", against)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


RUN = """
import asyncio, sys
from pathlib import Path
from app.tasks import A, f
from stem import Stem

async def main(work):
    app = Stem("sqlite:///jobs.db", tasks=[f])
    async with app:
        await f.build(A(x=1)).delay("1h").enqueue(app)
        if work:
            await f.enqueue(app, A(x=2))
            worker = app.worker(burst=True)
            await worker.run()

asyncio.run(main(sys.argv[1] == "work"))
"""


def test_against_the_engine_in_which_jobs_wait(committed: Project) -> None:
    """Workers publish what their tasks look like; jobs say which of it they were written with."""
    committed.write({"run.py": RUN})
    done = committed.python("run.py", "work")
    assert done.returncode == 0, done.stderr
    assert committed.run("breaking", "--against", "sqlite:///jobs.db").returncode == 0
    committed.edit("app/tasks.py", "x: int", "x: int\n    y: str")
    committed.generate()
    done = committed.run("breaking", "--against", "sqlite:///jobs.db")
    assert done.returncode == 1
    assert "REQUIRED_FIELD_ADDED   t.f arguments $.y" in done.stdout


def test_jobs_whose_schema_nobody_knows_are_not_called_right(committed: Project) -> None:
    """No worker has run yet: what these jobs look like is not known, unless they look like the new ones."""
    committed.write({"run.py": RUN})
    assert committed.python("run.py", "send").returncode == 0
    assert committed.run("breaking", "--against", "sqlite:///jobs.db").returncode == 0
    committed.edit("app/tasks.py", "x: int", "x: int\n    y: str")
    committed.generate()
    done = committed.run("breaking", "--against", "sqlite:///jobs.db")
    assert done.returncode == 1
    assert "UNKNOWN_SCHEMA" in done.stdout
    assert "which no worker has published" in done.stdout


def test_an_earlier_model_that_is_no_longer_accepted_breaks(committed: Project) -> None:
    accepting = committed.read("app/tasks.py").replace(
        '\n@task("t.f")',
        "class A1(BaseModel):\n    z: int\n    def upgrade(self) -> A: return A(x=self.z)\n\n@task('t.f', accepts=[A1])",
    )
    plain = committed.read("app/tasks.py")
    committed.write({"app/tasks.py": accepting})
    committed.generate()
    committed.write({"old.json": committed.read("client/app_client/stem.lock.json"), "app/tasks.py": plain})
    committed.generate()
    done = committed.run("breaking", "--against", "old.json")
    assert done.returncode == 1
    assert "REQUIRED_FIELD_ADDED   t.f arguments of schema" in done.stdout


def test_an_earlier_model_that_is_still_accepted_breaks_nothing(committed: Project) -> None:
    committed.edit(
        "app/tasks.py",
        '\n@task("t.f")',
        "class A2(BaseModel):\n    y: str\n\n\ndef upgrade(self: A) -> A2:\n    return A2(y=str(self.x))\n\n\nA.upgrade = upgrade\n\n\n@task('t.f', accepts=[A])",
    )
    committed.edit("app/tasks.py", "def f(a: A) -> int:\n    return a.x", "def f(a: A2) -> int:\n    return int(a.y)")
    committed.generate()
    assert committed.run("breaking", "--against", "git:HEAD").returncode == 0


@pytest.mark.parametrize(
    ("values", "kind", "fits"),
    [
        (["a", "b"], "string", True),
        (["a", 1], "string", False),
        ([1, 2], "integer", True),
        ([1, 2], "number", True),
        ([1, 2.5], "number", True),
        ([1, 2.5], "integer", False),
        ([True], "integer", False),
        ([True, False], "boolean", True),
        ([1], "boolean", False),
        ([None], "null", True),
        (["a"], "array", False),
    ],
)
def test_values_that_become_a_type_must_all_be_of_it(values: list[Any], kind: str, fits: bool) -> None:
    old, new = ({"properties": {"x": x}, "type": "object"} for x in ({"enum": values}, {"type": kind}))
    found = [one.rule for one in differences(old, new) if one.level == "error"]
    assert found == ([] if fits else ["TYPE_CHANGED"])
