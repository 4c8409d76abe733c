"""From what an app declares to the files of its producer package."""

# pyright: basic

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel

from stem.core.codec import NoArgs
from stem.core.events import Topic
from stem.core.flow import Flow
from stem.core.lease import DEFAULT_LEASE_MS
from stem.core.options import Attribute, Options, TaskOptions
from stem.core.rate import Rate
from stem.core.run import KEEP_MS
from stem.core.task import AnyDeclared
from stem.core.workflow import AnyDeclaredWorkflow, WorkflowOptions
from stem.values import Unset
from stemgen import naming
from stemgen.collect import Declared, FoundEvent, workflow_key, workflow_where
from stemgen.config import Options as Settings
from stemgen.copying import Copies
from stemgen.errors import StemgenError
from stemgen.ir import Event, Field, Module, Task, Workflow
from stemgen.lock import Lock
from stemgen.typing_source import TypeSource, quoted

#: Tasks with more fields get no `take`: an overload a field would be longer than it helps.
_MOST_TAKEN: Final = 8
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


@dataclass
class Package:
    """Everything that is written about an app."""

    declared: Declared
    copies: Copies
    #: Namespaces by their parts; () is the package itself.
    spaces: dict[tuple[str, ...], Module] = field(default_factory=dict)

    def roots(self) -> set[str]:
        """The top-level packages of the app."""
        said = self.declared
        homes = [one.fn.__module__ for one in said.tasks] + [one.__module__ for one in said.newest]
        homes += [model.origin.__module__ for model in self.copies.all()]
        return {home.partition(".")[0] for home in homes}

    def children(self, space: tuple[str, ...]) -> list[str]:
        """The namespaces directly below one."""
        return sorted({one[len(space)] for one in self.spaces if len(one) > len(space) and one[: len(space)] == space})


def build(declared: Declared, lock: Lock, settings: Settings) -> Package:
    """The package; StemgenError when a name clashes or a type cannot be copied."""
    tasks = [(one, naming.of_task(one)) for one in declared.tasks]
    workflows = [(one, naming.of_workflow(one, workflow_where(one, declared.places))) for one in declared.newest]
    events = [(one, naming.of_event(one)) for one in declared.events]
    named = [name for _, name in (*tasks, *workflows, *events)]
    if not named:
        raise StemgenError(
            f"no task, workflow or event is declared in {', '.join(settings.modules)}; name the modules that have @task "
            "functions"
        )
    naming.check(named)
    package = Package(declared, Copies(settings.shared_models, settings.models))
    _open_spaces(package, named)
    for task, name in tasks:
        module = package.spaces[name.namespace]
        module.tasks.append(_task(task, name, module, package.copies, lock, settings))
    for workflow, name in workflows:
        module = package.spaces[name.namespace]
        module.workflows.append(_workflow(workflow, name, module, package.copies, lock))
    for event, name in events:
        module = package.spaces[name.namespace]
        module.events.append(_event(event, name, module, package.copies))
    for space, module in package.spaces.items():
        models = {shown: f"{home.lstrip('.')}.{name}" for (home, name), shown in module.taken.items()}
        naming.check_models(models, [one for one in named if one.namespace == space])
        naming.check_made(models, module)
    return package


def _open_spaces(package: Package, named: Sequence[naming.Named]) -> None:
    """A module for each namespace, the package itself among them."""
    package.spaces[()] = Module(())
    for one in named:
        for depth in range(len(one.namespace) + 1):
            package.spaces.setdefault(one.namespace[:depth], Module(()))
    for space, module in package.spaces.items():
        module.parts = _file(space, set(package.spaces))
        module.attributes = frozenset(one.attribute for one in named if one.namespace == space)


