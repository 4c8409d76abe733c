"""Envelopes: what goes in comes out, and foreign bytes give one kind of error."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stem.core.envelope import (
    WIRE_VERSION,
    Envelope,
    Overrides,
    UndecodableError,
    decode,
    decode_overrides,
    encode,
    undecodable,
)
from stem.core.retry import RetryPolicy

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
policies = st.builds(
    lambda kind, base, more, names: RetryPolicy(kind, base, base + more, names, names),
    st.sampled_from(["exponential", "fixed"]),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.lists(TEXT, max_size=2).map(tuple),
)
envelopes = st.builds(
    Envelope,
    v=st.just(WIRE_VERSION),
    id=TEXT,
    task=TEXT,
    enqueued_at=st.integers(0, 2**53),
    args=JSON.map(lambda value: msgspec.Raw(json.dumps(value).encode())),
    headers=st.dictionaries(TEXT, TEXT, max_size=3),
    meta=st.dictionaries(TEXT, JSON, max_size=3),
    schema=TEXT,
    group=TEXT,
    max_retries=st.none() | st.integers(0, 100),
    retry=st.none() | policies,
    soft_ms=st.none() | st.integers(0, 10**9),
    hard_ms=st.none() | st.integers(0, 10**9),
)
WHOLE: dict[str, Any] = {"v": 1, "id": "a", "task": "t", "enqueued_at": 0, "args": {}}


@given(envelopes)
def test_an_envelope_comes_back_as_it_was(envelope: Envelope) -> None:
    back = decode(encode(envelope))
    assert bytes(back.args) == bytes(envelope.args)
    assert msgspec.structs.replace(back, args=envelope.args) == envelope


def test_arguments_travel_byte_for_byte() -> None:
    data = b'{"v":1,"id":"a","task":"t","enqueued_at":0,"args":{"n":9007199254740993, "f": 1.0}}'
    assert bytes(decode(data).args) == b'{"n":9007199254740993, "f": 1.0}'


def test_what_nobody_said_takes_no_room() -> None:
    least = Envelope(v=1, id="a", task="t", enqueued_at=0, args=msgspec.Raw(b"{}"))
    assert json.loads(encode(least)) == WHOLE


def test_a_newer_wire_version_is_refused_with_the_next_step() -> None:
    newer = json.dumps(WHOLE | {"v": WIRE_VERSION + 1}).encode()
    with pytest.raises(UndecodableError, match=r"^wire version 2 is newer than 1; update this worker$"):
        decode(newer)


def test_fields_of_a_later_minor_format_are_passed_over() -> None:
    assert decode(json.dumps(WHOLE | {"colour": "green"}).encode()).id == "a"


@given(st.binary())
@example(b"")
@example(b"null")
@example(b"\xff\xfe")
@example(b'{"v":1,"id":"\xff"}')
@example(b"[" * 100_000)
@example(b'{"v":1e400}')
@example(b'{"args":' * 100_000)
def test_random_bytes_are_undecodable_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(data)


@given(st.sampled_from([*WHOLE, "headers", "meta", "retry", "max_retries", "soft_ms", "group"]), JSON)
def test_a_wrong_field_is_undecodable_and_nothing_worse(name: str, value: Any) -> None:
    """What is taken all the same comes back as it was."""
    try:
        found = decode(json.dumps(WHOLE | {name: value}).encode())
    except UndecodableError:
        return
    again = decode(encode(found))
    assert bytes(again.args) == bytes(found.args)
    assert msgspec.structs.replace(again, args=found.args) == found


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": 0},
        {"v": -1},
        {"retry": {"kind": "fixed", "base_ms": -1, "longest_ms": 0}},
        {"retry": {"kind": "linear", "base_ms": 1, "longest_ms": 1}},
        {"headers": {"a": 1}},
        {"max_retries": "3"},
    ],
)
def test_values_that_no_declaration_accepts_are_undecodable(wrong: dict[str, Any]) -> None:
    with pytest.raises(UndecodableError):
        decode(json.dumps(WHOLE | wrong).encode())


@pytest.mark.parametrize("missing", WHOLE)
def test_an_envelope_without_a_needed_field_is_undecodable(missing: str) -> None:
    with pytest.raises(UndecodableError, match=missing):
        decode(json.dumps({name: value for name, value in WHOLE.items() if name != missing}).encode())


@given(st.none() | st.integers(0, 10**6))
def test_overrides_come_back_and_empty_bytes_are_none(most: int | None) -> None:
    assert decode_overrides(encode(Overrides(most))) == Overrides(most)
    assert decode_overrides(b"") == Overrides()


@given(st.binary(min_size=1).filter(lambda data: b"{" not in data))
def test_random_bytes_are_no_overrides(data: bytes) -> None:
    with pytest.raises(UndecodableError, match=r"^not the overrides of a job: "):
        decode_overrides(data)


def test_the_fault_can_be_stored() -> None:
    record = undecodable(UndecodableError("not an envelope: it is empty"))
    assert (record.type, record.message) == ("UndecodableError", "not an envelope: it is empty")
