"""Help, usage errors and failures: few lines, the right exit code, no traceback unless asked."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stem.cli import help as texts
from stem.cli.root import root

if TYPE_CHECKING:
    from tests.cli.conftest import Shop


def test_help_lists_every_command_with_one_line_and_an_example(shop: Shop) -> None:
    answer = shop.stem("--help")
    assert (answer.code, answer.err) == (0, "")
    for commands in texts.GROUPS.values():
        for name, line in commands.items():
            assert f"  {name}" in answer.out
            assert line in answer.out
    assert "Example" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 100


def test_every_command_of_the_help_exists_and_has_help_of_its_own(shop: Shop) -> None:
    for commands in texts.GROUPS.values():
        for name in commands:
            answer = shop.stem(name, "--help")
            assert (answer.code, answer.err) == (0, ""), name
            assert "--namespace" in answer.out
    assert {name for commands in texts.GROUPS.values() for name in commands} >= set(texts.ALIASES.values())
    assert root.name == "stem"


@pytest.mark.parametrize("word", ["wf", "jobs", "queues", "dlq", "tasks"])
def test_a_list_of_commands_says_each_in_a_whole_sentence(shop: Shop, word: str) -> None:
    listed = shop.stem(word, "--help").out.partition("Commands:")[2]
    assert listed.strip()
    assert "..." not in listed


def test_help_needs_neither_click_nor_the_rest() -> None:
    probe = (
        "import sys; from stem.cli import main; main(['--help']); "
        "print(sorted({'click', 'rich', 'pydantic', 'msgspec', 'anyio', 'asyncio'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_version_is_told(shop: Shop) -> None:
    assert shop.stem("--version").out.startswith("stem 0.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["jbos", "ls"], "did you mean 'jobs'?"),
        (["jobs", "lst"], "did you mean 'ls'?"),
        (["enqueue"], "Missing argument 'NAME'"),
        (["jobs", "ls", "--limt", "3"], "--limit"),
        (["jobs", "ls", "--state", "gone"], "is not one of 'queued'"),
        (["worker", "-c", "0"], "'-c' / '--concurrency'"),
        (["result", "x", "--timeout", "soon"], "--timeout must look like '250ms', '30s'"),
        (["dlq", "replay"], "name ids, or say --queue"),
        (["dlq", "purge", "x", "--all"], "not both"),
        (["dlq", "purge", "x", "--task", "y"], "not both"),
        (["dlq", "ls", "--reason", "exausted"], "did you mean 'exhausted'?"),
        (["jobs", "ls", "--cursor", "bogus"], "a cursor is what the page before gave, found 'bogus'"),
        (["dlq", "ls", "--cursor", "bogus"], "a cursor is what the page before gave, found 'bogus'"),
        (["dlq", "ls", "--cursor", "x:job-1"], "a cursor is what the page before gave, found 'x:job-1'"),
        (["dlq", "ls", "--cursor", "1700000000000"], "a cursor is what the page before gave"),
        (["enqueue", "demo.hello", "name=a", "--timeout", "3s"], "add --wait"),
        (["worker", "-Q", ","], "-Q names no queue"),
        (["health", "--url", "sqlite:///a.db#b"], "write # and ? of a path as %23 and %3F"),
        (["health", "--url", "sqlite:///a.db?durability=huge"], "a SQLite URL looks like"),
        (["health", "--url", "sqlite:///a%00b.db"], "a SQLite URL looks like"),
        (["wf", "emit", "", "1"], "a topic's name must be a word or dotted words"),
        (["wf", "emit", "go", "[" * 50_000], "the payload must be JSON"),
        (
            ["enqueue", "demo.hello", "--args", '{"name":' + "[" * 50_000 + "]" * 50_000 + "}"],
            "nested more than 200 deep",
        ),
        (["enqueue", "demo.helo"], "no task named 'demo.helo' is registered; did you mean 'demo.hello'?"),
        (["health", "--url", "mysql://me:secret@host/0"], "no engine for 'mysql://me:***@host/0'"),
        (["health", "--url", "sqlite://x"], "a SQLite URL looks like"),
    ],
)
def test_what_makes_no_sense_is_refused_in_few_words_with_exit_code_2(shop: Shop, words: list[str], said: str) -> None:
    shop.make_database()
    answer = shop.stem(*words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.startswith("stem: ")
    assert answer.err.count("\n") <= 2


def test_many_faults_take_five_lines_at_most(shop: Shop) -> None:
    lines = ["from stem import ConfigError", "raise ConfigError([f'fault {n}' for n in range(20)])"]
    shop.write("faulty.py", "\n".join(lines))
    answer = shop.stem("tasks", "ls", "-A", "faulty")
    assert answer.code == 2
    assert answer.err.splitlines()[0] == "stem: fault 0"
    assert answer.err.splitlines()[-1] == "... and 16 more"
    assert len(answer.err.splitlines()) == 5


def test_a_traceback_is_shown_only_with_verbose(shop: Shop) -> None:
    shop.write("broken.py", "raise RuntimeError('no such luck')\n")
    assert "Traceback" not in shop.stem("tasks", "ls", "-A", "broken").err
    for words in (["-v", "tasks", "ls", "-A", "broken"], ["tasks", "ls", "-A", "broken", "--verbose"]):
        loud = shop.stem(*words)
        assert loud.code == 2
        assert "Traceback" in loud.err
        assert "no such luck" in loud.err


def test_the_unexpected_is_one_line_and_the_way_to_the_traceback(shop: Shop) -> None:
    odd = "from stem import Stem\nclass Odd(Stem):\n    async def open(self):\n        raise KeyError('odd')\napp = Odd('sqlite:///x.db')\n"
    shop.write("odd.py", odd)
    shop.write("x.db", "")
    answer = shop.stem("jobs", "ls", "-A", "odd")
    assert answer.code == 70
    assert answer.err.splitlines()[-2:] == ["stem: KeyError: 'odd'", "run again with -v for the traceback"]
    assert "Traceback" in shop.stem("jobs", "ls", "-A", "odd", "-v").err


@pytest.mark.parametrize("words", [("jobs", "ls"), ("health",), ("enqueue", "demo.hello", "name=a"), ("worker",)])
def test_another_programs_file_is_refused(shop: Shop, words: tuple[str, ...]) -> None:
    shop.write("jobs.db", "these are no jobs " * 100)
    answer = shop.stem(*words)
    assert answer.code in {69, 70}
    assert "jobs.db" in answer.err
    assert "Traceback" not in answer.err
    assert answer.err.count("\n") <= 5


def test_a_reader_that_leaves_early_is_no_error(shop: Shop) -> None:
    shop.enqueue("demo.hello", name="a")
    for words in (["--help"], ["jobs", "ls"], ["jobs", "ls", "--json"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "stem", *words],
            cwd=shop.folder,
            env=shop.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        with process.stderr as err:
            assert err.read() == ""
        process.wait()


def test_with_json_an_error_is_the_one_document(shop: Shop) -> None:
    job_id = shop.finished("demo.boom")
    answer = shop.stem("result", job_id, "--json")
    assert answer.code == 1
    assert answer.json["error"] | {"traceback": ""} == {
        "type": "JobFailed",
        "message": f"job {job_id} failed (exhausted): ValueError: a [bold]bad[/bold] thing \x1b[31m",
        "job_id": job_id,
        "reason": "exhausted",
        "error_type": "ValueError",
        "error_message": "a [bold]bad[/bold] thing \x1b[31m",
        "traceback": "",
    }
    assert shop.stem("jobs", "show", "nobody", "--json").json["error"]["type"] == "UnknownJobError"
    assert shop.stem("jobs", "lst", "--json").json["error"]["type"] == "UsageError"


def test_a_word_with_commands_under_it_lists_them(shop: Shop) -> None:
    answer = shop.stem("jobs")
    assert answer.code == 2
    for name in ("ls", "show", "cancel"):
        assert f"  {name} " in answer.err


def test_help_fits_into_80_columns() -> None:
    done = subprocess.run([sys.executable, "-m", "stem", "--help"], capture_output=True, text=True, check=True)
    assert max(map(len, done.stdout.splitlines())) <= 80
