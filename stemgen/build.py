"""From the tasks of an app to the files of its producer package."""

# pyright: basic

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stem.core.codec import NoArgs
from stem.core.options import Options
from stem.core.rate import Rate
from stem.core.task import AnyDeclared
from stem.values import Unset
from stemgen import naming
from stemgen.config import Options as Settings
from stemgen.copying import Copies
from stemgen.errors import StemgenError
from stemgen.ir import Module, Task
from stemgen.lock import Lock
from stemgen.typing_source import TypeSource, quoted

#: Tasks with more fields get no `take`: an overload a field would be longer than it helps.
_MOST_TAKEN: Final = 8
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


@dataclass
class Package:
    """Everything that is written about an app."""

    tasks: tuple[AnyDeclared, ...]
    #: Name of a task -> the module attribute where it stands.
    places: Mapping[str, str]
    copies: Copies
    #: Namespaces by their parts; () is the package itself.
    spaces: dict[tuple[str, ...], Module] = field(default_factory=dict)

    def children(self, space: tuple[str, ...]) -> list[str]:
        """The namespaces directly below one."""
        return sorted({one[len(space)] for one in self.spaces if len(one) > len(space) and one[: len(space)] == space})


def build(tasks: Sequence[AnyDeclared], places: Mapping[str, str], lock: Lock, settings: Settings) -> Package:
    """The package; StemgenError when a name clashes or a type cannot be copied."""
    if not tasks:
        raise StemgenError(
            f"no task is declared in {', '.join(settings.modules)}; name the modules that have @task functions"
        )
    naming.check(tasks)
    package = Package(tuple(tasks), places, Copies(settings.shared_models, settings.models))
    for one in tasks:
        space = naming.namespace(one)
        for depth in range(len(space)):
            package.spaces.setdefault(space[:depth], Module(()))
        package.spaces.setdefault(space, Module(()))
    for space, module in package.spaces.items():
        module.parts = _file(space, set(package.spaces))
        module.attributes = frozenset(naming.attribute(one) for one in tasks if naming.namespace(one) == space)
    for one in tasks:
        module = package.spaces[naming.namespace(one)]
        module.tasks.append(_task(one, module, package.copies, lock, settings))
    for space, module in package.spaces.items():
        models = {shown: f"{home.lstrip('.')}.{name}" for (home, name), shown in module.taken.items()}
        naming.check_models(models, [one.attribute for one in module.tasks], ".".join(space))
    return package


def _file(space: tuple[str, ...], spaces: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Where the tasks of a namespace stand: `a/b.py`, or `a/b/_tasks.py` when there are namespaces below it."""
    has_below = not space or any(len(one) > len(space) and one[: len(space)] == space for one in spaces)
    return (*space, "_tasks") if has_below else space


def _task(one: AnyDeclared, module: Module, copies: Copies, lock: Lock, settings: Settings) -> Task:
    source = TypeSource(module, copies.name, shadowed=module.attributes)
    bare = TypeSource(module, copies.name, bare=True, shadowed=module.attributes)
    module.use("stem")
    fields = [] if one.args_model is NoArgs else copies.fields(one.args_model, bare)
    for each in fields:
        if each.name == "self":
            raise StemgenError(
                f"{one.where}: an argument cannot be named 'self' in a producer's call; rename the field"
            )
    take = settings.chain_fields and 0 < len(fields) <= _MOST_TAKEN
    if take:
        module.use("typing")
    fields.sort(key=lambda each: not each.required)
    return Task(
        name=one.name,
        attribute=naming.attribute(one),
        args=source.of(one.args_model, one.where),
        returns=bare.of(one.returns, f"{one.where} -> result"),
        reads=source.of(one.returns, f"{one.where} -> result"),
        fields=fields,
        doc=inspect.cleandoc(one.__doc__ or ""),
        options=_options(one, module),
        schema=lock.tasks[one.name].schema,
        take=take,
        class_name=naming.class_name(naming.attribute(one), {each.class_name for each in module.tasks}),
    )


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
    return words


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
