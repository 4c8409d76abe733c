"""Fields of argument models by their paths, as limit keys and unique keys name them."""

# pyright: basic

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from stem.errors import ConfigError


def value_at(args: BaseModel, path: str) -> str:
    """The text of the field at `path`, for limit keys: scalars as str, everything else as JSON."""
    value: object = args
    for part in path.split("."):
        value = getattr(value, part, None)
    plain = to_jsonable_python(value, fallback=str)
    return plain if isinstance(plain, str) else json.dumps(plain, sort_keys=True)


def check_path(model: type[BaseModel], path: str, what: str) -> None:
    """ConfigError unless `path` names a field of the model, through nested models."""
    for _ in _fields_on(model, path, what):
        pass


def check_unique_path(model: type[BaseModel], path: str, what: str) -> None:
    """As `check_path`; a field with an alias is refused too: unique keys read the JSON, where it has another name."""
    for name, field in _fields_on(model, path, what):
        alias = field.serialization_alias or name
        if alias != name:
            raise ConfigError(
                f"{what} names the field {path!r}, but {name!r} has the alias {alias!r}; "
                "name a field without alias, or give the key with .unique(rule, key=...)"
            )


def _fields_on(model: type[BaseModel], path: str, what: str) -> Iterator[tuple[str, Any]]:
    """The fields that `path` goes through, with their names; ConfigError at the first that is not there."""
    here: Any = model
    for part in path.split("."):
        fields: Mapping[str, Any] = getattr(here, "model_fields", {})
        if part not in fields:
            known = ", ".join(fields) or "none"
            where = getattr(here, "__name__", str(here))
            raise ConfigError(f"{what} names the field {path!r}, but {where} has no field {part!r}; fields: {known}")
        yield part, fields[part]
        here = _without_none(fields[part].annotation)


def _without_none(annotation: Any) -> Any:
    """`Customer | None` as Customer: a path may go through a model that can be missing."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    some = [part for part in get_args(annotation) if part is not type(None)]
    return some[0] if len(some) == 1 else annotation
