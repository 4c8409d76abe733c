"""Two locks: what the newer one would break."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from stemgen.breaking.subset import Finding, differences
from stemgen.config import Allowed
from stemgen.lock import Lock, TaskLock

#: `queue`: jobs that are queued, and results that are waited for. `full`: also new producers beside old workers.
Compat: TypeAlias = Literal["queue", "full"]


class Report(msgspec.Struct, frozen=True):
    """One finding about one task; `allowed` is the reason when it is meant."""

    level: Literal["error", "warning"]
    rule: str
    task: str
    part: str
    path: str
    text: str
    allowed: str = ""

    @property
    def breaks(self) -> bool:
        """Whether it should hold up a deploy."""
        return self.level == "error" and not self.allowed


def compare(
    old: Iterable[tuple[str, TaskLock]], new: Lock, *, compat: Compat = "queue", allow: Iterable[Allowed] = ()
) -> list[Report]:
    """What the newer one changes, errors first, by task."""
    found = [report for name, was in old for report in _task(name, was, new.tasks.get(name), compat)]
    known = list(allow)
    marked = [msgspec.structs.replace(one, allowed=_reason(one, known)) for one in found]
    return sorted(marked, key=lambda one: (one.level != "error", one.task))


def unknown(waiting: Iterable[tuple[str, str]], new: Lock, *, allow: Iterable[Allowed] = ()) -> list[Report]:
    """What is to be said of jobs whose schema nobody has published: they may be right, but nobody knows."""
    known = list(allow)
    found = []
    for task, schema in waiting:
        now = new.tasks.get(task)
        if now is not None and schema in {now.schema, *now.accepts}:
            continue
        text = f"jobs wait that were written with schema {schema or '(none)'}, which no worker has published"
        one = Report("error", "UNKNOWN_SCHEMA", task, "arguments", "$", text)
        found.append(msgspec.structs.replace(one, allowed=_reason(one, known)))
    return found


def _task(name: str, old: TaskLock, new: TaskLock | None, compat: Compat) -> list[Report]:
    if new is None:
        text = "jobs already queued have no handler; keep it until its queue is drained"
        return [Report("error", "REMOVED", name, "", "$", text)]
    found = [] if old.schema in new.accepts else _reports(name, "arguments", differences(old.args, new.args))
    for schema, earlier in old.accepts.items():
        if schema not in {new.schema, *new.accepts}:  # the older side still read them, and jobs may have them
            found += _reports(name, f"arguments of schema {schema}", differences(earlier, new.args))
    found += _reports(name, "result", [_of_result(one) for one in differences(new.result, old.reads or old.result)])
    if compat == "full":
        found += _reports(name, "arguments of new producers", [_of_new(one) for one in differences(new.args, old.args)])
    if old.queue and old.queue != new.queue:
        text = f"{old.queue} -> {new.queue}: workers of the old queue have to drain it"
        found.append(Report("warning", "QUEUE_CHANGED", name, "", "$", text))
    return found


def _reports(name: str, part: str, findings: Iterable[Finding]) -> list[Report]:
    return [Report(one.level, one.rule, name, part, one.path, one.text) for one in findings]


#: The same differences, read from the side of somebody who waits for a result and has the old model.
_RESULT_WORDS = {
    "REQUIRED_FIELD_ADDED": ("FIELD_REMOVED", "whoever waits for it needs it"),
    "FIELD_BECAME_REQUIRED": ("FIELD_BECAME_OPTIONAL", "whoever waits for it needs it"),
    "FIELD_REMOVED": ("FIELD_ADDED", "whoever waits for it refuses extra fields"),
    "ENUM_VALUE_REMOVED": ("ENUM_VALUE_ADDED", "whoever waits does not know it"),
    "TYPE_NARROWED": ("TYPE_WIDENED", "whoever waits does not know it"),
    "CONSTRAINT_TIGHTENED": ("CONSTRAINT_LOOSENED", "whoever waits has the narrower bound"),
    "CLOSED": ("OPENED", "whoever waits refuses extra fields"),
}


#: What the finding itself says of these is of use to whoever waits, too.
_TELLING = frozenset(_RESULT_WORDS) - {"REQUIRED_FIELD_ADDED", "FIELD_BECAME_REQUIRED"}


def _of_result(one: Finding) -> Finding:
    """A field that the new result has and the old one did not is dropped by whoever waits, which is no loss."""
    if one.rule == "DEFAULT_CHANGED" or (one.rule == "FIELD_REMOVED" and one.level == "warning"):
        return Finding("warning", "FIELD_ADDED", one.path, "whoever waits with the old model does not see it")
    if one.rule == "TYPE_CHANGED":
        before, _, after = one.text.partition(" -> ")
        return Finding(one.level, one.rule, one.path, f"{after} -> {before}" if after else one.text)
    rule, why = _RESULT_WORDS.get(one.rule, (one.rule, ""))
    return Finding(
        one.level, rule, one.path, f"{why} ({one.text})" if why and one.rule in _TELLING else why or one.text
    )


def _of_new(one: Finding) -> Finding:
    return Finding(
        one.level,
        one.rule,
        one.path,
        f"for workers of the old version: {one.text.replace('jobs already queued', 'new producers')}",
    )


def _reason(one: Report, allow: Iterable[Allowed]) -> str:
    for entry in allow:
        if entry.rule in {"", one.rule} and entry.task in {"", one.task} and entry.path in {"", one.path}:
            return entry.reason
    return ""
