"""Findings as they are told: about what, on which side, and whether they are meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from stemgen.breaking.subset import Finding
from stemgen.config import Allowed

#: `queue`: what is queued, in flight or emitted, and results that are waited for. `full`: also new producers beside old
#: workers.
Compat: TypeAlias = Literal["queue", "full"]


class Report(msgspec.Struct, frozen=True):
    """One finding about one task, workflow or event, whose name is `task`; `allowed` is the reason when it is meant."""

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


def in_order(found: Iterable[Report], allow: Iterable[Allowed]) -> list[Report]:
    """Errors first, by name; what is meant has its reason."""
    known = list(allow)
    marked = [msgspec.structs.replace(one, allowed=_reason(one, known)) for one in found]
    return sorted(marked, key=lambda one: (one.level != "error", one.task))


def reports(name: str, part: str, findings: Iterable[Finding]) -> list[Report]:
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


def of_result(one: Finding) -> Finding:
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


def of_new(one: Finding) -> Finding:
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
