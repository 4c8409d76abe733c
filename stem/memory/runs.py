"""Workflow runs in memory: dicts, and heaps whose stale entries are dropped when they are met."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from stem.core.ledger.rows import Todo
from stem.core.run import Event, Message, RunRow, Step, Wait


class StoredMessage(msgspec.Struct, eq=False):
    """A message, and the step that has read it."""

    seq: int
    message: Message
    read_by: str
    sent_at: int


class StoredEvent(msgspec.Struct, frozen=True):
    """An event, since and until when."""

    event: Event
    emitted_at: int
    until: int
    seq: int


class Runs:
    """All runs of one namespace."""

    def __init__(self) -> None:
        self.rows: dict[str, RunRow] = {}
        self.steps: dict[str, dict[str, Step]] = defaultdict(dict)
        self.waits: dict[str, dict[str, Wait]] = defaultdict(dict)
        self.aside: dict[str, list[tuple[int, Step]]] = defaultdict(list)
        self.topics: dict[str, dict[tuple[str, str], Wait]] = defaultdict(dict)
        self.events: dict[str, StoredEvent] = {}
        self.boxes: dict[str, list[StoredMessage]] = defaultdict(list)
        self.children: dict[str, dict[str, None]] = defaultdict(dict)
        self.todo: dict[tuple[Todo, str], bytes] = {}
        self.due: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        self.policies: list[tuple[int, int, str]] = []
        self.over: list[tuple[int, int, str]] = []

    def put_in_line(self, row: RunRow) -> None:
        """Into its line, at the time from which on it may be handed out; nothing without such a time."""
        if row.due_at is not None:
            heapq.heappush(self.due[row.line], (row.due_at, row.seq, row.id))

    def in_line(self, line: str) -> Iterator[tuple[int, RunRow]]:
        """Take the runs of a line from the earliest on."""
        heap = self.due[line]
        while heap:
            at, seq, run = heapq.heappop(heap)
            row = self.rows.get(run)
            if row is not None and row.seq == seq and row.due_at == at and row.line == line:
                yield at, row