def _file(space: tuple[str, ...], spaces: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Where the tasks of a namespace stand: `a/b.py`, or `a/b/_tasks.py` when there are namespaces below it."""
    has_below = not space or any(len(one) > len(space) and one[: len(space)] == space for one in spaces)
    return (*space, "_tasks") if has_below else space


def _task(
    one: AnyDeclared, named: naming.Named, module: Module, copies: Copies, lock: Lock, settings: Settings
) -> Task:
    source, bare = _sources(module, copies)
    module.use("stem")
    fields = _fields(one.args_model, one.where, "an argument", copies, bare)
    take = settings.chain_fields and 0 < len(fields) <= _MOST_TAKEN
    if take:
        module.use("typing")
    return Task(
        name=one.name,
        attribute=named.attribute,
        args=source.of(one.args_model, one.where),
        returns=bare.of(one.returns, f"{one.where} -> result"),
        reads=source.of(one.returns, f"{one.where} -> result"),
        fields=fields,
        doc=inspect.cleandoc(one.__doc__ or ""),
        options=_options(one, module),
        schema=lock.tasks[one.name].schema,
        take=take,
        class_name=naming.class_name(named.attribute, {each.class_name for each in module.tasks}),
    )


def _workflow(one: AnyDeclaredWorkflow, named: naming.Named, module: Module, copies: Copies, lock: Lock) -> Workflow:
    source, bare = _sources(module, copies)
    module.use("stem")
    told = "" if isinstance(one, Flow) else one.__doc__ or ""
    return Workflow(
        name=one.name,
        attribute=named.attribute,
        params=source.of(one.params_model, named.where),
        returns=bare.of(one.returns, f"{named.where} -> result"),
        reads=source.of(one.returns, f"{named.where} -> result"),
        fields=_fields(one.params_model, named.where, "a parameter", copies, bare),
        doc=inspect.cleandoc(told or one.options.description),
        options=_words(one.options),
        schema=lock.workflows[workflow_key(one)].schema,
        class_name=naming.class_name(named.attribute, {each.class_name for each in module.workflows}),
    )


def _event(one: FoundEvent, named: naming.Named, module: Module, copies: Copies) -> Event:
    source, bare = _sources(module, copies)
    module.use("stem")
    where = f"{one.where} -> payload"
    return Event(
        name=one.event.name,
        attribute=named.attribute,
        kind="Topic" if isinstance(one.event, Topic) else "Mailbox",
        payload=bare.of(one.event.payload, where),
        reads=source.of(one.event.payload, where),
        options=[f"ttl={quoted(_span(one.event.ttl_ms))}"] if isinstance(one.event, Topic) else [],
    )


def _sources(module: Module, copies: Copies) -> tuple[TypeSource, TypeSource]:
    """How a module writes types, with and without what constrains them."""
    return (
        TypeSource(module, copies.name, shadowed=module.attributes),
        TypeSource(module, copies.name, bare=True, shadowed=module.attributes),
    )


def _fields(model: type[BaseModel], where: str, what: str, copies: Copies, bare: TypeSource) -> list[Field]:
    """The keywords of a call, those that must be given first."""
    fields = [] if model is NoArgs else copies.fields(model, bare)
    if any("self" in {each.name, each.alias} for each in fields):
        raise StemgenError(f"{where}: {what} cannot be named 'self' in a producer's call; rename the field")
    return sorted(fields, key=lambda each: not each.required)


def _words(said: WorkflowOptions) -> list[str]:
    """What travels with a run, as keywords of the stub."""
    words = [f"version={said.version}"]
    if said.cancel_after_ms is not None:
        words.append(f"cancel_after={quoted(_span(said.cancel_after_ms))}")
    if said.max_suspend_ms is not None:
        words.append(f"max_suspend={quoted(_span(said.max_suspend_ms))}")
    if said.lease_ms != DEFAULT_LEASE_MS:
        words.append(f"visibility_timeout={quoted(_span(said.lease_ms))}")
    if said.keep_ms != KEEP_MS:
        words.append(f"keep={quoted(_span(said.keep_ms))}")
    if said.cleans_up:
        words.append("cleans_up=True")
    return words


def _options(one: AnyDeclared, module: Module) -> list[str]:
    """What travels with a job, as keywords of the stub."""
    said, own = one.options, one.options.layer
    words = _layer(own)
    if said.rate_limit is not None:
        words.append(f"rate_limit={_rate(said.rate_limit, module.use('stem'))}")
    if said.concurrency is not None:
        key = f", key={quoted(said.concurrency.key)}" if said.concurrency.key is not None else ""
        words.append(f"concurrency={module.use('stem')}.Limit({said.concurrency.count}{key})")
    if said.unique is not None:
        rule = said.unique
        parts = [f"until={quoted(rule.until)}"] if rule.until != "done" else []
        parts += [f"key={quoted(rule.key)}"] if rule.key is not None else []
        parts += [f"for_={quoted(_span(rule.for_ms))}"] if rule.for_ms is not None else []
        parts += [f"conflict={quoted(rule.conflict)}"] if rule.conflict != "return" else []
        words.append(f"unique={module.use('stem')}.Unique({', '.join(parts)})")
    if said.at_most_once:
        words.append("at_most_once=True")
    return words + _about(said)


def _about(said: TaskOptions) -> list[str]:
    """What people want to know of a task."""
    words = []
    if said.tags:
        words.append(f"tags=[{', '.join(map(quoted, said.tags))}]")
    if said.description:
        words.append(f"description={quoted(said.description)}")
    if said.attributes:
        pairs = (f"{quoted(name)}: {_literal(value)}" for name, value in said.attributes.items())
        words.append(f"attributes={{{', '.join(pairs)}}}")
    if said.idempotent is not None:
        words.append(f"idempotent={said.idempotent}")
    return words


def _literal(value: Attribute) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def _layer(own: Options) -> list[str]:
    words = []
    if not isinstance(own.queue, Unset):
        words.append(f"queue={quoted(own.queue)}")
    if not isinstance(own.priority, Unset):
        words.append(f"priority={own.priority}")
    if not isinstance(own.expires_ms, Unset):
        words.append(f"expires={'None' if own.expires_ms is None else quoted(_span(own.expires_ms))}")
    if not isinstance(own.lease_ms, Unset):
        words.append(f"visibility_timeout={quoted(_span(own.lease_ms))}")
    if not isinstance(own.result_ttl_ms, Unset):
        words.append(f"result_ttl={quoted(_span(own.result_ttl_ms))}")
    return words


def _rate(rate: Rate, stem: str) -> str:
    key = f", key={quoted(rate.key)}" if rate.key is not None else ""
    burst = f", burst={rate.burst}" if rate.burst is not None else ""
    return f"{stem}.Rate({quoted(rate.text)}{key}{burst})"


def _span(ms: int) -> str:
    """Milliseconds in the largest unit that leaves no rest."""
    unit, size = next((unit, size) for unit, size in _UNITS if ms % size == 0)
    return f"{ms // size}{unit}"
