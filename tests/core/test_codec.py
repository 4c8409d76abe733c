"""Arguments and results as JSON: what JSON cannot carry is refused, and the rest comes back exactly."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    AliasPath,
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
)
from typing_extensions import TypedDict

from stem import TaskDefinition, Topic
from stem.core.carried import uncarried
from stem.core.codec import (
    ArgumentsCodec,
    EncodeError,
    NoArgs,
    ResultCodec,
    canonical,
    faults,
)
from stem.core.paths import check_path, check_unique_path, value_at
from stem.core.unique import Unique, unique_key
from stem.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NOT_FINITE = [math.nan, math.inf, -math.inf]


class Colour(str, Enum):  # noqa: UP042 - as many models have it
    """A text that is an enum."""

    RED = "red"


class Line(BaseModel):
    """One line of an order."""

    price: float = 0.0
    tags: list[str] = []


class Order(BaseModel):
    """A model with a bit of everything."""

    number: int
    note: str = ""
    lines: list[Line] = []
    by_name: dict[str, Line] = {}
    due: datetime | None = None
    colour: Colour = Colour.RED


@dataclass
class Point:
    """A dataclass inside a model."""

    x: float


class Loose(BaseModel):
    """Types that hide their floats."""

    point: Point = Field(default_factory=lambda: Point(0.0))
    anything: Any = None


orders = st.builds(
    Order,
    number=st.integers(),
    note=TEXT,
    lines=st.lists(st.builds(Line, price=FINITE, tags=st.lists(TEXT, max_size=2)), max_size=3),
    by_name=st.dictionaries(TEXT, st.builds(Line, price=FINITE), max_size=2),
    due=st.none() | st.datetimes(timezones=st.just(UTC)),
)


# ---------------------------------------------------------------- arguments


@given(orders)
def test_arguments_come_back_as_they_were(order: Order) -> None:
    codec = ArgumentsCodec(Order)
    assert codec.decode(codec.encode(order)) == order


class Aliased(BaseModel):
    """A model whose JSON has other names than its fields."""

    model_config = ConfigDict(alias_generator=lambda name: name.upper(), populate_by_name=True)

    order_id: int = 0
    line: Line = Line()


def test_aliases_are_what_travels() -> None:
    codec = ArgumentsCodec(Aliased)
    assert json.loads(codec.encode(Aliased(order_id=3)))["ORDER_ID"] == 3
    assert codec.decode(codec.encode(Aliased(order_id=3))).order_id == 3


def test_arguments_of_another_model_are_refused() -> None:
    wrong: Any = Line()
    with pytest.raises(EncodeError, match=r"^expected Order, found Line$"):
        ArgumentsCodec(Order).encode(wrong)


@pytest.mark.parametrize("bad", NOT_FINITE)
@pytest.mark.parametrize(
    ("place", "made"),
    [
        ("lines.1.price", lambda bad: Order(number=1, lines=[Line(), Line(price=bad)])),
        ("by_name.a.price", lambda bad: Order(number=1, by_name={"a": Line(price=bad)})),
        ("point.x", lambda bad: Loose(point=Point(bad))),
        ("anything.deep.0", lambda bad: Loose(anything={"deep": [bad]})),
    ],
)
def test_what_json_cannot_count_is_refused_with_its_place(bad: float, place: str, made: Any) -> None:
    args = made(bad)
    with pytest.raises(EncodeError, match=rf"^{place} is -?(nan|inf), which JSON cannot carry$"):
        ArgumentsCodec(type(args)).encode(args)


def test_a_field_changed_to_a_wrong_type_after_validation_is_refused() -> None:
    order = Order(number=1)
    wrong: Any = "many"
    order.number = wrong
    with pytest.raises(EncodeError, match="number"):
        ArgumentsCodec(Order).encode(order)


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(EncodeError):
        ArgumentsCodec(Order).encode(Order(number=1, note="\ud800"))


def test_faults_are_one_line_each_with_place_and_finding() -> None:
    with pytest.raises(ValidationError) as caught:
        ArgumentsCodec(Order).decode(json.dumps({"number": "many", "lines": [{"price": "x" * 200}]}).encode())
    first, second = faults(caught.value, Order)
    assert first.startswith("number: Input should be a valid integer")
    assert first.endswith("(found 'many')")
    assert second.startswith("lines.0.price: ")
    assert len(second) < 200


def test_a_missing_field_is_named_without_showing_everything_else() -> None:
    with pytest.raises(ValidationError) as caught:
        ArgumentsCodec(Order).from_mapping({"note": "secret"})
    assert faults(caught.value, Order) == ["number: Field required"]


def test_a_task_that_takes_nothing_refuses_something() -> None:
    codec = ArgumentsCodec(NoArgs)
    assert codec.decode(codec.encode(NoArgs())) == NoArgs()
    with pytest.raises(ValidationError):
        codec.decode(b'{"a": 1}')


# ---------------------------------------------------------------- declarations


class Bytes(BaseModel):
    """Bytes without an encoding, at two depths."""

    raw: bytes

    class Inner(BaseModel):
        """Holds some more."""

        deep: list[bytes | None]

    inner: Inner


class Encoded(BaseModel):
    """Bytes as base64 text."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    raw: bytes = b""


