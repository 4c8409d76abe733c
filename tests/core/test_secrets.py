"""What a model marks as secret comes into no message."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr, TypeAdapter, ValidationError, field_validator

from stem.core.codec import ArgumentsCodec, faults
from stem.core.secrets import secret_fields

TOKEN = "hunter2-hunter2"


class Login(BaseModel):
    user: str
    password: SecretStr = Field(alias="pw", max_length=4)


class Card(BaseModel):
    number: Annotated[str, Field(max_length=4, repr=False)] = ""
    pin: int = Field(default=0, repr=False)
    logins: list[Login] = []
    tokens: dict[str, SecretStr | None] = {}
    raw: SecretBytes = SecretBytes(b"")
    note: int = 0

    @field_validator("pin")
    @classmethod
    def four_digits(cls, pin: int) -> int:
        if pin > 9_999:
            raise ValueError(f"{pin} has too many digits")
        return pin


def test_secret_fields_are_found_wherever_they_are() -> None:
    assert secret_fields(Card) == {"number", "pin", "password", "pw", "tokens", "raw"}
    assert secret_fields(list[SecretStr]) == {""}
    assert secret_fields(dict[str, Login]) == {"password", "pw"}
    assert secret_fields(int) == frozenset()


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"pin": TOKEN}, "pin"),
        ({"pin": 8_675_309}, "pin"),
        ({"logins": [{"user": "ada", "pw": TOKEN}]}, "logins.0.pw"),
        ({"logins": [{"user": "ada", "pw": ["8675309", TOKEN]}]}, "logins.0.pw"),
        ({"logins": [[TOKEN, "8675309"]]}, "logins.0"),
        ({"logins": {"user": TOKEN}}, "logins"),
        ({"tokens": {"a": ["8675309"]}}, "tokens.a"),
        ({"raw": {"8675309": TOKEN}}, "raw"),
    ],
)
def test_a_refused_secret_is_not_shown(given: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ArgumentsCodec(Card).from_mapping(given)
    text = "; ".join(faults(caught.value, Card))
    assert text.startswith(place)
    assert TOKEN not in text
    assert "8675309" not in text


def test_what_is_no_secret_is_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        ArgumentsCodec(Card).from_mapping({"note": "many"})
    assert faults(caught.value, Card) == [
        "note: Input should be a valid integer, unable to parse string as an integer (found 'many')"
    ]


def test_a_type_that_is_a_secret_itself_is_not_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(SecretStr).validate_python([TOKEN])
    assert TOKEN not in faults(caught.value, SecretStr)[0]


def test_a_validator_that_breaks_over_a_secret_does_not_tell_it() -> None:
    class Breaks(BaseModel):
        key: SecretStr

        @field_validator("key", mode="before")
        @classmethod
        def breaks(cls, key: str) -> str:
            raise LookupError(f"no such key: {key}")

    with pytest.raises(ValidationError) as caught:
        ArgumentsCodec(Breaks).from_mapping({"key": TOKEN})
    assert faults(caught.value, Breaks) == [
        "arguments: a validator raised LookupError (found a value with secrets in it)"
    ]
