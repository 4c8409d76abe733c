"""The rows that the ledger works on, in memory."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Literal

from stem.core.envelope import Submission
from stem.core.ledger.rows import Mail, Todo
from stem.core.run import ENDED, Event, Message, RunRow, Step, Wait
from stem.memory.line import publish
from stem.memory.runs import StoredEvent, StoredMessage
from stem.memory.space import Space


class MemoryRows:
    """The Rows of a Space at one instant."""

    def __init__(self, space: Space, now: int) -> None:
        self.now = now
        self._space, self._runs = space, space.runs

    def next_number(self) -> int:
        return self._space.next_seq()

    def publish(self, sub: Submission) -> tuple[Literal["new", "duplicate", "held"], str]:
        answer = publish(self._space, sub, self.now)
        return answer.status, answer.holder

    # ------------------------------------------------------------ runs

    def run(self, run: str) -> RunRow | None:
        return self._runs.rows.get(run)

    def save(self, row: RunRow) -> None:
        runs = self._runs
        runs.rows[row.id] = row
        runs.put_in_line(row)
        if row.policy_at is not None:
            heapq.heappush(runs.policies, (row.policy_at, row.seq, row.id))
        if row.forget_at is not None:
            heapq.heappush(runs.over, (row.forget_at, row.seq, row.id))
        if row.parent_run:
            runs.children[row.parent_run][row.id] = None

    def forget(self, row: RunRow) -> None:
        runs = self._runs
        for wait in self.waits(row.id):
            self.drop_wait(row.id, wait)
        for table in (runs.rows, runs.steps, runs.waits, runs.aside, runs.boxes):
            table.pop(row.id, None)
        runs.children.get(row.parent_run, {}).pop(row.id, None)

    def count_due(self, line: str, most: int) -> int:
        found = self.due(line, most)
        for row in found:
            self._runs.put_in_line(row)
        return len(found)

    def due(self, line: str, limit: int) -> list[RunRow]:
        found: dict[str, RunRow] = {}  # a run may be in its line twice
        for at, row in self._runs.in_line(line):
            if at > self.now or len(found) == limit:
                self._runs.put_in_line(row)
                break
            found[row.id] = row
        return list(found.values())

    def next_due(self, lines: Sequence[str]) -> int | None:
        known = []
        for line in lines:
            for at, row in self._runs.in_line(line):
                self._runs.put_in_line(row)
                known.append(at)
                break
        return min(known, default=None)

    def policies_due(self, limit: int) -> list[RunRow]:
        found: dict[str, RunRow] = {}
        while len(found) < limit and (at := self.next_policy()) is not None and at <= self.now:
            run = heapq.heappop(self._runs.policies)[2]
            found[run] = self._runs.rows[run]
        return list(found.values())

    def next_policy(self) -> int | None:
        heap = self._runs.policies
        while heap:
            at, seq, run = heap[0]
            row = self._runs.rows.get(run)
            if row is not None and row.seq == seq and row.policy_at == at:
                return at
            heapq.heappop(heap)
        return None

    def forgettable(self, limit: int) -> list[RunRow]:
        found: list[RunRow] = []
        heap = self._runs.over
        while heap and len(found) < limit and heap[0][0] <= self.now:
            at, seq, run = heapq.heappop(heap)
            row = self._runs.rows.get(run)
            if row is not None and row.seq == seq and row.forget_at == at and row.state in ENDED and row not in found:
                found.append(row)
        return found

    def children(self, run: str) -> list[RunRow]:
        rows = self._runs.rows
        return [rows[child] for child in self._runs.children.get(run, ()) if child in rows]

    # ------------------------------------------------------------ checkpoints and waits

    def step(self, run: str, key: str) -> Step | None:
        return self._runs.steps.get(run, {}).get(key)

    def steps(self, run: str) -> list[Step]:
        return sorted(self._runs.steps.get(run, {}).values(), key=lambda step: step.pos)

    def put_step(self, run: str, step: Step) -> None:
        self._runs.steps[run][step.key] = step

    def put_aside(self, run: str, generation: int, step: Step) -> None:
        self._runs.aside[run].append((generation, self._runs.steps[run].pop(step.key)))

    def wait(self, run: str, key: str) -> Wait | None:
        return self._runs.waits.get(run, {}).get(key)

    def waits(self, run: str) -> list[Wait]:
        return list(self._runs.waits.get(run, {}).values())

    def put_wait(self, run: str, wait: Wait) -> None:
        self._runs.waits[run][wait.key] = wait
        if wait.topic:
            self._runs.topics[wait.topic][run, wait.key] = wait

    def drop_wait(self, run: str, wait: Wait) -> None:
        self._runs.waits[run].pop(wait.key, None)
        if wait.topic:
            self._runs.topics[wait.topic].pop((run, wait.key), None)
            if not self._runs.topics[wait.topic]:
                del self._runs.topics[wait.topic]

    def waiters(self, topic: str, limit: int) -> list[tuple[str, Wait]]:
        found = [(run, wait) for (run, _), wait in self._runs.topics.get(topic, {}).items()]
        return found[:limit]

    # ------------------------------------------------------------ events and messages

    def event(self, topic: str) -> bytes | None:
        found = self._runs.events.get(topic)
        return None if found is None else found.event.payload

    def live_event(self, topic: str) -> bytes | None:
        found = self._runs.events.get(topic)
        return found.event.payload if found is not None and found.until > self.now else None

    def put_event(self, event: Event) -> None:
        until = self.now + event.ttl_ms
        self._runs.events[event.topic] = StoredEvent(event, self.now, until, self._space.next_seq())

    def forget_events(self, limit: int) -> int:
        events, todo = self._runs.events, self._runs.todo
        gone = [one for one in events if events[one].until <= self.now and ("wake", one) not in todo][:limit]
        for topic in gone:
            del events[topic]
        return len(gone)

    def has_message(self, message: Message) -> bool:
        box = self._runs.boxes.get(message.run, ())
        return any(one.message.box == message.box and one.message.id == message.id for one in box)

    def put_message(self, message: Message, read_by: str) -> None:
        stored = StoredMessage(self._space.next_seq(), message, read_by, self.now)
        self._runs.boxes[message.run].append(stored)

    def next_message(self, run: str, box: str) -> Mail | None:
        for one in self._runs.boxes.get(run, ()):
            if one.message.box == box and not one.read_by:
                return Mail(one.seq, one.message.payload, "")
        return None

    def mark_read(self, run: str, mail: Mail, read_by: str) -> None:
        for one in self._runs.boxes[run]:
            if one.seq == mail.seq:
                one.read_by = read_by

    def mark_unread(self, run: str, keys: Sequence[str]) -> None:
        for one in self._runs.boxes.get(run, ()):
            if one.read_by in keys:
                one.read_by = ""

    # ------------------------------------------------------------ what is left to do, whom to tell

    def put_todo(self, kind: Todo, target: str, data: bytes = b"") -> None:
        self._runs.todo[kind, target] = data

    def todos(self, limit: int) -> list[tuple[Todo, str, bytes]]:
        return [(kind, target, data) for (kind, target), data in self._runs.todo.items()][:limit]

    def drop_todo(self, kind: Todo, target: str) -> None:
        self._runs.todo.pop((kind, target), None)

    def ring(self, line: str) -> None:
        self._space.doze.ring(line)

    def changed(self, row: RunRow) -> None:
        self._space.bells.ring(("run", row.id))

    def ended(self, row: RunRow) -> None:
        self._space.bells.ring(("run end", row.id))
