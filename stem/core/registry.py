"""The tasks an app knows by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from stem.core.call import TaskEnqueueBuilder
from stem.core.codec import faults
from stem.core.task import AnyDeclared, AnyTask, DeclaredTask, TaskDefinition
from stem.errors import ConfigError, InvalidArgumentsError, UnknownTaskError


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
            raise InvalidArgumentsError(name, faults(fault)) from None

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
