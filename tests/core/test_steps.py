"""Steps and events as they are declared: what is wrong with one is told at once, in words."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from stem.core.events import Mailbox, Topic
from stem.core.retry import RetryPolicy
from stem.core.step import step_options
from stem.errors import ConfigError

WRONG_OPTIONS: dict[str, list[Any]] = {
    "max_retries": [-1, True, "3", 2.5, None, 10**7],
    "retry": ["fixed", None, 5, RetryPolicy],
    "compensate": ["undo", 3, ()],
    "upcast": ["up", 3, ()],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, many in WRONG_OPTIONS.items() for value in many])
def test_a_wrong_option_of_a_step_is_refused_and_shown(name: str, value: Any) -> None:
    wrong: Any = {name: value}
    with pytest.raises(ConfigError) as caught:
        step_options(**wrong)
    (problem,) = caught.value.problems
    assert problem.startswith(name)
    assert repr(value) in problem


def test_all_wrong_options_of_a_step_are_told_at_once() -> None:
    wrong: Any = {name: many[0] for name, many in WRONG_OPTIONS.items()}
    with pytest.raises(ConfigError) as caught:
        step_options(**wrong)
    assert [one.partition(" ")[0] for one in caught.value.problems] == list(WRONG_OPTIONS)


def test_right_options_of_a_step_are_kept() -> None:
    made = step_options(
        compensate=print, auto_version=True, max_retries=0, retry=RetryPolicy.fixed(1), timeout_ms=5, upcast=int
    )
    assert (made.compensate, made.auto_version, made.max_retries) == (print, True, 0)
    assert (made.retry, made.timeout_ms, made.upcast) == (RetryPolicy.fixed(1), 5, int)


class Parcel(BaseModel):
    label: bytes


class Weight(BaseModel):
    grams: float = math.nan


@pytest.mark.parametrize("kind", [Topic, Mailbox])
@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (bytes, "the payload of 'e': bytes have no JSON form"),
        (list[bytes], "the payload of 'e': bytes have no JSON form"),
        (Parcel, "the payload of 'e'.label: bytes have no JSON form"),
        (dict[tuple[int, int], str], "the payload of 'e': JSON's keys are text"),
        (Weight, "the payload of 'e'.grams: the default is not a finite number"),
        (SecretStr, "the payload of 'e': JSON would carry only asterisks"),
        (object(), "the payload of 'e' cannot be carried by JSON: "),
    ],
)
def test_a_payload_that_json_cannot_hold_is_refused_when_the_event_is_declared(
    kind: type[Topic[Any] | Mailbox[Any]], payload: Any, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        kind("e", payload=payload)
    (problem,) = set(caught.value.problems)
    assert problem.startswith(said)


@pytest.mark.parametrize("kind", [Topic, Mailbox])
def test_all_that_is_wrong_with_an_event_is_told_at_once(kind: type[Topic[Any] | Mailbox[Any]]) -> None:
    with pytest.raises(ConfigError) as caught:
        kind("no name", payload=bytes, stub="class")
    name, payload, stub = caught.value.problems
    assert name.startswith(f"a {kind.__name__.lower()}'s name must be a word")
    assert payload.startswith("the payload of 'no name': bytes")
    assert stub.startswith("stub must be a name")


@pytest.mark.parametrize(
    ("payload", "value", "carried"),
    [
        (int, 5, b"5"),
        (None, None, b"null"),
        (list[str], ["a"], b'["a"]'),
        (date, date(2030, 1, 2), b'"2030-01-02"'),
    ],
)
def test_a_payload_that_json_can_hold_is_carried(payload: Any, value: Any, carried: bytes) -> None:
    assert Topic("e", payload=payload).event(value).payload == carried
    assert Mailbox("e", payload=payload).message("run", value).payload == carried
