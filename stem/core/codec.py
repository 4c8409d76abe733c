"""Pydantic values to JSON and back, and the refusal of what JSON cannot carry.

The only floor on which `Any` is at home: everything above it is typed by the task.
"""

# pyright: basic

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import (
    PydanticCustomError,
    PydanticSerializationError,
    SchemaSerializer,
    SchemaValidator,
    from_json,
)

from stem.core.default import Default
from stem.core.secrets import secret_fields
from stem.core.sizes import MAX_DEPTH

A = TypeVar("A", bound=BaseModel)


class NoArgs(BaseModel):
    """The argument model of a task that takes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EncodeError(Exception):
    """The value cannot be carried by JSON as its type says; the message names the place."""


class ArgumentsCodec(Generic[A]):
    """Arguments of one model as JSON bytes."""

    __slots__ = ("_floats", "_serializer", "_sparse", "_validator", "model")

    def __init__(self, model: type[A], *, sparse: bool = False) -> None:
        """`sparse`: what was not given does not travel."""
        self.model, self._sparse = model, sparse
        model.model_rebuild()
        self._validator: SchemaValidator = model.__pydantic_validator__  # type: ignore[assignment]
        self._serializer: SchemaSerializer = model.__pydantic_serializer__
        self._floats = _mentions(model.__pydantic_core_schema__, "float")

    def decode(self, data: bytes) -> A:
        """The arguments; pydantic.ValidationError when they do not fit."""
        try:
            made: A = self._validator.validate_json(data)
        except ValidationError:
            raise
        except Exception as fault:
            raise unexpected(self.model, fault, data.decode("utf-8", "backslashreplace")) from fault
        if self._floats and _NO_NUMBER.search(data):
            _refuse_read(self.model.__name__, made)
        return made

    def encode(self, args: A) -> bytes:
        """JSON that `decode` reads back; EncodeError names the field that cannot be carried."""
        if type(args) is not self.model:
            _check_kind(args, self.model)
        if self._sparse:
            _fill(args)
        try:
            data = self._serializer.to_json(
                args, by_alias=True, round_trip=True, warnings="error", exclude_unset=self._sparse
            )
        except (PydanticSerializationError, ValueError, RecursionError) as fault:
            raise EncodeError(_one_line(fault)) from None
        if self._floats:
            _refuse_nonfinite(args)
        if len(data) >= 2 * MAX_DEPTH:
            _check_depth(data)
        return data

    def identity(self, args: A) -> bytes:
        """JSON of what differs from the model's defaults, for unique keys: whoever enqueues it, given or not."""
        if self._sparse:
            _fill(args)
        return self._serializer.to_json(
            args, by_alias=True, round_trip=True, warnings=False, exclude_unset=self._sparse, exclude_defaults=True
        )

    def from_mapping(self, values: Mapping[str, object]) -> A:
        """The arguments from a mapping; pydantic.ValidationError when they do not fit.

        Also when a validator of the model's own raises something else than ValueError or AssertionError, which
        pydantic lets through.
        """
        try:
            return self.model.model_validate(dict(values))
        except ValidationError:
            raise
        except Exception as fault:
            raise unexpected(self.model, fault, dict(values)) from fault


def _fill(args: BaseModel) -> None:
    """Count as given what a reader needs: what tells models apart, and all of the models inside, which are sent whole.

    A model inside may be one of a union that is told apart by its fields. What only the worker can make stays away.
    """
    args.__pydantic_fields_set__.update(_tags(type(args)))
    for _, part in args:
        _fill_inside(part)


