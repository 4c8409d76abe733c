"""A JSON schema that leaves nothing out: what a validator knows and JSON Schema cannot say stands under a keyword of its own.

Two schemas of this kind can be compared without a list of what pydantic forgets to say: every key of its core schema is
either said by a keyword of JSON Schema (`_SAID`), of no matter for which documents fit (`_NO_MATTER`), or stands under
`BEYOND`, whoever invents it.
"""

# pyright: basic

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final

from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.json_schema import CoreRef, GenerateJsonSchema, JsonSchemaValue, SkipJsonSchema, WithJsonSchema
from pydantic_core import to_json

#: The keyword. Under it, by name: bounds as pydantic names them (`ge`, `max_digits` ...); `keys` of a dict and what is
#: `inner` behind a validator, as schemas; `names` of fields beside their aliases; the `kind` that JSON Schema shows as
#: something wider; `functions` in the order in which they are called, and those that come `after`, with a value that has
#: passed; `core`, a digest of what a schema of the user's own hides; and whatever else there is.
BEYOND: Final = "x-stem"

#: Said of a union in which functions are given null as well.
NULL: Final = "functions get null"

_BOUNDS: Final = frozenset({"le", "ge", "lt", "gt", "multiple_of"})
_SIZES: Final = frozenset({"min_length", "max_length"})
_ITEMS: Final = frozenset({"items_schema", *_SIZES})
_PAIRS: Final = frozenset({"values_schema", *_SIZES})
#: What JSON Schema says, by the type of a core schema. A type that is not here says nothing.
_SAID: Final[Mapping[str, frozenset[str]]] = {
    "int": _BOUNDS,
    "float": _BOUNDS,
    "str": frozenset({"pattern", *_SIZES}),
    "bytes": _SIZES,
    "literal": frozenset({"expected"}),
    "enum": frozenset({"members", "sub_type"}),
    "list": _ITEMS,
    "set": _ITEMS,
    "frozenset": _ITEMS,
    "deque": _ITEMS,
    "generator": _ITEMS,
    "tuple": frozenset({"variadic_item_index", *_ITEMS}),
    "dict": _PAIRS,
    "ordered-dict": _PAIRS,
    "frozen-dict": _PAIRS,
    "model-fields": frozenset({"fields", "extra_behavior"}),
    "typed-dict": frozenset({"fields", "extra_behavior", "total"}),
    "dataclass-args": frozenset({"fields", "extra_behavior"}),
    "dataclass": frozenset({"fields"}),
    "dataclass-field": frozenset({"name"}),
    "typed-dict-field": frozenset({"required"}),
    "named-tuple": frozenset({"fields"}),
    "union": frozenset({"choices"}),
    "tagged-union": frozenset({"choices"}),
    "json-or-python": frozenset({"json_schema"}),
    "lax-or-strict": frozenset({"lax_schema"}),
    "definitions": frozenset({"definitions"}),
    "definition-ref": frozenset({"schema_ref"}),
    "url": frozenset({"max_length"}),
    "multi-host-url": frozenset({"max_length"}),
}
#: Of no matter for which JSON documents are read: names, words, what concerns Python objects or what is written.
_NO_MATTER: Final = frozenset(
    {
        "type", "ref", "metadata", "serialization", "schema", "title", "cls", "cls_name", "cls_repr", "model_name",
        "dataclass_name", "field_name", "generic_origin", "root_model", "frozen", "slots", "computed_fields",
        "collect_init_only", "serialization_alias", "serialization_exclude", "serialization_exclude_if",
        "revalidate_instances", "from_attributes", "python_schema", "strict_schema", "fail_fast", "auto_collapse",
        "custom_error_type", "custom_error_message", "custom_error_context", "default", "default_factory",
        "default_factory_takes_data", "copy_default", "mode", "kw_only", "init", "init_only", "keys_schema",
        "json_schema_input_schema", "info_arg", "steps", "extra_fields_behavior", "loc_by_alias",
        "ser_json_timedelta", "ser_json_temporal", "ser_json_bytes", "ser_json_inf_nan", "hide_input_in_errors",
        "validation_error_cause", "cache_strings", "serialize_by_alias", "polymorphic_serialization", "typed_dict_total",
    }
)  # fmt: skip
#: Core schemas that JSON Schema shows as something wider.
_UNSEEN: Final = frozenset(
    {"decimal", "fraction", "complex", "is-instance", "is-subclass", "callable", "missing-sentinel"}
)
#: Core schemas to whose JSON schema pydantic's own functions add nothing but words, or what the core schema says too.
_WITH_WORDS: Final = frozenset({"model", "dataclass", "typed-dict", "enum", "named-tuple", "uuid"})
#: A key that says this, or None, says nothing that pydantic does not do anyway; nor does False, for any other key.
_USUAL: Final[Mapping[str, object]] = {
    "on_error": "raise",
    "allow_inf_nan": True,
    "validate_by_alias": True,
    "microseconds_precision": "truncate",
    "regex_engine": "rust-regex",
    "val_json_bytes": "utf8",
}
_HIDES: Final[Any] = SkipJsonSchema
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")


