"""`stem enqueue` and `stem result`: arguments from words, answers, waiting."""

from __future__ import annotations

import json
import signal
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from stem import InvalidArgumentsError, TaskDefinition
from stem.cli.enqueue import parse, sample

if TYPE_CHECKING:
    from tests.cli.conftest import Shop


class Address(BaseModel):
    town: str
    number: int = 1


class Hello(BaseModel):
    name: str
    times: int = 1
    on: date | None = None
    tags: list[str] = []
    address: Address | None = None
    extra: dict[str, int] = {}
    sender: str = Field(default="", alias="from")


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    name: str
    times: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


ECHO = TaskDefinition("demo.echo", args=Hello, returns=Hello)


@pytest.mark.parametrize(
    ("words", "arrives"),
    [
        (["name=Ada"], {"name": "Ada"}),
        (["name=3"], {"name": "3"}),
        (["name=null"], {"name": "null"}),
        (["name=a=b"], {"name": "a=b"}),
        (["name="], {"name": ""}),
        (["name=x", "times=3"], {"name": "x", "times": 3}),
        (["name=x", "on=2026-05-01"], {"name": "x", "on": "2026-05-01"}),
        (["name=x", "on=null"], {"name": "x", "on": None}),
        (["name=x", 'tags=["a", "b"]'], {"name": "x", "tags": ["a", "b"]}),
        (
            ["name=x", "address.town=Paris", "address.number=7"],
            {"name": "x", "address": {"town": "Paris", "number": 7}},
        ),
        (["name=x", "extra.a=1"], {"name": "x", "extra": {"a": 1}}),
        (["name=x", "from=me"], {"name": "x", "from": "me"}),
        (["name=x", "sender=me"], {"name": "x", "from": "me"}),
    ],
)
def test_words_become_what_the_model_reads(words: list[str], arrives: dict[str, Any]) -> None:
    given = parse(ECHO.name, ECHO.args_model, words)
    sent = ECHO.build(ECHO.arguments.from_mapping(given)).request.args
    assert json.loads(sent.model_dump_json(by_alias=True, exclude_unset=True)) == arrives


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nmae=x"], "unknown field 'nmae' of Hello; did you mean 'name'?"),
        (["name=x", "address.twon=y"], "unknown field 'address.twon' of Address; did you mean 'town'?"),
        (["name=x", "name.first=y"], "name has no fields inside"),
        (["name=x", "name=y"], "name is given twice"),
        (["name"], "expected key=value, found 'name'"),
        (["=x"], "expected key=value, found '=x'"),
    ],
)
def test_words_that_name_no_field_are_refused_with_the_nearest(words: list[str], said: str) -> None:
    with pytest.raises(InvalidArgumentsError) as refused:
        parse(ECHO.name, ECHO.args_model, words)
    assert said in str(refused.value)


def test_a_strict_model_gets_what_the_text_says_as_json() -> None:
    strict = TaskDefinition("demo.strict", args=Strict, returns=int)
    assert parse(strict.name, strict.args_model, ["name=3", "times=3"]) == {"name": "3", "times": 3}


def test_a_model_that_takes_other_fields_gets_them() -> None:
    assert parse("demo.open", Open, ["a=b"]) == {"a": "b"}


