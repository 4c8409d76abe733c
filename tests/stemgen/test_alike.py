"""The quick answer of two classes being alike: never yes for two that read different documents."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final, Literal, Unpack

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from stemgen import faithful
from stemgen.alike import are_alike
from tests.stemgen.test_faithful import Cat, Dog, MaybePet, Names, copied
from tests.stemgen.test_pairs import pairs


def test_two_models_that_are_alike_have_one_schema() -> None:
    """Of random models and edits of them, and of models made twice from one shape."""
    found = {True: 0, False: 0}
    for seed, made, _, _ in pairs(range(400)):
        alike = are_alike(made.old, made.new)
        found[alike] += 1
        if alike:
            assert faithful._whole(made.old) == faithful._whole(made.new), f"seed {seed}: {made.old_shape}"
    assert min(found.values()) > 5, found


class Inner(BaseModel):
    ref: str
    schema_ref: dict[str, int] = {}
    metadata: Literal["a"] = "a"


class Outer(BaseModel):
    """Names of fields as pydantic has names of keys; words; a model in two places."""

    one: Inner = Field(description="The first.", title="One")
    two: Inner | None = None
    below: list[Outer] = []


@pytest.mark.parametrize("model", [Inner, Outer, Cat, Dog, Names, MaybePet])
def test_copies_are_alike(model: type[BaseModel]) -> None:
    """As nearly all copies are: nothing else has to be asked."""
    (copy,) = copied(model)
    assert are_alike(model, copy), f"a copy of {model.__name__} is compared the slow way"


class Low(enum.IntEnum):
    A = 1
    B = 2


class High(enum.IntEnum):
    A = 1
    B = 3


class Pretty(BaseModel):
    a: int

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "minimum": 1}


def trees(*, crossed: bool) -> type[BaseModel]:
    """Two models of one name that hold each other, each before itself or after."""

    def tree() -> type[BaseModel]:
        fields: Any = {"a": (LIST["Own"], []), "b": (LIST["Other"], [])}
        made: type[BaseModel] = create_model("Tree", **fields)
        return made

    own, other = tree(), tree()
    for one, another in ((own, other), (other, own)):
        spaces = {"Own": another, "Other": one} if crossed else {"Own": one, "Other": another}
        one.model_rebuild(_types_namespace=spaces)
    return own


def one(value: int) -> int:
    return value


def other(value: int) -> int:
    return value


def model(type_: Any, default: Any = ..., **config: Unpack[ConfigDict]) -> type[BaseModel]:
    made: type[BaseModel] = create_model("M", a=(type_, default), __config__=config)
    return made


High.__name__ = "Low"
LITERAL: Final[Any] = Literal
LIST: Final[Any] = list
PAIRS: Final[list[tuple[type[BaseModel], type[BaseModel]]]] = [
    (model(int), model(str)),
    (model(int, 1), model(int, 1.0)),
    (model(int, 1), model(int, True)),
    (model(int, 1), model(int)),
    (model(Low), model(High)),
    (model(Annotated[str, StringConstraints(max_length=3)]), model(Annotated[str, StringConstraints(max_length=4)])),
    (model(Annotated[int, AfterValidator(one)]), model(Annotated[int, AfterValidator(other)])),
    (model(LITERAL[Low.B]), model(LITERAL[High.B])),
    (create_model("M", a=(Pretty, ...)), create_model("M", a=(create_model("Pretty", a=(int, ...)), ...))),
    (model(int, extra="allow"), model(int, extra="forbid")),
    (model(int), model(int, extra="forbid")),
    (model(str), model(str, str_strip_whitespace=True)),
    (create_model("M", a=(int, ...)), create_model("M", a=(int, ...), b=(int, 1))),
    (create_model("M", a=(int, ...)), create_model("N", a=(int, ...))),
    (model(tuple[int, str]), model(tuple[str, int])),
    (create_model("M", a=(Inner, ...), b=(Inner, ...)), create_model("M", a=(Inner, ...), b=(Outer, ...))),
]


@pytest.mark.parametrize(("there", "here"), PAIRS)
def test_whatever_is_unlike_is_seen(there: type[BaseModel], here: type[BaseModel]) -> None:
    assert not are_alike(there, here)
    assert not are_alike(here, there)
    assert are_alike(there, there)


def test_one_class_never_stands_for_two() -> None:
    """Two models of one name whose copies would have become one."""
    two = [create_model("Same", a=(int, ...)) for _ in range(2)]
    merged = create_model("Same", a=(int, ...))
    there = create_model("M", a=(two[0], ...), b=(two[1], ...))
    assert not are_alike(create_model("M", a=(merged, ...), b=(merged, ...)), there)


def test_models_that_hold_each_other_the_other_way_round_are_not_alike() -> None:
    assert are_alike(trees(crossed=False), trees(crossed=False))
    assert are_alike(trees(crossed=True), trees(crossed=True))
    assert not are_alike(trees(crossed=False), trees(crossed=True))


def test_enums_are_alike_by_their_members() -> None:
    assert are_alike(model(mood("ok")), model(mood("ok")))
    assert not are_alike(model(mood("ok")), model(mood("well")))


def mood(value: str) -> Any:
    return enum.Enum("Mood", {"GOOD": value})


def test_what_has_no_core_schema_is_not_known() -> None:
    assert not are_alike(Low, High)
    assert not are_alike(int, str)
