"""The tasks and workflows an app knows by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from stem.core.call import TaskEnqueueBuilder
from stem.core.codec import faults
from stem.core.task import AnyDeclared, AnyTask, DeclaredTask, TaskDefinition
from stem.core.workflow import AnyDeclaredWorkflow, AnyWorkflow, DeclaredWorkflow, WorkflowDefinition
from stem.errors import ConfigError, InvalidArgumentsError, UnknownTaskError, UnknownWorkflowError


class Registry:
    """Tasks by name; two of the same name are refused with both places named."""

    __slots__ = ("_tasks",)

    def __init__(self, tasks: Iterable[AnyTask] = ()) -> None:
        self._tasks: dict[str, AnyTask] = {}
        for one in tasks:
            self.add(one)

    def add(self, one: AnyTask) -> None:
        """Know this task; the same object twice is fine."""
        if not isinstance(one, TaskDefinition):
            raise ConfigError(f"expected a task made by @task(...) or TaskDefinition(...), found {one!r}")
        there = self._tasks.get(one.name)
        if there is not None and there is not one:
            raise ConfigError(f"two tasks are named {one.name!r}: {_place(there)} and {_place(one)}")
        self._tasks[one.name] = one

    def get(self, name: str) -> AnyTask:
        """The task, or UnknownTaskError with the nearest name."""
        found = self._tasks.get(name)
        if found is None:
            raise UnknownTaskError(name, self._tasks)
        return found

    def call(self, name: str, args: Mapping[str, object] | None = None) -> TaskEnqueueBuilder[Any]:
        """A call of the task of this name; UnknownTaskError names the nearest, InvalidArgumentsError the faults."""
        if not isinstance(name, str):
            raise ConfigError(f"a task is named by text, found {name!r}; a call goes through `await call.enqueue(app)`")
        task = self.get(name)
        if args is not None and not isinstance(args, Mapping):
            raise InvalidArgumentsError(name, [f"expected a mapping of field to value, found {args!r}"])
        try:
            return task.build(task.arguments.from_mapping(args or {}))
        except ValidationError as fault:
            raise InvalidArgumentsError(name, faults(fault, task.args_model)) from None

    def handler(self, name: str) -> AnyDeclared | None:
        """The task with its handler, or None when it is unknown or only defined here."""
        found = self._tasks.get(name)
        return found if isinstance(found, DeclaredTask) else None

    def __iter__(self) -> Iterator[AnyTask]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)

    def handlers(self) -> list[AnyDeclared]:
        """The tasks that can run here, by name."""
        return sorted((t for t in self if isinstance(t, DeclaredTask)), key=lambda t: t.name)


def _place(one: AnyTask) -> str:
    return one.where if isinstance(one, DeclaredTask) else "a TaskDefinition"


class Workflows:
    """Workflows by name and version; two of the same are refused with both places named."""

    __slots__ = ("_known",)

    def __init__(self, workflows: Iterable[AnyWorkflow] = ()) -> None:
        self._known: dict[tuple[str, int], AnyWorkflow] = {}
        for one in workflows:
            self.add(one)

    def add(self, one: AnyWorkflow) -> None:
        """Know this workflow; the same object twice is fine."""
        if not isinstance(one, WorkflowDefinition):
            raise ConfigError(
                f"expected a workflow made by @workflow(...), Flow(...) or WorkflowDefinition, found {one!r}"
            )
        key = (one.name, one.version)
        there = self._known.get(key)
        if there is not None and there is not one:
            places = [getattr(each, "where", "a WorkflowDefinition") for each in (there, one)]
            raise ConfigError(
                f"two workflows are named {one.name!r} and have version {one.version}: {places[0]} and {places[1]}; "
                "give the newer one another version"
            )
        self._known[key] = one

    def get(self, name: str) -> AnyWorkflow:
        """The newest version of this name, or `name@2`; UnknownWorkflowError with the nearest name."""
        title, _, number = name.partition("@")
        versions = {version: one for (known, version), one in self._known.items() if known == title}
        if number.isdecimal() and int(number) in versions:
            return versions[int(number)]
        if number or not versions:
            raise UnknownWorkflowError(
                name, sorted({f"{known}@{version}" if number else known for known, version in self._known})
            )
        return versions[max(versions)]

    def declared(self) -> list[AnyDeclaredWorkflow]:
        """Those that can run here, by name and version."""
        found = [one for one in self._known.values() if isinstance(one, DeclaredWorkflow)]
        return sorted(found, key=lambda one: (one.name, one.version))

    def __iter__(self) -> Iterator[AnyWorkflow]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)
