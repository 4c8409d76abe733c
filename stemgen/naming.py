"""From names of tasks and modules to names in the package; what would clash is refused, never renamed."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container, Iterable, Mapping
from typing import Final

from stem.core.task import AnyDeclared
from stemgen.errors import StemgenError

#: What stands at the top of every package.
_OWN: Final = frozenset({"all_tasks", "TaskName", "REGISTRY_DIGEST", "TYPE_CHECKING"})


def identifier(text: str) -> str:
    """The text as a name of Python: `-` as `_`, and an underscore behind a keyword."""
    name = re.sub(r"\W", "_", text)
    if keyword.iskeyword(name):
        return f"{name}_"
    return name if name.isidentifier() else f"_{name}"


def is_keyword(text: str) -> bool:
    """Whether a call can spell it as the name of an argument."""
    return text.isidentifier() and not keyword.iskeyword(text)


def namespace(task: AnyDeclared) -> tuple[str, ...]:
    """The parts of the namespace in which a task's stub stands."""
    return tuple(identifier(part) for part in task.name.split(".")[:-1])


def attribute(task: AnyDeclared) -> str:
    """The name of a task's stub in its namespace: the last part of its name, or what `@task(stub=...)` says."""
    return task.options.stub or identifier(task.name.rpartition(".")[2])


def class_name(attribute_: str, taken: Container[str]) -> str:
    """`hello_world` as `HelloWorld`; with its underscores where another task of the file is called so already."""
    name = "".join(part[:1].upper() + part[1:] for part in attribute_.split("_") if part)
    if name in taken:
        name = attribute_[:1].upper() + attribute_[1:]
    while name in taken:
        name += "_"
    return name


def check(tasks: Iterable[AnyDeclared]) -> None:
    """StemgenError names both handlers when two stubs would have one name, or a stub and a namespace."""
    places: dict[tuple[str, ...], AnyDeclared] = {}
    for one in tasks:
        _check_free(one)
        place = (*namespace(one), attribute(one))
        there = places.setdefault(place, one)
        if there is not one:
            raise StemgenError(_clash(there, one, f"both would be {'.'.join(place)}"))
    below = {space[:depth]: one for one in tasks for space in [namespace(one)] for depth in range(1, len(space) + 1)}
    for place, one in places.items():
        inside = below.get(place)
        if inside is not None:
            raise StemgenError(_clash(one, inside, f"{'.'.join(place)} would be a task and a namespace"))
    _check_spellings(tasks)


def _check_free(task: AnyDeclared) -> None:
    """A name of the package's own is refused: those with an underscore in front, and three at its top."""
    place = (*namespace(task), attribute(task))
    hidden = [part for part in place if part.startswith("_")]
    if hidden or (len(place) == 1 and place[0] in _OWN):
        raise StemgenError(
            f"the stub of {task.name!r} ({task.where}) would be {'.'.join(place)}, but {(hidden or place)[0]} is a name of "
            "the package's own; rename the task, or give it another name there with @task(..., stub='...')"
        )


def _check_spellings(tasks: Iterable[AnyDeclared]) -> None:
    """Two namespaces of one name: `a-b.x` and `a_b.y`."""
    spelt: dict[tuple[str, ...], tuple[str, AnyDeclared]] = {}
    for one in tasks:
        space = one.name.rpartition(".")[0]
        there = spelt.setdefault(namespace(one), (space, one))
        if there[0] != space:
            raise StemgenError(_clash(there[1], one, f"both namespaces would be {'.'.join(namespace(one))}"))


def _clash(one: AnyDeclared, other: AnyDeclared, why: str) -> str:
    return (
        f"the stubs of {one.name!r} ({one.where}) and {other.name!r} ({other.where}) clash: {why}; "
        "rename one, or give it a name of its own with @task(..., stub='...')"
    )


def check_models(names: Mapping[str, str], attributes: Iterable[str], where: str) -> None:
    """StemgenError when a task of a namespace has the name of a model that is shown there."""
    for one in attributes:
        if one in names:
            raise StemgenError(
                f"in namespace {where or 'of the package'}, the task {one!r} has the name of the model {names[one]}; "
                "give it a name of its own with @task(..., stub='...')"
            )
