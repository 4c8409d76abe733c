"""Copies read what their models read, or the model is refused by name."""

from __future__ import annotations

import enum
import json
import random
import re
import warnings
from typing import Annotated, Any, Final, Literal, NewType

import pytest
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Json,
    RootModel,
    StringConstraints,
    Tag,
    ValidationError,
)

from stem.core.full_schema import BEYOND
from stemgen import emit, faithful
from stemgen.copying import Copies
from stemgen.errors import StemgenError
from stemgen.ir import Module
from tests.stemgen.shapes import Maker, Writer, built


def copied(*classes: type[Any]) -> list[Any]:
    """The copies of these classes, proved to be faithful; StemgenError."""
    copies = Copies((), "copy")
    made: list[Any] = []
    compare = faithful._compare

    def kept(origin: type[Any], copy: type[Any]) -> None:
        compare(origin, copy)
        if origin in classes:
            made.append(copy)

    user = Module(("user",))
    for one in classes:
        copies.name(one, user, one.__name__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faithful, "_compare", kept)
        texts = {
            f"{'/'.join(module.parts)}.py": emit._models(module, "copies", {"copies", "tests"})
            for module in copies.modules.values()
        }
        faithful.check(copies, texts, "copies")
    return made


def takes(model: Any, document: Any) -> bool:
    try:
        model.model_validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: Annotated[int, Field(le=9)]


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Names(RootModel[Annotated[list[str], Field(min_length=1, max_length=2)]]):
    model_config = ConfigDict(str_strip_whitespace=True, str_max_length=3)


class Size(RootModel[Annotated[int, Field(ge=1)]]):
    root: Annotated[int, Field(ge=1)] = 5


class Pet(RootModel[Annotated[Cat | Dog, Field(discriminator="kind")]]):
    pass


class Words(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")
    code: Annotated[str, Field(pattern=r"^(?=a)\w+$")]
    name: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=2)]


class Packed(BaseModel):
    numbers: Json[list[int]]
    any_: Json[Any]


class MaybePet(BaseModel):
    pet: Cat | Dog | None = Field(default=None, discriminator="kind")


UserId = NewType("UserId", int)
Small = NewType("Small", Annotated[int, Field(lt=10)])


class Named(BaseModel):
    user: UserId
    small: Small


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Levelled(BaseModel):
    level: Level
    levels: dict[Level, int] = {}


DOCUMENTS: Final[dict[type[BaseModel], list[Any]]] = {
    Names: [["a"], [], ["a", "b", "c"], ["  a  "], ["abcd"]],
    Size: [1, 0, 7, "x"],
    Pet: [{"kind": "cat", "lives": 9}, {"kind": "cat", "lives": 10}, {"kind": "dog"}, {"lives": 3}],
    Words: [{"code": "ab", "name": " Xy "}, {"code": "b", "name": "xy"}, {"code": "ab", "name": " x "}],
    Packed: [{"numbers": "[1]", "any_": "1"}, {"numbers": [1], "any_": "1"}, {"numbers": "[1]", "any_": 1}],
    MaybePet: [{"pet": None}, {}, {"pet": {"kind": "dog"}}, {"pet": {"kind": "cow"}}, {"pet": {}}],
    Named: [{"user": 1, "small": 9}, {"user": 1, "small": 10}, {"user": "x", "small": 1}],
    Levelled: [{"level": 1, "levels": {"2": 3}}, {"level": 3}, {"level": 1, "levels": {"3": 3}}],
}


@pytest.mark.parametrize("model", DOCUMENTS, ids=lambda model: str(model.__name__))
def test_a_copy_takes_what_its_model_takes(model: type[BaseModel]) -> None:
    (copy,) = copied(model)
    assert copy is not model
    for document in DOCUMENTS[model]:
        assert takes(copy, document) == takes(model, document), document
    assert {takes(model, document) for document in DOCUMENTS[model]} == {True, False}


def which(value: Any) -> str:
    return "cat" if isinstance(value, dict) and "lives" in value else "dog"


class Guessed(BaseModel):
    pet: Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(which)]


class Choosy(BaseModel):
    a: int = Field(validation_alias=AliasChoices("one", "two"))


class Renamed(BaseModel):
    a: int = Field(validation_alias="one")


class Loose(BaseModel):
    a: Annotated[int, BeforeValidator(int, json_schema_input_type=str | int)]


@pytest.mark.parametrize(
    ("model", "place", "what"),
    [
        (Guessed, "Guessed.pet", "a function"),
        (Choosy, "Choosy.a", "AliasChoices"),
        (Renamed, "Renamed.a", "read under another name than it is written (one)"),
        (Loose, "Loose.a", "what the worker reads"),
    ],
)
def test_what_cannot_be_copied_faithfully_is_refused_by_name(model: type[BaseModel], place: str, what: str) -> None:
    with pytest.raises(StemgenError, match=re.escape(place)) as found:
        copied(model)
    assert what in str(found.value)
    assert "shared-models" in str(found.value)


def tried(seed: int) -> str:
    """What became of the random model of this seed: "refused", "none", or "copied"; AssertionError when it is wrong."""
    chance = random.Random(seed)
    shape = Maker(chance).model()
    if any(one.kind == "checked" for one in shape.walk()):
        return "none"  # validators run in the worker
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = built(shape)
        except Exception:
            return "none"
        try:
            (copy,) = copied(model)
        except StemgenError:
            return "refused"
    writer = Writer(chance, shape)
    for _ in range(100):
        try:
            document = writer.write(shape)
        except RecursionError:
            break
        assert takes(copy, document) == takes(model, document), f"seed {seed}: {shape} and its copy, of {document}"
    return "copied"


def test_random_models_are_copied_faithfully_or_refused() -> None:
    found = [tried(seed) for seed in range(120)]
    assert found.count("copied") > 0.8 * (found.count("copied") + found.count("refused"))


@pytest.mark.soak
def test_thousands_of_random_models_are_copied_faithfully_or_refused() -> None:
    for seed in range(1_000, 3_000):
        tried(seed)


def test_the_keyword_beyond_json_schema_is_what_tells() -> None:
    """Without it a copy without its digits would pass."""

    class Money(BaseModel):
        amount: Annotated[int, Field(strict=True)]

    class Copy(BaseModel):
        amount: int

    assert BEYOND in faithful._whole(Money)["properties"]["amount"]
    with pytest.raises(
        StemgenError, match=r"Money\.amount: what the worker reads \({'strict': True}; of a copy it would be"
    ):
        faithful._compare(Money, Copy)
