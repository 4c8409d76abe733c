"""What imported modules declare: tasks, workflows and events, found as their attributes."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from stem.core.events import Mailbox, Topic
from stem.core.registry import Workflows
from stem.core.task import AnyDeclared, DeclaredTask
from stem.core.workflow import AnyDeclaredWorkflow, DeclaredWorkflow, ScriptWorkflow
from stem.errors import ConfigError
from stemgen.errors import StemgenError

T = TypeVar("T")
AnyEvent: TypeAlias = Topic[Any] | Mailbox[Any]
EventKind: TypeAlias = Literal["topic", "mailbox"]


class FoundEvent(msgspec.Struct, frozen=True):
    """A topic or mailbox, and the module attribute where it was found."""

    event: AnyEvent
    where: str

    @property
    def kind(self) -> EventKind:
        """Which of the two."""
        return "topic" if isinstance(self.event, Topic) else "mailbox"

    @property
    def key(self) -> str:
        """Its name in the lock: a topic and a mailbox may share theirs."""
        return f"{self.kind}:{self.event.name}"


class Declared(msgspec.Struct, frozen=True):
    """All of an app: tasks by name, workflows by name and version, events by name and kind.

    `places` has the module attribute of each, under the key that the lock has for it; of what stands in no module of
    the app under a name there is none.
    """

    tasks: tuple[AnyDeclared, ...]
    workflows: tuple[AnyDeclaredWorkflow, ...]
    events: tuple[FoundEvent, ...]
    places: dict[str, str]

    @property
    def newest(self) -> list[AnyDeclaredWorkflow]:
        """The newest version of each workflow: what producers start."""
        return list({one.name: one for one in self.workflows}.values())


def workflow_key(one: AnyDeclaredWorkflow) -> str:
    """The workflow's key in the lock, as `orders.fulfil@2`."""
    return f"{one.name}@{one.version}"


def collect(modules: Sequence[ModuleType]) -> Declared:
    """What these modules declare; two of one name are refused with both places named."""
    places: dict[str, str] = {}
    return Declared(_tasks(modules, places), _workflows(modules, places), _events(modules, places), places)


def _tasks(modules: Sequence[ModuleType], places: dict[str, str]) -> tuple[AnyDeclared, ...]:
    """The tasks whose handlers these modules define."""
    found: dict[str, AnyDeclared] = {}
    for module, attribute, one in _own(modules, DeclaredTask, lambda task: task.fn.__module__):
        there = found.setdefault(one.name, one)
        if module.__name__ == one.fn.__module__:
            places.setdefault(one.name, f"{module.__name__}.{attribute}")
        if there is not one:
            raise StemgenError(f"two tasks are named {one.name!r}: {there.where} and {one.where}")
    return tuple(found[name] for name in sorted(found))


def _workflows(modules: Sequence[ModuleType], places: dict[str, str]) -> tuple[AnyDeclaredWorkflow, ...]:
    """The workflows that these modules define, as an app collects them."""
    known = Workflows()
    for module, attribute, one in _own(modules, DeclaredWorkflow, lambda workflow: workflow.__module__):
        try:
            known.add(one)
        except ConfigError as fault:
            raise StemgenError(str(fault)) from None
        if module.__name__ == one.__module__:
            places.setdefault(workflow_key(one), f"{module.__name__}.{attribute}")
    return tuple(known.declared())


def workflow_where(one: AnyDeclaredWorkflow, places: dict[str, str]) -> str:
    """Where a workflow is declared, for messages: its function, or the attribute that holds a flow."""
    return one.where if isinstance(one, ScriptWorkflow) else places.get(workflow_key(one), one.where)


def _events(modules: Sequence[ModuleType], places: dict[str, str]) -> tuple[FoundEvent, ...]:
    """The events that stand in these modules, wherever they come from: whoever imports one waits for it or emits it."""
    found: dict[str, FoundEvent] = {}
    for module in modules:
        assigned = None
        for attribute, value in vars(module).items():
            if not isinstance(value, Topic | Mailbox):
                continue
            one = FoundEvent(value, f"{module.__name__}.{attribute}")
            there = found.setdefault(one.key, one)
            if there.event is not value:
                raise StemgenError(
                    f"two events are the {one.kind} {value.name!r}: {there.where} and {one.where}; declare it once, and "
                    "import it from there"
                )
            assigned = _assigned(module) if assigned is None else assigned
            if attribute in assigned:
                places.setdefault(one.key, one.where)
    return tuple(found[key] for key in sorted(found, key=lambda key: key.partition(":")[::-1]))


def _own(modules: Sequence[ModuleType], kind: type[T], home: Callable[[T], str]) -> Iterator[tuple[ModuleType, str, T]]:
    """Attributes of this kind that one of the modules defines; what comes from a library stays out."""
    names = {module.__name__ for module in modules}
    for module in modules:
        for attribute, value in vars(module).items():
            if isinstance(value, kind) and home(value) in names:
                yield module, attribute, value


def _assigned(module: ModuleType) -> set[str]:
    """The names that a module makes itself; what it imports, a type checker does not let others have from it."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError):
        return set()
    return {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
