"""The rows that the ledger works on, in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from stem.core.envelope import Submission
from stem.core.ledger.commit import held_until
from stem.core.ledger.rows import Mail, Todo
from stem.core.run import ENDED, Change, Committed, Event, Message, RunRow, Step, Wait, cancel_of
from stem.sqlite.line import publish
from stem.sqlite.rows import as_json
from stem.sqlite.step import Step as Transaction
from stem.sqlite.step import View
from stem.values import Receipt

#: What a run is made of in its own table; the rest lies in run_data.
_DATA: Final = ("params", "result", "error")
_FIELDS: Final = tuple(name for name in RunRow.__struct_fields__ if name not in _DATA)
_COLUMNS: Final = ", ".join(f"run.{name}" for name in _FIELDS)
_WHOLE: Final = f"SELECT {_COLUMNS}, params, result, error FROM run JOIN run_data USING (seq)"  # noqa: S608
NARROW: Final = f"SELECT {_COLUMNS} FROM run"  # noqa: S608
_PUT: Final = f"INSERT OR REPLACE INTO run (ns, {', '.join(_FIELDS)}) VALUES ({', '.join('?' * (len(_FIELDS) + 1))})"  # noqa: S608
#: What a change of a run that goes on can touch.
_MOVING: Final = tuple(
    name
    for name in _FIELDS
    if name
    not in {
        *("id", "workflow", "version", "seq", "lease_ms", "cancel_after_ms", "max_suspend_ms", "keep_ms", "created_at"),
        *("parent_run", "parent_step", "parent_policy"),
    }
)
_MOVE: Final = f"UPDATE run SET {', '.join(f'{name} = ?' for name in _MOVING)} WHERE seq = ?"  # noqa: S608
STEP: Final = "key, pos, outcome, value, meta, started_at, finished_at, attempts"
WAIT: Final = "key, pos, topic, source, deadline, on_time, late, meta, since"
_BOOLS: Final = ("cleans_up", "cleaning")


def row_of(values: Sequence[Any]) -> RunRow:
    """A stored row; without what lies in run_data when it was not asked for."""
    fields = dict(zip((*_FIELDS, *_DATA), values, strict=False))
    for name in _BOOLS:
        fields[name] = bool(fields[name])
    return RunRow(**fields)


def step_of(values: Sequence[Any]) -> Step:
    """A stored checkpoint."""
    key, pos, outcome, value, meta, started_at, finished_at, attempts = values
    return Step(
        key=key,
        pos=pos,
        outcome=outcome,
        value=value,
        meta=meta,
        started_at=started_at,
        finished_at=finished_at,
        attempts=attempts,
    )


def wait_of(values: Sequence[Any]) -> Wait:
    """A stored wait."""
    names = ("key", "pos", "topic", "source", "deadline", "on_time", "late", "meta", "since")
    return Wait(**dict(zip(names, values, strict=True)))


def find_run(view: View, run: str, *, whole: bool = True) -> RunRow | None:
    """A run by its id."""
    query = f"{_WHOLE if whole else NARROW} WHERE ns = ? AND id = ?"
    values = view.execute(query, (view.ns, run)).fetchone()
    return None if values is None else row_of(values)


def steps_of(view: View, seq: int) -> list[Step]:
    """The checkpoints of a run, by place and time."""
    query = f"SELECT {STEP} FROM run_step WHERE run = ? ORDER BY pos, finished_at"  # noqa: S608
    return [step_of(values) for values in view.execute(query, (seq,)).fetchall()]


def waits_of(view: View, seq: int) -> list[Wait]:
    """What a run waits for, by place."""
    query = f"SELECT {WAIT} FROM run_wait WHERE run = ? ORDER BY pos, key"  # noqa: S608
    return [wait_of(values) for values in view.execute(query, (seq,)).fetchall()]


def next_due(view: View, lines: Sequence[str]) -> int | None:
    """When the first run of these lines is due."""
    query = """
    SELECT due_at FROM run WHERE ns = ? AND workflow = ? AND version = ? AND due_at IS NOT NULL ORDER BY due_at LIMIT 1"""
    found = [view.execute(query, (view.ns, *split_line(line))).fetchone() for line in lines]
    return min((row[0] for row in found if row is not None), default=None)


def next_policy(view: View) -> int | None:
    """When the first policy ends a run."""
    query = "SELECT policy_at FROM run WHERE ns = ? AND policy_at IS NOT NULL ORDER BY policy_at LIMIT 1"
    found = view.execute(query, (view.ns,)).fetchone()
    return None if found is None else int(found[0])


def has_todo(view: View) -> bool:
    """Whether something is left to do."""
    return view.execute("SELECT 1 FROM run_todo WHERE ns = ? LIMIT 1", (view.ns,)).fetchone() is not None


def split_line(line: str) -> tuple[str, int]:
    """The workflow and version of a line."""
    name, _, version = line[1:].rpartition("@")
    return name, int(version)


_PLAIN: Final = """
UPDATE run SET number = ?1, takeovers = 0, blocks = 0, changes = changes + 1, changed_at = ?2
WHERE ns = ?3 AND id = ?4 AND fence = ?5 AND state = 'running' AND number < ?1
RETURNING seq, due_at, lease_ms, cancel,
    EXISTS (SELECT 1 FROM run_wait WHERE run_wait.run = run.seq AND run_wait.key = ?6),
    EXISTS (SELECT 1 FROM watcher WHERE watcher.ns = ?3)"""
_PUT_STEP: Final = f"INSERT OR IGNORE INTO run_step (run, {STEP}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608


def commit_plainly(step: Transaction, receipt: Receipt, change: Change) -> Committed | None:
    """A change that is one checkpoint, in few statements; None, with nothing done, when the ledger has to look."""
    now, (one,) = step.now, change.steps
    found = step.execute(_PLAIN, (change.number, now, step.ns, *receipt, one.key)).fetchone()
    if found is None:
        return None
    seq, due_at, lease_ms, cancel, is_waited_for, is_watched = found
    if (until := held_until(due_at, lease_ms, now)) != due_at:
        step.execute("UPDATE run SET due_at = ? WHERE seq = ?", (until, seq))
    values = (seq, one.key, one.pos, one.outcome, one.value, one.meta, one.started_at, now, one.attempts)
    step.execute(_PUT_STEP, values)
    if is_waited_for:
        step.execute("DELETE FROM run_wait WHERE run = ? AND key = ?", (seq, one.key))
    if is_watched:
        step.ring(f"run {receipt.job_id}")
    return Committed(status="done", cancel=cancel_of(cancel), now=now)


class SqliteRows:
    """The Rows of one transaction. A run that was read is the same object until the transaction ends."""

    def __init__(self, step: Transaction) -> None:
        self._step, self._execute, self._ns = step, step.execute, step.ns
        self.now = step.now
        self._known: dict[str, RunRow | None] = {}
        self._stored: dict[int, bool] = {}

    def next_number(self) -> int:
        return self._step.next_seq()

    def publish(self, sub: Submission) -> tuple[Literal["new", "duplicate", "held"], str]:
        (answer,) = publish(self._step, [sub])
        return answer.status, answer.holder

    # ------------------------------------------------------------ runs

    def run(self, run: str) -> RunRow | None:
        if run not in self._known:
            found = find_run(self._step, run, whole=False)
            self._known[run] = found
            if found is not None:
                self._stored[found.seq] = found.state in ENDED
        return self._known[run]

    def _keep(self, values: Sequence[Any]) -> RunRow:
        found = row_of(values)
        known = self._known.get(found.id)
        if known is not None:
            known.params = known.params or found.params
            return known
        self._known[found.id] = found
        self._stored[found.seq] = found.state in ENDED
        return found

    def save(self, row: RunRow) -> None:
        if row.seq not in self._stored:
            values = [getattr(row, name) for name in _FIELDS]
            self._execute(_PUT, (self._ns, *values))
            self._execute("INSERT OR REPLACE INTO run_data (seq, params) VALUES (?, ?)", (row.seq, row.params))
        else:
            self._execute(_MOVE, (*(getattr(row, name) for name in _MOVING), row.seq))
            if self._stored[row.seq] or row.state in ENDED:
                self._execute(
                    "UPDATE run_data SET result = ?, error = ? WHERE seq = ?", (row.result, row.error, row.seq)
                )
        self._known[row.id] = row
        self._stored[row.seq] = row.state in ENDED

    def forget(self, row: RunRow) -> None:
        for table in ("run_step", "run_aside", "run_wait", "message"):
            self._execute(f"DELETE FROM {table} WHERE run = ?", (row.seq,))  # noqa: S608
        for table in ("run", "run_data"):
            self._execute(f"DELETE FROM {table} WHERE seq = ?", (row.seq,))  # noqa: S608
        self._known[row.id] = None

    def count_due(self, line: str, most: int) -> int:
        query = """
        SELECT count(*) FROM
            (SELECT 1 FROM run WHERE ns = ? AND workflow = ? AND version = ? AND due_at <= ? LIMIT ?)"""
        return int(self._execute(query, (self._ns, *split_line(line), self.now, most)).fetchone()[0])

    def due(self, line: str, limit: int) -> list[RunRow]:
        query = f"""
        {_WHOLE} WHERE ns = ? AND workflow = ? AND version = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ?"""
        return [self._keep(row) for row in self._execute(query, (self._ns, *split_line(line), self.now, limit))]

    def next_due(self, lines: Sequence[str]) -> int | None:
        return next_due(self._step, lines)

    def policies_due(self, limit: int) -> list[RunRow]:
        query = f"{NARROW} WHERE ns = ? AND policy_at <= ? ORDER BY policy_at LIMIT ?"
        return [self._keep(values) for values in self._execute(query, (self._ns, self.now, limit)).fetchall()]

    def next_policy(self) -> int | None:
        return next_policy(self._step)

    def forgettable(self, limit: int) -> list[RunRow]:
        query = f"{NARROW} WHERE ns = ? AND forget_at <= ? LIMIT ?"
        return [self._keep(values) for values in self._execute(query, (self._ns, self.now, limit)).fetchall()]

    def children(self, run: str) -> list[RunRow]:
        query = f"{NARROW} WHERE ns = ? AND parent_run = ? AND parent_run <> '' ORDER BY seq"
        return [self._keep(values) for values in self._execute(query, (self._ns, run)).fetchall()]

    # ------------------------------------------------------------ checkpoints and waits

    def _seq(self, run: str) -> int:
        row = self.run(run)
        return 0 if row is None else row.seq

    def step(self, run: str, key: str) -> Step | None:
        query = f"SELECT {STEP} FROM run_step WHERE run = ? AND key = ?"  # noqa: S608
        values = self._execute(query, (self._seq(run), key)).fetchone()
        return None if values is None else step_of(values)

    def steps(self, run: str) -> list[Step]:
        return steps_of(self._step, self._seq(run))

    def put_step(self, run: str, step: Step) -> None:
        query = f"INSERT INTO run_step (run, {STEP}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        self._execute(query, (self._seq(run), *msgspec.structs.astuple(step)))

    def put_aside(self, run: str, generation: int, step: Step) -> None:
        seq = self._seq(run)
        query = f"INSERT INTO run_aside (run, generation, {STEP}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        self._execute(query, (seq, generation, *msgspec.structs.astuple(step)))
        self._execute("DELETE FROM run_step WHERE run = ? AND key = ?", (seq, step.key))

    def wait(self, run: str, key: str) -> Wait | None:
        query = f"SELECT {WAIT} FROM run_wait WHERE run = ? AND key = ?"  # noqa: S608
        values = self._execute(query, (self._seq(run), key)).fetchone()
        return None if values is None else wait_of(values)

    def waits(self, run: str) -> list[Wait]:
        return waits_of(self._step, self._seq(run))

    def put_wait(self, run: str, wait: Wait) -> None:
        query = f"INSERT INTO run_wait (run, ns, {WAIT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        values = (
            wait.key,
            wait.pos,
            wait.topic,
            wait.source,
            wait.deadline,
            wait.on_time,
            wait.late,
            wait.meta,
            wait.since,
        )
        self._execute(query, (self._seq(run), self._ns, *values))

    def drop_wait(self, run: str, wait: Wait) -> None:
        self._execute("DELETE FROM run_wait WHERE run = ? AND key = ?", (self._seq(run), wait.key))

    def waiters(self, topic: str, limit: int) -> list[tuple[str, Wait]]:
        query = f"""
        SELECT run.id, {", ".join(f"run_wait.{name}" for name in WAIT.split(", "))}
        FROM run_wait JOIN run ON run.seq = run_wait.run
        WHERE run_wait.ns = ? AND topic = ? AND topic <> '' ORDER BY since, run_wait.run LIMIT ?"""  # noqa: S608
        rows = self._execute(query, (self._ns, topic, limit)).fetchall()
        return [(values[0], wait_of(values[1:])) for values in rows]

    # ------------------------------------------------------------ events and messages

    def event(self, topic: str) -> bytes | None:
        found = self._execute("SELECT payload FROM event WHERE ns = ? AND topic = ?", (self._ns, topic)).fetchone()
        return None if found is None else bytes(found[0])

    def live_event(self, topic: str) -> bytes | None:
        query = "SELECT payload FROM event WHERE ns = ? AND topic = ? AND until > ?"
        found = self._execute(query, (self._ns, topic, self.now)).fetchone()
        return None if found is None else bytes(found[0])

    def put_event(self, event: Event) -> None:
        query = "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?)"
        seq, until = self._step.next_seq(), self.now + event.ttl_ms
        self._execute(query, (self._ns, event.topic, event.id, event.payload, seq, self.now, until))

    def forget_events(self, limit: int) -> int:
        query = """
        DELETE FROM event WHERE (ns, topic) IN (
            SELECT ns, topic FROM event WHERE ns = ?1 AND until <= ?2
            AND topic NOT IN (SELECT target FROM run_todo WHERE ns = ?1 AND kind = 'wake') LIMIT ?3)"""
        return self._execute(query, (self._ns, self.now, limit)).rowcount

    def has_message(self, message: Message) -> bool:
        query = "SELECT 1 FROM message WHERE run = ? AND box = ? AND id = ? LIMIT 1"
        return self._execute(query, (self._seq(message.run), message.box, message.id)).fetchone() is not None

    def put_message(self, message: Message, read_by: str) -> None:
        query = "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        seq, run = self._step.next_seq(), self._seq(message.run)
        self._execute(query, (seq, self._ns, run, message.box, message.id, message.payload, read_by, self.now))

    def next_message(self, run: str, box: str) -> Mail | None:
        query = "SELECT seq, payload FROM message WHERE run = ? AND box = ? AND read_by = '' ORDER BY seq LIMIT 1"
        found = self._execute(query, (self._seq(run), box)).fetchone()
        return None if found is None else Mail(found[0], bytes(found[1]), "")

    def mark_read(self, run: str, mail: Mail, read_by: str) -> None:  # noqa: ARG002 - as Rows has it
        self._execute("UPDATE message SET read_by = ? WHERE seq = ?", (read_by, mail.seq))

    def mark_unread(self, run: str, keys: Sequence[str]) -> None:
        query = "UPDATE message SET read_by = '' WHERE run = ? AND read_by IN (SELECT value FROM json_each(?))"
        self._execute(query, (self._seq(run), as_json(list(keys))))

    # ------------------------------------------------------------ what is left to do, whom to tell

    def put_todo(self, kind: Todo, target: str, data: bytes = b"") -> None:
        self._execute("INSERT OR REPLACE INTO run_todo VALUES (?, ?, ?, ?)", (self._ns, kind, target, data))

    def todos(self, limit: int) -> list[tuple[Todo, str, bytes]]:
        query = "SELECT kind, target, data FROM run_todo WHERE ns = ? LIMIT ?"
        return self._execute(query, (self._ns, limit)).fetchall()

    def drop_todo(self, kind: Todo, target: str) -> None:
        self._execute("DELETE FROM run_todo WHERE ns = ? AND kind = ? AND target = ?", (self._ns, kind, target))

    def ring(self, line: str) -> None:
        self._step.ring_workers(line)

    def changed(self, row: RunRow) -> None:
        self._step.ring(f"run {row.id}")

    def ended(self, row: RunRow) -> None:
        self._step.ring(f"run end {row.id}")
