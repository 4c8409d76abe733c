"""The workflows of two locks: what the newer one would do to runs in flight, and to whoever starts and awaits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from stemgen.breaking.report import Compat, Report, in_order, of_new, of_result, reports
from stemgen.breaking.subset import Finding, differences, received
from stemgen.config import Allowed
from stemgen.lock import Lock, WorkflowLock


def compare_workflows(
    old: Iterable[WorkflowLock], new: Lock, *, compat: Compat = "queue", allow: Iterable[Allowed] = ()
) -> list[Report]:
    """What the newer one changes of versions that the older one has, errors first, by name."""
    found = [report for was in old for report in _workflow(was, new, compat)]
    return in_order(found, allow)


def in_flight(runs: Iterable[tuple[str, int]], new: Lock, *, allow: Iterable[Allowed] = ()) -> list[Report]:
    """What is to be said of runs that an engine has, by name and version: nobody has published what they look like."""
    found = [_gone(name, version, new) for name, version in runs if f"{name}@{version}" not in new.workflows]
    return in_order(found, allow)


def _workflow(old: WorkflowLock, new: Lock, compat: Compat) -> Iterator[Report]:
    now = new.workflows.get(f"{old.name}@{old.version}")
    if now is None:
        yield _gone(old.name, old.version, new)
        return
    here = f"of version {old.version}"
    params = [_of_runs(one) for one in differences(old.params, now.params)]
    yield from reports(old.name, f"params {here}", params)
    result = [of_result(one) for one in received((now.result, now.reads), (old.result, old.reads))]
    yield from reports(old.name, f"result {here}", result)
    if compat == "full":
        others = [of_new(one) for one in differences(now.params, old.params)]
        yield from reports(old.name, f"params {here} of new producers", others)
    yield from reports(old.name, f"steps {here}", _steps(old, now))


def _gone(name: str, version: int, new: Lock) -> Report:
    versions = sorted(one.version for one in new.workflows.values() if one.name == name)
    beside = f" beside version {versions[-1]}" if versions else ""
    text = f"runs in flight of version {version} have no code any more; keep its function{beside} until they have ended"
    return Report("error", "WORKFLOW_REMOVED", name, f"version {version}", "$", text)


def _of_runs(one: Finding) -> Finding:
    """What is said of queued jobs, said of runs: they read their parameters again in every replay."""
    text = one.text.replace("jobs already queued", "runs already started")
    if one.rule == "DEFAULT_CHANGED":
        text = f"{text}: runs that have not begun and leave it out get the new one"
    return msgspec.structs.replace(one, text=text)


# ---------------------------------------------------------------- steps


def _steps(old: WorkflowLock, new: WorkflowLock) -> list[Finding]:
    """Why runs that have begun with the old steps could not go on with the new ones.

    They can when the old steps are still there in their order, and what is new comes behind them or behind `ctx.patched`.
    """
    gone = _lacking(old.steps, new.steps) or _lacking(old.plain, new.plain)
    if gone:
        return [_finding(new, "STEP_REMOVED", f"the step {name!r} is gone") for name in gone]
    moved = _first_moved(old.plain, new.plain) or _first_moved(old.steps, new.steps)
    if moved:
        was = ", ".join(map(repr, old.steps))
        return [_finding(new, "STEP_REORDERED", f"the step {moved!r} has another place, the order was {was}")]
    return [
        _finding(new, "STEP_INSERTED", f"the step {name!r} is new in front of {behind!r}")
        for name, behind in _inserted(old.plain, new.plain)
    ]


def _lacking(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """What the old ones have more often than the new ones, each once."""
    there = Counter(new)
    there.subtract(Counter(old))
    return [name for name in dict.fromkeys(old) if there[name] < 0]


def _first_moved(old: Sequence[str], new: Sequence[str]) -> str:
    """The first of the old steps that does not come, among the new ones, behind those before it; "" when all do."""
    place = 0
    for name in old:
        if name not in new[place:]:
            return name
        place = new.index(name, place) + 1
    return ""


def _inserted(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, str]]:
    """New steps, each with the old one that it stands in front of."""
    found: list[tuple[str, str]] = []
    waiting: list[str] = []
    left = list(old)
    for name in new:
        if left and name == left[0]:
            found += [(one, name) for one in waiting]
            waiting = []
            left.pop(0)
        else:
            waiting.append(name)
    return found


def _finding(new: WorkflowLock, rule: str, what: str) -> Finding:
    """Blocking is an error; a workflow that goes on whatever has changed is told what it does."""
    if new.on_change == "block":
        text = (
            f"{what}: runs in flight of version {new.version} would be blocked; raise version= and keep the old function "
            "beside the new one, or ask ctx.patched"
        )
        return Finding("error", rule, "$", text)
    does = "warn and use what is recorded" if new.on_change == "warn" else "do again what is recorded"
    return Finding("warning", rule, "$", f"{what}: runs in flight of version {new.version} {does}")
