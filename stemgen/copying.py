"""Copies of the app's models, each once, in a file for each module that they come from."""

# pyright: basic

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from stemgen.errors import StemgenError
from stemgen.ir import Field, Model, Module
from stemgen.naming import identifier
from stemgen.typing_source import TypeSource, uncopied

FOLDER: Final = "_models"
#: What of a model's config changes which JSON fits, or what is written.
_CONFIG: Final = (
    *("extra", "frozen", "strict", "str_strip_whitespace", "str_to_lower", "str_to_upper", "str_min_length"),
    *(
        "str_max_length",
        "regex_engine",
        "allow_inf_nan",
        "use_enum_values",
        "populate_by_name",
        "validate_by_name",
        "validate_by_alias",
    ),
    *("ser_json_bytes", "val_json_bytes", "ser_json_timedelta", "ser_json_temporal", "coerce_numbers_to_str"),
)
_FACTORIES: Final[dict[Any, str]] = {list: "[]", dict: "{}"}
_ENUMS: Final = (enum.StrEnum, enum.IntEnum, enum.IntFlag, enum.Flag, enum.Enum)


class Copies:
    """The files of `_models`, filled as types are written."""

    def __init__(self, shared: Sequence[str], mode: Literal["copy", "import"]) -> None:
        self._shared, self._mode = tuple(shared), mode
        self.modules: dict[str, Module] = {}
        self._origins: dict[str, str] = {}
        self._done: dict[type[Any], Model] = {}

    def name(self, cls: type[Any], seen_from: Module, where: str) -> str:
        """The name of a class in a file that mentions it, where it is imported."""
        home = cls.__module__
        if self._mode == "import" or any(home == one or home.startswith(f"{one}.") for one in self._shared):
            generic = getattr(cls, "__pydantic_generic_metadata__", {})
            if generic.get("origin") is not None:
                source = TypeSource(seen_from, self.name)
                args = ", ".join(source.of(one, where) for one in generic["args"])
                return f"{self.name(generic['origin'], seen_from, where)}[{args}]"
            if "." in cls.__qualname__:
                raise StemgenError(
                    f"{where}: {home}.{cls.__qualname__} cannot be imported by name; make it a class of its module"
                )
            return seen_from.take(home, cls.__name__)
        if not issubclass(cls, BaseModel | enum.Enum):
            raise uncopied(where, f"the type {home}.{cls.__qualname__}")
        pool = self._pool(home)
        model = self._done.get(cls) or self._copy(cls, pool, where)
        if pool is not seen_from:
            depth = len(seen_from.parts)
            inside = seen_from.parts[0] == FOLDER
            home = f".{pool.parts[-1]}" if inside else f"{'.' * depth}{FOLDER}.{pool.parts[-1]}"
            return seen_from.take(home, model.name)
        return model.name

    def fields(self, cls: type[BaseModel], source: TypeSource) -> list[Field]:
        """The fields of a model as a file writes them."""
        return [self._field(source, cls, name, info) for name, info in cls.model_fields.items()]

    def all(self) -> list[Model]:
        """Every copy, by file and then as it stands there."""
        return [model for key in sorted(self.modules) for model in self.modules[key].models.values()]

    def _pool(self, home: str) -> Module:
        key = identifier(home.replace(".", "_"))
        there = self._origins.setdefault(key, home)
        if there != home:
            raise StemgenError(
                f"models of {there} and {home} would share the file {FOLDER}/{key}.py; rename one module"
            )
        return self.modules.setdefault(key, Module((FOLDER, key)))

    def _copy(self, cls: type[Any], pool: Module, where: str) -> Model:
        parts = [part for part in re.split(r"\W+", cls.__qualname__.replace("<locals>", "")) if part]
        name = parts[0] if len(parts) == 1 else "".join(f"{part[:1].upper()}{part[1:]}" for part in parts)
        if name in pool.models:
            name = "_".join(parts)
        if name in pool.models:
            raise StemgenError(f"{where}: two classes of {cls.__module__} would be named {name}; rename one")
        kind: Literal["model", "enum"] = "enum" if issubclass(cls, enum.Enum) else "model"
        model = Model(name, kind, "", _doc(cls), cls)
        pool.models[name] = self._done[cls] = model  # before its fields: they may mention it
        if kind == "enum":
            self._fill_enum(model, pool, where)
        else:
            self._fill_model(model, pool)
        del pool.models[name]  # what it needs stands above it
        pool.models[name] = model
        return model

    def _fill_enum(self, model: Model, pool: Module, where: str) -> None:
        cls, source = model.origin, TypeSource(pool, self.name)
        base = next(one for one in _ENUMS if issubclass(cls, one))
        plain = next((one.__name__ for one in (str, int, float) if issubclass(cls, one)), "")
        mixin = f"{plain}, " if plain and base is enum.Enum else ""
        model.bases = f"{mixin}{pool.use('enum')}.{base.__name__}"
        for name, member in cls.__members__.items():
            value = source.value(member.value, where)
            if value is None:
                raise StemgenError(
                    f"{cls.__module__}.{cls.__qualname__}.{name}: a member must have a plain value, found {member.value!r}"
                )
            model.members.append((name, value))

    def _fill_model(self, model: Model, pool: Module) -> None:
        cls: type[BaseModel] = model.origin
        where = f"{cls.__module__}.{cls.__qualname__}"
        decorators = cls.__pydantic_decorators__
        if decorators.field_serializers or decorators.model_serializers:
            raise StemgenError(
                f"{where}: a model with serializers of its own cannot be copied into the producer package; move it to a "
                "light module that producers may import, and name that in shared-models of [tool.stemgen]"
            )
        source, above = TypeSource(pool, self.name, shadowed=frozenset(cls.model_fields)), _parent(cls)
        if issubclass(cls, RootModel):
            above = None
            root = self._field(source, cls, "root", cls.model_fields["root"])
            model.bases = f"{pool.use('pydantic')}.RootModel[{root.annotated}]"
            model.fields = [] if root.required else [root]
        else:
            model.bases = source.of(above, where) if above is not None else f"{pool.use('pydantic')}.BaseModel"
        inherited = above.model_config if above is not None else {}
        model.config = [
            f"{name}={source.value(cls.model_config[name], where)}"
            for name in _CONFIG
            if name in cls.model_config and inherited.get(name) != cls.model_config[name]
        ]
        if model.config:
            pool.use("pydantic")
        if not issubclass(cls, RootModel):
            own = inspect.get_annotations(cls) if above is not None else cls.model_fields
            model.fields = [
                self._field(source, cls, name, info) for name, info in cls.model_fields.items() if name in own
            ]
        if any(one.alias or one.default == "" for one in model.fields):
            pool.use("pydantic")
        if any(one.default == "" for one in model.fields):
            pool.use("stem")

    def _field(self, source: TypeSource, cls: type[BaseModel], name: str, info: FieldInfo) -> Field:
        where = f"{cls.__module__}.{cls.__qualname__}.{name}"
        plain, annotated = source.field(info, where)
        alias = info.serialization_alias or info.alias
        if info.validation_alias not in (None, alias or name):
            raise uncopied(
                where, f"a field that is read under another name than it is written ({info.validation_alias})"
            )
        return Field(
            name=name,
            type=plain,
            annotated=annotated,
            required=info.is_required(),
            default=None if info.is_required() else _default(source, info, where),
            alias="" if alias in (None, name) else str(alias),
            doc=inspect.cleandoc(info.description or ""),
        )


def _default(source: TypeSource, info: FieldInfo, where: str) -> str:
    if info.default_factory is not None:
        made = _FACTORIES.get(info.default_factory)
        return made or ""
    return source.value(info.default, where) or ""


def _parent(cls: type[BaseModel]) -> type[BaseModel] | None:
    """The model that this one extends, if there is one and nothing generic about it."""
    bases = [one for one in cls.__bases__ if issubclass(one, BaseModel) and one is not BaseModel]
    generic = cls.__pydantic_generic_metadata__["origin"] is not None or any(
        one.__pydantic_generic_metadata__["parameters"] or one.__pydantic_generic_metadata__["origin"] for one in bases
    )
    return bases[0] if len(cls.__bases__) == 1 and bases and not generic else None


def _doc(cls: type[Any]) -> str:
    text = cls.__dict__.get("__doc__")
    return "" if not text or text == "An enumeration." else inspect.cleandoc(text)
