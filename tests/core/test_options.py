"""Options: which layer wins, and that all wrong values are told at once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stem.core.options import DEFAULTS, NOTHING_SAID, Options, Resolved, layer, resolve, task_options
from stem.core.retry import RetryPolicy
from stem.errors import ConfigError
from stem.values import UNSET

FIELDS = Resolved.__struct_fields__


def options(**said: Any) -> Options:
    """A layer of any values at all: precedence does not look at them."""
    return Options(**said)


values = st.one_of(st.just(UNSET), st.integers(0, 9))
layers = st.fixed_dictionaries(dict.fromkeys(FIELDS, values)).map(lambda said: options(**said))


@given(layers, layers, layers)
def test_call_wins_over_task_over_queue_over_default_field_by_field(
    call: Options, task: Options, queue: Options
) -> None:
    resolved = resolve(call, task, queue)
    for name in FIELDS:
        said = [getattr(one, name) for one in (call, task, queue, DEFAULTS)]
        assert getattr(resolved, name) == next(value for value in said if value is not UNSET)


def test_where_nobody_says_anything_the_defaults_hold() -> None:
    assert resolve(NOTHING_SAID, NOTHING_SAID) == DEFAULTS


@pytest.mark.parametrize("name", FIELDS)
def test_a_call_can_set_back_to_the_default_by_naming_it(name: str) -> None:
    default = getattr(DEFAULTS, name)
    task = options(**{name: "something else"})
    assert getattr(resolve(options(**{name: default}), task), name) == default


def test_none_is_a_value_and_unset_is_none_at_all() -> None:
    task = layer(time_limit="10s", soft_time_limit="5s", expires="1h")
    assert resolve(layer(time_limit=None, expires=None), task).hard_ms is None
    assert resolve(layer(expires=None), task).expires_ms is None
    assert resolve(NOTHING_SAID, task).expires_ms == 3_600_000


WRONG: dict[str, list[Any]] = {
    "queue": ["", " mail", "mail\n", "q" * 201, None, 3],
    "priority": [-1, 10, True, "5", 5.0, None],
    "max_retries": [-1, True, "3", 2.5, None, 10**7],
    "retry": ["fixed", None, 5],
    "soft_time_limit": [0, -1, "soon", True],
    "time_limit": [0, -1, "soon", True],
    "visibility_timeout": [0.1, None, "199ms"],
    "expires": [0, -1, True],
    "result_ttl": [0, 0.5, None, "999ms"],
    "rate_limit": [100, True, "fast", 1.5],
    "concurrency": ["2", True, 0, 1.5],
    "unique": [True, "done", 1],
    "ignore_result": ["no", 1, None],
    "at_most_once": ["no", 1, None],
    "isolate": ["no", 0, None],
    "tags": ["mail", [3], [""], None, 7, b"mail"],
    "description": [None, 3],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, many in WRONG.items() for value in many])
def test_a_wrong_value_is_refused_and_shown(name: str, value: Any) -> None:
    wrong: Any = {name: value}
    with pytest.raises(ConfigError) as caught:
        task_options(**wrong)
    (problem,) = caught.value.problems
    assert repr(value) in problem or "None" in problem


def test_all_wrong_values_are_told_at_once() -> None:
    wrong: Any = {name: many[0] for name, many in WRONG.items()}
    with pytest.raises(ConfigError) as caught:
        task_options(**wrong)
    assert len(caught.value.problems) == len(WRONG)


def test_the_soft_limit_must_be_shorter_than_the_hard_one() -> None:
    with pytest.raises(ConfigError, match=r"^soft_time_limit \(5000 ms\) must be shorter than time_limit \(5000 ms\)$"):
        layer(soft_time_limit=5, time_limit=5)


def test_results_live_at_least_one_second() -> None:
    with pytest.raises(ConfigError, match=r"^result_ttl must be between 1s and 100 years, found 0$"):
        layer(result_ttl=0)
    assert layer(result_ttl=1).result_ttl_ms == 1_000


def test_at_most_once_means_no_retries_and_no_second_delivery() -> None:
    made = task_options(at_most_once=True)
    assert (made.layer.max_retries, made.max_losses) == (0, 1)
    assert task_options(at_most_once=True, max_retries=0) == made
    assert task_options().max_losses > 1
    with pytest.raises(ConfigError, match=r"^at_most_once never runs a job twice, so max_retries must be 0, found 2$"):
        task_options(at_most_once=True, max_retries=2)


def test_words_become_milliseconds() -> None:
    said = layer(
        queue="mail",
        priority=9,
        max_retries=2,
        retry=RetryPolicy.fixed("1s"),
        soft_time_limit="5s",
        time_limit="10s",
        visibility_timeout="1m",
        expires="1h",
        result_ttl="1d",
    )
    assert msgspec.structs.astuple(said) == (
        *("mail", 9, 2, RetryPolicy.fixed(1)),
        *(5_000, 10_000, 60_000, 3_600_000, 86_400_000),
    )
