"""Random pairs of models: what `breaking` calls right refuses no document, whatever was changed."""

from __future__ import annotations

import json
import random
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import pytest
from pydantic import (
    UUID4,
    AliasChoices,
    AliasPath,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    WithJsonSchema,
    create_model,
)

from stem.core.full_schema import BEYOND
from stem.core.schema import arguments_schema
from stemgen.breaking import subset
from stemgen.breaking.subset import differences
from tests.e2e.storm import SECONDS
from tests.stemgen.shapes import HIDDEN, Pair, Writer, pair

Schema = dict[str, Any]
DOCUMENTS: Final = 300


def pairs(seeds: range, only: Sequence[str] = ()) -> Iterator[tuple[int, Pair, Schema, Schema]]:
    """The pairs of these seeds of which there are schemas."""
    for seed in seeds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a discriminator's alias, and the like
            made = pair(seed, only)
            if made is None:
                continue
            try:
                old, new = arguments_schema(made.old), arguments_schema(made.new)
            except ValueError:
                continue
        yield seed, made, old, new


def is_read(model: type[BaseModel], document: str) -> bool:
    """Whatever else than a ValidationError a type raises is a refusal too, as for a worker."""
    return read(model, document) is not None


def read(model: type[BaseModel], document: str) -> BaseModel | None:
    try:
        return model.model_validate_json(document)
    except Exception:
        return None


def documents(seed: int, of: Pair) -> Iterator[str]:
    """Up to 300 that the older model takes, as that model writes them, and as others do who send nothing that it ignores."""
    writer = Writer(random.Random(seed), of.old_shape, of.new_shape)
    found = 0
    for _ in range(4 * DOCUMENTS):
        try:
            document = json.dumps(writer.write(of.old_shape))
        except RecursionError:  # a model that needs itself
            return
        made = read(of.old, document)
        if made is None:
            continue
        if is_read(of.closed, document):
            yield document
        written = made.model_dump_json(by_alias=True, exclude_unset=True, round_trip=True)
        if is_read(of.old, written):
            yield written
        found += 1
        if found == DOCUMENTS:
            return


def refused(seed: int, of: Pair) -> str | None:
    """A document that the older model takes and the newer does not."""
    return next((one for one in documents(seed, of) if not is_read(of.new, one)), None)


def is_called_right(old: Schema, new: Schema) -> bool:
    return not any(one.level == "error" for one in differences(old, new))


def unsound(
    seeds: range, blind: Callable[[Schema], Schema] = lambda schema: schema, only: Sequence[str] = ()
) -> str | None:
    """The first pair that is called right and refuses a document."""
    for seed, made, old, new in pairs(seeds, only):
        if is_called_right(blind(old), blind(new)) and (document := refused(seed, made)) is not None:
            return f"seed {seed}: {made.old_shape} -> {made.new_shape} refuses {document}"
    return None


def test_no_change_that_is_called_right_refuses_a_document() -> None:
    assert unsound(range(150)) is None


@pytest.mark.soak
def test_no_change_of_thousands_that_is_called_right_refuses_a_document() -> None:
    assert unsound(range(1_000, 1_400 + int(40 * SECONDS))) is None


def test_most_changes_that_refuse_nothing_are_called_right() -> None:
    """What is not known counts as breaking; that must stay the exception."""
    judged = [(is_called_right(old, new), refused(seed, made)) for seed, made, old, new in pairs(range(2_000, 2_080))]
    right = [called for called, document in judged if document is None]
    assert sum(right) / len(right) > 0.6


def without(schema: Any, *beyond: str, keywords: tuple[str, ...] = ()) -> Any:
    """A schema as it would be without some of what it says."""
    if isinstance(schema, list):
        return [without(one, *beyond, keywords=keywords) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: without(part, *beyond, keywords=keywords) for key, part in schema.items() if key not in keywords}
    if BEYOND in made:
        made[BEYOND] = {key: part for key, part in made[BEYOND].items() if key not in beyond}
    return made