class SteadySchema(GenerateJsonSchema):
    """Says the same of the same type in every process: defaults that are sets have an order."""

    def encode_default(self, dft: Any) -> Any:
        return super().encode_default(_steady(dft) if _holds_set(dft) else dft)


def _holds_set(value: Any) -> bool:
    if isinstance(value, BaseModel):
        return any(_holds_set(part) for _, part in value)
    if isinstance(value, Mapping):
        return any(map(_holds_set, value.values()))
    return isinstance(value, set | frozenset) or (isinstance(value, list | tuple) and any(map(_holds_set, value)))


def _steady(value: Any) -> Any:
    """A value in which sets are sorted lists, by their JSON."""
    if isinstance(value, BaseModel):
        return _steady(value.model_dump(by_alias=True))
    if isinstance(value, set | frozenset):
        return sorted(map(_steady, value), key=to_json)
    if isinstance(value, Mapping):
        return {key: _steady(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_steady(part) for part in value]
    return value


class FullSchema(SteadySchema):
    """Makes schemas with `BEYOND`; `json_schema_extra` of users is left out, for it can say anything."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: Definitions that have their keyword.
        self._finished: set[str] = set()

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        if _is_url(schema) and _is_pydantics(schema["function"]["function"]):
            return self.generate_inner(schema["schema"])  # its own function only makes an object of the URL
        schema, replaced = _plain(schema)
        made = super().generate_inner(schema)
        if self.mode == "serialization" and "serialization" in schema:
            return made  # what is written is what its function gives
        beyond = self._beyond(schema)
        if replaced:
            core = _core(schema)
            if core == _secret():
                return {key: part for key, part in made.items() if key in {"type", "format"}}  # it takes every text
            beyond["core"] = core
        if "ref" not in schema:
            return _joined(made, beyond)
        # a reference to it may be made anywhere, so it is said where the schema is defined
        name, _ = self.get_cache_defs_ref_schema(CoreRef(schema["ref"]))
        if name in self.definitions and name not in self._finished:
            self._finished.add(name)
            self.definitions[name] = _joined(self.definitions[name], beyond)
        return made

    def _update_class_schema(self, json_schema: JsonSchemaValue, cls: type[Any], config: Any) -> None:  # noqa: ARG002
        """Whether other fields are taken; titles and words are for readers."""
        extra = config.get("extra")
        if "additionalProperties" not in json_schema and extra in {"allow", "forbid"}:
            json_schema["additionalProperties"] = extra == "allow"

    def _beyond(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        kind: str = schema["type"]
        known = _NO_MATTER | _SAID.get(kind, frozenset())
        made = {
            key: _opaque(value)
            for key, value in schema.items()
            if key not in known and key != "config" and _matters(key, value)
        }
        for key, value in (schema.get("config") or {}).items():
            if key not in _NO_MATTER and _matters(key, value):
                made[f"config.{key}"] = _opaque(value)
        if kind in _UNSEEN:
            made["kind"] = kind
        self._say_structure(kind, schema, made)
        return made

    def _say_structure(self, kind: str, schema: Mapping[str, Any], made: dict[str, Any]) -> None:
        """What JSON Schema does not show of what lies inside."""
        if "keys_schema" in schema:
            keys = self.generate_inner(schema["keys_schema"])
            if keys != {"type": "string"}:
                made["keys"] = keys
        if kind.startswith("function-"):
            made["after" if kind == "function-after" else "functions"] = [made.pop("function")]
            if "schema" in schema and (_is_url(schema) or "json_schema_input_schema" in schema):
                made["inner"] = self.generate_inner(schema["schema"])
        if kind == "model" and made.pop("config.validate_by_name", False) and (names := _names(schema)):
            made["names"] = names
        if kind == "union" and _takes_null(schema) and _calls(schema):
            made[NULL] = True  # unlike an Optional, which looks for null before anything else
        if kind == "chain":
            rest = schema["steps"][1:] if self.mode == "validation" else schema["steps"][:-1]
            made["steps"] = [self.generate_inner(step) for step in rest]
        if _is_pydantics(getattr(schema.get("cls"), str(made.get("post_init")), None)):
            del made["post_init"]


def _takes_null(union: Mapping[str, Any]) -> bool:
    choices = [one if isinstance(one, Mapping) else one[0] for one in union["choices"]]  # the other part is a label
    return any(one["type"] == "none" for one in choices)


def _calls(schema: Any) -> bool:
    """Whether functions are called in it; True when in doubt."""
    if isinstance(schema, Mapping):
        kind = str(schema.get("type"))
        if kind.startswith("function-") or kind in {"definition-ref", "chain"} or "post_init" in schema:
            return True
        return any(_calls(part) for key, part in schema.items() if key not in {"metadata", "serialization"})
    return isinstance(schema, list | tuple) and any(_calls(one) for one in schema)


def _names(model: Mapping[str, Any]) -> dict[str, str]:
    """By alias, the names of fields that are read under their names too."""
    inside = model["schema"]
    while "fields" not in inside and "schema" in inside:
        inside = inside["schema"]
    fields: Mapping[str, Any] = inside.get("fields", {})
    return {str(alias): name for name, one in fields.items() if (alias := one.get("validation_alias", name)) != name}


def _plain(schema: Any) -> tuple[Any, bool]:
    """The core schema without what users add to its JSON schema; and whether a function makes that from nothing.

    Functions of pydantic's own for classes with fields, enums and URLs only add words, or take the inner schema's.
    """
    metadata = schema.get("metadata")
    if not metadata:
        return schema, False
    left, replaced = dict(metadata), False
    left.pop("pydantic_js_extra", None)
    for key in ("pydantic_js_functions", "pydantic_js_annotation_functions"):
        functions = [one for one in left.get(key, ()) if not isinstance(getattr(one, "__self__", None), _HIDES)]
        adds = _within_functions(schema) in _WITH_WORDS or _is_url(schema)
        replaced = replaced or any(not (adds and _is_pydantics(one)) for one in functions)
        if key in left:
            left[key] = functions
    return {**schema, "metadata": left}, replaced


@cache
def _secret() -> str:
    return _core(TypeAdapter(SecretStr).core_schema)


def _core(schema: Any) -> str:
    """Twelve hex digits that stand for a core schema."""
    return hashlib.sha256(json.dumps(_opaque(schema), sort_keys=True).encode()).hexdigest()[:12]


def _within_functions(schema: Any) -> str:
    """The type of what a model's own validators stand around, which are said by themselves."""
    while schema["type"].startswith("function-") and "schema" in schema:
        schema = schema["schema"]
    return str(schema["type"])


def _is_url(schema: Any) -> bool:
    return bool(schema["type"] == "function-wrap" and schema["schema"]["type"] in {"url", "multi-host-url"})


def _is_pydantics(function: Any) -> bool:
    """Whether a function is pydantic's own."""
    owner, function = getattr(function, "__self__", None), getattr(function, "func", function)  # of a partial
    said = str(getattr(function, "__module__", ""))
    return said.startswith("pydantic") and not isinstance(owner, WithJsonSchema)


def _matters(key: str, value: object) -> bool:
    if key in {"validation_alias", "discriminator"} and isinstance(value, str):
        return False  # it is the name of a property
    return value is not None and value is not _USUAL.get(key, False) and value != _USUAL.get(key)


def _joined(made: JsonSchemaValue, beyond: dict[str, Any]) -> JsonSchemaValue:
    """The schema with what is beyond it; that of a validator comes after that of what it wraps."""
    if not beyond:
        return made
    both: dict[str, Any] = {**made.get(BEYOND, {})}
    for key, value in beyond.items():
        if key in {"functions", "after"}:
            both[key] = [*both.get(key, ()), *value]
        else:
            both[key if key not in both else f"{key} of what is inside"] = value
    return {**made, BEYOND: both}


def _opaque(value: Any) -> Any:
    """A value as JSON that is the same in every process: only good for being compared."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | Enum):
        return str(value)
    if isinstance(value, Mapping):
        skipped = {"metadata", "serialization", "ref"}
        return {str(key): _opaque(part) for key, part in value.items() if key not in skipped}
    if isinstance(value, set | frozenset):
        return sorted(map(str, map(_opaque, value)))
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_opaque(part) for part in value]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    name = getattr(getattr(value, "func", value), "__qualname__", None)
    return name if name is not None else _ADDRESS.sub("", repr(value))
