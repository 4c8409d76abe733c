"""Terms of an attempt: the declaration, over it what the call said, over that what an earlier attempt asked for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stem.core.envelope import Envelope, Overrides
from stem.core.options import layer
from stem.core.retry import RetryPolicy
from stem.core.task import task
from stem.core.terms import AttemptTerms, attempt_terms, says_nothing, with_envelope

DECLARED = AttemptTerms(max_retries=3, retry=RetryPolicy.fixed("1s"), soft_ms=5_000, hard_ms=10_000, ignore_result=True)
UNLIMITED = msgspec.structs.replace(DECLARED, soft_ms=None, hard_ms=None)


def envelope(**said: Any) -> Envelope:
    return Envelope(v=1, id="a", task="t", enqueued_at=0, args=msgspec.Raw(b"{}"), **said)


@pytest.mark.parametrize("base", [DECLARED, UNLIMITED])
def test_a_call_that_says_nothing_leaves_everything_as_declared(base: AttemptTerms) -> None:
    assert says_nothing(envelope())
    assert with_envelope(base, envelope(), Overrides()) == base


@pytest.mark.parametrize("base", [DECLARED, UNLIMITED])
@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ({"max_retries": 0}, {"max_retries": 0}),
        ({"max_retries": 7}, {"max_retries": 7}),
        ({"retry": RetryPolicy.fixed("9s")}, {"retry": RetryPolicy.fixed("9s")}),
        ({"soft_ms": 60}, {"soft_ms": 60}),
        ({"soft_ms": 0}, {"soft_ms": None}),
        ({"hard_ms": 70}, {"hard_ms": 70}),
        ({"hard_ms": 0}, {"hard_ms": None}),
        ({"soft_ms": 60, "hard_ms": 70}, {"soft_ms": 60, "hard_ms": 70}),
        ({"soft_ms": 0, "hard_ms": 0}, {"soft_ms": None, "hard_ms": None}),
    ],
)
def test_what_a_call_says_holds_for_it_and_the_rest_is_as_declared(
    base: AttemptTerms, said: dict[str, Any], holds: dict[str, Any]
) -> None:
    assert not says_nothing(envelope(**said))
    assert with_envelope(base, envelope(**said), Overrides()) == msgspec.structs.replace(base, **holds)


@pytest.mark.parametrize("said", [{}, {"max_retries": 0}, {"max_retries": 9}])
@pytest.mark.parametrize("asked", [0, 5])
def test_what_an_earlier_attempt_asked_for_wins_over_the_call(said: dict[str, int], asked: int) -> None:
    assert with_envelope(DECLARED, envelope(**said), Overrides(asked)).max_retries == asked


def test_a_queue_fills_in_what_the_declaration_leaves_open() -> None:
    @task("t", max_retries=2, soft_time_limit="1s", ignore_result=True)
    async def declared() -> None: ...

    queue = layer(max_retries=9, retry=RetryPolicy.fixed("9s"), soft_time_limit="8s", time_limit="9s")
    made = attempt_terms(declared, queue)
    assert made == AttemptTerms(2, RetryPolicy.fixed("9s"), soft_ms=1_000, hard_ms=9_000, ignore_result=True)


def test_a_queues_hard_limit_is_not_for_what_runs_in_a_thread() -> None:
    @task("t")
    def declared() -> None: ...

    made = attempt_terms(declared, layer(soft_time_limit="8s", time_limit="9s"))
    assert (made.soft_ms, made.hard_ms, made.ignore_result) == (8_000, None, False)
