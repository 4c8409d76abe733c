"""stem.lock.json: what an app's tasks, workflows and events look like on the wire, and the digest of it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from stem.core.options import DEFAULT_QUEUE, Attribute
from stem.core.replay import OnChange
from stem.core.schema import arguments_schema, digest, read_schema, result_schema, task_schema
from stem.core.task import AnyDeclared
from stem.core.workflow import AnyDeclaredWorkflow
from stem.values import Unset
from stemgen.collect import Declared, EventKind, FoundEvent, workflow_key, workflow_where
from stemgen.errors import StemgenError
from stemgen.steps import steps_of

#: Grows when older versions could not read the file.
FORMAT: Final = 1


class TaskLock(msgspec.Struct, frozen=True, kw_only=True):
    """One task: the schemas of its arguments and of its result as written and as read, and their digest.

    `tags`, `attributes` and `idempotent` are there when the task says them.
    """

    handler: str
    schema: str
    args: dict[str, Any]
    result: dict[str, Any]
    reads: dict[str, Any] | None = None
    accepts: dict[str, dict[str, Any]] = {}
    queue: str = DEFAULT_QUEUE
    tags: tuple[str, ...] | UnsetType = UNSET
    attributes: dict[str, Attribute] | UnsetType = UNSET
    idempotent: bool | UnsetType = UNSET


class WorkflowLock(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a workflow: schemas as for tasks, and its steps in order, as far as they are known.

    `patched`: the places among them of those behind `ctx.patched`, to which runs that began before them do not come.
    """

    name: str
    version: int
    handler: str
    schema: str
    params: dict[str, Any]
    result: dict[str, Any]
    reads: dict[str, Any] | None = None
    steps: tuple[str, ...] = ()
    patched: tuple[int, ...] = ()
    on_change: OnChange = "block"

    @property
    def plain(self) -> tuple[str, ...]:
        """The steps that all runs come to, whenever they began."""
        return tuple(name for place, name in enumerate(self.steps) if place not in self.patched)


class EventLock(msgspec.Struct, frozen=True, kw_only=True):
    """One topic or mailbox: the schema of its payload as written, and as read where that is another."""

    name: str
    kind: EventKind
    payload: dict[str, Any]
    reads: dict[str, Any] | None = None


class Lock(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole file. Workflows are named with their version, `orders.fulfil@2`; events with their kind."""

    stemgen: int
    tasks: dict[str, TaskLock]
    workflows: dict[str, WorkflowLock] = {}
    events: dict[str, EventLock] = {}

    def text(self) -> str:
        """As it is written: sorted, one thing a line."""
        return json.dumps(msgspec.to_builtins(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def digest(self) -> str:
        """Stands for all of it."""
        return digest(msgspec.to_builtins(self))


def make_lock(declared: Declared) -> Lock:
    """The lock of an app; StemgenError when a model has no schema."""
    return Lock(
        FORMAT,
        {one.name: _task(one) for one in declared.tasks},
        {workflow_key(one): _workflow(one, workflow_where(one, declared.places)) for one in declared.workflows},
        {one.key: _event(one) for one in declared.events},
    )


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
        tags=one.options.tags or UNSET,
        attributes=dict(one.options.attributes) or UNSET,
        idempotent=UNSET if one.options.idempotent is None else one.options.idempotent,
    )


def _workflow(one: AnyDeclaredWorkflow, where: str) -> WorkflowLock:
    try:
        made = task_schema(one.name, one.params_model, one.returns)
    except ValueError as fault:
        raise StemgenError(f"{where} has no JSON schema: {fault}") from None
    steps = steps_of(one)
    return WorkflowLock(
        name=one.name,
        version=one.version,
        handler=where,
        schema=made.schema,
        params=made.args,
        result=made.result,
        reads=None if made.reads == made.result else made.reads,
        steps=steps.names,
        patched=steps.patched,
        on_change=one.options.on_change,
    )


def _event(one: FoundEvent) -> EventLock:
    try:
        payload, reads = result_schema(one.event.payload), read_schema(one.event.payload)
    except ValueError as fault:
        raise StemgenError(f"{one.where} has no JSON schema: {fault}") from None
    return EventLock(name=one.event.name, kind=one.kind, payload=payload, reads=None if reads == payload else reads)


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
