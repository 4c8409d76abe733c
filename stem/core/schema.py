"""What a job carries as a JSON schema, as far as it matters on the wire, and the digest that travels with the job."""

# pyright: basic

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, PydanticJsonSchemaWarning

from stem.core.full_schema import FullSchema

#: For readers only; never on the wire.
WORDS: Final = frozenset({"title", "description", "examples", "deprecated"})
#: Under these the keys are names of the user's own.
_NAMES: Final = frozenset({"properties", "$defs", "patternProperties"})
#: Hex digits of a digest: two schemas of one task that share it are as likely as two equal 48-bit numbers.
_DIGITS: Final = 12

Schema = dict[str, Any]


def arguments_schema(model: type[BaseModel]) -> Schema:
    """What a worker reads: the schema of the model's JSON, without words for readers. ValueError: there is none."""
    return _made(lambda: model.model_json_schema(mode="validation", schema_generator=FullSchema))


def result_schema(returns: Any, *, generator: type[GenerateJsonSchema] = FullSchema) -> Schema:
    """What a worker writes; ValueError when there is no schema of it."""
    adapter: TypeAdapter[Any] = TypeAdapter(returns)
    made: Schema = _without_computed(
        _made(lambda: adapter.json_schema(mode="serialization", schema_generator=generator))
    )
    return made


def read_schema(returns: Any) -> Schema:
    """What whoever waits for a result reads; ValueError when there is no schema of it."""
    adapter: TypeAdapter[Any] = TypeAdapter(returns)
    return _made(lambda: adapter.json_schema(mode="validation", schema_generator=FullSchema))


def _without_computed(schema: Any) -> Any:
    """Computed fields are in the schema of what pydantic writes, but stem does not write them."""
    if isinstance(schema, list):
        return [_without_computed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _without_computed(part) for key, part in schema.items()}
    fields = made.get("properties")
    if isinstance(fields, dict):
        computed = {name for name, part in fields.items() if isinstance(part, dict) and part.get("readOnly") is True}
        made["properties"] = {name: part for name, part in fields.items() if name not in computed}
        if "required" in made:
            made["required"] = [name for name in made["required"] if name not in computed]
    return made


def digest(schema: object) -> str:
    """Twelve hex digits that stand for a schema, or for anything else of plain JSON, whatever the order of its keys."""
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


#: How the key of a list of tasks begins; other keys are digests of schemas.
_LIST: Final = "tasks-"


def task_list(names: Iterable[str]) -> tuple[str, bytes]:
    """The names of tasks as a document, and the key under which workers with just these tasks publish it."""
    listed = sorted(names)
    return f"{_LIST}{digest(listed)}", msgspec.json.encode(listed)


def is_task_list(key: str) -> bool:
    """Whether a document with this key is a list of tasks."""
    return key.startswith(_LIST)


class TaskSchema(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of one task: `args` as it reads them, `result` as it writes it, `reads` as others read that."""

    task: str
    schema: str
    args: Schema
    result: Schema
    reads: Schema


def task_schema(name: str, model: type[BaseModel], returns: Any) -> TaskSchema:
    """All of one task; ValueError when a part has no schema."""
    args = arguments_schema(model)
    return TaskSchema(
        task=name, schema=digest(args), args=args, result=result_schema(returns), reads=read_schema(returns)
    )


def _made(make: Any) -> Schema:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PydanticJsonSchemaWarning)  # of a default that JSON cannot show
            made: Schema = wire(make())
    except (PydanticInvalidForJsonSchema, PydanticUserError, TypeError) as fault:
        raise ValueError(str(fault).partition("\n")[0]) from None
    return made


def wire(schema: Any, *, names: bool = False) -> Any:
    """The schema without words for readers."""
    if isinstance(schema, dict):
        return {
            key: wire(part, names=key in _NAMES and not names)
            for key, part in schema.items()
            if names or key not in WORDS
        }
    if isinstance(schema, list):
        return [wire(part) for part in schema]
    return schema
