"""Places in lists, as text that a page gives out and the next page is asked with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from stem.errors import ConfigError

T = TypeVar("T")


def number(cursor: str) -> int | None:
    """The number in a cursor like '123'; None for the first page, ConfigError for anything else."""
    if not cursor:
        return None
    if not _is_number(cursor):
        raise _unknown(cursor)
    return int(cursor)


def moment(cursor: str) -> tuple[int, str] | None:
    """Unix ms and id in a cursor like '1700000000000:job-1'; None for the first page."""
    if not cursor:
        return None
    at, colon, job_id = cursor.partition(":")
    if not colon or not _is_number(at):
        raise _unknown(cursor)
    return int(at), job_id


def page_size(limit: int) -> int:
    """`limit`, if a page can be so long: 1 to 10,000 rows."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= 10_000:
        raise ConfigError(f"limit must be a whole number from 1 to 10,000, found {limit!r}")
    return limit


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _unknown(cursor: str) -> ConfigError:
    return ConfigError(f"a cursor is what the page before gave, found {cursor!r}; leave it out for the first page")


def cut(rows: Sequence[tuple[int, T]], end: int, limit: int) -> tuple[list[tuple[int, T]], str]:
    """The page of rows with their numbers, newest first, and the cursor of the next one.

    `end`: everything with at least this number was looked at; 0: everything.
    """
    whole = [pair for pair in rows if pair[0] >= end]
    page = whole[:limit]
    if len(whole) > limit:
        return page, str(page[-1][0])
    return page, str(end) if end else ""
