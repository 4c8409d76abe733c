"""Witnesses: functions that a type checker accepts only while the app and its stubs agree.

Copies are classes of their own, so nominal typing sees nothing; a witness makes one from the other, field by field and
in both directions. They stand in `_verify/`, one file for each module of the app, and are for the checker alone.
"""

# pyright: basic

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Sequence
from typing import Any, NamedTuple, Union

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from stemgen.build import Package
from stemgen.collect import workflow_key
from stemgen.copying import FOLDER
from stemgen.ir import Model, Module
from stemgen.layout import HEADER
from stemgen.naming import identifier, is_keyword
from stemgen.typing_source import TypeSource

_HEAD = '''{header}
# fmt: off
# ruff: noqa
# pyright: reportUnusedFunction=false, reportPrivateUsage=false
"""Ties {origin} to its stubs, for the type checker alone; leave it out of what you ship."""

from __future__ import annotations

'''


def verify(package: Package, name: str) -> dict[str, str]:
    """The files of witnesses; none when models are imported, for then there is nothing to tie."""
    witnesses = Witnesses(package, name)
    files = {f"_verify/{key}.py": witnesses.file(module) for key, module in package.copies.modules.items()}
    for kind, ties in witnesses.ties().items():
        for home in sorted({tie.home for tie in ties}):
            key = f"{identifier(home.replace('.', '_'))}_{kind}s"
            files[f"_verify/{key}.py"] = witnesses.declared(kind, home, [tie for tie in ties if tie.home == home])
    if files:
        files["_verify/__init__.py"] = f"{HEADER}\n"
    return files


class Tie(NamedTuple):
    """Something of the app's at `place`, and the type it must have there."""

    name: str
    home: str
    place: str
    type: str
    types: tuple[Any, ...]


