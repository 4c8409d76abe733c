"""The tasks of two locks: what the newer one would break."""

from __future__ import annotations

from collections.abc import Iterable

from stemgen.breaking.report import Compat, Report, in_order, of_new, of_result, reports
from stemgen.breaking.subset import differences, received
from stemgen.config import Allowed
from stemgen.lock import Lock, TaskLock


def compare(
    old: Iterable[tuple[str, TaskLock]], new: Lock, *, compat: Compat = "queue", allow: Iterable[Allowed] = ()
) -> list[Report]:
    """What the newer one changes, errors first, by task."""
    found = [report for name, was in old for report in _task(name, was, new.tasks.get(name), compat)]
    return in_order(found, allow)


def unknown(waiting: Iterable[tuple[str, str]], new: Lock, *, allow: Iterable[Allowed] = ()) -> list[Report]:
    """What is to be said of jobs whose schema nobody has published: they may be right, but nobody knows."""
    found = []
    for task, schema in waiting:
        now = new.tasks.get(task)
        if now is not None and schema in {now.schema, *now.accepts}:
            continue
        text = f"jobs wait that were written with schema {schema or '(none)'}, which no worker has published"
        found.append(Report("error", "UNKNOWN_SCHEMA", task, "arguments", "$", text))
    return in_order(found, allow)


def _task(name: str, old: TaskLock, new: TaskLock | None, compat: Compat) -> list[Report]:
    if new is None:
        text = "jobs already queued have no handler; keep it until its queue is drained"
        return [Report("error", "REMOVED", name, "", "$", text)]
    found = [] if old.schema in new.accepts else reports(name, "arguments", differences(old.args, new.args))
    for schema, earlier in old.accepts.items():
        if schema not in {new.schema, *new.accepts}:  # the older side still read them, and jobs may have them
            found += reports(name, f"arguments of schema {schema}", differences(earlier, new.args))
    results = received((new.result, new.reads), (old.result, old.reads))
    found += reports(name, "result", [of_result(one) for one in results])
    if compat == "full":
        found += reports(name, "arguments of new producers", [of_new(one) for one in differences(new.args, old.args)])
    if old.queue and old.queue != new.queue:
        text = f"{old.queue} -> {new.queue}: workers of the old queue have to drain it"
        found.append(Report("warning", "QUEUE_CHANGED", name, "", "$", text))
    return found
