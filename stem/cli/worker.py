"""`stem worker`: one worker in this process, from the first try to reach the store to the last settlement."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from stem.cli.find import app_with_tasks
from stem.cli.output import many
from stem.cli.root import FAILED, Command, Said, Span, UsageError, said, say
from stem.errors import ConfigError, EngineUnavailableError, hint, nearest
from stem.values import plain

if TYPE_CHECKING:
    from stem.app import Stem
    from stem.core.settle import Signal
    from stem.observe.signals import RunEvent
    from stem.worker.worker import StopMode, Worker

log = logging.getLogger("stem.worker")

#: Shortest and longest wait between two tries to reach a store that is away, seconds.
FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 5.0
#: What asyncio says when somebody stops its loop.
LOOP_STOPPED: Final = "Event loop stopped before Future completed."
#: What the first, second and third request to stop mean.
STEPS: Final[tuple[StopMode, ...]] = ("warm", "soft", "hard")


@click.command(cls=Command, short_help="run tasks and workflows of an app until told to stop")
@click.option("-c", "--concurrency", type=click.IntRange(min=1), default=100, show_default=True, help="Jobs at once.")
@click.option("-Q", "--queues", default="", metavar="A,B", help="Only these queues; else all that the tasks name.")
@click.option(
    "--workflows", metavar="A,B", help="Only runs of these workflows; 'none' for none; else of all the app has."
)
@click.option("--burst", is_flag=True, help="Stop when no job or run is ready or running.")
@click.option("--strict", is_flag=True, help="Higher priorities always first, even if lower ones starve.")
@click.option(
    "--unknown-for",
    type=Span(),
    default="10m",
    show_default=True,
    help="How long a job that this worker does not know waits for one that does.",
)
@click.option("--name", default="", help="What the worker's name begins with; else host and pid.")
@click.option("--wait", type=Span(), default="30s", show_default=True, help="How long to wait for the store at start.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
)
@click.option("--dev", type=click.Choice(["first", "again"]), hidden=True)
@said
def command(
    asked: Said,
    concurrency: int,
    queues: str,
    workflows: str | None,
    burst: bool,
    strict: bool,
    unknown_for: timedelta,
    name: str,
    wait: timedelta,
    log_format: str,
    log_level: str,
    dev: str | None,
) -> int:
    """Run tasks and workflows of an app until told to stop.

    TERM or Ctrl-C: running jobs come to their end. Again: they are stopped and handed back to the queue.
    QUIT, or a third time: they are handed back at once.
    """
    refuse_where_workers_cannot_run(sys.platform)
    from stem.observe.logs import configure
    from stem.worker.process import tune

    configure("json" if log_format == "json" else "text", log_level)
    named = [queue.strip() for queue in queues.split(",") if queue.strip()]
    if queues and not named:
        raise UsageError(f"-Q names no queue, found {queues!r}")
    asked.dev = dev is not None
    app = app_with_tasks(asked, memory=burst)
    options: dict[str, Any] = {
        "concurrency": concurrency,
        "queues": named,
        "workflows": _workflows(workflows),
        "name": name,
        "strict": strict,
        "burst": burst,
        "unknown_for": unknown_for,
        "owns_process": True,
    }
    tune()
    banner = log_format == "text" and dev != "again"
    return _run(_serve(app, asked, options, wait.total_seconds(), banner=banner, dev=dev is not None))


def _run(serving: Coroutine[Any, Any, int]) -> int:
    """As `asyncio.run`; when a handler stops the event loop nothing can be tidied up in it: the process ends at once."""
    from stem.worker.process import leave

    with asyncio.Runner() as runner:
        try:
            return runner.run(serving)
        except RuntimeError as fault:
            if str(fault) != LOOP_STOPPED:
                raise
            log.critical("the event loop was stopped by other code in this process, a handler perhaps (loop.stop())")
            say(
                "the event loop was stopped from inside; the jobs that ran here are handed out again when their leases end"
            )
            leave(FAILED)


def _workflows(said: str | None) -> list[str] | None:
    """The names after --workflows; None: all."""
    if said is None:
        return None
    return [name for name in (one.strip() for one in said.split(",")) if name and name != "none"]


def refuse_where_workers_cannot_run(platform: str) -> None:
    """ConfigError on Windows."""
    if platform == "win32":
        raise ConfigError("workers run on Linux and macOS; on Windows stem can enqueue, look and steer")


async def _serve(app: Stem, asked: Said, options: dict[str, Any], patience: float, *, banner: bool, dev: bool) -> int:
    """The exit code; does not return when a handler is left that would keep the process from ending."""
    from stem.worker.process import leave
    from stem.worker.worker import SOFT_GRACE

    ending = Ending(asyncio.current_task())
    ending.listen(parent=dev)
    try:
        await _open_patiently(app, patience)
    except asyncio.CancelledError:
        log.info("stopped before the store was there")
        return 0
    try:
        worker = app.worker(**options)
        app.signals.worker_started.connect(lambda _: _started(app, asked, worker, options, ending, banner, dev))
        if dev:
            _show_jobs(app)
        try:
            await worker.run()
        except asyncio.CancelledError:
            if ending.worker is not None:
                raise
            return 0
        code, stuck = _ended(worker)
    finally:
        await app.close()
    if stuck or await _threads_go_on(SOFT_GRACE):
        leave(code)  # from inside: the event loop would wait for what does not end
    return code


async def _threads_go_on(seconds: float) -> bool:
    """Whether threads that a handler has left behind would keep this process from ending, also after so long."""
    from stem.worker.process import busy_threads

    give_up, told = time.monotonic() + seconds, False
    while busy := busy_threads():
        if time.monotonic() >= give_up:
            log.warning("ending without waiting longer for %s: %s", many(len(busy), "thread"), "; ".join(busy))
            return True
        if not told:
            log.info("waiting up to %g s for %s: %s", seconds, many(len(busy), "thread"), "; ".join(busy))
            told = True
        await asyncio.sleep(0.02)
    return False


def _started(
    app: Stem, asked: Said, worker: Worker, options: dict[str, Any], ending: Ending, banner: bool, dev: bool
) -> None:
    ending.worker = worker
    if banner:
        click.echo(_banner(app, asked, worker, options["concurrency"]), err=True)
        if dev:
            click.echo(_next_steps(app, asked), err=True)
    log.info("worker %s is ready", worker.name, extra={"worker": worker.name})
    for queue in worker.strange_queues:
        known = sorted(worker.known_queues)
        log.warning("no task here names the queue %r; %s", queue, hint(nearest(queue, known), known))


def _ended(worker: Worker) -> tuple[int, bool]:
    told = [f"{count:,} {what}" for what, count in worker.counts.items() if count and what != "started"]
    log.info("worker %s has ended: %s", worker.name, ", ".join(told) or "no jobs", extra={"worker": worker.name})
    stuck = worker.stuck
    if worker.failed is None:
        return 0, stuck
    fault = worker.failed
    say(f"the worker broke and stopped: {type(fault).__name__}: {fault}")
    return FAILED, stuck


async def _open_patiently(app: Stem, patience: float) -> None:
    """Connect; while the store is away try again, at most for `patience` seconds."""
    give_up = time.monotonic() + patience
    wait = FIRST_WAIT
    told = False
    while True:
        try:
            await app.open()
        except EngineUnavailableError as fault:
            left = give_up - time.monotonic()
            if left <= 0:
                raise
            if not told:
                log.warning("the store is not available, trying again for %g s: %s", patience, fault)
                told = True
        else:
            return
        await asyncio.sleep(min(left, wait * (0.5 + random.random() / 2)))
        wait = min(wait * 2, LONGEST_WAIT)


class Ending:
    """Requests to stop: warm, then soft, then hard, then at once."""

    def __init__(self, main: asyncio.Task[Any] | None) -> None:
        self._main = main
        self._step = 0
        self.worker: Worker | None = None

    def listen(self, *, parent: bool) -> None:
        """Hear TERM, INT and QUIT; with `parent` also the end of the process that holds our stdin open."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.ask)
        loop.add_signal_handler(signal.SIGINT, self.ask)
        loop.add_signal_handler(signal.SIGQUIT, self.ask, len(STEPS))
        if parent:
            loop.add_reader(0, self._parent_left)

    def ask(self, step: int = 0) -> None:
        """One more request; `step` says how far to go at least."""
        from stem.worker.process import leave

        self._step = max(self._step + 1, step)
        if self.worker is None:
            if self._main is not None:
                self._main.cancel()
            return
        if self._step > len(STEPS) and step == 0:
            log.warning("leaving at once: the leases of what runs here will end by themselves")
            leave(FAILED)
        mode = STEPS[min(self._step, len(STEPS)) - 1]
        log.info(_WORDS[mode], many(self.worker.running, "job"))
        self.worker.ask_to_stop(mode)

    def _parent_left(self) -> None:
        if not os.read(0, 4096):
            asyncio.get_running_loop().remove_reader(0)
            self.ask()


