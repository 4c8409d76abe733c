"""What a model marks as secret: fields whose values must not come into messages, logs and dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, get_args

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

_KINDS: Final = (SecretStr, SecretBytes, Secret)


def secret_fields(kind: Any) -> frozenset[str]:
    """The names of secret fields, anywhere in a model or type: of pydantic's secret types, or with `repr=False`.

    Also the names under which they are read. "" stands for the type itself.
    """
    try:
        return _secret_fields(kind)
    except TypeError:  # a type that cannot be hashed
        return frozenset(_of_type(kind, set()))


@lru_cache(maxsize=4096)
def _secret_fields(kind: Any) -> frozenset[str]:
    return frozenset(_of_type(kind, set()))


def _of_type(kind: Any, seen: set[Any]) -> Iterator[str]:
    if _is_secret(kind):
        yield ""
    for model in _models(kind):
        if model in seen:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            inside = list(_of_type(field.annotation, seen))
            if "" in inside or not field.repr:
                aliases = (field.alias, field.validation_alias, field.serialization_alias)
                yield from {name, *(one for one in aliases if isinstance(one, str))}
            yield from (one for one in inside if one)


def _is_secret(kind: Any) -> bool:
    """Whether a value of this type is a secret, or holds one directly: `SecretStr | None`, `list[SecretStr]`."""
    origin = getattr(kind, "__origin__", kind)
    if isinstance(origin, type) and issubclass(origin, _KINDS):
        return True
    return any(_is_secret(part) for part in get_args(kind))


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)
