"""Export and watch, and the command line as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from pydantic import TypeAdapter

from tests.servers.process import wait_until
from tests.stemgen.conftest import ROOT, Project


def test_the_export_is_a_json_schema_in_which_every_reference_leads_somewhere(shop: Project) -> None:
    shop.generate()
    made = json.loads(shop.run("export").stdout)
    assert "orders.ship.arguments" in made["$defs"]
    assert made["$defs"]["demo.hello.result"] == {"type": "string"}
    assert_all_lead_somewhere(made)


def test_the_export_is_an_asyncapi_document_with_a_channel_for_each_queue(shop: Project) -> None:
    shop.generate()
    made = json.loads(shop.run("export", "--asyncapi").stdout)
    assert made["asyncapi"] == "3.0.0"
    assert set(made["channels"]) == {"default", "shipping", "results"}
    assert set(made["operations"]) == set(json.loads(shop.read("client/app_client/stem.lock.json"))["tasks"])
    assert_all_lead_somewhere(made)


def assert_all_lead_somewhere(made: object) -> None:
    for reference in references(made):
        place = TypeAdapter(dict[str, object]).validate_python(made)
        for part in reference.removeprefix("#/").split("/"):
            place = TypeAdapter(dict[str, object]).validate_python(place[part])


def references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [one for inner in part.values() for one in references(inner)]
    return [one for inner in part for one in references(inner)] if isinstance(part, list) else []


@pytest.mark.usefixtures("interruptible")
def test_watch_writes_after_every_change_and_survives_an_app_that_is_broken(shop: Project) -> None:
    watcher = subprocess.Popen(
        [sys.executable, "-u", "-m", "stemgen", "watch"],
        cwd=shop.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    demo = shop.folder / "client/app_client/demo.py"
    try:
        wait_until(demo.exists, "the stubs are there")
        shop.edit("app/tasks.py", "tags: list[str]", "words: list[str]")
        wait_until(lambda: "words: list[str]" in demo.read_text(), "the change is there")
        shop.edit("app/tasks.py", "words: list[str]", "words: list[")
        shop.edit("app/tasks.py", "words: list[", "last: list[str]")
        wait_until(lambda: "last: list[str]" in demo.read_text(), "what came after the mistake is there")
    finally:
        watcher.send_signal(signal.SIGINT)
        said, _ = watcher.communicate(timeout=20)
    assert watcher.returncode == 0, said
    assert "watching" in said


def test_an_earlier_model_must_know_how_to_become_the_one_of_today(project: Project) -> None:
    project.write(
        {
            "app/tasks.py": "from pydantic import BaseModel\nfrom stem import task\n"
            "class V1(BaseModel):\n    x: int\nclass V2(BaseModel):\n    y: int\n"
            "@task('t.f', accepts=[V1])\ndef f(a: V2) -> None: ...\n"
        }
    )
    done = project.run()
    assert done.returncode == 2
    assert "each with a method upgrade() that gives V2" in done.stderr


def test_without_its_extra_it_says_what_to_install(shop: Project) -> None:
    code = "import sys; sys.modules['jinja2'] = None; sys.argv = ['stemgen']; from stemgen.cli import main; main()"
    done = shop.python("-c", code)
    assert done.returncode == 2
    assert done.stderr == "stemgen: stemgen needs jinja2: pip install 'stem-jobs[gen]'\n"


@pytest.mark.parametrize(
    "words", [["--help"], ["check", "--help"], ["breaking", "--help"], ["export", "--help"], ["watch", "--help"]]
)
def test_help_is_there_without_a_project(project: Project, words: list[str]) -> None:
    (project.folder / "pyproject.toml").unlink()
    done = project.run(*words)
    assert done.returncode == 0
    assert "Usage: stemgen" in done.stdout


@pytest.mark.parametrize(
    "words",
    [["chekc"], ["--nope"], ["breaking"], ["breaking", "--against"], ["breaking", "--against", "x", "--compat", "no"]],
)
def test_a_mistyped_command_is_2_and_says_what_there_is(project: Project, words: list[str]) -> None:
    done = project.run(*words)
    assert done.returncode == 2
    assert "Usage: stemgen" in done.stderr or "Error" in done.stderr
    assert "Traceback" not in done.stderr
