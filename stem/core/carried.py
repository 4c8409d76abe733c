"""What JSON cannot carry, found in a model's schema when a task is declared."""

# pyright: basic

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final


def uncarried(schema: object, where: str) -> list[str]:
    """What JSON cannot carry in a pydantic core schema, one sentence each with the cure."""
    return [f"{where}{path}: {problem}" for path, problem in _uncarried(schema, "", {})]


_BYTES_CURE: Final = (
    "bytes have no JSON form of their own; use pydantic.Base64Bytes, "
    "or set ser_json_bytes and val_json_bytes to 'base64' in the model's config"
)
_OBJECT_CURE: Final = "JSON cannot carry this type; use a pydantic model or give the field a serializer and validator"
_NAN_CURE: Final = "the default is not a finite number, and JSON has no NaN or Infinity; use None instead"
_MASK_CURE: Final = "JSON would carry only asterisks; use str, or give the field a serializer"
_EXCLUDED_CURE: Final = "exclude=True keeps it from travelling, so the handler would not get it; take that away"
_KEY_CURE: Final = "JSON's keys are text, and this key would not come back from it; use a list of pairs, or text"
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
    if kind == "dict" and _kind_of(schema.get("keys_schema")) in _NO_KEYS:
        yield path, _KEY_CURE
    default = schema.get("default")
    if kind == "default" and isinstance(default, float) and not math.isfinite(default):
        yield path, _NAN_CURE
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
