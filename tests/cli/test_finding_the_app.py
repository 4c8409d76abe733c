"""Where the app comes from, and what is said when it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shop


def test_an_app_is_named_by_option_environment_or_file(shop: Shop) -> None:
    del shop.environment["STEM_APP"]
    assert shop.stem("tasks", "ls", "-A", "shop:app").code == 0
    assert shop.stem("-A", "shop", "tasks", "ls").code == 0
    assert shop.stem("tasks", "ls", STEM_APP="shop").code == 0
    shop.write("stem.toml", 'app = "shop:app"\n')
    assert shop.stem("tasks", "ls").code == 0


def test_an_app_in_a_package_is_found_from_the_folder_above(shop: Shop) -> None:
    shop.write("pkg/__init__.py", "")
    shop.write("pkg/app.py", "from stem import Stem\nmain = Stem('sqlite:///x.db', include=['shop'])\n")
    assert "demo.hello" in shop.stem("tasks", "ls", "-A", "pkg.app").out


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("shp", "did you mean 'shop'?"),
        ("pkg.ap", "did you mean 'pkg.app'?"),
        ("pkg", "did you mean pkg.app?"),
        ("shop:ap", "did you mean 'app'?"),
        ("shop:hello", "expected a Stem, as in `app = Stem(...)`; did you mean shop:app?"),
        ("shop.py", "did you mean 'shop'?"),
        ("two", "say which: -A two:one or -A two:other"),
        ("broken", "broken cannot be imported: RuntimeError: no such luck (broken.py, line 2)"),
        ("syntax", "syntax cannot be imported: SyntaxError"),
        ("needs", "needs cannot be imported: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("including", "include names the module 'gone', but there is no module 'gone'"),
        ("quits", "quits cannot be imported: SystemExit: 3"),
    ],
)
def test_an_app_that_is_not_there_is_told_in_one_sentence_with_the_nearest(shop: Shop, app: str, words: str) -> None:
    shop.write("pkg/__init__.py", "")
    shop.write("pkg/app.py", "from stem import Stem\napp = Stem()\n")
    shop.write("two.py", "from stem import Stem\none = Stem()\nother = Stem()\n")
    shop.write("broken.py", "\nraise RuntimeError('no such luck')\n")
    shop.write("syntax.py", "x = (\n")
    shop.write("needs.py", "import nowhere_to_be_found\n")
    shop.write("including.py", "from stem import Stem\napp = Stem(include=['gone'])\n")
    shop.write("quits.py", "raise SystemExit(3)\n")
    answer = shop.stem("tasks", "ls", "-A", app)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert answer.err.startswith("stem: ")
    assert answer.err.count("\n") == 1


def test_without_an_app_tasks_are_refused_and_looking_is_not(shop: Shop) -> None:
    del shop.environment["STEM_APP"]
    answer = shop.stem("tasks", "ls")
    assert answer.code == 2
    assert "no app is named: add -A module:app" in answer.err
    shop.enqueue("demo.hello", name="a")
    assert shop.stem("jobs", "ls", "--url", "sqlite:///jobs.db").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["jobs", "ls"],
        ["jobs", "cancel", "x"],
        ["queues", "ls"],
        ["queues", "pause", "x"],
        ["dlq", "ls"],
        ["dlq", "replay", "--all"],
        ["result", "x"],
        ["health"],
    ],
)
def test_looking_makes_no_database(shop: Shop, words: list[str]) -> None:
    answer = shop.stem(*words, "--url", "sqlite:///deep/down/typo.db")
    assert (answer.code, answer.out) == (69, "")
    assert "there is no database at deep/down/typo.db yet: `stem worker` or `stem enqueue` makes it" in answer.err
    assert not (shop.folder / "deep").exists()


def test_a_database_that_enqueuing_had_to_make_is_mentioned(shop: Shop) -> None:
    assert "made a new database, jobs.db" in shop.stem("enqueue", "demo.hello", "name=a").err
    assert shop.stem("enqueue", "demo.hello", "name=a").err == ""


def test_url_and_namespace_override_those_of_the_app(shop: Shop) -> None:
    shop.stem("enqueue", "demo.hello", "name=a", "--url", "sqlite:///other.db", "--namespace", "blue")
    assert shop.stem("jobs", "ls").code == 69
    assert shop.stem("jobs", "ls", "--json", "--url", "sqlite:///other.db").json["jobs"] == []
    there = shop.stem("jobs", "ls", "--json", "--url", "sqlite:///other.db", "--namespace", "blue").json
    assert [job["task"] for job in there["jobs"]] == ["demo.hello"]


def test_an_app_in_memory_cannot_be_reached_but_shows_its_tasks(shop: Shop) -> None:
    shop.write("mem.py", "from stem import Stem\nimport shop\napp = Stem('memory://', tasks=shop.tasks)\n")
    for words in (("jobs", "ls"), ("enqueue", "demo.hello", "name=a"), ("worker",)):
        answer = shop.stem(*words, "-A", "mem")
        assert answer.code == 2
        assert "lives inside one process" in answer.err
        assert answer.err.count("\n") == 1
    assert "demo.hello" in shop.stem("tasks", "ls", "-A", "mem").out


def test_what_a_module_prints_on_import_stays_out_of_json(shop: Shop) -> None:
    shop.write("loud.py", "print('hello from the module')\nfrom shop import app\n")
    answer = shop.stem("tasks", "ls", "-A", "loud", "--json")
    assert answer.json["tasks"]
    assert "hello from the module" in answer.err


@pytest.mark.parametrize("words", [("jobs", "ls"), ("tasks", "ls")])
def test_a_url_that_the_app_does_not_take_is_told(shop: Shop, words: tuple[str, ...]) -> None:
    shop.make_database()
    told = "is not used: the app is on sqlite:///jobs.db; Stem.from_env() takes it, and --url overrides both"
    exported = shop.stem(*words, STEM_URL="redis://me:hunter@127.0.0.1:9/0")
    assert (exported.code, exported.err) == (0, f"stem: note: STEM_URL {told}\n")
    assert shop.stem(*words, STEM_URL="sqlite:///jobs.db").err == ""
    assert shop.stem(*words, "--url", "sqlite:///jobs.db", STEM_URL="sqlite:///other.db").err == ""
    shop.write("stem.toml", 'url = "sqlite:///other.db"\n')
    assert shop.stem(*words).err == f"stem: note: the url in stem.toml {told}\n"