def shut(schema: Any) -> Any:
    """A schema in which further fields are never taken."""
    if isinstance(schema, list):
        return [shut(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: shut(part) for key, part in schema.items() if not (key == "additionalProperties" and part is True)}


def is_hidden(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "null"


#: What was once not seen: types among which it is met often, and what it takes away from a schema.
BLIND: Final[dict[str, tuple[Sequence[str], Callable[[Schema], Schema]]]] = {
    "keys of dicts": (("int", "str"), lambda one: without(one, "keys", keywords=("propertyNames",))),
    "digits and places": (("decimal",), lambda one: without(one, "max_digits", "decimal_places")),
    "bounds of dates, spans and decimals": (
        ("date", "delta", "decimal"),
        lambda one: without(one, "ge", "gt", "le", "lt"),
    ),
    "kinds of URLs": (("url",), lambda one: without(one, "allowed_schemes", keywords=("maxLength",))),
    "zones": (("moment",), lambda one: without(one, "tz_constraint")),
    "validators": (("int", "literal"), lambda one: without(one, "functions", "after")),
    "what changes text": (
        ("stripped",),
        lambda one: without(one, "strip_whitespace", "to_lower", "config.str_strip_whitespace"),
    ),
    "decimals among text": (("decimal", "stripped"), lambda one: without(one, "kind")),
    "further fields": (("int",), shut),
}


@pytest.mark.soak
@pytest.mark.parametrize("what", BLIND)
def test_each_rule_is_found_missing(what: str) -> None:
    only, blind = BLIND[what]
    assert unsound(range(1_000), blind, only) is not None


@pytest.mark.soak
def test_a_null_that_is_hidden_is_found_missing() -> None:
    """SkipJsonSchema leaves it out of the schema; so does this."""

    def blind(schema: Any) -> Any:
        if isinstance(schema, list):
            return [blind(one) for one in schema if not is_hidden(one)]
        return {key: blind(part) for key, part in schema.items()} if isinstance(schema, dict) else schema

    assert unsound(range(1_000), blind, ("int", "none")) is not None


@pytest.mark.soak
def test_the_tag_of_a_union_is_found_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same two models may have been compared before, where nothing asked for the tag."""
    whole = subset._alternatives

    def blind(schema: Any, root: Any) -> list[Any]:
        return whole({key: part for key, part in schema.items() if key != "discriminator"}, root)

    monkeypatch.setattr(subset, "_alternatives", blind)
    assert unsound(range(1_000), only=("int",)) is not None


@pytest.mark.soak
@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("calls_no_more", True),
        ("as_older_documents_name", lambda new, old: {**new, "properties": {
            name: without(part, "validation_alias") for name, part in new.get("properties", {}).items()
        }}),
    ],
)  # fmt: skip
def test_rules_of_unions_and_names_are_found_missing(monkeypatch: pytest.MonkeyPatch, what: str, found: Any) -> None:
    if what == "calls_no_more":
        monkeypatch.setattr(subset._Subset, what, lambda *_: True)
    else:
        monkeypatch.setattr(subset, what, found)
    assert unsound(range(4_000)) is not None


def test_a_user_s_own_schema_is_not_believed() -> None:
    """`json_schema_extra` and `WithJsonSchema` can say anything."""
    said = Field(json_schema_extra={"minimum": 5})
    old, new = create_model("M", a=(Annotated[int, said], ...)), create_model("M", a=(Annotated[int, Field(ge=5)], ...))
    assert not is_called_right(arguments_schema(old), arguments_schema(new))
    told = WithJsonSchema({"type": "string"})
    old = create_model("M", a=(Annotated[int | str, told], ...))
    new = create_model("M", a=(Annotated[str, told], ...))
    assert not is_called_right(arguments_schema(old), arguments_schema(new))


def one(**fields: Any) -> type[BaseModel]:
    made: type[BaseModel] = create_model("M", **fields)
    return made


def names(first: str, *more: str) -> Any:
    return Field(validation_alias=AliasChoices(first, *more))


class Lenient(BaseModel):
    model_config = ConfigDict(str_max_length=9, coerce_numbers_to_str=True)
    a: str


class Careful(BaseModel):
    model_config = ConfigDict(str_max_length=5)
    a: str


class Aliased(BaseModel):
    a: int = Field(alias="b")


class AlsoNamed(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    a: int = Field(alias="b")


#: What refuses nothing, and is seen to.
HARMLESS: Final[dict[str, tuple[type[BaseModel], type[BaseModel]]]] = {
    "a new name, and the old one still read": (one(b=(int, ...)), one(a=(int, names("a", "b")))),
    "one more name": (one(a=(int, names("x", "b"))), one(a=(int, names("x", "b", "c")))),
    "the name beside the alias": (Aliased, AlsoNamed),
    "settings of texts that let more through": (Careful, Lenient),
    "above 5, and from 6 on": (one(a=(Annotated[int, Field(gt=5)], ...)), one(a=(Annotated[int, Field(ge=6)], ...))),
    "any UUID": (one(a=(UUID4, ...)), one(a=(UUID, ...))),
    "any URL": (one(a=(HttpUrl, ...)), one(a=(AnyUrl, ...))),
    "a URL as text": (one(a=(HttpUrl, ...)), one(a=(str, ...))),
    "text as a secret": (one(a=(str, ...)), one(a=(SecretStr, ...))),
    "a secret as text": (one(a=(SecretStr, ...)), one(a=(str, ...))),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_refuses_nothing_is_called_right(what: str) -> None:
    old, new = map(arguments_schema, HARMLESS[what])
    assert differences(old, new) == []


def first(value: Any) -> Any:
    return value[0]  # raises for a number


First: TypeAlias = Annotated[list[str], BeforeValidator(first)]


class Left(BaseModel):
    kind: Literal["left"]
    x: First


class Right(BaseModel):
    kind: Literal["right"]
    x: int


#: What refuses documents, and is much like the above.
HARMFUL: Final[dict[str, tuple[type[BaseModel], type[BaseModel], str]]] = {
    "the old name is no longer read": (one(a=(int, names("x", "b"))), one(a=(int, Field(alias="x"))), '{"b": 1}'),
    "what was ignored is read": (
        create_model("M", b=(int, ...), __config__=ConfigDict(extra="allow")),
        one(a=(int, names("a", "b"))),
        '{"b": 1, "a": "x"}',
    ),
    "two old fields are read as one": (
        one(b=(int, 1), a=(str, "")),
        one(a=(int, names("a", "b"))),
        '{"b": 1, "a": "x"}',
    ),
    "an old field is read as another too": (
        one(b=(int, ...)),
        one(b=(int, ...), a=(Annotated[int, Field(ge=3)], Field(3, validation_alias=AliasChoices("x", "b")))),
        '{"b": 1}',
    ),
    "an old field is read as two new ones": (
        one(b=(int, ...)),
        one(a=(Annotated[int, Field(ge=3)], names("a", "b")), c=(int, names("c", "b"))),
        '{"b": 1}',
    ),
    "an old field is read as two new ones, the other way round": (
        one(b=(int, ...)),
        one(a=(int, names("a", "b")), c=(Annotated[int, Field(ge=3)], names("c", "b"))),
        '{"b": 1}',
    ),
    "a path into an old field": (
        one(b=(int, ...)),
        one(a=(int, Field(validation_alias=AliasPath("b", "x")))),
        '{"b": 1}',
    ),
    "above 5, and from 7 on": (
        one(a=(Annotated[int, Field(gt=5)], ...)),
        one(a=(Annotated[int, Field(ge=7)], ...)),
        '{"a": 6}',
    ),
    "fractions above 5": (
        one(a=(Annotated[float, Field(gt=5)], ...)),
        one(a=(Annotated[float, Field(ge=6)], ...)),
        '{"a": 5.5}',
    ),
    "a function is given what another type takes": (
        one(a=(int | list[str], ...)),
        one(a=(First | int | list[str], ...)),
        '{"a": 1}',
    ),
    "a function is given null": (
        one(a=(First | None, ...)),
        one(a=(First | HIDDEN[None], ...)),
        '{"a": null}',
    ),
    "functions of all parts are called without a tag": (
        one(a=(Annotated[Left | Right, Field(discriminator="kind")], ...)),
        one(a=(Left | Right, ...)),
        '{"a": {"kind": "right", "x": 1}}',
    ),
    "longer texts": (Lenient, Careful, '{"a": "123456"}'),
    "numbers as texts": (Lenient, Careful, '{"a": 1}'),
}


@pytest.mark.parametrize("what", HARMFUL)
def test_what_refuses_a_document_is_not_called_right(what: str) -> None:
    old, new, document = HARMFUL[what]
    assert is_read(old, document)
    assert not is_read(new, document)
    assert not is_called_right(arguments_schema(old), arguments_schema(new))


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    below: list[Loose] = []


class Strict(BaseModel):
    model_config = ConfigDict(extra="allow", str_strip_whitespace=True)
    __pydantic_extra__: dict[str, int]
    below: list[Strict] = []


def test_all_that_is_said_of_a_model_is_said_once_where_it_is_defined() -> None:
    """Of its fields and of its settings, for a model that is met again and again."""
    old = arguments_schema(create_model("M", a=(Loose, ...), b=(list[Loose], ...)))
    new = arguments_schema(create_model("M", a=(Strict, ...), b=(list[Strict], ...)))
    assert set(old["$defs"]["Loose"].get(BEYOND, {})) | {"config.str_strip_whitespace"} == set(
        new["$defs"]["Strict"][BEYOND]
    )
    assert not is_called_right(old, new)


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    old: Schema = {"type": "string", "x-new-in-pydantic": 1}
    (found,) = differences(old, {"type": "string", "x-new-in-pydantic": 2})
    assert (found.level, found.rule) == ("error", "UNKNOWN")
    assert re.search("x-new-in-pydantic is not understood, and has changed", found.text)
    assert differences(old, old) == []
