"""Defaults in copies: written out, so that a producer and the app mean the same by leaving an argument away."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.stemgen.conftest import Project, ruff_rules

APP: Final = """
import datetime as dt
import enum
import ipaddress
import pathlib
from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, HttpUrl, model_validator
from stem import Unique, task

T = TypeVar("T")

class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"
    SO_SO = "so"

class Inner(BaseModel):
    a: int = 1
    at: dt.datetime = dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))

class Tagged(BaseModel):
    tags: set[str] = Field(default=set(), alias="Tags")
    model_config = {"populate_by_name": True}

class Box(BaseModel, Generic[T]):
    inside: T

class Args(BaseModel):
    number: int = 0
    when: dt.datetime = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
    day: dt.date = dt.date(2024, 1, 1)
    at: dt.time = dt.time(1, tzinfo=dt.timezone.utc)
    span: dt.timedelta = dt.timedelta(hours=1)
    url: HttpUrl = HttpUrl("http://example.org/")
    path: pathlib.Path = pathlib.Path("/srv/x")
    ip: ipaddress.IPv4Address = ipaddress.IPv4Address("1.2.3.4")
    moods: set[Mood] = {Mood.GOOD, Mood.BAD, Mood.SO_SO}
    frozen: frozenset[int] = frozenset({3, 1})
    none: frozenset[int] = frozenset()
    counts: dict[str, int] = {"a": 1}
    words: dict[str, set[str]] = {"k": {"a", "b", "c", "dd"}}
    inner: Inner = Inner()
    other: Inner = Inner(a=2)
    tagged: Tagged = Tagged(tags={"q", "w", "e", "r"})
    price: Decimal = Decimal("1.50")

class Unions(BaseModel):
    quoted: Literal["it's", 'so "so"', "plain and so long that no line has room"] | Annotated[int, Field(gt=1)] | None
    a: Annotated[str, Field(min_length=1)] | Annotated[int, Field(gt=1)] | Annotated[list[int], Field(max_length=4)] | None
    b: dict[Annotated[str, Field(min_length=1)], Annotated[int, Field(gt=1, multiple_of=2)]] | None
    c: Box[Decimal]
    d: Box[int | None]
    e: Box[Literal["a"]]

    @model_validator(mode="after")
    def look(self) -> "Unions":
        return self

    @model_validator(mode="before")
    @classmethod
    def look_before(cls, raw: object) -> object:
        return raw

@task("shop.one", unique=Unique())
async def one(args: Args) -> pathlib.Path:
    return args.path

@task("shop.two")
async def two(args: Unions) -> int:
    return 1
"""
#: Prints the unique keys of calls that say nothing, or what would hold anyway.
KEYS: Final = """
import datetime as dt
import sys
sys.path.insert(0, "client")
from app.tasks import Args, Inner, Mood, one
from app_client import shop
from stem.core.submit import submission

def key(call):
    return submission(call.request, job_id="x", now_ms=0, queues={}).unique.key

when = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
print(len({
    key(one.build(Args())), key(shop.one()), key(shop.one(when=when)), key(one.build(Args(when=when))),
    key(shop.one(url="http://example.org/")), key(shop.one(moods={shop.Mood.GOOD, shop.Mood.BAD, shop.Mood.SO_SO})),
    key(shop.one(inner=shop.Inner())), key(one.build(Args(inner=Inner()))), key(shop.one(counts={"a": 1})),
    key(shop.one(inner=shop.Inner(a=1))), key(shop.one(frozen=frozenset({1, 3}))),
}), key(shop.one(number=1)) == key(one.build(Args(number=1))) != key(shop.one()))
"""


def checked(*command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + done.stderr


def test_the_same_arguments_have_one_unique_key_whoever_sends_them(project: Project) -> None:
    project.write({"app/__init__.py": "", "app/tasks.py": APP, "keys.py": KEYS})
    project.generate()
    done = project.python("keys.py")
    assert done.stdout == "1 True\n", done.stdout + done.stderr


def test_defaults_unions_and_generics_are_written_as_python_that_checks(project: Project) -> None:
    project.write({"app/__init__.py": "", "app/tasks.py": APP})
    project.generate()
    found = project.python("-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "client/app_client")
    assert found.returncode == 0, found.stdout
    said = checked("ruff", "check", "--config", str(ruff_rules(project)), "client", folder=project.folder)
    assert "All checks passed" in said, said


def test_stubs_do_not_depend_on_the_order_of_sets(project: Project) -> None:
    project.write({"app/__init__.py": "", "app/tasks.py": APP})
    project.generate()
    for seed in ("1", "2", "3", "4"):
        (project.folder / ".stemgen_cache.json").unlink(missing_ok=True)
        done = project.run("check", env={"PYTHONHASHSEED": seed})
        assert done.returncode == 0, done.stdout


def test_nothing_breaks_where_nothing_has_changed(project: Project) -> None:
    """A result is written in one way and read in another: only a change of either counts."""
    project.write({"app/__init__.py": "", "app/tasks.py": APP})
    project.generate()
    done = project.run("breaking", "--against", "client/app_client/stem.lock.json")
    assert done.returncode == 0, done.stdout
    for ref in ("git:", "git: ", "git:--help"):
        done = project.run("breaking", "--against", ref)
        assert done.returncode == 2
        assert "needs a commit, a branch or a tag" in done.stderr


def test_an_app_may_print_and_have_a_program_of_its_own(project: Project) -> None:
    loud = "print('hello')\n" + APP
    project.write({"app/__init__.py": "", "app/tasks.py": loud, "app/__main__.py": "raise SystemExit('it was run')\n"})
    project.generate()
    (project.folder / ".stemgen_cache.json").unlink()
    done = project.run("check", "--json")
    assert json.loads(done.stdout)["fresh"] is True
    assert "hello" in done.stderr


def test_a_model_with_the_name_of_a_class_of_a_task_is_refused(project: Project) -> None:
    for name in ("ChargeEnqueueBuilder", "_ChargeTask"):
        code = (
            "from pydantic import BaseModel\nfrom stem import task\n\n\n"
            f"class {name}(BaseModel):\n    x: int\n\n\n"
            f'@task("n.charge")\nasync def charge(args: {name}) -> None: ...\n'
        )
        project.write({"app/__init__.py": "", "app/tasks.py": code})
        done = project.run()
        assert done.returncode == 2
        assert f"for which stemgen makes a class {name}; rename the model" in done.stderr


def test_a_field_that_a_call_could_not_name_is_refused(project: Project) -> None:
    field = "from pydantic import BaseModel, Field\nfrom stem import task\n\n\nclass A(BaseModel):\n"
    code = f'{field}    it: int = Field(alias="self")\n\n\n@task("a")\nasync def a(args: A) -> None: ...\n'
    project.write({"app/__init__.py": "", "app/tasks.py": code})
    done = project.run()
    assert done.returncode == 2
    assert "cannot be named 'self'" in done.stderr
