"""From names of tasks, workflows and events to names in the package; what would clash is refused, never renamed."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from stem.core.flow import Flow
from stem.core.task import AnyDeclared
from stem.core.workflow import AnyDeclaredWorkflow
from stemgen.collect import FoundEvent
from stemgen.errors import StemgenError
from stemgen.ir import Module, Task, Workflow

#: The namespace in which events stand, whatever their names.
EVENTS: Final = "events"
#: What stands at the top of a package.
_OWN: Final = frozenset(
    {"all_tasks", "all_workflows", "TaskName", "WorkflowName", "EventName", "REGISTRY_DIGEST", "TYPE_CHECKING"}
)


def identifier(text: str) -> str:
    """The text as a name of Python: `-` as `_`, and an underscore behind a keyword."""
    name = re.sub(r"\W", "_", text)
    if keyword.iskeyword(name):
        return f"{name}_"
    return name if name.isidentifier() else f"_{name}"


def is_keyword(text: str) -> bool:
    """Whether a call can spell it as the name of an argument."""
    return text.isidentifier() and not keyword.iskeyword(text)


class Named(NamedTuple):
    """Something with a stub: what it is, where it is declared, and how its stub gets a name of its own."""

    kind: Literal["task", "workflow", "topic", "mailbox"]
    name: str
    where: str
    stub: str = ""
    #: As `@task(..., stub='...')`; "" where only another name helps.
    how: str = ""

    @property
    def spelt(self) -> str:
        """Its namespace as it is written: that of its name; events of all names stand together."""
        return EVENTS if self.kind in {"topic", "mailbox"} else self.name.rpartition(".")[0]

    @property
    def namespace(self) -> tuple[str, ...]:
        """The parts of the namespace in which its stub stands."""
        return tuple(identifier(part) for part in self.spelt.split(".") if part)

    @property
    def attribute(self) -> str:
        """The name of its stub there: what `stub=` says, the last part of its name, or all of an event's."""
        last = self.name if self.kind in {"topic", "mailbox"} else self.name.rpartition(".")[2]
        return self.stub or identifier(last)

    @property
    def place(self) -> tuple[str, ...]:
        """Namespace and name."""
        return (*self.namespace, self.attribute)


def of_task(one: AnyDeclared) -> Named:
    """A task's stub."""
    return Named("task", one.name, one.where, one.options.stub, "@task(..., stub='...')")


def of_workflow(one: AnyDeclaredWorkflow, where: str) -> Named:
    """A workflow's stub."""
    how = "" if isinstance(one, Flow) else "@workflow(..., stub='...')"
    return Named("workflow", one.name, where, one.options.stub, how)


def of_event(one: FoundEvent) -> Named:
    """The stub of a topic or mailbox."""
    how = f"{type(one.event).__name__}(..., stub='...')"
    return Named(one.kind, one.event.name, one.where, one.event.stub, how)


def class_name(attribute_: str, taken: Container[str]) -> str:
    """`hello_world` as `HelloWorld`; with its underscores where another one of the file is called so already."""
    name = "".join(part[:1].upper() + part[1:] for part in attribute_.split("_") if part)
    if name in taken:
        name = attribute_[:1].upper() + attribute_[1:]
    while name in taken:
        name += "_"
    return name


def check(named: Sequence[Named]) -> None:
    """StemgenError names both places when two stubs would have one name, or a stub and a namespace."""
    places: dict[tuple[str, ...], Named] = {}
    for one in named:
        _check_free(one)
        there = places.setdefault(one.place, one)
        if there is not one:
            raise StemgenError(_clash(there, one, f"both would be {'.'.join(one.place)}"))
    below = {one.namespace[:depth]: one for one in named for depth in range(1, len(one.namespace) + 1)}
    for place, one in places.items():
        inside = below.get(place)
        if inside is not None:
            raise StemgenError(_clash(one, inside, f"{'.'.join(place)} would be a {one.kind} and a namespace"))
    _check_spellings(named)


def _check_free(one: Named) -> None:
    """A name of the package's own is refused: those with an underscore in front, and a few at its top."""
    hidden = [part for part in one.place if part.startswith("_")]
    if hidden or (len(one.place) == 1 and one.place[0] in _OWN):
        raise StemgenError(
            f"the stub of {one.name!r} ({one.where}) would be {'.'.join(one.place)}, but {(hidden or one.place)[0]} is a "
            f"name of the package's own; rename the {one.kind}{_or_stub(one)}"
        )


def _check_spellings(named: Iterable[Named]) -> None:
    """Two namespaces of one name: `a-b.x` and `a_b.y`."""
    spelt: dict[tuple[str, ...], Named] = {}
    for one in named:
        there = spelt.setdefault(one.namespace, one)
        if there.spelt != one.spelt:
            raise StemgenError(_clash(there, one, f"both namespaces would be {'.'.join(one.namespace)}"))


def _clash(one: Named, other: Named, why: str) -> str:
    how = other.how or one.how
    advice = f"rename one, or give it a name of its own with {how}" if how else "rename one"
    return f"the stubs of {one.name!r} ({one.where}) and {other.name!r} ({other.where}) clash: {why}; {advice}"


def _or_stub(one: Named) -> str:
    return f", or give it another name there with {one.how}" if one.how else ""


def check_made(models: Mapping[str, str], module: Module) -> None:
    """StemgenError when a model has the name of something that is made for a task or workflow beside it."""
    made: list[tuple[str, Task | Workflow]] = []
    for task in module.tasks:
        made += [(f"_{task.class_name}Task", task), (f"{task.class_name}EnqueueBuilder", task)]
    for flow in module.workflows:
        made += [(f"_{flow.class_name}Workflow", flow), (f"{flow.class_name}WorkflowCall", flow)]
    for name, one in made:
        if name in models:
            raise StemgenError(
                f"the model {models[name]} would stand beside {one.attribute!r}, for which stemgen makes a class {name}; "
                "rename the model"
            )


def check_models(names: Mapping[str, str], named: Iterable[Named]) -> None:
    """StemgenError when something of a namespace has the name of a model that is shown there."""
    for one in named:
        if one.attribute in names:
            advice = f"give it a name of its own with {one.how}" if one.how else f"rename the {one.kind}"
            raise StemgenError(
                f"in namespace {'.'.join(one.namespace) or 'of the package'}, the {one.kind} {one.attribute!r} has the "
                f"name of the model {names[one.attribute]}; {advice}"
            )
