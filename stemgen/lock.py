"""stem.lock.json: what the tasks of an app look like on the wire, and the digest of it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from stem.core.options import DEFAULT_QUEUE
from stem.core.schema import arguments_schema, digest, task_schema
from stem.core.task import AnyDeclared
from stem.values import Unset
from stemgen.errors import StemgenError

#: Grows when older versions could not read the file.
FORMAT: Final = 1


class TaskLock(msgspec.Struct, frozen=True, kw_only=True):
    """One task: the schemas of its arguments and of its result as written and as read, and their digest."""

    handler: str
    schema: str
    args: dict[str, Any]
    result: dict[str, Any]
    reads: dict[str, Any] | None = None
    accepts: dict[str, dict[str, Any]] = {}
    queue: str = DEFAULT_QUEUE


class Lock(msgspec.Struct, frozen=True):
    """The whole file."""

    stemgen: int
    tasks: dict[str, TaskLock]

    def text(self) -> str:
        """As it is written: sorted, one thing a line."""
        return json.dumps(msgspec.to_builtins(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def digest(self) -> str:
        """Stands for all of it."""
        return digest(msgspec.to_builtins(self))


def make_lock(tasks: tuple[AnyDeclared, ...]) -> Lock:
    """The lock of these tasks; StemgenError when a model has no schema."""
    return Lock(FORMAT, {one.name: _task(one) for one in tasks})


def _task(one: AnyDeclared) -> TaskLock:
    try:
        made = task_schema(one.name, one.args_model, one.returns)
        earlier = [arguments_schema(model) for model in one.accepts]
    except ValueError as fault:
        raise StemgenError(f"{one.where} has no JSON schema: {fault}") from None
    queue = one.options.layer.queue
    return TaskLock(
        handler=one.where,
        schema=made.schema,
        args=made.args,
        result=made.result,
        reads=None if made.reads == made.result else made.reads,
        accepts={digest(schema): schema for schema in earlier},
        queue=DEFAULT_QUEUE if isinstance(queue, Unset) else queue,
    )


def read_lock(text: str | bytes, where: str) -> Lock:
    """The lock in this text; StemgenError when it is none, or of a newer stemgen."""
    try:
        made = msgspec.json.decode(text, type=Lock)
    except msgspec.MsgspecError as fault:
        raise StemgenError(f"{where} is no stem.lock.json: {fault}") from None
    if made.stemgen > FORMAT:
        raise StemgenError(f"{where} was written by a newer stemgen (format {made.stemgen}); update this one")
    return made


def load(path: Path) -> Lock:
    """The lock in a file."""
    try:
        return read_lock(path.read_bytes(), str(path))
    except OSError as fault:
        raise StemgenError(f"{path} cannot be read: {fault.strerror}; run stemgen first") from None
