"""What people and programs read: tables, ages, JSON, notes, progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from stem.values import plain

if TYPE_CHECKING:
    from rich.console import Console

#: Width of tables that nobody's terminal limits: long cells are cut, ids never.
WIDE: Final = 240
#: What a column that can be cut keeps at least.
SHORT: Final = 10
#: From this width on it is of use, although cut.
USEFUL: Final = 24
STYLES: Final = {
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "delayed": "blue",
    "parked": "magenta",
    "paused": "yellow",
    "suspended": "blue",
    "blocked": "magenta",
    "quarantined": "red",
    "done": "green",
    "timeout": "yellow",
}


def emit(value: object) -> None:
    """One JSON document on stdout; instants are ISO 8601 in UTC."""
    sys.stdout.write(json_text(value) + "\n")


def json_text(value: object) -> str:
    """JSON for people, too: indented."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()


def note(message: str) -> None:
    """A remark beside the output, on stderr."""
    sys.stderr.write(f"stem: note: {plain(message)}\n")


def one_line(text: str, most: int = 100) -> str:
    """The beginning of a text, for a cell."""
    flat = " ".join(plain(text).split())
    return flat if len(flat) <= most else flat[: most - 3] + "..."


def many(count: int, what: str) -> str:
    """'1 job', '1,200 jobs'."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def let_go_of_stdout() -> None:
    """Nobody reads any more: the flush at exit must not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


# ---------------------------------------------------------------- time


def age(at: datetime | None, now: datetime | None = None) -> str:
    """How long ago, or until when: '3m ago', 'in 5s', 'now'; '' for no instant."""
    if at is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    size = int(abs(seconds))
    if size < 1:
        return "now"
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if size >= length * (2 if unit in "dh" else 1):
            words = f"{size // length}{unit}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "now"


def moment(at: datetime | None) -> str:
    """An instant for people: '2026-11-30 10:51:20 UTC (3m ago)'; '' for none."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({age(at)})"


# ---------------------------------------------------------------- tables


class Column(NamedTuple):
    """A heading and how its cells are laid out.

    `whole`: never cut, not even in a narrow terminal. `spare`: left out where there is no room, the highest first.
    """

    heading: str
    right: bool = False
    whole: bool = False
    spare: int = 0


def console(*, err: bool = False) -> Console:
    """Rich on stdout or stderr; as wide as needed where there is no terminal."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Rows under headings on stdout, or `empty` in words when there are none."""
    if not rows:
        print(empty)
        return
    from rich.table import Table

    screen = console()
    every = columns
    columns, rows = _fitting(columns, rows, screen.width)
    hidden = [column.heading for column in every if column not in columns]
    if hidden:
        note(f"no room for {', '.join(hidden)}: a wider terminal or --json shows them")
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column, width in zip(columns, _widths(columns, rows, screen.width), strict=True):
        justify: Literal["left", "right"] = "right" if column.right else "left"
        drawn.add_column(column.heading, justify=justify, no_wrap=True, overflow="ellipsis", width=width)
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    if screen.is_terminal:
        screen.print(drawn)
        return
    with screen.capture() as drawing:
        screen.print(drawn)
    print("\n".join(line.rstrip() for line in drawing.get().splitlines()))


def _fitting(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], room: int
) -> tuple[list[Column], list[list[object]]]:
    """The columns that fit side by side, without the spare ones for which there is no room."""
    kept = list(range(len(columns)))
    while sum(_wanted(columns[n], n, rows) + 2 for n in kept) - 2 > room:
        most = max(kept, key=lambda n: columns[n].spare)
        if not columns[most].spare:
            break
        kept.remove(most)
    return [columns[n] for n in kept], [[row[n] for n in kept] for row in rows]


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[object]], room: int) -> list[int]:
    """How wide each column is drawn: as its cells need, and where that is too much the widest are cut, the last first."""
    widths = [_width(column, index, rows) for index, column in enumerate(columns)]
    over = sum(widths) + 2 * (len(widths) - 1) - room
    for floor in (SHORT, 1):
        least = [w if one.whole or one.right else min(w, floor) for one, w in zip(columns, widths, strict=True)]
        while over > 0 and widths != least:
            widest = max((n for n, width in enumerate(widths) if width > least[n]), key=lambda n: (widths[n], n))
            widths[widest] -= 1
            over -= 1
    return widths


def _wanted(column: Column, index: int, rows: Sequence[Sequence[object]]) -> int:
    """What a column needs to be of use: long notes may be cut before other columns go."""
    width = _width(column, index, rows)
    return width if column.whole or column.right else min(width, USEFUL)


def _width(column: Column, index: int, rows: Sequence[Sequence[object]]) -> int:
    return max(len(column.heading), *(len(str(row[index])) for row in rows))


def facts(pairs: Sequence[tuple[str, object]]) -> None:
    """Names and values, one a line; empty values are left out."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        if value is not None and value is not False and value != "":
            shown = plain(str(value)).replace("\n", "\n" + " " * (width + 2))
            print(f"{name:<{width}}  {shown}")


def _cell(value: object) -> Any:
    from rich.text import Text

    text = plain("" if value is None else str(value))
    return Text(text, style=STYLES.get(text, ""))


# ---------------------------------------------------------------- progress


class Bar(Protocol):
    """Something that shows how far it is."""

    def to(self, done: float, text: str = "") -> None: ...


class _Silent:
    def to(self, done: float, text: str = "") -> None:
        """Nobody is watching."""


@contextmanager
def progress(what: str, total: float) -> Iterator[Bar]:
    """A bar on stderr while the block runs, when stderr is a terminal."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(err=True), transient=True) as shown:
        line = shown.add_task(what, total=total)

        class Shown:
            def to(self, done: float, text: str = "") -> None:
                shown.update(line, completed=done, description=plain(text or what))

        yield Shown()
