"""Calls: immutable, each word checked when it is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, Field

from stem.core.call import Request, TaskEnqueueBuilder
from stem.core.canvas import Chain
from stem.core.retry import RetryPolicy
from stem.core.task import TaskDefinition
from stem.core.unique import Unique
from stem.errors import ConfigError
from stem.values import UNSET


class Order(BaseModel):
    """Arguments."""

    number: int = 1
    other_name: str = Field(default="", alias="otherName")


CHARGE = TaskDefinition("shop.charge", args=Order, returns=int)
CALL = CHARGE.build(Order())
LOOSE: Any = CALL
RULE = Unique(key="number")


@pytest.mark.parametrize(
    ("say", "read", "value"),
    [
        (lambda c: c.id("a-1"), lambda r: r.id, "a-1"),
        (lambda c: c.header("a", "b"), lambda r: r.headers, {"a": "b"}),
        (lambda c: c.meta("a", [1, {"b": None}]), lambda r: r.meta, {"a": [1, {"b": None}]}),
        (lambda c: c.queue("mail"), lambda r: r.options.queue, "mail"),
        (lambda c: c.priority(9), lambda r: r.options.priority, 9),
        (lambda c: c.delay("5m"), lambda r: (r.delay_ms, r.eta_ms), (300_000, None)),
        (lambda c: c.eta(datetime(1970, 1, 2, tzinfo=UTC)), lambda r: (r.delay_ms, r.eta_ms), (0, 86_400_000)),
        (lambda c: c.eta(datetime(1970, 1, 2, tzinfo=UTC)).delay(1), lambda r: (r.delay_ms, r.eta_ms), (1_000, None)),
        (lambda c: c.delay(1).eta(datetime(1970, 1, 2, tzinfo=UTC)), lambda r: (r.delay_ms, r.eta_ms), (0, 86_400_000)),
        (lambda c: c.expires("1h"), lambda r: r.options.expires_ms, 3_600_000),
        (lambda c: c.expires(None), lambda r: r.options.expires_ms, None),
        (lambda c: c.retries(0), lambda r: (r.options.max_retries, r.options.retry), (0, UNSET)),
        (
            lambda c: c.retries(2, RetryPolicy.fixed(1)).retries(5),
            lambda r: (r.options.max_retries, r.options.retry),
            (5, RetryPolicy.fixed(1)),
        ),
        (lambda c: c.time_limit(10, soft=5), lambda r: (r.options.hard_ms, r.options.soft_ms), (10_000, 5_000)),
        (lambda c: c.time_limit(), lambda r: (r.options.hard_ms, r.options.soft_ms), (None, None)),
        (lambda c: c.unique(RULE, key="k"), lambda r: (r.unique, r.unique_key), (RULE, "k")),
        (lambda c: c.unique(None), lambda r: r.unique, None),
        (lambda c: c.limit_key("acme"), lambda r: r.limit_key, "acme"),
    ],
)
def test_every_word_makes_a_new_call_and_leaves_the_old_one_alone(
    say: Callable[[TaskEnqueueBuilder[int]], TaskEnqueueBuilder[int]], read: Callable[[Request], Any], value: Any
) -> None:
    before = CALL.request
    said = say(CALL)
    assert read(said.request) == value
    assert said is not CALL
    assert CALL.request is before
    assert CALL.request == CHARGE.build(Order()).request


def test_words_add_up() -> None:
    base = CALL.header("a", "1").meta("m", 1)
    one, other = base.header("b", "2").priority(5).queue("mail"), base.header("a", "3").meta("n", 2)
    assert base.request.headers == {"a": "1"}
    assert one.request.headers == {"a": "1", "b": "2"}
    assert (one.request.options.priority, one.request.options.queue) == (5, "mail")
    assert other.request.headers == {"a": "3"}
    assert other.request.meta == {"m": 1, "n": 2}
    assert other.request.options.priority is UNSET


def test_metadata_is_copied_when_it_is_said() -> None:
    shared = {"list": [1]}
    call = CALL.meta("m", shared)
    shared["list"].append(2)
    assert call.request.meta == {"m": {"list": [1]}}


def test_a_call_shows_its_task_and_arguments() -> None:
    assert repr(CALL) == "<call of shop.charge with Order(number=1, other_name='')>"


@pytest.mark.parametrize(
    "wrong",
    [
        *(lambda value=value: LOOSE.id(value) for value in ("", "a" * 201, "a\nb", "\ud800", 3, None)),
        *(lambda value=value: LOOSE.header("a", value) for value in (3, None, b"x", "\ud800")),
        *(lambda value=value: LOOSE.header(value, "a") for value in (3, None, "\ud800")),
        *(
            lambda value=value: LOOSE.meta("a", value)
            for value in (object(), math.nan, [math.inf], {1: 2}, b"x", (1,), {1}, "\ud800", datetime(2030, 1, 1))
        ),
        lambda: LOOSE.meta(3, 3),
        *(lambda value=value: LOOSE.queue(value) for value in ("", None, 3)),
        *(lambda value=value: LOOSE.priority(value) for value in (-1, 10, True, "5", None)),
        *(lambda value=value: LOOSE.delay(value) for value in (-1, -0.0001, True, None, math.nan, "soon")),
        *(lambda value=value: LOOSE.eta(value) for value in (datetime(2030, 1, 1), 5, None)),
        *(lambda value=value: LOOSE.expires(value) for value in (0, -1, True)),
        *(lambda value=value: LOOSE.retries(value) for value in (-1, True, None, "3")),
        lambda: LOOSE.retries(1, None),
        lambda: LOOSE.time_limit(5, soft=5),
        lambda: LOOSE.time_limit(True),
        *(lambda value=value: LOOSE.unique(value) for value in (True, "done", Unique)),
        lambda: LOOSE.unique(Unique(), key=3),
        lambda: LOOSE.unique(Unique(key="nope")),
        lambda: LOOSE.unique(Unique(key="other_name")),
        *(lambda value=value: LOOSE.limit_key(value) for value in (3, None, "\ud800")),
    ],
)
def test_a_wrong_word_is_refused_when_it_is_said(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        wrong()


def test_metadata_that_would_arrive_changed_is_shown_both_ways() -> None:
    with pytest.raises(ConfigError, match=r"^metadata 'm' must be plain JSON: \{1: 2\} would arrive as \{'1': 2\}$"):
        CALL.meta("m", {1: 2})


def test_a_call_cannot_have_retries_where_the_task_runs_at_most_once() -> None:
    once = TaskDefinition("shop.once", returns=int, at_most_once=True).build()
    with pytest.raises(ConfigError, match=r"says at_most_once, so a call of it cannot have retries\(2\)$"):
        once.retries(2)
    assert once.retries(0).request.options.max_retries == 0


def test_chains_keep_their_parts_in_order_and_flat() -> None:
    first, second, third = (TaskDefinition(name, args=Order, returns=Order) for name in ("a", "b", "c"))
    for chain in (first | second | third, first.then(second).then(third), first | (second | third)):
        assert isinstance(chain, Chain)
        assert chain.links == (first, second, third)
    assert (CHARGE.build(Order()) | TaskDefinition("d", returns=int)).links  # type: ignore[operator]


def test_a_key_of_a_rule_that_is_taken_away_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unique\(None\) takes the rule away, so key='x' would be of no use"):
        CALL.unique(None, key="x")
    assert CALL.unique(None).request.unique is None


@pytest.mark.parametrize("after", [Order, "shop.charge", None])
def test_a_chain_is_of_tasks_and_calls(after: Any) -> None:
    with pytest.raises(ConfigError, match="a chain is of tasks and calls"):
        LOOSE.then(after)
    with pytest.raises(ConfigError, match="a chain is of tasks and calls"):
        LOOSE | after
