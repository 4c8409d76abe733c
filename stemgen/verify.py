"""Witnesses: functions that a type checker accepts only while the app and its stubs agree.

Copies are classes of their own, so nominal typing sees nothing; a witness makes one from the other, field by field and
in both directions. They stand in `_verify/`, one file for each module of the app, and are for the checker alone.
"""

# pyright: basic

from __future__ import annotations

import enum
import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Union

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from stemgen import layout
from stemgen.build import Package
from stemgen.collect import workflow_key
from stemgen.copying import FOLDER
from stemgen.ir import Model, Module
from stemgen.layout import HEADER
from stemgen.naming import identifier, is_keyword
from stemgen.typing_source import TypeSource

_HEAD = '''{header}
# pyright: reportUnusedFunction=false, reportPrivateUsage=false
"""Ties {origin} to its stubs.

For the type checker alone; leave it out of what you ship.
"""

from __future__ import annotations

'''


def verify(package: Package, name: str, roots: set[str]) -> dict[str, str]:
    """The files of witnesses; none when models are imported, for then there is nothing to tie."""
    witnesses = Witnesses(package, name, roots)
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

    def __init__(self, package: Package, name: str, roots: set[str]) -> None:
        self._package, self._name, self._roots = package, name, roots
        self._models = {model.origin: model for model in package.copies.all()}
        self._homes = {
            model.origin: module.parts[-1]
            for module in package.copies.modules.values()
            for model in module.models.values()
        }
        self._functions = {
            model.origin: name
            for module in package.copies.modules.values()
            for model, name in _named(list(module.models.values()))
        }
        self._here = ""
        self._whole: dict[str, str] = {}
        self._names: dict[str, set[str]] = {}

    def _begin(self, here: str) -> None:
        """A new file: no imports yet."""
        self._here, self._whole, self._names = here, {}, {}

    def _import(self, module: str) -> str:
        """A module that is imported whole, as it is called here."""
        return self._whole.setdefault(module, module)

    def _import_own(self, folder: str, module: str) -> str:
        """A file of this package, as it is called here."""
        shown = f"{folder.strip('_')}_of_{module}"
        self._names.setdefault(f"{self._name}.{folder}", set()).add(f"{module} as {shown}")
        return shown

    def _spelt(self, cls: type[Any]) -> str:
        """A class as an annotation names it; a generic one with its arguments, whose modules are imported."""
        generic = getattr(cls, "__pydantic_generic_metadata__", {})
        origin = generic.get("origin")
        if origin is None:
            return cls.__qualname__
        args = ", ".join(self._plain(one) for one in generic["args"])
        return f"{origin.__qualname__}[{args}]"

    def _plain(self, tp: Any) -> str:
        if isinstance(tp, type):
            return (
                tp.__qualname__ if tp.__module__ == "builtins" else f"{self._import(tp.__module__)}.{self._spelt(tp)}"
            )
        return f"{self._import('typing')}.Any"

    def file(self, module: Module) -> str:
        """The witnesses of the models of one module of the app."""
        self._begin(module.parts[-1])
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
        self._begin("")
        self._import("stem")
        self._import(home)
        parts = []
        for number, tie in enumerate(ties):
            if not tie.place:
                continue
            scratch = Module(("_verify",), whole=dict(self._whole))
            source = TypeSource(scratch, lambda cls, _, __: self._app(cls))
            types = [source.of(one, tie.place) for one in tie.types]
            self._whole.update(scratch.whole)
            head = f"_{kind}_{number}: stem.{tie.type}["
            parts.append(f"# {tie.name}\n{layout.call(head, types, f'] = {tie.place}', 0)}\n")
        return self._text(f"the {kind}s of {home}", ["".join(parts)])

    def _text(self, origin: str, parts: list[str]) -> str:
        imports = layout.imports(self._whole, self._names, self._roots)
        body = "\n\n".join(parts)
        gap = "\n\n\n" if body.startswith("def ") else "\n\n"
        return _HEAD.format(header=HEADER, origin=origin) + imports + gap + body

    def _app(self, cls: type[Any]) -> str:
        return f"{self._import(cls.__module__)}.{self._spelt(cls)}"

    def _copy(self, cls: type[Any]) -> str:
        return f"{self._import_own(FOLDER, self._homes[cls])}.{self._models[cls].name}"

    def _model(self, model: Model) -> list[str]:
        cls = model.origin
        if _is_unspeakable(cls):
            return []
        app, copy = self._app(cls), self._copy(cls)
        made = []
        for way, source, target in (("stub", app, copy), ("app", copy, app)):
            name = f"{way}_{self._functions[cls]}"
            given = "v" if model.kind == "enum" or cls.model_fields else "_"
            head = layout.call(f"def {name}(", [f"{given}: {source}"], f") -> {target}:", 0) + "\n"
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
            lines = "".join(_set(f"made.{name} = ", value)[4:].replace("\n    ", "\n") for _, value, name in given)
            return f"    made = {target}.model_construct()\n{lines}    return made\n"
        if not given:
            return f"    return {target}()\n"
        lines = "".join(_set(f"{word}=", value, ",") for word, value, _ in given)
        return f"    return {target}(\n{lines}    )\n"

    def _made(self, tp: Any, value: str, way: str, depth: int = 0) -> str:
        """An expression that makes the other side's value of this one's."""
        origin, args = typing.get_origin(tp), typing.get_args(tp)
        if origin is typing.Annotated:
            return self._made(args[0], value, way, depth)
        if tp in self._models:
            return self._call(tp, value, way)
        if _has_new_type(tp):  # the copy has what it stands for
            return self._cast(value)
        if origin is typing.Literal and any(type(one) in self._models for one in args):
            return self._cast(value)
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
        return self._cast(value)

    def _told_apart(self, some: list[Any], value: str, way: str, *, optional: bool) -> str:
        """A union of several models: by their classes."""
        if not all(one in self._models for one in some) or "." in value.replace("v.", "", 1):
            return self._cast(value)
        *others, last = some
        text = self._call(last, value, way)
        for one in reversed(others):
            side = self._app(one) if way == "stub" else self._copy(one)
            text = f"{self._call(one, value, way)} if isinstance({value}, {side}) else {text}"
        return f"(None if {value} is None else {text})" if optional else f"({text})"

    def _call(self, cls: type[Any], value: str, way: str) -> str:
        if _is_unspeakable(cls):
            return self._cast(value)
        home, name = self._homes[cls], f"{way}_{self._functions[cls]}"
        return f"{name}({value})" if home == self._here else f"{self._import_own('_verify', home)}.{name}({value})"

    def _cast(self, value: str) -> str:
        return f'{self._import("typing")}.cast("typing.Any", {value})'

    def _has_copy(self, tp: Any) -> bool:
        return (isinstance(tp, type) and tp in self._models) or any(
            self._has_copy(one) for one in typing.get_args(tp) if one is not Ellipsis
        )


