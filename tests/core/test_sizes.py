"""What comes in is bounded at the edge: each limit, and one above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from stem import ConfigError, InvalidArgumentsError, PayloadTooLargeError, Stem, TaskDefinition
from stem.core.codec import ArgumentsCodec, EncodeError, ResultCodec, faults
from stem.core.sizes import (
    MAX_DEPTH,
    MAX_HEADER_NAME,
    MAX_HEADER_VALUE,
    MAX_HEADERS,
    MAX_HEADERS_SIZE,
    MAX_META_SIZE,
    MAX_PAYLOAD,
)
from stem.core.submit import submission


class Tree(BaseModel):
    value: Any = None
    share: float = 0.0


work = TaskDefinition("work", args=Tree, returns=float)


def sent(call: Any) -> int:
    """The bytes of a call as they are published."""
    return len(submission(call.request, job_id="j", now_ms=0, queues={}).envelope)


def headers(count: int, size: int = 1) -> Callable[[], int]:
    def send() -> int:
        call = work.build(Tree())
        for number in range(count):
            call = call.header(f"h{number}", "x" * size)
        return sent(call)

    return send


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("fits", "too_much", "error", "words"),
    [
        (
            lambda: work.build(Tree()).header("x" * MAX_HEADER_NAME, ""),
            lambda: work.build(Tree()).header("x" * (MAX_HEADER_NAME + 1), ""),
            ConfigError,
            "the name of header 'xxx.*takes 257 bytes, over the limit of 256",
        ),
        (
            lambda: work.build(Tree()).header("trace", "ä" * (MAX_HEADER_VALUE // 2)),
            lambda: work.build(Tree()).header("trace", "ä" * (MAX_HEADER_VALUE // 2) + "x"),
            ConfigError,
            "the value of header 'trace' takes 4,097 bytes, over the limit of 4,096",
        ),
        (headers(MAX_HEADERS), headers(MAX_HEADERS + 1), ConfigError, "has 65 headers, over the limit of 64"),
        (
            headers(8, MAX_HEADERS_SIZE // 8 - 2),
            headers(8, MAX_HEADERS_SIZE // 8 - 1),
            ConfigError,
            "headers of a call take 16,392 bytes, over the limit of 16,384 together",
        ),
        (
            lambda: sent(work.build(Tree()).meta("m", "x" * (MAX_META_SIZE - 8))),
            lambda: sent(work.build(Tree()).meta("m", "x" * (MAX_META_SIZE - 7))),
            ConfigError,
            "metadata of a call takes 16,385 bytes.*the largest is 'm'",
        ),
        (
            lambda: sent(work.build(Tree(value=nested(MAX_DEPTH - 2)))),
            lambda: sent(work.build(Tree(value=nested(MAX_DEPTH)))),
            InvalidArgumentsError,
            "nested more than 200 deep",
        ),
        (
            lambda: sent(work.build(Tree(value="x" * (MAX_PAYLOAD - sent(work.build(Tree(value=""))))))),
            lambda: sent(work.build(Tree(value="x" * (MAX_PAYLOAD + 1 - sent(work.build(Tree(value=""))))))),
            PayloadTooLargeError,
            "1,048,577 bytes, over the limit of 1,048,576",
        ),
    ],
    ids=["header name", "header value", "headers", "headers together", "meta", "depth", "payload"],
)
def test_what_is_as_large_as_allowed_is_taken_and_one_more_is_refused(
    fits: Callable[[], object], too_much: Callable[[], object], error: type[Exception], words: str
) -> None:
    fits()
    with pytest.raises(error, match=words):
        too_much()


def test_what_may_be_sent_can_be_read() -> None:
    """Whatever depth is taken: nothing is acknowledged that is buried afterwards."""
    codec = ArgumentsCodec(Tree)
    taken = 0
    for depth in range(MAX_DEPTH - 10, MAX_DEPTH + 10):
        try:
            data = codec.encode(Tree(value=nested(depth)))
        except EncodeError:
            break
        assert codec.decode(data).value == nested(depth)
        taken = depth
    assert taken >= MAX_DEPTH - 5


@pytest.mark.parametrize("text", ["NaN", '"nan"', "1e400", "-1e999", '"Infinity"', '"-inf"', "1" + "0" * 310])
def test_what_is_no_finite_number_is_refused_when_it_is_read(text: str) -> None:
    """A foreign producer may have sent it; ours refuse it when it is sent."""
    codec = ArgumentsCodec(Tree)
    with pytest.raises(ValidationError) as caught:
        codec.decode(f'{{"share": {text}}}'.encode())
    assert "which JSON cannot carry" in faults(caught.value, Tree)[0] or "finite" in str(caught.value)
    with pytest.raises(ValidationError):
        ResultCodec(float).decode(text.encode())


@pytest.mark.parametrize("text", ["1e40", "123456789012345678901234567890", "0.1", '"12.5"'])
def test_large_numbers_are_numbers(text: str) -> None:
    assert ArgumentsCodec(Tree).decode(f'{{"share": {text}}}'.encode()).share == float(text.strip('"'))
    assert ArgumentsCodec(Tree).decode(b'{"value": "nancy, information, e1000"}').value == "nancy, information, e1000"


@pytest.mark.parametrize("wrong", [True, 0, -1, "1", 1.5])
def test_a_limit_that_is_no_number_of_bytes_is_refused(wrong: Any) -> None:
    for name in ("max_payload", "max_result"):
        options: dict[str, Any] = {name: wrong}
        with pytest.raises(ConfigError, match=f"{name} must be a number of bytes, 1 or more, found"):
            Stem("memory://", **options)
