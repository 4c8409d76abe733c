"""Looking at workflow runs, in SQLite."""

from __future__ import annotations

from stem.contracts.workflows import KeptEvent, OldStep, RunDetail, RunFilter, Waiter
from stem.core.run import RunRow, box_topic
from stem.sqlite.run_rows import NARROW, STEP, WAIT, find_run, row_of, step_of, steps_of, wait_of, waits_of
from stem.sqlite.step import View


def find_detail(view: View, run: str, *, whole: bool) -> RunDetail | None:
    """One run, with all that hangs on it when `whole`."""
    row = find_run(view, run)
    if row is None:
        return None
    if not whole:
        return RunDetail(row=row, now=view.now)
    aside = view.execute(f"SELECT generation, {STEP} FROM run_aside WHERE run = ? ORDER BY rowid", (row.seq,))  # noqa: S608
    branches = tuple(OldStep(values[0], step_of(values[1:])) for values in aside.fetchall())
    query = "SELECT box, payload, id, read_by, sent_at FROM message WHERE run = ? ORDER BY seq"
    messages = tuple(_mail(row.id, values) for values in view.execute(query, (row.seq,)).fetchall())
    return RunDetail(
        row=row,
        steps=tuple(steps_of(view, row.seq)),
        waits=tuple(waits_of(view, row.seq)),
        messages=messages,
        branches=branches,
        children=tuple(list_runs(view, RunFilter(parent=run), 1_000, None)[::-1]),
        now=view.now,
    )


def list_runs(view: View, which: RunFilter, limit: int, before: int | None) -> list[RunRow]:
    """Rows that fit, the newest first, without what is large."""
    wanted, values = ["ns = ?"], [view.ns]
    if which.states:
        wanted.append(f"state IN ({', '.join('?' * len(which.states))})")
        values += which.states  # type: ignore[arg-type]  # a list of what SQL is given
    if which.workflow:
        wanted.append("workflow = ?")
        values.append(which.workflow)  # type: ignore[arg-type]
    if which.parent:
        wanted.append("parent_run = ? AND parent_run <> ''")
        values.append(which.parent)  # type: ignore[arg-type]
    if before is not None:
        wanted.append("seq < ?")
        values.append(before)
    query = f"{NARROW} WHERE {' AND '.join(wanted)} ORDER BY seq DESC LIMIT ?"
    found = [row_of(row) for row in view.execute(query, (*values, limit)).fetchall()]
    for one in found:
        one.notes = b""
    return found


def list_waiters(view: View, topic: str, limit: int) -> list[Waiter]:
    """Who waits for this topic; for all keys when it ends where a key would begin."""
    columns = ", ".join(f"run_wait.{name}" for name in WAIT.split(", "))
    fits = "topic >= ?2 AND topic < ?2 || char(1114111)" if topic.endswith("\0") else "topic = ?2"
    query = f"""
    SELECT run.id, run.workflow, {columns} FROM run_wait JOIN run ON run.seq = run_wait.run
    WHERE run_wait.ns = ?1 AND {fits} AND topic <> '' ORDER BY since, run_wait.run LIMIT ?3"""  # noqa: S608
    rows = view.execute(query, (view.ns, topic, limit)).fetchall()
    return [Waiter(values[0], values[1], wait_of(values[2:])) for values in rows]


def events(view: View, limit: int) -> list[KeptEvent]:
    """Events that are kept and messages nobody has read, the newest first."""
    query = "SELECT seq, topic, payload, id, emitted_at, until FROM event WHERE ns = ? AND until > ? ORDER BY seq DESC LIMIT ?"
    found = [
        (seq, KeptEvent(topic=topic, payload=payload, id=event, emitted_at=at, until=until))
        for seq, topic, payload, event, at, until in view.execute(query, (view.ns, view.now, limit)).fetchall()
    ]
    query = """
    SELECT message.seq, run.id, box, payload, message.id, read_by, sent_at FROM message JOIN run ON run.seq = message.run
    WHERE message.ns = ? AND read_by = '' ORDER BY message.seq DESC LIMIT ?"""
    found += [(values[0], _mail(values[1], values[2:])) for values in view.execute(query, (view.ns, limit)).fetchall()]
    found.sort(key=lambda pair: -pair[0])
    return [one for _, one in found[:limit]]


def _mail(run: str, values: tuple[str, bytes, str, str, int]) -> KeptEvent:
    box, payload, message, read_by, sent_at = values
    return KeptEvent(topic=box_topic(box), payload=payload, id=message, run=run, read_by=read_by, emitted_at=sent_at)