_WORDS: Final = {
    "warm": "stopping: %s to finish; a second signal hands them back",
    "soft": "stopping now: %s will be interrupted and handed back",
    "hard": "stopping at once: %s handed back",
}


# ---------------------------------------------------------------- what is shown


def _banner(app: Stem, asked: Said, worker: Worker, concurrency: int) -> str:
    from stem.engines import redacted

    told = app.engine.describe()
    names = [task.name for task in app.load().handlers()]
    listed = ", ".join(names[:6]) + (f", and {len(names) - 6} more" if len(names) > 6 else "")
    lines = {
        "engine": f"{redacted(app.url)} ({told.get('durability', told.get('engine', ''))})",
        **(
            {"not used": f"{redacted(asked.own_url)}, the app's own{_way_to_own(asked)}"}
            if asked.own_url != app.url
            else {}
        ),
        "queues": ", ".join(worker.queues),
        "tasks": f"{len(names)}: {listed}" if names else "none",
        **({"workflows": ", ".join(worker.lines)} if worker.lines else {}),
        "concurrency": str(concurrency),
        "process": f"{os.getpid()}, as {worker.name}, namespace {app.namespace}",
    }
    return plain("\n".join(["stem worker", *(f"  {name:<12} {value}" for name, value in lines.items())]))


