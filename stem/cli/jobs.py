"""`stem jobs`: single jobs and lists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from stem.cli.find import app_without_tasks
from stem.cli.output import Column, age, emit, facts, many, moment, note, one_line, table
from stem.cli.root import Group, Said, said, say, wait_for
from stem.errors import UnknownJobError
from stem.values import plain

if TYPE_CHECKING:
    from stem.client.jobs import JobsPage
    from stem.core.job import Job

STATES: Final = ("queued", "delayed", "parked", "running", "succeeded", "failed", "cancelled")
COLUMNS: Final = (
    Column("ID", whole=True),
    Column("TASK"),
    Column("QUEUE", spare=1),
    Column("STATE", whole=True),
    Column("PRI", right=True, spare=3),
    Column("ATTEMPT", right=True, spare=2),
    Column("ENQUEUED", whole=True),
    Column("NOTE"),
)


@click.group(cls=Group, short_help="list jobs, show one, cancel some")
def command() -> None:
    """List jobs, show one, cancel some."""


@command.command("ls")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be repeated.")
@click.option("--queue", default="", help="Only this queue.")
@click.option("--task", default="", help="Only this task.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most rows.")
@click.option("--cursor", default="", help="Go on where the page before ended.")
@said
def ls(asked: Said, states: tuple[Any, ...], queue: str, task: str, limit: int, cursor: str) -> None:
    """List jobs, newest first."""
    app = app_without_tasks(asked)

    async def work() -> JobsPage:
        async with app:
            return await app.jobs.page(states=states, queue=queue, task=task, limit=limit, cursor=cursor)

    page = wait_for(work())
    if asked.json:
        emit(page)
        return
    short = bool(page.cursor) and len(page.jobs) < limit
    table(COLUMNS, [_row(job) for job in page.jobs], empty="no such jobs among the newest" if short else "no jobs")
    if short:
        back = f", back to {moment(page.back_to)}" if page.back_to is not None else ""
        note(f"{many(page.looked, 'job')} were looked at{back}; look further back with --cursor {page.cursor}")
    elif page.cursor:
        note(f"there are more: --cursor {page.cursor}")


@command.command("show")
@click.argument("job_id", metavar="ID")
@said
def show(asked: Said, job_id: str) -> None:
    """Show all that is known of one job."""
    app = app_without_tasks(asked)

    async def work() -> tuple[Job, str]:
        from stem.client.known import why_it_waits

        async with app:
            job = await app.jobs.get(job_id)
            return job, await why_it_waits(app.engine, task=job.task, queue=job.queue, state=job.state)

    job, why = wait_for(work())
    if asked.json:
        emit(job)
        return
    moments = ("enqueued_at", "ready_at", "started_at", "lease_until", "finished_at", "expires_at")
    facts(
        [
            *((name, getattr(job, name)) for name in ("id", "task", "queue", "state", "reason", "priority", "attempt")),
            *((name, moment(getattr(job, name))) for name in moments),
            *((name, getattr(job, name)) for name in ("deliveries", "losses", "worker", "unique_key", "waiting_for")),
            ("waits because", why),
            ("arguments", job.arguments),
            ("result", job.result),
            ("headers", ", ".join(f"{key}: {value}" for key, value in job.headers.items())),
            ("cancel", "asked for" if job.cancel_requested and not job.finished else ""),
            ("progress", _progress(job)),
            (
                "error",
                "" if job.error is None else job.error.traceback.rstrip() or f"{job.error.type}: {job.error.message}",
            ),
        ]
    )


@command.command("cancel")
@click.argument("job_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", default="cancelled by an operator", show_default=True, help="Kept with the job.")
@said
def cancel(asked: Said, job_ids: tuple[str, ...], reason: str) -> int:
    """Cancel jobs; a running one is asked to stop. Exit 1 if one had ended or is not known."""
    app = app_without_tasks(asked)

    async def work() -> list[dict[str, str]]:
        answers = []
        async with app:
            for job_id in dict.fromkeys(job_ids):
                try:
                    before = await app.jobs.get(job_id)
                except UnknownJobError:
                    answers.append({"id": job_id, "status": "unknown"})
                    continue
                done = await app.jobs.cancel(job_id, reason)
                status = "finished" if not done else "requested" if before.state == "running" else "cancelled"
                answers.append({"id": job_id, "status": status})
        return answers

    answers = wait_for(work())
    if asked.json:
        emit({"jobs": answers})
    words = {
        "unknown": "is not known: nothing was cancelled",
        "finished": "had ended already",
        "requested": "is running and will be asked to stop",
        "cancelled": "is cancelled",
    }
    refused = [one for one in answers if one["status"] in {"unknown", "finished"}]
    if not asked.json:
        for one in answers:
            if one not in refused:
                print(plain(f"job {one['id']} {words[one['status']]}"))
    if refused:
        say("\n".join(f"job {one['id']} {words[one['status']]}" for one in refused))
    return 1 if refused else 0


def _row(job: Job) -> list[object]:
    return [job.id, job.task, job.queue, job.state, job.priority, job.attempt, age(job.enqueued_at), _note(job)]


def _note(job: Job) -> str:
    """What matters most about it now."""
    if job.state == "delayed":
        return f"due {age(job.ready_at)}" + (f", after {job.error.type}" if job.error is not None else "")
    if job.state == "parked":
        return f"over the limit {job.waiting_for}"
    if job.state == "running":
        return "cancel asked for" if job.cancel_requested else _progress(job)
    if job.state == "failed" and job.error is not None:
        return one_line(f"{job.reason}: {job.error.type}: {job.error.message}")
    return one_line(job.reason)


def _progress(job: Job) -> str:
    seen = job.progress
    return "" if seen is None else one_line(f"{seen.percent:g}% {seen.message}".strip())
