"""Ids, the unset value, and errors that say what was expected, what was found and what to do."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stem import errors
from stem.clock import SystemClock
from stem.values import UNSET, Receipt, uuid7

times = st.integers(0, 2**48 - 1)
chances = st.integers(0, 2**128)


@given(times, chances)
def test_an_id_is_a_version_7_uuid_that_carries_its_time(unix_ms: int, chance: int) -> None:
    made = uuid7(unix_ms, chance)
    assert len(made) == 32
    read = uuid.UUID(hex=made)
    assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert read.int >> 80 == unix_ms


@given(times, times, chances, chances)
def test_ids_sort_as_their_times(one: int, other: int, chance: int, more: int) -> None:
    if one != other:
        assert (uuid7(one, chance) < uuid7(other, more)) is (one < other)


@given(times, st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_all_74_bits_of_chance_are_kept(unix_ms: int, chance: int, more: int) -> None:
    assert (uuid7(unix_ms, chance) == uuid7(unix_ms, more)) is (chance == more)


def test_the_example_of_the_rfc() -> None:
    rand_a, rand_b = 0xCC3, 0x18C4DC0C0C07398F
    assert uuid7(0x017F22E279B0, rand_a << 62 | rand_b) == "017f22e279b07cc398c4dc0c0c07398f"


def test_unset_is_false_and_shows_its_name() -> None:
    assert not UNSET
    assert repr(UNSET) == "UNSET"


def test_a_receipt_is_a_job_and_a_fence() -> None:
    assert Receipt("j", 3) == ("j", 3)


def test_the_clock_of_the_machine_goes_on() -> None:
    clock = SystemClock()
    assert clock.now_ms() > 1_700_000_000_000
    assert clock.monotonic() <= clock.monotonic()


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (errors.ConfigError("one"), 2, "one"),
        (errors.ConfigError(["one", "two"]), 2, "one\ntwo"),
        (errors.AppNotFoundError("no app"), 2, "no app"),
        (errors.UnknownTaskError("a", []), 2, "no task named 'a' is registered; none is known"),
        (
            errors.UnknownTaskError("mail.sned", ["shop.charge", "mail.send"]),
            2,
            "no task named 'mail.sned' is registered; did you mean 'mail.send'? (2 known: mail.send, shop.charge)",
        ),
        (
            errors.InvalidArgumentsError("a", ["x: wrong", "y: missing"]),
            2,
            "arguments of task 'a' were refused: x: wrong; y: missing",
        ),
        (
            errors.PayloadTooLargeError("a", 2_000_000, 1_048_576),
            2,
            (
                "arguments of task 'a' take 2,000,000 bytes, over the limit of 1,048,576; "
                "store the data elsewhere and send a reference, or raise Stem(max_payload=)"
            ),
        ),
        (errors.UniqueConflictError("k", "j1"), 1, "unique key 'k' is held by job j1; nothing was enqueued"),
        (
            errors.JobFailed("j1", reason="exhausted", error_type="ValueError", error_message="boom"),
            1,
            "job j1 failed (exhausted): ValueError: boom",
        ),
        (errors.JobCancelled("j1", reason="expired"), 1, "job j1 was cancelled (expired)"),
        (
            errors.ResultTimeout("j1", seconds=2.50, state="running"),
            1,
            "job j1 had no result after 2.5 s; it is running and goes on",
        ),
        (
            errors.ResultNotKept("j1"),
            1,
            "job j1 succeeded, but its task says ignore_result=True: no value was kept",
        ),
        (
            errors.UnknownJobError("j1"),
            1,
            "no job 'j1' is known: it was never enqueued in this namespace, or its result has expired",
        ),
        (errors.LeaseLost("j1"), 70, "the lease on job j1 was lost; its outcome would be discarded"),
        (errors.EngineUnavailableError("x"), 69, "x"),
        (errors.EngineRefusedError("x"), 70, "x"),
    ],
)
def test_an_error_says_what_happened_and_how_the_program_should_end(
    error: errors.StemError, exit_code: int, message: str
) -> None:
    assert (str(error), error.exit_code) == (message, exit_code)


def test_the_facts_of_an_error_are_attributes() -> None:
    failed = errors.JobFailed("j1", reason="exhausted", error_type="E", error_message="m", traceback="t")
    assert (failed.job_id, failed.reason, failed.error_type, failed.error_message, failed.traceback) == (
        *("j1", "exhausted", "E", "m", "t"),
    )
    unknown = errors.UnknownTaskError("b", ["z", "a"])
    assert (unknown.name, unknown.known, unknown.nearest) == ("b", ["a", "z"], None)
    assert errors.ConfigError("one").problems == ("one",)


def test_a_soft_time_limit_is_the_users_to_catch() -> None:
    assert not issubclass(errors.SoftTimeLimit, errors.StemError)


def test_a_hint_shows_a_few_of_many() -> None:
    known = [f"t{n}" for n in range(9)]
    assert errors.hint(None, known) == "9 known: t0, t1, t2, t3, t4, ..."
    assert errors.hint("t1", known, show=1) == "did you mean 't1'? (9 known: t0, ...)"
