"""Retry policies: how long a wait is, and which errors are worth one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stem.core.retry import DEFAULT_POLICY, RetryPolicy, backoff, backoff_ms, error_names, worth_retrying
from stem.errors import ConfigError

attempts = st.integers(1, 10_000)
jitters = st.floats(0, 1, exclude_max=True)


class CardDeclined(ValueError):
    """An error with a base class."""


class Outer:
    """A namespace."""

    class Nested(Exception):
        """An error inside a class."""


# ---------------------------------------------------------------- waits


@given(attempts, jitters, st.integers(1, 10**6), st.integers(0, 10**6))
def test_an_exponential_wait_lies_between_nothing_and_the_doubled_base(
    attempt: int, jitter: float, base_ms: int, more: int
) -> None:
    policy = RetryPolicy("exponential", base_ms, base_ms + more)
    assert 0 <= backoff_ms(policy, attempt, jitter=jitter) <= min(base_ms + more, base_ms * 2 ** (attempt - 1))


@given(attempts)
def test_the_jitter_is_full(attempt: int) -> None:
    policy = RetryPolicy.exponential(base="1s", longest="1h")
    ceiling = min(3_600_000, 1_000 * 2 ** (attempt - 1))
    assert backoff_ms(policy, attempt, jitter=0.0) == 0
    assert backoff_ms(policy, attempt, jitter=0.5) == ceiling // 2


def test_the_ceiling_doubles_from_the_base_to_the_longest() -> None:
    policy = RetryPolicy.exponential(base="2s", longest="30s")
    nearly_one = 1 - 2**-53
    assert [round(backoff_ms(policy, n, jitter=nearly_one), -1) for n in range(1, 7)] == [
        *(2_000, 4_000, 8_000, 16_000, 30_000, 30_000)
    ]


@given(attempts, jitters)
def test_a_fixed_wait_is_always_the_same(attempt: int, jitter: float) -> None:
    assert backoff(RetryPolicy.fixed("5s"), attempt, jitter=jitter) == timedelta(seconds=5)


def test_the_default_waits_up_to_two_seconds_first_and_never_more_than_five_minutes() -> None:
    assert (DEFAULT_POLICY.kind, DEFAULT_POLICY.base_ms, DEFAULT_POLICY.longest_ms) == ("exponential", 2_000, 300_000)


# ---------------------------------------------------------------- whether


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (3, True), (4, False), (5, False)])
def test_retries_are_counted_after_the_first_attempt(attempt: int, again: bool) -> None:
    assert worth_retrying(DEFAULT_POLICY, attempt=attempt, max_retries=3, names=("ValueError",)) is again


@pytest.mark.parametrize(
    ("retry_on", "give_up_on", "again"),
    [
        ((), (), True),
        ((CardDeclined,), (), True),
        (CardDeclined, (), True),
        ("CardDeclined", (), True),
        (f"{__name__}.CardDeclined", (), True),
        ("builtins.ValueError", (), True),
        (ValueError, (), True),
        ((KeyError, "Exception"), (), True),
        (KeyError, (), False),
        ("Declined", (), False),
        ("elsewhere.CardDeclined", (), False),
        ((), ValueError, False),
        ((), "ValueError", False),
        ((), ["KeyError", "CardDeclined"], False),
        ((), KeyError, True),
        (CardDeclined, ValueError, False),
        (CardDeclined, KeyError, True),
    ],
)
def test_errors_match_by_class_bare_or_dotted_name_or_base_and_giving_up_wins(
    retry_on: Any, give_up_on: Any, again: bool
) -> None:
    names = error_names(CardDeclined)
    for policy in (
        RetryPolicy.exponential(retry_on=retry_on, give_up_on=give_up_on),
        RetryPolicy.fixed("1s", retry_on=retry_on, give_up_on=give_up_on),
    ):
        assert worth_retrying(policy, attempt=1, max_retries=1, names=names) is again


def test_the_names_of_an_error_are_bare_and_dotted_most_derived_first_without_object() -> None:
    assert error_names(Outer.Nested)[:4] == ("Nested", f"{__name__}.Outer.Nested", "Exception", "builtins.Exception")
    assert "object" not in error_names(Outer.Nested)


# ---------------------------------------------------------------- misuse


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RetryPolicy("fixed", -1, 0),
        lambda: RetryPolicy("fixed", 5, 1),
        lambda: RetryPolicy("exponential", True, 5),
        lambda: RetryPolicy("exponential", 1.5, 5),  # type: ignore[arg-type]
        lambda: RetryPolicy("linear", 1, 5),  # type: ignore[arg-type]
        lambda: RetryPolicy("fixed", 1, 1, "ValueError"),  # type: ignore[arg-type]
        lambda: RetryPolicy("fixed", 1, 1, (), (ValueError,)),  # type: ignore[arg-type]
        lambda: RetryPolicy.fixed(-1),
        lambda: RetryPolicy.fixed(True),
        lambda: RetryPolicy.exponential(base=0),
        lambda: RetryPolicy.exponential(base="10m", longest="5m"),
        lambda: RetryPolicy.exponential(retry_on=3),  # type: ignore[arg-type]
        lambda: RetryPolicy.exponential(retry_on=None),  # type: ignore[arg-type]
        lambda: RetryPolicy.exponential(give_up_on=int),  # type: ignore[arg-type]
        lambda: RetryPolicy.exponential(give_up_on=[ValueError()]),  # type: ignore[list-item]
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"retry"):
        wrong()
