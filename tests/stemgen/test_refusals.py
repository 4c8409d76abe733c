"""What stemgen refuses: each with the place, what is wrong, and what to do."""

from __future__ import annotations

import pytest

from tests.stemgen.conftest import Project

HEAD = """
from __future__ import annotations
import enum, dataclasses
from typing import Annotated, Any
from pydantic import BaseModel, Field, PlainSerializer, ConfigDict, field_serializer
from stem import task

class A(BaseModel):
    x: int = 0

class B(BaseModel):
    y: int = 0
"""

#: What stands in app/tasks.py -> what stemgen says.
TASKS = {
    "two names that are one in Python": (
        "@task('t.a-b')\ndef f(a: A) -> None: ...\n@task('t.a_b')\ndef g(a: A) -> None: ...",
        ["'t.a-b' (app.tasks.f)", "'t.a_b' (app.tasks.g)", "both would be t.a_b", "stub="],
    ),
    "a task and a namespace": (
        "@task('t')\ndef f(a: A) -> None: ...\n@task('t.g')\ndef g(a: A) -> None: ...",
        ["'t' (app.tasks.f)", "'t.g' (app.tasks.g)", "t would be a task and a namespace"],
    ),
    "two namespaces that are one in Python": (
        "@task('a-b.f')\ndef f(a: A) -> None: ...\n@task('a_b.g')\ndef g(a: A) -> None: ...",
        ["app.tasks.f", "app.tasks.g", "both namespaces would be a_b"],
    ),
    "a task of the name of a model": (
        "@task('t.A')\ndef f(a: A) -> None: ...",
        ["the task 'A' has the name of the model", "stub="],
    ),
    "two tasks of one name": (
        "@task('t.f')\ndef f(a: A) -> None: ...\n@task('t.f')\ndef g(a: A) -> None: ...",
        ["two tasks are named 't.f'", "app.tasks.f", "app.tasks.g"],
    ),
    "a type without a copy": (
        "@dataclasses.dataclass\nclass D:\n    x: int\nclass C(BaseModel):\n    d: D\n@task('t.f')\ndef f(a: C) -> None: ...",
        ["app.tasks.C.d", "app.tasks.D cannot be copied", "shared-models"],
    ),
    "a serializer of the model's own": (
        "class C(BaseModel):\n    x: int\n    @field_serializer('x')\n    def s(self, v: int) -> int: return v\n@task('t.f')\ndef f(a: C) -> None: ...",
        ["app.tasks.C", "serializers of its own", "shared-models"],
    ),
    "a serializer in a type": (
        "class C(BaseModel):\n    x: list[Annotated[int, PlainSerializer(lambda v: v)]]\n@task('t.f')\ndef f(a: C) -> None: ...",
        ["app.tasks.C.x", "serializer of its own"],
    ),
    "an enum of things that are not plain": (
        "class E(enum.Enum):\n    ONE = frozenset({1})\nclass C(BaseModel):\n    e: list[E] = []\n@task('t.f')\ndef f(a: C) -> None: ...",
        ["<E.ONE: frozenset({1})>", "plain values"],
    ),
    "a field that stands in the way of the call": (
        "class C(BaseModel):\n    self: int\n@task('t.f')\ndef f(a: C) -> None: ...",
        ["cannot be named 'self'", "rename the field"],
    ),
    "a name of the package's own": (
        "@task('all_tasks')\ndef f(a: A) -> None: ...",
        ["'all_tasks' (app.tasks.f)", "all_tasks is a name of the package's own", "stub="],
    ),
    "a namespace of the package's own": (
        "@task('_models.f')\ndef f(a: A) -> None: ...",
        ["_models is a name of the package's own"],
    ),
    "no task": ("", ["no task, workflow or event is declared in app.*"]),
    "a syntax error": ("def f(:\n", ["app.tasks cannot be imported", "SyntaxError"]),
    "an error of the app's": (
        "raise RuntimeError('no database')",
        ["app.tasks cannot be imported", "RuntimeError: no database", "tasks.py"],
    ),
    "an end of the process": ("raise SystemExit(0)", ["app.tasks ends the process while it is imported (exit code 0)"]),
    "a module that is not there": ("import no_such_module", ["app.tasks cannot be imported", "no_such_module"]),
    "a wrong declaration": (
        "@task('t.f', queue='')\ndef f(a: A) -> None: ...",
        ["app.tasks cannot be imported", "a queue's name"],
    ),
}


@pytest.mark.parametrize("what", TASKS)
def test_an_app_that_cannot_be_written_is_told_why(project: Project, what: str) -> None:
    text, words = TASKS[what]
    project.write({"app/tasks.py": HEAD + text})
    done = project.run()
    assert done.returncode == 2, done.stdout
    said = " ".join(done.stderr.split())
    for word in words:
        assert word in said, done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "client").exists()