def _fill_inside(value: object) -> None:
    if isinstance(value, BaseModel):
        value.__pydantic_fields_set__.update(name for name, part in value if not isinstance(part, Default))
        for _, part in value:
            _fill_inside(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            _fill_inside(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            _fill_inside(part)


@lru_cache(maxsize=4096)
def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields that can have only one value."""
    fields = model.model_fields.items()
    return tuple(
        name for name, info in fields if get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1
    )


def _check_kind(args: object, model: type[BaseModel]) -> None:
    """A subclass will do when it has nothing of its own that would be left behind."""
    if not isinstance(args, model):
        raise EncodeError(f"expected {model.__name__}, found {type(args).__name__}")
    more = [name for name in type(args).model_fields if name not in model.model_fields]
    if more:
        raise EncodeError(
            f"expected {model.__name__}, found its subclass {type(args).__name__}, "
            f"whose fields of its own would be lost: {', '.join(more)}"
        )


class ResultCodec:
    """Results of one type as JSON bytes."""

    __slots__ = ("_adapter", "_floats", "_model", "_read", "_write", "returns")

    def __init__(self, returns: Any) -> None:
        self.returns = returns
        self._adapter: TypeAdapter[Any] = TypeAdapter(returns)
        if not self._adapter.pydantic_complete:
            self._adapter.rebuild(raise_errors=True)
        self._model = returns if isinstance(returns, type) and issubclass(returns, BaseModel) else None
        self._floats = _mentions(self._adapter.core_schema, "float")
        self._write = self._adapter.serializer.to_json
        self._read = self._adapter.validator.validate_json

    @property
    def schema(self) -> object:
        """The pydantic core schema of the type."""
        return self._adapter.core_schema

    def encode(self, value: object) -> bytes:
        """JSON that `decode` reads back; EncodeError when the value is not of the declared type."""
        if self._model is not None and not isinstance(value, self._model):
            raise EncodeError(f"expected {self._model.__name__}, found {type(value).__name__}")
        try:
            if self._floats:
                _refuse_nonfinite(value)
            return self._written(value)
        except ValidationError as fault:
            raise EncodeError("; ".join(faults(fault, self.returns)).replace("arguments: ", "")) from None
        except (PydanticSerializationError, ValueError, RecursionError) as fault:
            raise EncodeError(_one_line(fault)) from None

    def _written(self, value: object) -> bytes:
        """JSON that was read once: pydantic writes None for any type without a word.

        A strict reader sees almost every wrong type, and is quick. What it refuses may still be right (a validator of
        the user's own that runs before a date is read), so then pydantic is asked for its warnings, which is slow.
        """
        data = self._write(value, by_alias=True, round_trip=True, warnings=False)
        try:
            self._read(data, strict=True)
        except ValidationError:
            data = self._write(value, by_alias=True, round_trip=True, warnings="error")
            self._read(data)
        return data

    def decode(self, data: bytes) -> Any:
        """The value, validated; pydantic.ValidationError when the type has changed since it was stored."""
        made = self._read(data)
        if self._floats and _NO_NUMBER.search(data):
            _refuse_read("result", made)
        return made


def canonical(data: bytes, path: str | None = None) -> bytes:
    """The same JSON with sorted keys and no blanks, whole or only what lies at `path`; for unique keys.

    b"" when nothing lies there: the field has its default, which is not the same as null.
    """
    value = json.loads(data)
    for part in path.split(".") if path else ():
        if not isinstance(value, dict) or part not in value:
            return b""
        value = value[part]
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def unexpected(model: type[BaseModel], fault: Exception, found: object) -> ValidationError:
    """What a validator of the user's own raised, as pydantic would have told it."""
    shown = type(fault).__name__ if secret_fields(model) else repr(fault)[:200]
    said = PydanticCustomError("validator_failed", "a validator raised {error}", {"error": shown})
    return ValidationError.from_exception_data(model.__name__, [{"type": said, "loc": (), "input": found}])


def faults(error: ValidationError, of: Any) -> list[str]:
    """One line a fault: 'total: Input should be a valid integer (found 'many')'.

    `of`: the model or type that was to be read. What it marks as secret is not shown.
    """
    secret = secret_fields(of)
    return [_fault(entry, secret) for entry in error.errors(include_url=False, include_context=False)]


def _fault(entry: Any, secret: frozenset[str]) -> str:
    place = ".".join(str(part) for part in entry["loc"]) or "arguments"
    if entry["type"] in {"missing", "extra_forbidden"}:
        return f"{place}: {entry['msg']}"
    found = entry.get("input")
    if "" in secret or any(str(part) in secret for part in entry["loc"]):
        # its own validator may have put the value into its words
        text = "it was refused by a validator" if entry["type"] in _OWN_WORDS else entry["msg"]
        return f"{place}: {text} (found a value that is kept secret)"
    if secret and not isinstance(found, str | int | float | None):
        return f"{place}: {entry['msg']} (found a value with secrets in it)"
    shown = repr(found)
    return f"{place}: {entry['msg']} (found {shown if len(shown) <= 80 else shown[:77] + '...'})"


#: Errors whose text is a user's own.
_OWN_WORDS: Final = frozenset({"value_error", "assertion_error", "validator_failed"})
#: What a reader may take for NaN or Infinity, as text or as a number that is too large.
_NO_NUMBER: Final = re.compile(rb"(?i)nan|inf|e\+?\d{3}|\d{309}")


def _refuse_read(title: str, made: object) -> None:
    """pydantic.ValidationError for NaN and Infinity, which are refused when they are written."""
    try:
        _refuse_nonfinite(made)
    except EncodeError as fault:
        said = PydanticCustomError("finite_number", "{text}", {"text": str(fault)})
        raise ValidationError.from_exception_data(title, [{"type": said, "loc": (), "input": None}]) from None


def _check_depth(data: bytes) -> None:
    """EncodeError for what a reader would refuse as nested too deep. Few documents have so many brackets at all."""
    if data.count(b"[") + data.count(b"{") < MAX_DEPTH:
        return
    try:
        from_json(data)
    except ValueError as fault:
        deep = "recursion" in str(fault)
        raise EncodeError(f"nested more than {MAX_DEPTH} deep" if deep else f"no JSON: {fault}") from None


def _mentions(schema: object, kind: str) -> bool:
    if isinstance(schema, dict):
        if schema.get("type") in {kind, "any"}:
            return True
        return any(_mentions(part, kind) for key, part in schema.items() if key not in {"metadata", "cls", "config"})
    return isinstance(schema, list | tuple) and any(_mentions(part, kind) for part in schema)


def _refuse_nonfinite(value: object, path: str = "") -> None:
    """EncodeError at the first NaN or Infinity: JSON would silently turn it into null."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EncodeError(f"{path.lstrip('.') or 'the value'} is {value}, which JSON cannot carry")
    elif isinstance(value, BaseModel):
        for name, part in value:
            _refuse_nonfinite(part, f"{path}.{name}")
    elif isinstance(value, Mapping):
        for name, part in value.items():
            _refuse_nonfinite(part, f"{path}.{name}")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name in (field.name for field in dataclasses.fields(value)):
            _refuse_nonfinite(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list | tuple | set | frozenset):
        for index, part in enumerate(value):
            _refuse_nonfinite(part, f"{path}.{index}")


def _one_line(fault: BaseException) -> str:
    return " ".join(str(fault).replace("Error serializing to JSON: ", "").split())