class Witnesses:
    """Writes the witnesses of one package."""

    def __init__(self, package: Package, name: str) -> None:
        self._package, self._name = package, name
        self._models = {model.origin: model for model in package.copies.all()}
        self._homes = {
            model.origin: module.parts[-1]
            for module in package.copies.modules.values()
            for model in module.models.values()
        }
        self._imports: set[str] = set()

    def file(self, module: Module) -> str:
        """The witnesses of the models of one module of the app."""
        self._imports = set()
        parts = [text for model in module.models.values() for text in self._model(model)]
        return self._text(next(iter(module.models.values())).origin.__module__, parts)

    def ties(self) -> dict[str, list[Tie]]:
        """What the app declares, by kind; `place` is "" for what stands in no module under a name."""
        said, places = self._package.declared, self._package.declared.places
        return {
            "task": [
                Tie(
                    one.name,
                    one.fn.__module__,
                    places.get(one.name, ""),
                    "TaskDefinition",
                    (one.args_model, one.returns),
                )
                for one in said.tasks
            ],
            "workflow": [
                Tie(one.name, one.__module__, place, "WorkflowDefinition", (one.params_model, one.returns))
                for one in said.newest
                for place in [places.get(workflow_key(one), "")]
            ],
            "event": [
                Tie(one.event.name, place.rpartition(".")[0], place, type(one.event).__name__, (one.event.payload,))
                for one in said.events
                for place in [places.get(one.key, "")]
                if place
            ],
        }

    def declared(self, kind: str, home: str, ties: Sequence[Tie]) -> str:
        """What one module of the app declares, with the models it takes and the types it gives."""
        self._imports = {"stem", home}
        parts = []
        for number, tie in enumerate(ties):
            if not tie.place:
                continue
            scratch = Module(("_verify",))
            source = TypeSource(scratch, lambda cls, _, __: self._app(cls))
            types = ", ".join(source.of(one, tie.place) for one in tie.types)
            for module, short in scratch.whole.items():
                self._imports.add(f"{module} as {short}" if module != short else module)
            parts.append(f"_{kind}_{number}: stem.{tie.type}[{types}] = {tie.place}  # {tie.name}\n")
        return self._text(f"the {kind}s of {home}", ["".join(parts)])

    def _text(self, origin: str, parts: list[str]) -> str:
        imports = "\n".join(f"import {one}" for one in sorted(self._imports))
        return _HEAD.format(header=HEADER, origin=origin) + imports + "\n\n\n" + "\n\n".join(parts)

    def _app(self, cls: type[Any]) -> str:
        self._imports.add(cls.__module__)
        return f"{cls.__module__}.{_spelt(cls)}"

    def _copy(self, cls: type[Any]) -> str:
        home = f"{self._name}.{FOLDER}.{self._homes[cls]}"
        self._imports.add(home)
        return f"{home}.{self._models[cls].name}"

    def _model(self, model: Model) -> list[str]:
        cls = model.origin
        if _is_unspeakable(cls):
            return []
        app, copy = self._app(cls), self._copy(cls)
        made = []
        for way, source, target in (("stub", app, copy), ("app", copy, app)):
            head = f"def {way}_{model.name}(v: {source}) -> {target}:\n"
            if model.kind == "enum":
                made.append(head + self._enum(cls, way, source, target))
            else:
                made.append(head + self._fields(cls, way, target))
        return made

    def _enum(self, cls: type[enum.Enum], way: str, source: str, target: str) -> str:
        if way == "app":
            return f"    return {target}(v.value)\n"
        lines = "".join(f"        {source}.{name}: {target}.{name},\n" for name in cls.__members__)
        return f"    return {{\n{lines}    }}[v]\n"

    def _fields(self, cls: type[BaseModel], way: str, target: str) -> str:
        if issubclass(cls, RootModel):
            return f"    return {target}({self._made(cls.model_fields['root'].annotation, 'v.root', way)})\n"
        given = [
            (_word(name, info, way), self._made(info.annotation, f"v.{name}", way), name)
            for name, info in cls.model_fields.items()
        ]
        if not all(is_keyword(word) for word, _, _ in given):
            # an alias that cannot be spelt in a call: attribute by attribute
            lines = "".join(f"    made.{name} = {value}\n" for _, value, name in given)
            return f"    made = {target}.model_construct()\n{lines}    return made\n"
        if not given:
            return f"    return {target}()\n"
        lines = "".join(f"        {word}={value},\n" for word, value, _ in given)
        return f"    return {target}(\n{lines}    )\n"

    def _made(self, tp: Any, value: str, way: str, depth: int = 0) -> str:
        """An expression that makes the other side's value of this one's."""
        origin, args = typing.get_origin(tp), typing.get_args(tp)
        if origin is typing.Annotated:
            return self._made(args[0], value, way, depth)
        if tp in self._models:
            return self._call(tp, value, way)
        if _has_new_type(tp):  # the copy has what it stands for
            self._imports.add("typing")
            return f"typing.cast(typing.Any, {value})"
        if origin is typing.Literal and any(type(one) in self._models for one in args):
            self._imports.add("typing")
            return f"typing.cast(typing.Any, {value})"
        if not self._has_copy(tp):
            return value
        item = f"x{depth or ''}"
        if origin in (list, set, frozenset):
            inner = self._made(args[0], item, way, depth + 1)
            return {list: "[{}]", set: "{{{}}}", frozenset: "frozenset({})"}[origin].format(
                f"{inner} for {item} in {value}"
            )
        if origin is dict and not self._has_copy(args[0]):
            return f"{{k: {self._made(args[1], item, way, depth + 1)} for k, {item} in {value}.items()}}"
        if origin in (Union, types.UnionType):
            some = [one for one in args if one is not type(None)]
            if len(some) == 1:
                return f"(None if {value} is None else {self._made(some[0], value, way, depth)})"
            return self._told_apart(some, value, way, optional=len(some) < len(args))
        self._imports.add("typing")
        return f"typing.cast(typing.Any, {value})"

    def _told_apart(self, some: list[Any], value: str, way: str, *, optional: bool) -> str:
        """A union of several models: by their classes."""
        if not all(one in self._models for one in some) or "." in value.replace("v.", "", 1):
            self._imports.add("typing")
            return f"typing.cast(typing.Any, {value})"
        *others, last = some
        text = self._call(last, value, way)
        for one in reversed(others):
            side = self._app(one) if way == "stub" else self._copy(one)
            text = f"{self._call(one, value, way)} if isinstance({value}, {side}) else {text}"
        return f"(None if {value} is None else {text})" if optional else f"({text})"

    def _call(self, cls: type[Any], value: str, way: str) -> str:
        home = self._homes[cls]
        module = f"{self._name}._verify.{home}"
        if _is_unspeakable(cls):
            self._imports.add("typing")
            return f"typing.cast(typing.Any, {value})"
        self._imports.add(module)
        return f"{module}.{way}_{self._models[cls].name}({value})"

    def _has_copy(self, tp: Any) -> bool:
        return (isinstance(tp, type) and tp in self._models) or any(
            self._has_copy(one) for one in typing.get_args(tp) if one is not Ellipsis
        )


def _word(name: str, info: FieldInfo, way: str) -> str:
    """The keyword by which a checker knows a field: its alias, but in the app not one that a generator made."""
    alias = info.serialization_alias or info.alias
    return name if alias is None or (way == "app" and info.alias_priority == 1) else str(alias)


def _has_new_type(tp: Any) -> bool:
    return isinstance(tp, typing.NewType) or any(_has_new_type(one) for one in typing.get_args(tp))


def _is_unspeakable(cls: type[Any]) -> bool:
    """A class that no annotation can name: one made inside of a function."""
    return "<locals>" in cls.__qualname__


def _spelt(cls: type[Any]) -> str:
    """A class as an annotation names it; a generic one with its arguments."""
    generic = getattr(cls, "__pydantic_generic_metadata__", {})
    origin = generic.get("origin")
    if origin is None:
        return cls.__qualname__
    args = ", ".join(_plain(one) for one in generic["args"])
    return f"{origin.__qualname__}[{args}]"


def _plain(tp: Any) -> str:
    if isinstance(tp, type):
        return tp.__qualname__ if tp.__module__ == "builtins" else f"{tp.__module__}.{_spelt(tp)}"
    return "typing.Any"
