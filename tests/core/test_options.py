"""Options: which layer wins, and that all wrong values are told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stem.core.events import Topic
from stem.core.options import DEFAULTS, NOTHING_SAID, Options, Resolved, layer, queue_name, resolve, task_options
from stem.core.retry import RetryPolicy
from stem.core.step import step_name, step_options
from stem.core.task import TaskDefinition
from stem.core.workflow import run_id, workflow_options
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


@pytest.mark.parametrize(
    ("take", "last", "beyond"),
    [
        (queue_name, "q" * 200, "q" * 201),
        (queue_name, "q", ""),
        (lambda value: TaskDefinition(value, returns=int).name, "t" * 200, "t" * 201),
        (lambda value: TaskDefinition("t", returns=int).build().id(value).request.id, "j" * 200, "j" * 201),
        (lambda value: Topic(value, payload=int).name, "e" * 200, "e" * 201),
        (run_id, "r" * 200, "r" * 201),
        (run_id, "r", ""),
        (step_name, "s" * 200, "s" * 201),
        (step_name, "s", ""),
        (lambda value: layer(priority=value).priority, 0, -1),
        (lambda value: layer(priority=value).priority, 9, 10),
        (lambda value: layer(max_retries=value).max_retries, 0, -1),
        (lambda value: layer(max_retries=value).max_retries, 1_000_000, 1_000_001),
        (lambda value: step_options(max_retries=value).max_retries, 0, -1),
        (lambda value: step_options(max_retries=value).max_retries, 1_000_000, 1_000_001),
        (lambda value: workflow_options(version=value).version, 1, 0),
        (lambda value: workflow_options(version=value).version, 1_000_000, 1_000_001),
    ],
)
def test_a_value_at_the_edge_is_taken_and_the_next_is_refused(
    take: Callable[[Any], object], last: object, beyond: object
) -> None:
    assert take(last) == last
    with pytest.raises(ConfigError):
        take(beyond)


@pytest.mark.parametrize(
    ("take", "least_ms"),
    [
        (lambda value: layer(soft_time_limit=value).soft_ms, 1),
        (lambda value: layer(time_limit=value).hard_ms, 1),
        (lambda value: layer(visibility_timeout=value).lease_ms, 200),
        (lambda value: layer(expires=value).expires_ms, 1),
        (lambda value: layer(result_ttl=value).result_ttl_ms, 1_000),
        (lambda value: workflow_options(cancel_after=value).cancel_after_ms, 1),
        (lambda value: workflow_options(max_suspend=value).max_suspend_ms, 1),
        (lambda value: workflow_options(visibility_timeout=value).lease_ms, 200),
        (lambda value: workflow_options(keep=value).keep_ms, 1_000),
        (lambda value: workflow_options(cancel_budget=value).cleanup_ms, 1),
        (lambda value: Topic("t", payload=int, ttl=value).ttl_ms, 1),
    ],
)
def test_the_shortest_span_of_an_option_is_taken_and_a_shorter_one_refused(
    take: Callable[[str], object], least_ms: int
) -> None:
    assert take(f"{least_ms}ms") == least_ms
    with pytest.raises(ConfigError, match="must be between"):
        take(f"{least_ms - 1}ms")


def test_a_soft_limit_may_end_one_millisecond_before_the_hard_one() -> None:
    made = layer(soft_time_limit="4999ms", time_limit="5s")
    assert (made.soft_ms, made.hard_ms) == (4_999, 5_000)


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