def test_the_example_shown_is_the_simplest_task_with_arguments() -> None:
    plain = TaskDefinition("a", returns=int)
    assert sample([plain, ECHO]) == "demo.echo name=world"
    assert sample([plain]) == "a"
    assert sample([]) == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nmae=x"], "unknown field 'nmae' of Hello; did you mean 'name'?"),
        ([], "name: Field required"),
        (["name=x", "times=many"], "times: Input should be a valid integer"),
        (["--args", "{"], "--args is no JSON"),
        (["--args", "[1]"], "--args must be a JSON object, found [1]"),
        (["name=x", "--priority", "11"], "priority must be a whole number from 0 to 9, found 11"),
        (["name=x", "--header", "novalue"], "--header looks like --header key=value"),
        (["name=x", "--delay", "later"], "--delay must look like"),
        (["name=x", "--args", "-"], "over the limit"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(shop: Shop, words: list[str], said: str) -> None:
    answer = shop.stem("enqueue", "demo.hello", *words, stdin=json.dumps({"tags": ["y" * 1_200_000]}))
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") <= 5


def test_a_document_and_words_are_laid_over_each_other(shop: Shop) -> None:
    document = json.dumps({"name": "A", "times": 2, "on": "2026-05-01"})
    with shop.working():
        words = ("--args", document, "name=B", "address.town=Paris", "--wait")
        result = json.loads(shop.stem("enqueue", "demo.echo", *words).out)
    assert (result["name"], result["times"], result["on"]) == ("B", 2, "2026-05-01")
    assert result["address"] == {"town": "Paris", "number": 1}


def test_a_task_without_arguments_says_that_it_takes_none(shop: Shop) -> None:
    assert "unknown field 'x': it takes no arguments" in shop.stem("enqueue", "demo.boom", "x=1").err


def test_a_task_that_is_only_defined_can_be_enqueued(shop: Shop) -> None:
    assert shop.stem("call", "other.task").out.startswith("enqueued other.task as job ")


def test_the_options_of_a_call_reach_the_job(shop: Shop) -> None:
    words = ("--queue", "mail", "--priority", "7", "--delay", "1h", "--expires", "2h", "--id", "one", "--header", "a=b")
    assert shop.stem("enqueue", "demo.hello", "name=x", *words, "--json").json["id"] == "one"
    job = shop.job("one")
    assert (job.queue, job.priority, job.state) == ("mail", 7, "delayed")
    assert job.expires_at is not None


def test_a_second_enqueue_with_the_same_id_or_key_says_so(shop: Shop) -> None:
    shop.enqueue("demo.hello", "one", name="x")
    again = shop.stem("enqueue", "demo.hello", "name=x", "--id", "one")
    assert (again.code, again.out) == (0, "nothing was enqueued: there is a job one already\n")
    holder = shop.enqueue("demo.only")
    held = shop.stem("enqueue", "demo.only", "--json")
    assert held.json == {"id": holder, "task": "demo.only", "enqueued": "held"}


def test_waiting_prints_the_result_and_nothing_else(shop: Shop) -> None:
    with shop.working():
        plain = shop.stem("enqueue", "demo.hello", "name=Ada", "--wait")
        assert (plain.code, plain.out, plain.err) == (0, '"Hello Ada!"\n', "")
        told = shop.stem("enqueue", "demo.hello", "name=Ada", "--wait", "--json").json
        assert (told["state"], told["result"]) == ("succeeded", "Hello Ada!")
        assert shop.stem("result", told["id"]).out == '"Hello Ada!"\n'
        assert shop.stem("result", told["id"], "--json").json == told


def test_waiting_for_a_job_that_fails_exits_with_1(shop: Shop) -> None:
    with shop.working():
        answer = shop.stem("enqueue", "demo.boom", "--wait")
    assert (answer.code, answer.out) == (1, "")
    assert "failed (exhausted): ValueError: a [bold]bad[/bold] thing" in answer.err
    assert "\x1b" not in answer.err


def test_waiting_ends_at_the_timeout_and_says_that_nobody_works(shop: Shop) -> None:
    answer = shop.stem("enqueue", "demo.hello", "name=Ada", "--wait", "--timeout", "0.1")
    assert (answer.code, answer.out) == (1, "")
    assert "no worker is alive" in answer.err
    assert "had no result after 0.1 s; it is queued and goes on" in answer.err


def test_the_result_of_an_unknown_job_exits_with_1(shop: Shop) -> None:
    shop.enqueue("demo.hello", name="x")
    answer = shop.stem("result", "nobody")
    assert answer.code == 1
    assert answer.err.startswith("stem: no job 'nobody' is known")
    assert answer.err.count("\n") == 1


def test_the_result_of_a_cancelled_job_exits_with_1(shop: Shop) -> None:
    job_id = shop.enqueue("demo.hello", name="x")
    assert shop.stem("jobs", "cancel", job_id, "--reason", "no need").out == f"job {job_id} is cancelled\n"
    answer = shop.stem("result", job_id)
    assert (answer.code, answer.err) == (1, f"stem: job {job_id} was cancelled (no need)\n")


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_wait_exits_with_130(shop: Shop) -> None:
    waiting = shop.start("enqueue", "demo.hello", "name=x", "--wait")
    waiting.says("no worker is alive")
    waiting.send(signal.SIGINT)
    assert waiting.ended() == 130
    assert "Traceback" not in waiting.err
