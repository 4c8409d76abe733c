"""`stem worker` and `stem dev`: start, signals, end."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from stem.cli.dev import snapshot
from stem.cli.worker import refuse_where_workers_cannot_run
from stem.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shop


def test_a_worker_tells_what_it_is_and_ends_on_term(shop: Shop) -> None:
    worker = shop.worker("-c", "7", "-Q", "greetings,default", "--name", "w-1")
    for line in ("stem worker", "sqlite:///jobs.db", "greetings, default", "6: demo.boom", "concurrency  7", "w-1"):
        assert line in worker.err
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0


def test_a_burst_ends_when_nothing_is_left(shop: Shop) -> None:
    job_id = shop.enqueue("demo.hello", name="x")
    assert shop.stem("worker", "--burst").code == 0
    assert shop.job(job_id).state == "succeeded"


def test_an_app_in_memory_can_be_worked_in_a_burst(shop: Shop) -> None:
    shop.write("mem.py", "from stem import Stem\nimport shop\napp = Stem('memory://', tasks=shop.tasks)\n")
    assert shop.stem("worker", "--burst", "-A", "mem").code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_jobs_finish(shop: Shop, number: signal.Signals) -> None:
    job_id = shop.enqueue("demo.slow")
    worker = shop.worker()
    shop.until((shop.folder / "started").exists)
    worker.send(number)
    worker.says("stopping: 1 job to finish")
    (shop.folder / "go").touch()
    assert worker.ended() == 0
    assert shop.job(job_id).state == "succeeded"


def test_the_second_signal_hands_jobs_back_without_using_up_an_attempt(shop: Shop) -> None:
    job_id = shop.enqueue("demo.slow")
    worker = shop.worker()
    shop.until((shop.folder / "started").exists)
    worker.send(signal.SIGTERM)
    worker.says("stopping: 1 job")
    worker.send(signal.SIGTERM)
    worker.says("stopping now")
    assert worker.ended() == 0
    job = shop.job(job_id)
    assert (job.state, job.attempt, job.losses) == ("queued", 0, 0)


def test_quit_ends_a_worker_whose_handler_does_not_listen(shop: Shop) -> None:
    job_id = shop.enqueue("demo.deaf")
    worker = shop.worker()
    shop.until((shop.folder / "started").exists)
    worker.send(signal.SIGQUIT)
    worker.says("stopping at once")
    assert worker.ended() == 0
    assert shop.job(job_id).state == "queued"


ROGUES = """
import asyncio
import threading
import time
from stem import Stem, task

@task("rogue.stop", max_retries=0)
async def stop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(60)

@task("rogue.cancel", max_retries=0)
async def cancel() -> None:
    for one in asyncio.all_tasks():
        one.cancel()
    await asyncio.sleep(60)

@task("rogue.thread")
def leaves_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(60,), name="left-over").start()

@task("rogue.short")
def leaves_a_short_thread() -> None:
    threading.Thread(target=time.sleep, args=(0.5,), name="short").start()

@task("rogue.pool")
async def leaves_a_busy_pool() -> None:
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)

app = Stem("sqlite:///jobs.db", tasks=[stop, cancel, leaves_a_thread, leaves_a_short_thread, leaves_a_busy_pool])
"""


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("rogue.stop", "the event loop was stopped by other code in this process, a handler perhaps (loop.stop())"),
        ("rogue.cancel", "was cancelled by other code in this process, a handler perhaps (running: rogue.cancel)"),
    ],
)
def test_a_worker_whose_event_loop_is_taken_away_says_so_and_ends_at_once(shop: Shop, task: str, told: str) -> None:
    shop.write("rogues.py", ROGUES)
    worker = shop.worker("-A", "rogues")
    shop.stem("enqueue", task, "-A", "rogues")
    worker.says("CRITICAL")
    asked = time.monotonic()
    assert worker.ended() == 70
    assert time.monotonic() - asked < 3
    assert told in worker.err
    assert "the store is away" not in worker.err


@pytest.mark.parametrize(("task", "name"), [("rogue.thread", "'left-over'"), ("rogue.pool", "'asyncio_")])
def test_a_thread_that_a_handler_left_is_named_and_not_waited_for_for_ever(shop: Shop, task: str, name: str) -> None:
    shop.write("rogues.py", ROGUES)
    assert shop.stem("enqueue", task, "-A", "rogues").code == 0
    worker = shop.start("worker", "-A", "rogues", "--burst")
    worker.says(f"waiting up to 10 s for 1 thread: {name}")
    assert worker.ended() == 0
    assert f"ending without waiting longer for 1 thread: {name}" in worker.err


def test_a_thread_that_ends_in_time_is_waited_for(shop: Shop) -> None:
    shop.write("rogues.py", ROGUES)
    assert shop.stem("enqueue", "rogue.short", "-A", "rogues").code == 0
    answer = shop.stem("worker", "-A", "rogues", "--burst")
    assert answer.code == 0
    assert "waiting up to 10 s for 1 thread: 'short' at " in answer.err
    assert "without waiting" not in answer.err


def test_logs_can_be_json_one_object_a_line(shop: Shop) -> None:
    worker = shop.worker("--log-format", "json")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    records = [json.loads(line) for line in worker.lines]
    assert all(record["level"] == "info" for record in records)
    assert any(record["message"].endswith("is ready") for record in records)


def test_a_store_that_is_away_is_waited_for_and_then_given_up(shop: Shop) -> None:
    shop.write("away.py", AWAY.format(tries=1_000))
    answer = shop.stem("worker", "-A", "away", "--wait", "0.3s")
    assert answer.code == 69
    assert answer.err.count("the store is not available, trying again for 0.3 s") == 1
    assert answer.err.splitlines()[-1] == "stem: nobody answers"
    assert len(answer.err.splitlines()) <= 5


def test_a_store_that_comes_back_in_time_is_used(shop: Shop) -> None:
    shop.write("away.py", AWAY.format(tries=2))
    worker = shop.worker("-A", "away", "--wait", "30s")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0


def test_a_worker_that_waits_for_its_store_can_be_stopped(shop: Shop) -> None:
    shop.write("away.py", AWAY.format(tries=1_000))
    worker = shop.start("worker", "-A", "away")
    worker.says("trying again")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0


AWAY = """
from stem import EngineUnavailableError, Stem

