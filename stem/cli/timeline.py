"""A run's steps on a timeline: drawn in the terminal, and as a Mermaid diagram."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from stem.cli.output import Column, age, one_line, table
from stem.core.run import CLEANUP
from stem.values import plain

if TYPE_CHECKING:
    from stem.core.run_view import Run, StepView

#: Width of the bars, characters.
BAR: Final = 24
STEPS: Final = (
    Column("#", right=True),
    Column("STEP", whole=True),
    Column("KIND", spare=2),
    Column("OUTCOME", whole=True),
    Column("TRIES", right=True, spare=3),
    Column("TOOK", right=True, whole=True),
    Column("TIMELINE", spare=1),
    Column("VALUE"),
)


def timeline(run: Run) -> None:
    """Print what a run has done, is doing and waits for."""
    print()
    table(STEPS, _rows(run), empty="no steps" if run.finished else "no steps yet")
    for one in run.messages:
        if not one.read_by:
            print(plain(f"unread in mailbox {one.mailbox}: {one.payload}"))


def _rows(run: Run) -> list[list[object]]:
    begin = run.started_at or run.created_at or datetime.now(UTC)
    end = run.finished_at or max([datetime.now(UTC), *(one.finished_at for one in run.steps if one.finished_at)])
    rows = [_step(one, begin, end) for one in run.steps if not one.aside]
    for tried in run.tries:
        text = one_line(f"{tried.error.type}: {tried.error.message}")
        rows.append(["", tried.step, "step", "retrying", tried.attempts, f"again {age(tried.again_at)}", "", text])
    for wait in run.waits:
        what = f"for {wait.what}" if wait.what else ""
        until = f" until {age(wait.deadline)}" if wait.deadline else ""
        bar = _bar(wait.since, None, begin, end)
        rows.append(["", wait.key, wait.kind, "waiting", "", _took(wait.since, None), bar, f"{what}{until}"])
    rows += [
        [
            "",
            one.key,
            one.kind,
            "put aside",
            one.attempts,
            _took(one.started_at, one.finished_at),
            "",
            one_line(one.value, 60),
        ]
        for one in run.steps
        if one.aside
    ]
    return rows


def _step(one: StepView, begin: datetime, end: datetime) -> list[object]:
    value = one_line(f"{one.error.type}: {one.error.message}" if one.error else one.value, 60)
    bar = _bar(one.started_at, one.finished_at, begin, end)
    place = one.pos if one.pos < CLEANUP else ""  # what a clean-up does stands behind everything else
    return [place, one.key, one.kind, one.outcome, one.attempts, _took(one.started_at, one.finished_at), bar, value]


def _took(start: datetime | None, end: datetime | None) -> str:
    if start is None:
        return ""
    seconds = ((end or datetime.now(UTC)) - start).total_seconds()
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))}ms"
    if seconds < 120:
        return f"{seconds:.1f}s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f}m"
    return f"{seconds / 3_600:.0f}h" if seconds < 172_800 else f"{seconds / 86_400:.0f}d"


def _bar(start: datetime | None, stop: datetime | None, begin: datetime, end: datetime) -> str:
    """Where in the run's life it lies; what goes on has an open end."""
    whole = (end - begin).total_seconds()
    if start is None or whole <= 0:
        return ""
    left = min(BAR - 1, max(0, int((start - begin).total_seconds() / whole * BAR)))
    right = BAR if stop is None else min(BAR, max(left + 1, round((stop - begin).total_seconds() / whole * BAR)))
    mark = "▒" if stop is None else "█"
    return ("·" * left + mark * (right - left) + "·" * (BAR - right))[:BAR]


def mermaid(run: Run) -> str:
    """The run as a Mermaid flowchart: steps in order, what it waits for at the end."""
    lines = ["flowchart TD", f'  run(["{_text(run.workflow)} {_text(run.id)}"])']
    before = "run"
    for number, one in enumerate(step for step in run.steps if not step.aside):
        node = f"s{number}"
        left, right = ("[/", "/]") if one.kind in {"wait", "sleep"} else ("[", "]")
        lines.append(
            f'  {node}{left}"{_text(one.key)}<br/>{one.outcome}, {_took(one.started_at, one.finished_at)}"{right}'
        )
        lines.append(f"  {before} --> {node}")
        before = node
    for number, wait in enumerate(run.waits):
        lines.append(f'  w{number}[/"{_text(wait.key)}<br/>waiting {_text(wait.what)}"/]')
        lines.append(f"  {before} -.-> w{number}")
    if run.finished:
        lines.append(f'  finish(["{run.state}"])')
        lines.append(f"  {before} --> finish")
    return "\n".join(lines) + "\n"


def _text(words: str) -> str:
    return re.sub(r'["\[\]{}<>]', " ", plain(words))
