"""Settlements: for every outcome, what is stored, what else happens and what observers hear."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stem.core.envelope import Overrides, Submission, decode_overrides
from stem.core.options import DEAD_LETTER_TTL_MS
from stem.core.outcome import (
    ErrorRecord,
    NotRun,
    Outcome,
    Raised,
    Refusal,
    Refused,
    RetryAsked,
    Returned,
    Snoozed,
    Stopped,
    Unknown,
)
from stem.core.record import JobRecord, Progress, decode_progress, decode_record
from stem.core.record import encode as encode_record
from stem.core.retry import RetryPolicy
from stem.core.settle import Action, Again, Arrive, Bury, Enqueue, Finish, Settlement, Terms, settle
from stem.values import Receipt

BOOM = ErrorRecord("ValueError", "boom", "Traceback ...")
NAMES = ("ValueError", "builtins.ValueError", "Exception", "builtins.Exception")
FOLLOW_UP = Enqueue(Submission(id="next", task="t", queue="q", envelope=b"{}"))
MEMBER = Arrive("g1", "m1", ok=False, value=b"")
TERMS = Terms(
    receipt=Receipt("j1", 7),
    task="orders.charge",
    queue="orders",
    attempt=2,
    losses=1,
    enqueued_at=1_000,
    started_at=5_000,
    worker="w1",
    max_retries=3,
    retry=RetryPolicy.fixed("5s"),
    result_ttl_ms=60_000,
    effects=(FOLLOW_UP, MEMBER),
)
RAISED = Raised(BOOM, NAMES)
OUTCOMES: list[Outcome] = [
    Returned(b"5"),
    RAISED,
    RetryAsked(BOOM, 100),
    Snoozed(500),
    Stopped("asked by ops"),
    NotRun("expired"),
    NotRun("lost"),
    *(Refused(reason, BOOM) for reason in get_args(Refusal)),
    *(Unknown(reason, BOOM) for reason in get_args(Refusal)),
]


def settled(outcome: Outcome, *, jitter: float = 0.5, **changes: Any) -> Settlement:
    return settle(msgspec.structs.replace(TERMS, **changes), outcome, now_ms=9_000, jitter=jitter)


def record_of(action: Action) -> JobRecord:
    assert not isinstance(action, Again)
    return decode_record(action.record)


def again(settlement: Settlement) -> Again:
    assert isinstance(settlement.action, Again)
    return settlement.action


@pytest.mark.parametrize(
    ("outcome", "changes", "kind", "state", "signal", "reason"),
    [
        (Returned(b"5"), {}, Finish, "succeeded", "job_succeeded", ""),
        (RAISED, {}, Again, "", "job_retried", ""),
        (RAISED, {"attempt": 4}, Bury, "failed", "job_failed", "exhausted"),
        (RAISED, {"max_retries": 0, "attempt": 1}, Bury, "failed", "job_failed", "exhausted"),
        (RAISED, {"retry": RetryPolicy.fixed(1, give_up_on=ValueError)}, Bury, "failed", "job_failed", "exhausted"),
        (RAISED, {"retry": RetryPolicy.fixed(1, retry_on="KeyError")}, Bury, "failed", "job_failed", "exhausted"),
        (RetryAsked(BOOM), {}, Again, "", "job_retried", ""),
        (RetryAsked(BOOM), {"attempt": 4}, Bury, "failed", "job_failed", "exhausted"),
        (RetryAsked(BOOM), {"retry": RetryPolicy.fixed(1, give_up_on=ValueError)}, Again, "", "job_retried", ""),
        (Snoozed(500), {"attempt": 99}, Again, "", "job_snoozed", ""),
        (Stopped("asked by ops"), {}, Finish, "cancelled", "job_cancelled", "asked by ops"),
        (NotRun("expired"), {}, Bury, "cancelled", "job_cancelled", "expired"),
        (NotRun("lost"), {}, Bury, "failed", "job_failed", "worker_lost"),
        *((Refused(why, BOOM), {}, Bury, "failed", "job_failed", why) for why in get_args(Refusal)),
    ],
)
def test_every_outcome_has_its_action_signal_and_reason(
    outcome: Outcome, changes: dict[str, Any], kind: type[Action], state: str, signal: str, reason: str
) -> None:
    done = settled(outcome, **changes)
    assert type(done.action) is kind
    assert (done.signal.name, done.signal.reason) == (signal, reason)
    assert done.receipt == TERMS.receipt
    if not isinstance(done.action, Again):
        record = record_of(done.action)
        assert (done.action.state, record.state, record.reason) == (state, state, reason)
        assert done.action.keep_ms == 60_000
    if isinstance(done.action, Bury):
        assert (done.action.reason, done.action.dead_ms) == (reason, DEAD_LETTER_TTL_MS)


# ---------------------------------------------------------------- attempts


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_a_retry_uses_an_attempt_up(attempt: int) -> None:
    assert again(settled(RAISED, attempt=attempt)).attempts == attempt
    assert again(settled(RetryAsked(BOOM), attempt=attempt)).attempts == attempt


@pytest.mark.parametrize("attempt", [1, 2, 50])
def test_a_snoozed_job_keeps_its_attempt_number(attempt: int) -> None:
    action = again(settled(Snoozed(500), attempt=attempt))
    assert action == Again(500, attempt - 1)


@pytest.mark.parametrize(
    ("attempt", "own", "asked", "goes_on"),
    [
        (3, 3, None, True),
        (4, 3, None, False),
        (4, 3, 4, True),
        (4, 3, 10, True),
        (5, 3, 4, False),
        (2, 3, 1, False),
        (1, 3, 0, False),
        (1, 0, 1, True),
    ],
)
def test_ctx_retry_may_raise_or_lower_the_number_of_retries(
    attempt: int, own: int, asked: int | None, goes_on: bool
) -> None:
    done = settled(RetryAsked(BOOM, 100, asked), attempt=attempt, max_retries=own)
    assert isinstance(done.action, Again) is goes_on
    if goes_on:
        assert decode_overrides(again(done).overrides) == Overrides(asked)
    else:
        assert done.signal.reason == "exhausted"


def test_an_ordinary_retry_leaves_the_overrides_of_an_earlier_one_alone() -> None:
    assert again(settled(RAISED)).overrides == b""
    assert again(settled(RetryAsked(BOOM))).overrides == b""
    assert again(settled(RetryAsked(BOOM, max_retries=0), attempt=0)).overrides != b""


@pytest.mark.parametrize(
    ("outcome", "used"),
    [
        (Returned(b"5"), 2),
        (Stopped("x"), 2),
        (NotRun("expired"), 1),
        (NotRun("lost"), 2),  # it was called each time that it was lost
        (Refused("unknown_task", BOOM), 1),
        (Refused("undecodable", BOOM), 1),
        (Refused("invalid_arguments", BOOM), 1),
        (Refused("interrupted", BOOM), 2),
    ],
)
def test_a_delivery_whose_function_was_never_called_uses_no_attempt_up(outcome: Outcome, used: int) -> None:
    done = settled(outcome)
    assert record_of(done.action).attempts == used == done.signal.attempt


# ---------------------------------------------------------------- waits


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 3))
def test_the_wait_is_the_policys_own_unless_the_task_names_one(jitter: float, attempt: int) -> None:
    policy = RetryPolicy.exponential(base="1s", longest="3s")
    ceiling = min(3_000, 1_000 * 2 ** (attempt - 1))
    for outcome in (RAISED, RetryAsked(BOOM)):
        done = settled(outcome, jitter=jitter, attempt=attempt, retry=policy)
        assert again(done).delay_ms == int(ceiling * jitter) == done.signal.retry_in_ms
    assert again(settled(RetryAsked(BOOM, 0), attempt=attempt)).delay_ms == 0
    assert again(settled(RetryAsked(BOOM, 77), attempt=attempt)).delay_ms == 77


def test_a_retry_keeps_the_error_and_tells_it() -> None:
    done = settled(RAISED)
    assert msgspec.json.decode(again(done).error, type=ErrorRecord) == BOOM == done.signal.error


# ---------------------------------------------------------------- effects


def test_a_success_publishes_the_follow_up_and_tells_the_group_its_value() -> None:
    assert settled(Returned(b"5")).effects == (FOLLOW_UP, Arrive("g1", "m1", ok=True, value=b"5"))


@pytest.mark.parametrize("outcome", [one for one in OUTCOMES if not isinstance(one, Returned)])
def test_without_success_no_follow_up_happens_but_the_group_hears_of_the_end(outcome: Outcome) -> None:
    done = settled(outcome)
    heard = () if isinstance(done.action, Again) else (Arrive("g1", "m1", ok=False, value=b"null"),)
    assert done.effects == heard


def test_a_group_hears_the_value_even_when_no_result_is_kept() -> None:
    done = settled(Returned(b"5"), ignore_result=True)
    assert record_of(done.action).value is msgspec.UNSET
    assert done.effects[1] == Arrive("g1", "m1", ok=True, value=b"5")


# ---------------------------------------------------------------- records and signals


def test_the_record_of_a_success_holds_the_value_and_all_that_is_known() -> None:
    record = record_of(settled(Returned(b'{"n": 9007199254740993}')).action)
    assert record == JobRecord(
        state="succeeded",
        task="orders.charge",
        queue="orders",
        value=record.value,
        attempts=2,
        losses=1,
        enqueued_at=1_000,
        started_at=5_000,
        finished_at=9_000,
        worker="w1",
    )
    assert isinstance(record.value, msgspec.Raw)
    assert bytes(record.value) == b'{"n": 9007199254740993}'


def test_a_null_result_is_kept_as_a_value() -> None:
    record = record_of(settled(Returned(b"null")).action)
    assert isinstance(record.value, msgspec.Raw)
    assert bytes(record.value) == b"null"


def test_the_record_of_a_failure_holds_the_error_and_no_value() -> None:
    record = record_of(settled(RAISED, attempt=4).action)
    assert (record.error, record.reason, record.value) == (BOOM, "exhausted", msgspec.UNSET)


def test_the_dead_letter_of_a_lost_job_says_how_many_leases_were_lost() -> None:
    error = record_of(settled(NotRun("lost"), losses=5).action).error
    assert error is not None
    assert error.type == "WorkerLost"
    assert error.message.startswith("5 leases in a row ")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_signal_names_the_job_and_how_long_it_ran(outcome: Outcome) -> None:
    signal = settled(outcome).signal
    assert (signal.job_id, signal.task, signal.queue, signal.run_ms) == ("j1", "orders.charge", "orders", 4_000)
    assert settled(outcome, started_at=0).signal.run_ms == 0
    assert settled(outcome, started_at=9_500).signal.run_ms == 0


@given(st.sampled_from(OUTCOMES), st.integers(1, 9), st.integers(0, 9), st.floats(0, 1, exclude_max=True))
def test_equal_arguments_give_equal_settlements(outcome: Outcome, attempt: int, most: int, jitter: float) -> None:
    one, other = (settled(outcome, attempt=attempt, max_retries=most, jitter=jitter) for _ in range(2))
    assert one == other


def test_progress_comes_back_as_it_was() -> None:
    there = decode_progress(encode_record(Progress(12.5, "half of a quarter", msgspec.Raw(b"[1]"))))
    assert (there.percent, there.message) == (12.5, "half of a quarter")
    assert isinstance(there.data, msgspec.Raw)
    assert bytes(there.data) == b"[1]"


# ---------------------------------------------------------------- not known here


def unknown(*, since: int, now_ms: int, unknown_for_ms: int = 600_000, max_retries: int | None = None) -> Settlement:
    terms = msgspec.structs.replace(TERMS, overrides=Overrides(max_retries, since))
    return settle(terms, Unknown("unknown_task", BOOM, unknown_for_ms), now_ms=now_ms, jitter=0.5)


@pytest.mark.parametrize(
    ("waited_ms", "offered_in_ms"),
    [(0, 1_000), (3_999, 1_000), (8_000, 2_000), (60_000, 15_000), (500_000, 15_000), (599_000, 1_000), (599_900, 100)],
)
def test_a_job_that_is_not_known_here_is_offered_again_without_an_attempt(waited_ms: int, offered_in_ms: int) -> None:
    done = unknown(since=1_000_000, now_ms=1_000_000 + waited_ms, max_retries=7)
    assert isinstance(done.action, Again)
    assert (done.action.delay_ms, done.action.attempts) == (offered_in_ms, TERMS.attempt - 1)
    assert decode_overrides(done.action.overrides) == Overrides(7, 1_000_000)
    assert (done.signal.name, done.signal.reason) == ("job_snoozed", "unknown_task")
    assert (done.signal.error is not None) is (waited_ms == 0)


def test_its_time_begins_when_it_is_first_found_unknown() -> None:
    done = unknown(since=0, now_ms=5_000)
    assert isinstance(done.action, Again)
    assert decode_overrides(done.action.overrides).unknown_since == 5_000


def test_it_is_buried_when_its_time_is_over() -> None:
    done = unknown(since=1_000_000, now_ms=1_600_000)
    assert isinstance(done.action, Bury)
    assert done.action.reason == "unknown_task"
    error = record_of(done.action).error
    assert error is not None
    assert error.message == "boom; it waited 600 s for a worker that knows it, and none came"


def test_it_is_buried_at_once_where_it_must_not_wait() -> None:
    done = unknown(since=0, now_ms=5_000, unknown_for_ms=0)
    assert isinstance(done.action, Bury)
    assert record_of(done.action).error == BOOM


@pytest.mark.parametrize("outcome", [RAISED, RetryAsked(BOOM, 100), Snoozed(500)])
def test_its_time_is_forgotten_when_a_worker_that_knows_it_has_had_it(outcome: Outcome) -> None:
    terms = msgspec.structs.replace(TERMS, overrides=Overrides(7, 1_000_000))
    done = settle(terms, outcome, now_ms=9_000, jitter=0.5)
    assert isinstance(done.action, Again)
    assert decode_overrides(done.action.overrides) == Overrides(7)


@pytest.mark.parametrize("outcome", [RAISED, RetryAsked(BOOM, 100), Snoozed(500)])
def test_overrides_of_others_stay_as_they_are(outcome: Outcome) -> None:
    terms = msgspec.structs.replace(TERMS, overrides=Overrides(7))
    done = settle(terms, outcome, now_ms=9_000, jitter=0.5)
    assert isinstance(done.action, Again)
    assert done.action.overrides == b""
