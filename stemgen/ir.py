"""What is written, as plain values: decided here and in the modules that build it; templates only lay out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Field:
    """One field of a model, or one argument of a task. Types and defaults are source text."""

    name: str
    type: str
    annotated: str
    required: bool
    #: Source of the default; None when it is required, "" when only the worker can make it.
    default: str | None
    alias: str
    doc: str


@dataclass
class Model:
    """A copy of a class of the app's."""

    name: str
    kind: Literal["model", "enum"]
    bases: str
    doc: str
    origin: type[Any]
    config: list[str] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    members: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Task:
    """One task as its stub has it. `args` and `returns` are source text."""

    name: str
    attribute: str
    args: str
    returns: str
    #: The same with what constrains it, as it is read.
    reads: str
    fields: list[Field]
    doc: str
    options: list[str]
    schema: str
    take: bool
    #: `hello_world` as `HelloWorld`.
    class_name: str


@dataclass
class Workflow:
    """One workflow as its stub has it; as for tasks."""

    name: str
    attribute: str
    params: str
    returns: str
    reads: str
    fields: list[Field]
    doc: str
    options: list[str]
    schema: str
    class_name: str


@dataclass
class Event:
    """One topic or mailbox as its stub has it. `payload` is source text, and `reads` the same with what constrains it."""

    name: str
    attribute: str
    kind: Literal["Topic", "Mailbox"]
    payload: str
    reads: str
    options: list[str]


@dataclass
class Module:
    """One file: its place in the package, what it imports, and what stands in it."""

    parts: tuple[str, ...]
    #: module -> the private name under which it is imported whole.
    whole: dict[str, str] = field(default_factory=dict)
    #: module -> names imported from it.
    names: dict[str, set[str]] = field(default_factory=dict)
    #: The names of its tasks, workflows and events.
    attributes: frozenset[str] = frozenset()
    #: (module, name) -> the name of it here.
    taken: dict[tuple[str, str], str] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    workflows: list[Workflow] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def stubs(self) -> list[Task | Workflow | Event]:
        """All of it that a producer uses."""
        return [*self.tasks, *self.workflows, *self.events]

    def use(self, module: str) -> str:
        """The private name of a module that is imported whole."""
        return self.whole.setdefault(module, "_" + _SHORT.get(module, module.replace(".", "_")))

    def take(self, module: str, name: str) -> str:
        """A name that is imported from a module, as it is called here: another one where it would stand for two."""
        shown = self.taken.get((module, name))
        if shown is None:
            others = {*self.taken.values(), *self.models}
            shown = name if name not in others else f"{name}_of_{module.lstrip('.').rpartition('.')[2]}"
            self.taken[module, name] = shown
            self.names.setdefault(module, set()).add(name if shown == name else f"{name} as {shown}")
        return shown


_SHORT = {"typing": "t", "collections.abc": "abc"}