class Away(Stem):
    tries = {tries}

    async def open(self):
        if not self._users and self.tries:
            self.tries -= 1
            raise EngineUnavailableError("nobody answers")
        await super().open()

app = Away("sqlite:///jobs.db")
"""


def test_a_task_that_cannot_run_here_is_refused_at_start(shop: Shop) -> None:
    text = "from stem import Stem, task\n@task('a.b', isolate=True)\ndef f() -> None: ...\napp = Stem('sqlite:///x.db', tasks=[f])\n"
    shop.write("isolated.py", text)
    answer = shop.stem("worker", "-A", "isolated")
    assert answer.code == 2
    assert "isolate=True" in answer.err.splitlines()[-1]


def test_workers_do_not_run_on_windows() -> None:
    with pytest.raises(ConfigError, match="workers run on Linux and macOS"):
        refuse_where_workers_cannot_run("win32")


# ---------------------------------------------------------------- dev


def test_dev_restarts_on_a_change_and_ends_with_its_child(shop: Shop) -> None:
    dev = shop.start("dev", "-A", "shop")
    dev.says("is ready")
    assert "stem enqueue demo.echo name=world --wait --url sqlite:///.stem/stem.db" in dev.err
    assert "not used     sqlite:///jobs.db, the app's own: --url app takes it" in dev.err
    assert (shop.folder / ".stem" / "stem.db").exists()
    there = ("--url", "sqlite:///.stem/stem.db")
    assert shop.stem("enqueue", "demo.hello", "name=Ada", "--wait", *there).out == '"Hello Ada!"\n'
    dev.says("demo.hello succeeded after")
    source = (shop.folder / "shop.py").read_text()
    shop.write("shop.py", source.replace("Hello {", "Good day {"))
    dev.says("shop.py has changed; restarting")
    dev.says("is ready", times=2)
    assert shop.stem("enqueue", "demo.hello", "name=Ada", "--wait", *there).out == '"Good day Ada!"\n'
    shop.write("shop.py", "x = (\n")
    dev.says("SyntaxError")
    dev.says("waiting for a change")
    shop.write("shop.py", source)
    dev.says("is ready", times=3)
    dev.send(signal.SIGINT)
    assert dev.ended() == 0
    assert dev.err.count("has ended") == 3
    assert "Traceback" not in dev.err


def test_dev_takes_the_apps_own_database_when_told(shop: Shop) -> None:
    dev = shop.start("dev", "--url", "app")
    dev.says("is ready")
    assert "sqlite:///jobs.db" in dev.err
    assert "not used" not in dev.err
    assert dev.err.count("--url") == 0
    assert shop.stem("enqueue", "demo.hello", "name=Ada", "--wait").out == '"Hello Ada!"\n'
    dev.send(signal.SIGINT)
    assert dev.ended() == 0
    assert not (shop.folder / ".stem").exists()


def test_the_child_ends_when_dev_is_killed(shop: Shop) -> None:
    dev = shop.start("dev")
    dev.says("is ready")
    dev.send(signal.SIGKILL)
    dev.says("has ended")


@pytest.mark.parametrize(("app", "said"), [("shp", "did you mean 'shop'?"), ("", "no app is named")])
def test_dev_without_an_app_gives_up_at_once(shop: Shop, app: str, said: str) -> None:
    answer = shop.stem("dev", STEM_APP=app)
    assert answer.code == 2
    assert said in answer.err


def test_only_sources_are_watched(tmp_path: Path) -> None:
    for name in ("a.py", "b.txt", "stem.toml", "p/c.py", ".git/d.py", "__pycache__/e.py", "env/pyvenv.cfg", "env/f.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert set(snapshot(tmp_path)) == {"a.py", "stem.toml", "p/c.py"}
