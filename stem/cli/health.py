"""`stem health`: does the database answer, how durable is it, who is alive."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from stem.cli.find import app_without_tasks
from stem.cli.output import age, emit, facts, many
from stem.cli.root import Command, Said, said, say, wait_for
from stem.errors import EngineRefusedError, EngineUnavailableError

if TYPE_CHECKING:
    from stem.app import Stem


@click.command(cls=Command, short_help="ask the database whether it answers, and who is alive")
@said
def command(asked: Said) -> int:
    """Ask the database whether it answers, how durable it is, and which workers are alive; exit 69 if it is away or full."""
    from stem.engines import redacted

    app = app_without_tasks(asked)
    try:
        told = wait_for(_asked(app))
    except (EngineUnavailableError, EngineRefusedError) as fault:
        if not asked.json:
            raise
        emit({"ok": False, "url": redacted(app.url), "namespace": app.namespace, "error": str(fault)})
        say(str(fault))
        return fault.exit_code
    refuses = [one for one in told["findings"] if one.refuses]
    code = EngineUnavailableError.exit_code if refuses else 0
    if asked.json:
        emit({**told, "ok": not refuses, "findings": [one.text for one in told["findings"]]})
        return code
    workers = told["workers"]
    facts(
        [
            ("url", told["url"]),
            ("namespace", told["namespace"]),
            *told["engine"].items(),
            ("round trip", f"{told['round_trip_ms']:g} ms"),
            ("trouble", "\n".join(one.text for one in told["findings"])),
            ("queues", "\n".join(_queue(one) for one in told["queues"]) or "none yet"),
            ("workers", "\n".join(_worker(one) for one in workers) or "none alive; start one with `stem worker`"),
        ]
    )
    return code


async def _asked(app: Stem) -> dict[str, Any]:
    from stem.engines import redacted

    async with app:
        queues = await app.queues.list()
        start = time.perf_counter()
        await app.engine.presence.leave("nobody")  # changes nothing, but has to be able to
        took = time.perf_counter() - start
        alive = await app.engine.presence.alive()
        return {
            "ok": True,
            "url": redacted(app.url),
            "namespace": app.namespace,
            "engine": app.engine.describe(),
            "findings": await app.engine.findings(),
            "round_trip_ms": round(took * 1000, 3),
            "queues": queues,
            "workers": [
                {"name": one.worker, "seen_at": datetime.fromtimestamp(one.seen_at / 1000, UTC), **_info(one.info)}
                for one in alive
            ],
        }


def _info(said_of_itself: bytes) -> dict[str, Any]:
    try:
        told = json.loads(said_of_itself)
    except ValueError:
        return {}
    if not isinstance(told, dict):
        return {}
    started = told.get("started_at")
    if isinstance(started, int):
        told["started_at"] = datetime.fromtimestamp(started / 1000, UTC)
    return told


def _queue(one: Any) -> str:
    paused = " (paused)" if one.paused else ""
    return f"{one.name}{paused}: {one.waiting:,} waiting, {one.running:,} running, {many(one.dead, 'dead letter')}"


def _worker(one: dict[str, Any]) -> str:
    queues = ", ".join(map(str, one.get("queues", ())))
    text = f"{one['name']}: {one.get('running', 0)} of {one.get('concurrency', '?')} busy on {queues}, seen {age(one['seen_at'])}"
    if one.get("idle_slots"):
        names = ", ".join(map(str, one.get("suspects", ()))) or "a job that is to run next"
        text += f"; {many(one['idle_slots'], 'slot')} idle, because {names} was lost with its worker before"
    return text