def _way_to_own(asked: Said) -> str:
    """How to get at what the app names itself; `stem dev` says it where it has put its own in place of it."""
    return ": --url app takes it" if asked.dev else ""


def _next_steps(app: Stem, asked: Said) -> str:
    from stem.cli.enqueue import sample
    from stem.config import load

    where = f" -A {asked.app}" if asked.app != load().app else ""
    where += f" --url {asked.url}" if asked.url and asked.url != asked.own_url else ""
    example = sample(app.load().handlers())
    lines = [f"  stem enqueue {example} --wait{where}"] if example else []
    lines += [f"  stem jobs ls{where}"]
    return plain("\n".join(["try, in another terminal:", *lines]))


def _show_jobs(app: Stem) -> None:
    """One line for every job that did not fail, for people who watch while they write; failures are logged anyway."""

    def show(event: Signal) -> None:
        words = event.name.removeprefix("job_")
        text = plain(f"{event.task} {words} after {event.run_ms} ms (job {event.job_id})")
        log.info("%s", text, extra={"job_id": event.job_id, "task": event.task})

    def show_run(event: RunEvent, words: str) -> None:
        text = plain(f"{event.task} {words} (run {event.run_id})")
        log.info("%s", text, extra={"run_id": event.run_id, "workflow": event.task})

    for name in ("job_succeeded", "job_snoozed", "job_cancelled"):
        app.signals.settled[name].connect(show)
    for name in ("run_succeeded", "run_suspended", "run_cancelled"):
        app.signals.runs[name].connect(partial(show_run, words=name.removeprefix("run_")))
