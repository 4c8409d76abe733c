"""What JSON cannot carry, found in a model's schema when a task is declared."""

# pyright: basic

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import SchemaValidator, ValidationError, to_json


def uncarried(schema: object, where: str) -> list[str]:
    """What JSON cannot carry in a pydantic core schema, one sentence each with the cure."""
    return [f"{where}{path}: {problem}" for path, problem in _uncarried(schema, "", {})]


_BYTES_CURE: Final = (
    "bytes have no JSON form of their own; use pydantic.Base64Bytes, "
    "or set ser_json_bytes and val_json_bytes to 'base64' in the model's config"
)
_OBJECT_CURE: Final = "JSON cannot carry this type; use a pydantic model or give the field a serializer and validator"
_BARE_CURE: Final = "pydantic.BaseModel has no fields, so nothing of a value would be carried; name a model of your own"
_NAN_CURE: Final = "the default is not a finite number, and JSON has no NaN or Infinity; use None instead"
_MASK_CURE: Final = "JSON would carry only asterisks; use str, or give the field a serializer"
_EXCLUDED_CURE: Final = "exclude=True keeps it from travelling, so the handler would not get it; take that away"
_KEY_CURE: Final = "JSON's keys are text, and this key would not come back from it; use a list of pairs, or text"
_MEMBER_CURE: Final = (
    "would not come back from its JSON; use members with plain values (text, numbers), and the enum itself in place of a "
    "Literal of its members"
)
_DEFAULT_CURE: Final = (
    "is not of the field's own type, so a worker would refuse it; make it fit, or let the type have None"
)
#: Types whose values are tried by themselves: what else may be a default has parts of its own, or a model.
_SIMPLE: Final = frozenset(
    {"int", "float", "str", "bool", "date", "datetime", "time", "timedelta", "decimal", "uuid", "literal"}
)
#: Types that refuse None, whatever else they hold.
_NEVER_NONE: Final = frozenset(
    {*_SIMPLE, "bytes", "list", "set", "frozenset", "tuple", "dict", "model", "enum", "tagged-union"}
) - {"literal"}
#: Key types of dicts whose text pydantic cannot read back.
_NO_KEYS: Final = frozenset({"tuple", "list", "set", "frozenset", "dict", "model", "dataclass", "typed-dict"})
_OPAQUE: Final = frozenset({"callable", "is-instance", "is-subclass", "generator"})


def _uncarried(schema: object, path: str, config: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    if isinstance(schema, list | tuple):
        for item in schema:
            yield from _uncarried(item, path, config)
        return
    if not isinstance(schema, dict):
        return
    config = {**config, **(schema.get("config") or {})}
    kind = schema.get("type")
    if "serialization" in schema and kind != "model":
        if _masks(schema["serialization"]):
            yield path, _MASK_CURE
        return
    if kind == "bytes" and not _bytes_encoded(config):
        yield path, _BYTES_CURE
    if kind in _OPAQUE:
        yield path, _OBJECT_CURE
    if kind == "model" and schema.get("cls") is BaseModel:
        yield path, _BARE_CURE
    if kind == "dict" and _kind_of(schema.get("keys_schema")) in _NO_KEYS:
        yield path, _KEY_CURE
    if kind in {"enum", "literal"} and (member := _lost_member(schema)) is not None:
        yield path, f"{member!r} {_MEMBER_CURE}"
    default = schema.get("default")
    if kind == "default" and isinstance(default, float) and not math.isfinite(default):
        yield path, _NAN_CURE
    elif kind == "default" and "default" in schema and not _reads(schema["schema"], default):
        yield path, f"the default {default!r} {_DEFAULT_CURE}"
    for key, part in schema.items():
        if key == "fields" and isinstance(part, dict):
            for name, field in part.items():
                yield from _misnamed(name, field, f"{path}.{name}", config)
                yield from _uncarried(field, f"{path}.{name}", config)
        elif key not in {"config", "metadata", "default", "cls"}:
            yield from _uncarried(part, path, config)


def _kind_of(schema: object) -> object:
    return schema.get("type") if isinstance(schema, dict) else None


def _misnamed(name: str, field: Any, path: str, config: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What is wrong with how a field is written and read."""
    if field.get("serialization_exclude"):
        yield path, _EXCLUDED_CURE
        return
    written = field.get("serialization_alias", name)
    read = _read_as(field.get("validation_alias"), name)
    if config.get("validate_by_name") or config.get("populate_by_name"):
        read.add(name)
    if written not in read:
        yield (
            path,
            f"it is written as {written!r}, but read as {', '.join(map(repr, sorted(read))) or 'a part of another'}; give both the same alias",
        )


def _read_as(alias: Any, name: str) -> set[str]:
    """The keys under which a field is read: its name, its alias, or several."""
    if alias is None:
        return {name}
    if isinstance(alias, str):
        return {alias}
    paths = alias if alias and isinstance(alias[0], list) else [alias]
    return {path[0] for path in paths if len(path) == 1}


def _masks(serialization: Any) -> bool:
    """Whether values are written as pydantic writes its SecretStr, SecretBytes and Secret[...]."""
    function = serialization.get("function")
    return getattr(function, "__module__", "") == "pydantic.types" and "secret" in getattr(function, "__name__", "")


def _bytes_encoded(config: Mapping[str, object]) -> bool:
    form = config.get("ser_json_bytes")
    return form in {"base64", "hex"} and config.get("val_json_bytes") == form


def _lost_member(schema: Mapping[str, Any]) -> object:
    """The first member of an enum, or value of a Literal, that its own JSON does not give back; None when all are."""
    said = schema["members"] if schema["type"] == "enum" else schema["expected"]
    odd = [one for one in said if isinstance(one, Enum) and (schema["type"] == "literal" or not _is_plain(one.value))]
    return next((one for one in odd if not _reads(schema, one)), None)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _refuses_none(schema: Any) -> bool:
    schema = schema[0] if isinstance(schema, tuple) else schema  # an alternative with its label
    if schema["type"] == "union":
        return all(map(_refuses_none, schema["choices"]))
    return schema["type"] in _NEVER_NONE


def _reads(schema: Any, value: object) -> bool:
    """Whether a type reads the JSON of this value, as far as that can be seen from its schema alone."""
    kind = schema["type"]
    if value is None and _refuses_none(schema):
        return False
    if "serialization" in schema or (kind not in _SIMPLE and kind != "enum"):
        return True
    try:
        return bool(SchemaValidator(schema).validate_json(to_json(value)) == value)
    except ValidationError:
        return False
    except Exception:
        return True  # JSON cannot show it, or the type stands on others: its own rules say so elsewhere