#: What an app does while it is imported -> what stemgen says of it.
SIDE_EFFECTS = {
    "a connection": ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "socket.connect"),
    "a process": ("import subprocess\nsubprocess.run(['true'])", "subprocess.Popen"),
    "a shell": ("import os\nos.system('true')", "os.system"),
    "a fork": ("import os\nif os.fork() == 0: os._exit(0)", "os.fork"),
    "a server": ("import socket\nsocket.socket().bind(('127.0.0.1', 0))", "socket.bind"),
    "hidden": (
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9))\nexcept Exception:\n    pass",
        "socket.connect",
    ),
}


@pytest.mark.parametrize("what", SIDE_EFFECTS)
def test_importing_the_app_must_not_reach_outside(project: Project, what: str) -> None:
    text, event = SIDE_EFFECTS[what]
    project.write({"app/tasks.py": f"{HEAD}\n@task('t.f')\ndef f(a: A) -> None: ...\n{text}\n"})
    done = project.run()
    assert done.returncode == 2
    assert event in done.stderr
    assert "app/tasks.py:" in done.stderr
    assert "allow-side-effects" in done.stderr


def test_a_module_that_has_to_may_reach_outside(project: Project) -> None:
    project.write(
        {
            "app/boot.py": "import subprocess\ndef look(): subprocess.run(['true'])\n",
            "app/tasks.py": f"{HEAD}\nfrom app.boot import look\nlook()\n@task('t.f')\ndef f(a: A) -> None: ...\n",
        }
    )
    assert project.run().returncode == 2
    project.edit("pyproject.toml", "output", 'allow-side-effects = ["app.boot"]\noutput')
    project.generate()


def test_a_framework_is_set_up_before_the_app_is_imported(project: Project) -> None:
    project.write(
        {
            "boot.py": "ready = False\ndef setup():\n    global ready\n    ready = True\n",
            "app/tasks.py": f"{HEAD}\nimport boot\nassert boot.ready\n@task('t.f')\ndef f(a: A) -> None: ...\n",
        }
    )
    assert project.run().returncode == 2
    project.edit("pyproject.toml", "output", 'init = "boot:setup"\noutput')
    project.generate()


def test_tasks_of_an_imported_library_stay_out(project: Project) -> None:
    project.write(
        {
            "library.py": f"{HEAD}\n@task('theirs.f')\ndef theirs(a: A) -> None: ...\n",
            "app/tasks.py": f"{HEAD}\nfrom library import theirs\n@task('ours.f')\ndef f(a: A) -> None: ...\n",
        }
    )
    assert "1 task in" in project.generate()


#: The table -> what stemgen says of it.
TABLES = {
    "": "no pyproject.toml with a [tool.stemgen]",
    "[tool.stemgen]\nmodules = ['app']": "missing required field `output`",
    "[tool.stemgen]\nmodules = 'app'\noutput = 'client'": "Expected `array`",
    "[tool.stemgen]\nmodules = []\noutput = 'client'": "names no module",
    "[tool.stemgen]\nmodules = ['app']\noutput = 'cli-ent'": "must end in the name of a package",
    "[tool.stemgen]\nmodules = ['app']\noutput = '../client'": "must lie inside of",
    "[tool.stemgen]\nmodules = ['app']\noutput = '.'": "must",
    "[tool.stemgen]\nmodules = ['app']\noutput = 'client'\nshared = []": "known options: modules, output",
    "[tool.stemgen]\nmodules = ['app']\noutput = 'client'\nmodels = 'link'": "models",
    "[tool.stemgen]\nmodules = ['app']\noutput = 'client'\ninit = 'a b'": "must look like 'shop.boot:setup'",
    "[tool.stemgen]\nmodules = ['gone']\noutput = 'client'": "there is no module 'gone'",
    "[tool.stemgen]\nmodules = ['app.gone']\noutput = 'client'": "there is no module 'app.gone'",
    "[tool.stemgen]\nmodules = ['app.tasks.*']\noutput = 'client'": "is no package; leave out '.*'",
    "[tool.stemgen]\nmodules = ['app']\noutput = 'client'\n[[tool.stemgen.breaking.allow]]\nreason = ' '": "has no reason",
    "[tool.stemgen]\nmodules = ['app']\noutput = 'client/json'": "would hide the module 'json'",
    "[tool.stemgen]\nmodules = ['app.tasks']\noutput = 'client/app'": "would hide the module 'app'",
    "[tool.stemgen": "cannot be read",
}


@pytest.mark.parametrize("table", TABLES)
def test_a_wrong_table_is_told_in_words(project: Project, table: str) -> None:
    project.write({"pyproject.toml": table, "app/tasks.py": HEAD})
    done = project.run()
    assert done.returncode == 2
    assert TABLES[table] in done.stderr
    assert "Traceback" not in done.stderr