def _named(models: Sequence[Model]) -> Iterator[tuple[Model, str]]:
    """The models of a file, and how the functions about them are called."""
    taken = set[str]()
    for model in models:
        name = short = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.name).lower()
        while name in taken:
            name = f"{short}_{len(taken)}"
        taken.add(name)
        yield model, name


def _set(place: str, value: str, end: str = "") -> str:
    """`place=value`, over several lines where it is long; what is broken stands in brackets already."""
    line = f"        {place}{value}{end}\n"
    if len(line) <= layout.WIDTH:
        return line
    bare = value[1:-1] if value.startswith("(None if") and value.endswith(")") else value
    broken = re.sub(r" (?=(?:if|else|for) )", "\n            ", bare)
    return f"        {place}(\n            {broken}\n        ){end}\n"


def _word(name: str, info: FieldInfo, way: str) -> str:
    """The keyword by which a checker knows a field: its alias, but in the app not one that a generator made."""
    alias = info.serialization_alias or info.alias
    return name if alias is None or (way == "app" and info.alias_priority == 1) else str(alias)


def _has_new_type(tp: Any) -> bool:
    return isinstance(tp, typing.NewType) or any(_has_new_type(one) for one in typing.get_args(tp))


def _is_unspeakable(cls: type[Any]) -> bool:
    """A class that no annotation can name: one made inside of a function."""
    return "<locals>" in cls.__qualname__
