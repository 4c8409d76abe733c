"""`stem result`."""

from __future__ import annotations

from datetime import timedelta

import click

from stem.cli.enqueue import finish
from stem.cli.find import app_without_tasks
from stem.cli.root import Command, Said, Span, said, wait_for


@click.command(cls=Command, short_help="wait for a job and print its result")
@click.argument("job_id", metavar="ID")
@click.option("--timeout", type=Span(), help="How long to wait; else as long as it takes.")
@said
def command(asked: Said, job_id: str, timeout: timedelta | None) -> None:
    """Wait for a job and print its result as JSON; exit 1 if it did not succeed."""
    app = app_without_tasks(asked)

    async def work() -> None:
        async with app:
            await finish(app, asked, job_id, timeout)

    wait_for(work())
