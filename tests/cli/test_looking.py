"""Jobs, queues, dead letters, tasks and health: tables for people, JSON for programs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from stem.cli.output import age
from stem.values import plain
from tests.servers.redis import RedisServer

if TYPE_CHECKING:
    from tests.cli.conftest import Shop

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=-5), "5s ago"),
        (timedelta(seconds=-90), "1m ago"),
        (timedelta(minutes=-90), "90m ago"),
        (timedelta(hours=-3), "3h ago"),
        (timedelta(hours=-47), "47h ago"),
        (timedelta(days=-3), "3d ago"),
        (timedelta(minutes=5), "in 5m"),
    ],
)
def test_instants_are_told_as_ages(at: timedelta, words: str) -> None:
    assert age(NOW + at, NOW) == words


def test_text_that_steers_a_terminal_is_shown_as_what_it_is() -> None:
    assert plain("a\x1b[31mb\nc\r") == "a\\x1b[31mb\nc\\r"


def test_jobs_are_listed_with_their_whole_ids_and_ages(shop: Shop) -> None:
    ids = [shop.enqueue("demo.hello", name="x") for _ in range(3)]
    lines = shop.stem("jobs", "ls").out.splitlines()
    assert lines[0].split() == ["ID", "TASK", "QUEUE", "STATE", "PRI", "ATTEMPT", "ENQUEUED", "NOTE"]
    assert {line.split()[0] for line in lines[1:]} == set(ids)
    assert all("ago" in line or "now" in line for line in lines[1:])


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_a_narrow_table_leaves_out_what_matters_least_and_keeps_ids(shop: Shop, columns: str) -> None:
    ids = {shop.finished("demo.boom"), shop.enqueue("demo.hello", name="x")}
    for words in (("jobs", "ls"), ("dlq", "ls"), ("queues", "ls"), ("tasks", "ls")):
        lines = shop.stem(*words, COLUMNS=columns).out.splitlines()
        assert max(map(len, lines)) <= int(columns)
        assert lines[0].split()[0] in {"ID", "QUEUE", "TASK"}
        if words == ("jobs", "ls"):
            assert {line.split()[0] for line in lines[1:]} == ids
            assert ("PRI" in lines[0]) == (columns == "120")


def test_tasks_are_listed_with_what_people_want_to_know(shop: Shop) -> None:
    source = (shop.folder / "shop.py").read_text()
    said = 'tags=["greeting"], attributes={"team": "front"}, idempotent=False,'
    shop.write("shop.py", source.replace('tags=["greeting"],', said))
    (line,) = [line for line in shop.stem("tasks", "ls").out.splitlines() if line.startswith("demo.hello ")]
    assert "idempotent=False" in line
    assert "greeting, team=front" in line
    (told,) = [one for one in shop.stem("tasks", "ls", "--json").json["tasks"] if one["name"] == "demo.hello"]
    assert (told["tags"], told["attributes"], told["options"]) == (
        ["greeting"],
        {"team": "front"},
        {"idempotent": False},
    )


def test_jobs_as_json_are_one_document_with_instants_in_utc(shop: Shop) -> None:
    job_id = shop.enqueue("demo.hello", name="x")
    answer = shop.stem("jobs", "ls", "--json")
    assert answer.err == ""
    (job,) = answer.json["jobs"]
    assert (job["id"], job["task"], job["queue"], job["state"]) == (job_id, "demo.hello", "greetings", "queued")
    assert INSTANT.fullmatch(job["enqueued_at"])
    assert answer.json["cursor"] == ""
    assert shop.stem("--json", "jobs", "ls").json == answer.json


def test_jobs_are_filtered_and_paged(shop: Shop) -> None:
    for n in range(3):
        shop.enqueue("demo.hello", name=str(n))
    shop.enqueue("demo.boom")
    listed = shop.stem("jobs", "ls", "--task", "demo.hello", "--queue", "greetings", "--state", "queued", "--json").json
    assert len(listed["jobs"]) == 3
    first = shop.stem("jobs", "ls", "--limit", "3", "--json").json
    rest = shop.stem("jobs", "ls", "--limit", "3", "--cursor", first["cursor"], "--json").json
    assert len({job["id"] for job in first["jobs"] + rest["jobs"]}) == 4
    assert "there are more: --cursor" in shop.stem("jobs", "ls", "--limit", "3").err


def test_an_empty_list_is_said_in_words(shop: Shop) -> None:
    shop.make_database()
    assert shop.stem("jobs", "ls").out == "no jobs\n"
    assert shop.stem("dlq", "ls").out == "no dead letters\n"
    assert shop.stem("queues", "ls").out == "no queues yet: one appears with its first job\n"


def test_one_job_is_shown_with_its_error(shop: Shop) -> None:
    job_id = shop.finished("demo.boom")
    shown = shop.stem("jobs", "show", job_id)
    assert re.search(r"^state +failed$", shown.out, re.MULTILINE)
    assert "ValueError: a [bold]bad[/bold] thing" in shown.out
    assert "\x1b" not in shown.out
    assert shop.stem("jobs", "show", job_id, "--json").json["error"]["type"] == "ValueError"
    assert shop.stem("jobs", "show", "nobody").code == 1


def test_cancelling_what_is_unknown_or_has_ended_exits_with_1(shop: Shop) -> None:
    done = shop.finished("demo.boom")
    waiting = shop.enqueue("demo.hello", name="x")
    answer = shop.stem("jobs", "cancel", waiting, done, "nobody")
    assert answer.code == 1
    assert answer.out == f"job {waiting} is cancelled\n"
    assert f"job {done} had ended already" in answer.err
    assert "job nobody is not known" in answer.err
    statuses = shop.stem("jobs", "cancel", waiting, "--json")
    assert (statuses.code, statuses.json) == (0, {"jobs": [{"id": waiting, "status": "cancelled"}]})
    statuses = shop.stem("jobs", "cancel", done, "--json")
    assert (statuses.code, statuses.json) == (1, {"jobs": [{"id": done, "status": "finished"}]})


def test_a_running_job_is_asked_to_stop(shop: Shop) -> None:
    job_id = shop.enqueue("demo.slow")
    with shop.working():
        shop.until((shop.folder / "started").exists)
        answer = shop.stem("jobs", "cancel", job_id)
        assert (answer.code, answer.out) == (0, f"job {job_id} is running and will be asked to stop\n")
        (shop.folder / "go").touch()


def test_queues_are_listed_paused_and_resumed(shop: Shop) -> None:
    shop.enqueue("demo.hello", name="x")
    assert shop.stem("queues", "pause", "greetings").out == "queue greetings is paused\n"
    (queue,) = shop.stem("queues", "ls", "--json").json["queues"]
    assert (queue["name"], queue["paused"], queue["queued"]) == ("greetings", True, 1)
    assert re.search(r"^greetings +paused +1 ", shop.stem("queues", "ls").out, re.MULTILINE)
    assert shop.stem("queues", "resume", "greetings", "--json").json == {
        "queues": [{"name": "greetings", "status": "resumed"}]
    }
    assert "did you mean 'greetings'?" in shop.stem("queues", "pause", "greeting").err


def test_purging_a_queue_asks_first(shop: Shop) -> None:
    for _ in range(2):
        shop.enqueue("demo.hello", name="x")
    silent = shop.stem("queues", "purge", "greetings")
    assert (silent.code, silent.out) == (2, "")
    assert "add --yes" in silent.err
    no = shop.stem("queues", "purge", "greetings", stdin="n\n")
    assert (no.code, no.out) == (1, "")
    assert "forget the waiting jobs (2 in greetings)?" in no.err
    assert shop.stem("queues", "purge", "greetings", stdin="y\n").out == "queue greetings: 2 waiting jobs forgotten\n"
    assert shop.stem("queues", "purge", "greetings", "--yes", "--json").json["queues"][0]["purged"] == 0


def test_dead_letters_are_listed_and_shown(shop: Shop) -> None:
    job_id = shop.finished("demo.boom")
    listed = shop.stem(
        "dlq", "ls", "--reason", "exhausted", "--task", "demo.boom", "--queue", "default", "--since", "1h"
    )
    assert job_id in listed.out
    assert "exhausted" in listed.out
    (letter,) = shop.stem("dlq", "ls", "--json").json["dead_letters"]
    assert (letter["id"], letter["reason"], letter["attempts"]) == (job_id, "exhausted", 1)
    assert INSTANT.fullmatch(letter["died_at"])
    assert shop.stem("dlq", "show", job_id, "--json").json["envelope"]["task"] == "demo.boom"
    assert "Traceback" in shop.stem("dlq", "show", job_id).out
    assert shop.stem("dlq", "ls", "--task", "other").out == "no dead letters\n"
    assert shop.stem("dlq", "show", "nobody").code == 1


def test_dead_letters_are_replayed_one_or_all(shop: Shop) -> None:
    job_id = shop.finished("demo.boom")
    dry = shop.stem("dlq", "replay", "--all", "--dry-run")
    assert (dry.code, dry.out) == (0, f"1 dead letter would be replayed\n  {job_id}\n")
    assert shop.stem("dlq", "replay", "--all").code == 2
    assert shop.stem("dlq", "replay", "--all", "--task", "other", "--yes").out == "0 of 0 dead letters replayed\n"
    assert shop.stem("dlq", "replay", "--reason", "exhausted", "--dry-run").out == dry.out
    done = shop.stem("dlq", "replay", job_id, "--delay", "1h")
    assert (done.code, done.out) == (0, "1 of 1 dead letter replayed\n")
    assert shop.job(job_id).state == "delayed"
    again = shop.stem("dlq", "replay", job_id)
    assert (again.code, again.err) == (1, f"stem: there is no dead letter {job_id!r}\n")


def test_a_replay_whose_key_is_held_says_by_whom(shop: Shop) -> None:
    job_id = shop.finished("demo.only")
    holder = shop.enqueue("demo.only")
    answer = shop.stem("dlq", "replay", "--all", "--yes")
    assert answer.code == 1
    assert f"job {job_id} was not replayed: job {holder} holds its unique key" in answer.err
    told = shop.stem("dlq", "replay", job_id, "--json")
    assert (told.code, told.json) == (1, {"dead_letters": [{"id": job_id, "status": "held", "holder": holder}]})


def test_dead_letters_are_purged(shop: Shop) -> None:
    job_id = shop.finished("demo.boom")
    assert shop.stem("dlq", "purge", job_id, "nobody", "--yes").code == 1
    assert shop.stem("dlq", "purge", "--all", "--yes", "--json").json == {"purged": 0}
    shop.finished("demo.boom")
    assert shop.stem("dlq", "purge", "--task", "other", "--yes").out == "0 dead letters forgotten\n"
    assert shop.stem("dlq", "purge", "--task", "demo.boom", "--yes").out == "1 dead letter forgotten\n"
    assert shop.stem("dlq", "ls").out == "no dead letters\n"


def test_tasks_are_listed_with_signatures_and_options(shop: Shop) -> None:
    out = shop.stem("tasks", "ls").out
    assert re.search(r"^demo.hello +Hello -> str +greetings +greeting +Greet somebody\.$", out, re.MULTILINE)
    assert re.search(r"^demo.slow +\(\) -> str +default +concurrency=5 +Takes its time\.$", out, re.MULTILINE)
    tasks = {task["name"]: task for task in shop.stem("tasks", "ls", "--json").json["tasks"]}
    assert tasks["demo.only"]["options"] == {"max_retries": 0, "unique": "until done"}
    assert tasks["demo.hello"]["handler"] == "shop.hello"
    assert tasks["other.task"]["handler"] is None


def test_health_tells_engine_durability_queues_and_workers(shop: Shop) -> None:
    shop.stem("enqueue", "demo.hello", "name=x", "--delay", "1h")
    with shop.working():
        told = shop.stem("health", "--json").json
        assert told["ok"] is True
        assert told["engine"]["engine"] == "sqlite"
        assert told["engine"]["durability"]
        assert told["round_trip_ms"] > 0
        assert [queue["name"] for queue in told["queues"]] == ["greetings"]
        assert told["workers"][0]["concurrency"] == 100
        assert INSTANT.fullmatch(told["workers"][0]["started_at"])
    out = shop.stem("health").out
    assert "sqlite:///jobs.db" in out
    assert "greetings: 1 waiting" in out
    assert "none alive" in out


def test_health_of_a_full_server_says_that_enqueues_are_refused(shop: Shop) -> None:
    with RedisServer.start() as server:
        with shop.working_on(server.url) as worker:
            server.ask("CONFIG", "SET", "maxmemory", "1mb")
            answer = shop.stem("health", "--url", server.url)
            assert answer.code == 69
            assert "full: enqueues are refused. Redis is full" in answer.out
            told = shop.stem("health", "--url", server.url, "--json")
            assert told.code == 69
            assert (told.json["ok"], len(told.json["workers"])) == (False, 1)
            assert told.json["findings"][0].startswith("full: enqueues are refused")
            assert worker.process.poll() is None
            server.ask("CONFIG", "SET", "maxmemory", "0")
        assert shop.stem("health", "--url", server.url).code == 0


def test_health_tells_of_a_file_that_others_can_use(shop: Shop) -> None:
    shop.make_database()
    assert "trouble" not in shop.stem("health").out
    (shop.folder / "jobs.db").chmod(0o644)
    answer = shop.stem("health")
    assert answer.code == 0
    assert "(mode 0644): chmod 600" in answer.out


def test_health_of_a_store_that_cannot_be_used_is_a_failure_and_still_json(shop: Shop) -> None:
    (shop.folder / "jobs.db").mkdir()
    answer = shop.stem("health", "--json")
    assert answer.code in {69, 70}
    assert answer.json["ok"] is False
    assert answer.err.startswith("stem: ")
    assert answer.err.count("\n") <= 5