class HalfEncoded(BaseModel):
    """Written as base64, read as UTF-8."""

    model_config = ConfigDict(ser_json_bytes="base64")

    raw: bytes = b""


class Based(BaseModel):
    """Bytes with an encoding of their own."""

    raw: Base64Bytes


class Custom:
    """No model at all."""


class Opaque(BaseModel):
    """A field that only Python knows."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    thing: Custom


class NanDefault(BaseModel):
    """A default that JSON has no word for."""

    ratio: float = math.nan


class Secrets(BaseModel):
    """Fields that write asterisks."""

    token: SecretStr
    key: SecretBytes | None = None


class Told(BaseModel):
    """A secret whose owner says how it travels."""

    token: SecretStr

    @field_serializer("token", when_used="json")
    def tell(self, value: SecretStr) -> str:
        return value.get_secret_value()


@pytest.mark.parametrize(
    ("model", "places"),
    [
        (Order, []),
        (Encoded, []),
        (Based, []),
        (Told, []),
        (Loose, []),
        (Bytes, ["Bytes.raw: bytes have no JSON form", "Bytes.inner.deep: bytes have no JSON form"]),
        (HalfEncoded, ["HalfEncoded.raw: bytes have no JSON form"]),
        (Opaque, ["Opaque.thing: JSON cannot carry this type"]),
        (NanDefault, ["NanDefault.ratio: the default is not a finite number"]),
        (Secrets, ["Secrets.token: JSON would carry only asterisks", "Secrets.key: JSON would carry only asterisks"]),
    ],
)
def test_what_json_cannot_carry_is_told_with_its_place_before_anything_is_sent(
    model: type[BaseModel], places: list[str]
) -> None:
    told = list(dict.fromkeys(uncarried(model.__pydantic_core_schema__, model.__name__)))
    assert len(told) == len(places), told
    for line, place in zip(told, places, strict=True):
        assert line.startswith(place)


@given(st.binary())
def test_encoded_bytes_come_back_as_they_were(raw: bytes) -> None:
    codec = ArgumentsCodec(Encoded)
    assert codec.decode(codec.encode(Encoded(raw=raw))).raw == raw


def test_base64_bytes_come_back_as_they_were() -> None:
    based = Based(raw=b"AAH/")
    assert based.raw == b"\x00\x01\xff"
    assert ArgumentsCodec(Based).decode(ArgumentsCodec(Based).encode(based)) == based


# ---------------------------------------------------------------- results


class Row(TypedDict):
    """A typed dict."""

    n: int


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (int, 2**53 + 1),
        (int, 2**70),
        (list[int], []),
        (list[Order], []),
        (dict[str, int], {}),
        (str, ""),
        (bool, False),
        (None, None),
        (int | None, None),
        (float, 0.1),
        (Decimal, Decimal("0.10")),
        (tuple[int, str], (1, "a")),
        (set[int], {1, 2}),
        (UUID, UUID(int=7)),
        (date, date(2030, 1, 2)),
        (timedelta, timedelta(seconds=90, microseconds=1)),
        (Order, Order(number=2**60)),
        (list[Line | None], [Line(price=1.5), None]),
        (Row, {"n": 1}),
        (Colour, Colour.RED),
        (Any, {"a": [1, None, "x"]}),
    ],
)
def test_results_come_back_exactly(returns: Any, value: Any) -> None:
    back = ResultCodec(returns).decode(ResultCodec(returns).encode(value))
    assert back == value
    assert type(back) is type(value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | FINITE | TEXT, st.lists, max_leaves=10))
def test_plain_json_results_come_back_as_they_were(value: Any) -> None:
    codec = ResultCodec(Any)
    assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (int, "5"),
        (int, None),
        (int, 1.5),
        (str, 5),
        (None, 5),
        (list[int], {"a": 1}),
        (list[int], ["a"]),
        (Order, {"number": 1}),
        (Order, Line()),
        (Order, None),
        (Line, Loose()),
        (Annotated[int, Field(gt=0)], -1),
        (list[int], [None]),
        (Any, object()),
        (Any, lambda: None),
        (float, math.nan),
        (list[float], [1.0, math.inf]),
        (Any, {"a": math.nan}),
        (Line, Line(price=math.inf)),
    ],
)
def test_a_result_of_another_type_than_declared_is_refused(returns: Any, value: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        ResultCodec(returns).encode(value)
    assert "\n" not in str(caught.value)


def test_a_result_that_refers_to_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(EncodeError):
        ResultCodec(Any).encode(circle)


def test_a_stored_result_that_no_longer_fits_its_type_is_a_validation_error() -> None:
    with pytest.raises(ValidationError):
        ResultCodec(int).decode(b'"text"')


# ---------------------------------------------------------------- keys


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(one) for one in value] if isinstance(value, list) else value


@given(st.dictionaries(TEXT, JSON, max_size=3))
def test_unique_keys_do_not_depend_on_the_order_of_keys_or_on_blanks(args: dict[str, Any]) -> None:
    one = canonical(json.dumps(args).encode())
    other = canonical(json.dumps(reversed_keys(args), indent=2, ensure_ascii=False).encode())
    assert unique_key("t", one) == unique_key("t", other)


@given(JSON, JSON)
def test_different_arguments_have_different_unique_keys(one: Any, other: Any) -> None:
    same = canonical(json.dumps({"a": one}).encode()) == canonical(json.dumps({"a": other}).encode())
    assert same is (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_a_unique_key_is_the_task_and_a_digest_and_differs_by_task() -> None:
    key = unique_key("orders.charge", b"{}")
    assert key.startswith("orders.charge:")
    assert len(key.removeprefix("orders.charge:")) == 32
    assert key != unique_key("orders.refund", b"{}")


def test_a_path_takes_one_field_out_of_the_arguments() -> None:
    data = b'{"customer": {"id": 7, "name": "x"}, "n": 1}'
    assert canonical(data, "customer.id") == b"7"
    assert canonical(data, "customer") == b'{"id":7,"name":"x"}'
    assert canonical(data, "nothing.here") == b""  # not given: not the same as null
    assert canonical(b'{"n": null}', "n") == b"null"


class Nested(BaseModel):
    """Models in models, one of them optional."""

    line: Line = Line()
    maybe: Line | None = None
    many: list[Line] = []
    aliased: Aliased = Aliased()
    order_id: int = Field(default=0, alias="orderId")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("line", '{"price": 1.5, "tags": []}'),
        ("line.price", "1.5"),
        ("maybe", '{"price": 2.5, "tags": []}'),
        ("maybe.price", "2.5"),
        ("many", "[]"),
        ("aliased.order_id", "3"),
        ("order_id", "4"),
    ],
)
def test_a_path_may_go_through_nested_and_optional_models(path: str, text: str) -> None:
    check_path(Nested, path, "rate_limit")
    given = Nested(line=Line(price=1.5), maybe=Line(price=2.5), aliased=Aliased(order_id=3), orderId=4)
    assert value_at(given, path) == text


@pytest.mark.parametrize("path", ["", "price", "line.", "line.cost", "many.price", "line.price.x", "maybe.cost"])
def test_a_path_to_nowhere_is_refused_with_the_fields_there_are(path: str) -> None:
    with pytest.raises(ConfigError, match=r"^rate_limit names the field .* has no field .*; fields: "):
        check_path(Nested, path, "rate_limit")


@pytest.mark.parametrize(("path", "alias"), [("order_id", "orderId"), ("aliased.order_id", "ORDER_ID")])
def test_a_unique_key_cannot_read_a_field_with_an_alias(path: str, alias: str) -> None:
    with pytest.raises(ConfigError, match=rf"has the alias '{alias}'; name a field without alias"):
        check_unique_path(Nested, path, "unique")
    check_unique_path(Nested, "line.price", "unique")


class Keys(BaseModel):
    """Fields of all kinds that a limit may count by."""

    text: str = "acme"
    number: int = 7
    flag: bool = True
    colour: Colour = Colour.RED
    uuid: UUID = UUID(int=7)
    nothing: str | None = None
    line: Line = Line()
    table: dict[str, int] = {"b": 1, "a": 2}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("text", "acme"),
        ("number", "7"),
        ("flag", "true"),
        ("colour", "red"),
        ("uuid", str(UUID(int=7))),
        ("nothing", "null"),
        ("line", '{"price": 0.0, "tags": []}'),
        ("line.price", "0.0"),
        ("table", '{"a": 2, "b": 1}'),
    ],
)
def test_the_value_under_which_a_limit_counts_is_its_json_without_quotes(path: str, text: str) -> None:
    assert value_at(Keys(), path) == text


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Unique(key=3),  # type: ignore[arg-type]
        lambda: Unique(for_=True),
        lambda: Unique(for_=0),
        lambda: Unique(for_="soon"),
        lambda: Unique(until="end"),  # type: ignore[arg-type]
        lambda: Unique(until=[]),  # type: ignore[arg-type]
        lambda: Unique(conflict="ignore"),  # type: ignore[arg-type]
        lambda: Unique(until="start", for_="1h"),
    ],
)
def test_a_unique_rule_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"^Unique\("):
        wrong()


def test_a_result_model_with_a_validator_before_a_span_is_carried() -> None:
    class Trip(BaseModel):
        lasts: timedelta

        @field_validator("lasts", mode="before")
        @classmethod
        def as_it_comes(cls, value: Any) -> Any:
            return value

    codec = ResultCodec(Trip)
    trip = Trip(lasts=timedelta(hours=2))
    assert codec.decode(codec.encode(trip)) == trip


class Excluded(BaseModel):
    kept: int
    left_out: int = Field(default=1, exclude=True)


class ReadOtherwise(BaseModel):
    total: int = Field(validation_alias="in", serialization_alias="out")


class ReadAsPart(BaseModel):
    total: int = Field(validation_alias=AliasPath("sums", "total"))


class KeyedByPairs(BaseModel):
    places: dict[tuple[int, int], str]


class Plain(Enum):
    ONE = "one"
    TWO = 2


class Pairs(Enum):
    A = (1, 2)


class OnePlain(BaseModel):
    a: Literal[Plain.ONE]


class SomePlain(BaseModel):
    a: list[Literal[Plain.ONE, "x"]]


class Paired(BaseModel):
    a: Pairs | None = None


class ManyPaired(BaseModel):
    a: dict[str, Pairs]


class NoneForInt(BaseModel):
    a: int = None  # type: ignore[assignment]


class NoneForList(BaseModel):
    a: list[int] = None  # type: ignore[assignment]


class NoneForModel(BaseModel):
    a: Line = None  # type: ignore[assignment]


class NoneForUnion(BaseModel):
    a: int | list[str] = None  # type: ignore[assignment]


class TextForInt(BaseModel):
    a: int = Field(default="x")  # type: ignore[assignment]


class OutOfBounds(BaseModel):
    a: Annotated[int, Field(ge=1)] = 0


class NoneInside(BaseModel):
    inner: NoneForInt


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (Excluded, "Excluded.left_out: exclude=True keeps it from travelling"),
        (ReadOtherwise, "ReadOtherwise.total: it is written as 'out', but read as 'in'; give both the same alias"),
        (ReadAsPart, "ReadAsPart.total: it is written as 'total', but read as a part of another"),
        (KeyedByPairs, "KeyedByPairs.places: JSON's keys are text"),
        (OnePlain, "OnePlain.a: <Plain.ONE: 'one'> would not come back from its JSON; use members with plain values"),
        (SomePlain, "SomePlain.a: <Plain.ONE: 'one'> would not come back"),
        (Paired, "Paired.a: <Pairs.A: (1, 2)> would not come back"),
        (ManyPaired, "ManyPaired.a: <Pairs.A: (1, 2)> would not come back"),
        (NoneForInt, "NoneForInt.a: the default None is not of the field's own type, so a worker would refuse it"),
        (NoneForList, "NoneForList.a: the default None is not of the field's own type"),
        (NoneForModel, "NoneForModel.a: the default None is not of the field's own type"),
        (NoneForUnion, "NoneForUnion.a: the default None is not of the field's own type"),
        (TextForInt, "TextForInt.a: the default 'x' is not of the field's own type"),
        (OutOfBounds, "OutOfBounds.a: the default 0 is not of the field's own type"),
        (NoneInside, "NoneInside.inner.a: the default None is not of the field's own type"),
    ],
)
def test_what_would_not_come_back_is_refused_at_the_declaration(model: type[BaseModel], problem: str) -> None:
    found = uncarried(model.__pydantic_core_schema__, model.__name__)
    assert len(found) == 1
    assert found[0].startswith(problem)


class Colours(IntEnum):
    RED = 1


class GoodDefaults(BaseModel):
    """Members and defaults that come back, whatever they are written as."""

    plain: Plain = Plain.TWO
    by_key: dict[Plain, int] = {}
    literal: Literal[1, "x", None] = None
    colour: Colours = Colours.RED
    maybe: int | None = None
    anything: Any = None
    before: Annotated[int, BeforeValidator(lambda value: value or 1)] = None  # type: ignore[assignment]
    made: int = Field(default_factory=lambda: 3)
    when: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    lasts: timedelta = timedelta(minutes=1)
    money: Decimal = Decimal("1.5")
    items: list[int] = []
    bounded: Annotated[int, Field(ge=1)] = 1
    real: float = 1


def test_members_and_defaults_that_come_back_are_fine() -> None:
    assert uncarried(GoodDefaults.__pydantic_core_schema__, "GoodDefaults") == []


class SameAlias(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    a: int = Field(alias="A")
    b: int = Field(validation_alias=AliasChoices("B", "bee", AliasPath("x", "y")), serialization_alias="bee")
    c: int = Field(validation_alias="C")
    d: dict[int, str] = {}


def test_aliases_that_agree_are_fine_and_come_back() -> None:
    assert uncarried(SameAlias.__pydantic_core_schema__, "SameAlias") == []
    codec = ArgumentsCodec(SameAlias)
    made = SameAlias.model_validate({"A": 1, "B": 2, "C": 3, "d": {7: "x"}})
    assert codec.decode(codec.encode(made)) == made


class Base(BaseModel):
    a: int


class Wider(Base):
    b: int


class Named(Base):
    """Nothing of its own."""


def test_a_subclass_whose_fields_would_be_lost_is_refused() -> None:
    codec = ArgumentsCodec(Base)
    assert codec.decode(codec.encode(Named(a=1))) == Base(a=1)
    with pytest.raises(EncodeError, match="found its subclass Wider, whose fields of its own would be lost: b"):
        codec.encode(Wider(a=1, b=2))


class Lookup(BaseModel):
    sku: str

    @field_validator("sku")
    @classmethod
    def known(cls, value: str) -> str:
        return {"A": "A"}[value]


def test_a_validator_that_raises_anything_is_a_refusal_in_words() -> None:
    codec = ArgumentsCodec(Lookup)
    with pytest.raises(ValidationError) as decoding:
        codec.decode(b'{"sku":"B"}')
    with pytest.raises(ValidationError) as mapping:
        codec.from_mapping({"sku": "B"})
    for caught in (decoding, mapping):
        assert faults(caught.value, Lookup)[0].startswith("arguments: a validator raised KeyError('B')")


def test_a_model_without_fields_of_its_own_is_refused() -> None:
    """Everything of a value would be left behind."""

    class Holds(BaseModel):
        any_model: BaseModel

    assert uncarried(Holds.__pydantic_core_schema__, "Holds") == [
        "Holds.any_model: pydantic.BaseModel has no fields, so nothing of a value would be carried; name a model of your own"
    ]
    with pytest.raises(ConfigError, match=r"pydantic\.BaseModel has no fields"):
        Topic("t", payload=BaseModel)
    with pytest.raises(ConfigError, match=r"pydantic\.BaseModel has no fields"):
        TaskDefinition("t", returns=BaseModel)
