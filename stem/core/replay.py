"""Replay: what of a workflow's code was done before, and whether the code that did it was another.

Pure: the same record and the same calls give the same answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from stem.core.run import Step, Wait
from stem.core.step import StepMeta, base_name, decode_meta, undo_key, whole_of
from stem.errors import WorkflowError

#: What a workflow does when its code does not fit what is recorded: stand still until somebody mends it, go on with a
#: warning and the recorded results, or do the step again.
OnChange: TypeAlias = Literal["block", "warn", "rerun"]


class Reached(NamedTuple):
    """What is recorded at one place: a checkpoint, a wait under way, or nothing yet; and how the code differs."""

    key: str
    pos: int
    step: Step | None = None
    wait: Wait | None = None
    change: str = ""


class Replay:
    """The record of one run, as the code of today walks along it."""

    def __init__(self, steps: Sequence[Step], waits: Sequence[Wait], *, first: int = 0) -> None:
        self._steps = {step.key: step for step in steps}
        self._waits = {wait.key: wait for wait in waits}
        places = [*((step.key, step.pos) for step in steps), *((wait.key, wait.pos) for wait in waits)]
        self._left = {key: pos for key, pos in places if pos >= first}
        self._seen: Counter[str] = Counter()
        self._reached: set[str] = set()
        self._next = first

    @property
    def next_pos(self) -> int:
        """The place of what comes next."""
        return self._next

    @property
    def is_behind(self) -> bool:
        """Whether anything is recorded that has not been reached yet."""
        return any(not self._is_part(key) for key in self._left)

    def name(self, name: str, *, auto_version: bool) -> str:
        """The key of the next thing of this name; WorkflowError when it was used before, without `auto_version`."""
        count = self._seen[name]
        self._seen[name] += 1
        if auto_version:
            return f"{name}#{count}"
        if count:
            raise WorkflowError(
                f"the step {name!r} comes twice in one run: give each its own name, as f'{name}[{{item.id}}]', "
                "or number them with ctx.options(auto_version=True)"
            )
        return name

    def numbered(self, name: str) -> str:
        """The key of the next thing of this name where users give none: the name, then name#1, name#2."""
        count = self._seen[name]
        self._seen[name] += 1
        return f"{name}#{count}" if count else name

    def reach(self, key: str, meta: StepMeta) -> Reached:
        """The next place, and what is recorded for `key`."""
        pos = self._next
        self._next += 1
        return self._at(key, pos, meta)

    def part(self, key: str, pos: int, meta: StepMeta) -> Reached:
        """A part of the step at `pos`, as a sleep inside it."""
        return self._at(key, pos, meta)

    def note(self, step: Step) -> None:
        """A part that was answered since the run was claimed."""
        self._steps[step.key] = step
        self._waits.pop(step.key, None)

    def parts(self, key: str) -> list[Step]:
        """What the parts of this step came to, in the order in which they did."""
        found = [step for other, step in self._steps.items() if other.startswith(f"{key}/")]
        return sorted(found, key=lambda one: one.finished_at)

    def _at(self, key: str, pos: int, meta: StepMeta) -> Reached:
        self._reached.add(key)
        self._left.pop(key, None)
        step, wait = self._steps.get(key), self._waits.get(key)
        there = step or wait
        if there is None:
            return Reached(key, pos, change=self._displaced(key, pos))
        recorded = decode_meta(there.meta)
        return Reached(key, there.pos, step, None if step else wait, _difference(key, recorded, meta))

    def _displaced(self, key: str, pos: int) -> str:
        """Something else is recorded at or before this place: it was renamed or removed, or this one was put before it."""
        mine = base_name(key)
        others = [
            other
            for other, place in self._left.items()
            if place <= pos and not self._is_part(other) and base_name(other) != mine
        ]
        if not others:
            return ""
        first = min(others, key=lambda other: self._left[other])
        return (
            f"step {key!r} is new at place {pos}, where this run has recorded {first!r}: was it renamed, removed, or put "
            f"behind? Running {key!r} might do the same thing twice"
        )

    def unreached(self) -> list[str]:
        """What is recorded and was never reached, by place."""
        return sorted((key for key in self._left if not self._is_part(key)), key=lambda key: self._left[key])

    def _is_part(self, key: str) -> bool:
        """Parts of a step that has its checkpoint are not walked again; marks of patches stand anywhere."""
        whole = whole_of(key)
        return bool(whole) and (whole in self._reached or whole in self._steps or whole == "patch")


def to_undo(steps: Sequence[Step]) -> list[str]:
    """Steps that were done and have a compensation, of which nothing is recorded; the last first."""
    known = {step.key for step in steps}
    owed = [
        one for one in steps if one.outcome == "done" and undo_key(one.key) not in known and decode_meta(one.meta).undo
    ]
    return [one.key for one in sorted(owed, key=lambda one: -one.pos)]


def _difference(key: str, recorded: StepMeta, now: StepMeta) -> str:
    """How what is recorded differs from what the code does now, in words; "" when it does not matter."""
    if recorded.kind != now.kind:
        return f"{key!r} is recorded as a {recorded.kind}, and is a {now.kind} now"
    if recorded.inputs != now.inputs:
        fn = f" (recorded of {recorded.fn}, now {now.fn})" if recorded.fn != now.fn else ""
        return f"{key!r} was given other inputs when it was recorded{fn}: its result may belong to something else"
    return ""
