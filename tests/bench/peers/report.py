"""The tables: medians with the lowest and highest round beside them, and what stands behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.peers.run import RATE, Found, Row

#: Names for people; a folder's name is an identifier.
TITLES: Final = {
    "redis_py": "redis-py batched",
    "redis_py_script": "redis-py, one script call",
    "raw": "raw protocol",
}

#: Columns of a report that goes into a file.
WIDTH: Final = 140

_DRAIN: Final = ("drain/s, 1 worker", "drain/s, 2 workers")
_CPU: Final = ("cpu ms/1000, 1 worker", "cpu ms/1000, 2 workers")
_SERVER: Final = ("server us/job, 1 worker", "server us/job, 2 workers")
_MEMORY: Final = ("peak MB, 1 worker", "peak MB, 2 workers")
_ENQUEUE: Final = ("enqueue one/s", "enqueue concurrent/s", "enqueue many/s")
_PICKUP: Final = ("pickup p50 ms", "pickup p99 ms")


def as_json(found: Found, facts: dict[str, Any]) -> dict[str, Any]:
    """One document with every single value."""
    return {
        "facts": facts,
        "systems": found.about,
        "figures": [{"system": row.system, "slots": row.slots, **row.figures} for row in found.rows],
        "ratios": ratios(found),
        "refused": found.refused,
        "notes": found.notes,
    }


def ratios(found: Found) -> dict[str, float]:
    """What stem does beside the best at-least-once peer, celery and the redis-py ceiling, where both sides were measured."""

    def of(which: Callable[[dict[str, Any]], bool] = lambda about: True, *, system: str = "") -> list[Row]:
        return [r for r in found.rows if (not system or r.system == system) and which(found.about[r.system])]

    peers = [row for row in of(lambda about: about["at_least_once"] and not about["ceiling"]) if row.system != "stem"]
    others = {
        "best at-least-once peer": peers,
        "celery": of(system="celery"),
        "redis-py batched": of(system="redis_py"),
        "redis-py, one script call": of(system="redis_py_script"),
    }
    made: dict[str, float] = {}
    for name in (*_DRAIN, *_ENQUEUE):
        ours, _ = _best(of(system="stem"), name)
        for label, rows in others.items():
            theirs, row = _best(rows, name)
            if ours and theirs and row:
                which = f" ({title(row)}, {row.slots} slots)" if rows is peers else ""
                made[f"{name}: stem : {label}{which}"] = ours / theirs
    return made


def _best(rows: list[Row], name: str) -> tuple[float, Row | None]:
    """The highest median of a figure, and whose it is; 0 when nobody has it."""
    return max(((row.median(name) or 0.0, row) for row in rows), key=lambda pair: pair[0], default=(0.0, None))


def title(row: Row) -> str:
    return TITLES.get(row.system, row.system)


def show(found: Found, facts: dict[str, Any]) -> None:
    """Everything, for people."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print("  ".join(f"{key} {value}" for key, value in facts.items()))
    _table(console, "Drain, jobs/s", found, _DRAIN)
    _table(console, "Processor time of all worker processes, ms for 1,000 jobs", found, _CPU)
    _table(console, "Processor time of the server, us a job", found, _SERVER)
    _table(console, "Peak memory of one worker with its helper processes (shared pages count in each)", found, _MEMORY)
    _table(console, "Enqueue, jobs/s (one by one, 100 callers at once, 500 a call)", found, _ENQUEUE)
    _table(console, f"Pickup by an idle worker at {RATE} jobs/s", found, _PICKUP)
    for name, about in found.about.items():
        versions = ", ".join(f"{key} {value}" for key, value in about["versions"].items())
        console.print(f"[bold]{TITLES.get(name, name)}[/bold]  {versions}, Python {about['python']}", highlight=False)
        for key in ("guarantee", "results", "settings"):
            console.print(f"  {key}: {about[key]}", highlight=False)
    console.print()
    for label, value in ratios(found).items():
        console.print(f"{label} = {value:.2f}")
    for note in found.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    for reason, phases in found.refused.items():
        console.print(f"refused: {'; '.join(phases)}: {reason}", highlight=False, markup=False, style="red")


def _table(console: Console, heading: str, found: Found, names: Sequence[str]) -> None:
    rows = [row for row in found.rows if any(name in row.figures for name in names)]
    if not rows:
        return
    table = Table(title=heading, title_justify="left")
    for column in ("system", "slots", *names):
        table.add_column(column, justify="left" if column == "system" else "right")
    for row in sorted(rows, key=lambda row: row.median(names[0]) or 0.0, reverse=names in (_DRAIN, _ENQUEUE)):
        mark = "" if found.about[row.system]["at_least_once"] else " (at most once)"
        table.add_row(title(row) + mark, str(row.slots), *(_cell(row, name) for name in names))
    console.print(table)


def _cell(row: Row, name: str) -> str:
    values = row.figures.get(name)
    if not values:
        return "-"
    median = row.median(name)
    assert median is not None
    spread = f"  {_number(min(values))}-{_number(max(values))}" if len(values) > 1 else ""
    return f"{_number(median)}{spread}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
