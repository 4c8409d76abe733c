"""Rates, concurrency limits, priorities, leases, groups: the numbers that engines compare."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stem.core import rate
from stem.core.group import verdict
from stem.core.lease import SHORTEST_LEASE_MS, ended, renew_every_ms, stop_by
from stem.core.limit import Limit, admits, limit, limit_key, limit_name, shown
from stem.core.priority import GUARD_EVERY, HIGHEST, LEVELS, first_nonempty, guarded_level, queue_order
from stem.core.rate import Bucket, Level, Rate
from stem.errors import ConfigError

buckets = st.builds(Bucket, count=st.integers(1, 50), per_ms=st.integers(1, 100_000), burst=st.integers(1, 50))
gaps = st.lists(st.integers(0, 5_000), min_size=1, max_size=60)


# ---------------------------------------------------------------- rates


@pytest.mark.parametrize(
    ("text", "burst", "bucket"),
    [
        ("10/s", None, Bucket(10, 1_000, 10)),
        ("100/m", None, Bucket(100, 60_000, 2)),
        ("1/h", None, Bucket(1, 3_600_000, 1)),
        ("5/30s", None, Bucket(5, 30_000, 1)),
        (" 5 / 30 s ", None, Bucket(5, 30_000, 1)),
        ("7/500ms", None, Bucket(7, 500, 14)),
        ("100/m", 40, Bucket(100, 60_000, 40)),
    ],
)
def test_a_rate_is_a_count_a_span_and_the_burst_of_one_second(text: str, burst: int | None, bucket: Bucket) -> None:
    assert Rate(text, burst=burst).bucket == bucket


@pytest.mark.parametrize("text", ["", "10", "0/s", "-1/s", "1/0s", "1/y", "ten/s", "1/999999999d", 100, None, b"1/s"])
def test_what_is_no_rate_is_refused(text: Any) -> None:
    with pytest.raises(ConfigError, match="rate"):
        Rate(text)


@pytest.mark.parametrize("burst", [0, -1, "2", True, 1.5])
def test_the_burst_of_a_rate_is_a_whole_number_of_at_least_one(burst: Any) -> None:
    with pytest.raises(ConfigError, match=r"^the burst of a rate must be a whole number of at least 1, found "):
        Rate("1/s", burst=burst)


def test_the_key_of_a_rate_or_limit_is_a_field_name() -> None:
    wrong: Any = 3
    with pytest.raises(ConfigError, match=r"^the key of a rate must be the name of an argument field, found 3$"):
        Rate("1/s", key=wrong)
    with pytest.raises(ConfigError, match=r"^the key of a limit must be the name of an argument field, found 3$"):
        Limit(1, key=wrong)


@given(buckets, gaps)
def test_a_bucket_never_gives_more_than_count_and_burst_in_any_window(bucket: Bucket, waits: list[int]) -> None:
    level, taken = rate.full(bucket, 0), []
    for now in accumulate(waits):
        level, given_out = rate.take(bucket, level, now)
        if given_out:
            taken.append(now)
    for start, first in enumerate(taken):
        for end in range(start, len(taken)):
            window = taken[end] - first
            assert end - start + 1 <= bucket.burst + window * bucket.count / bucket.per_ms


@given(buckets, st.integers(0, 10**12))
def test_an_outage_however_long_saves_up_no_more_than_the_burst(bucket: Bucket, outage_ms: int) -> None:
    empty = Level(0, 0, bucket.per_ms)
    assert rate.available(bucket, empty, outage_ms) <= bucket.burst
    assert rate.available(bucket, rate.full(bucket, 0), outage_ms) == bucket.burst


@given(buckets, buckets, st.integers(0, 50))
def test_a_changed_rate_keeps_the_tokens_that_were_there(before: Bucket, after: Bucket, tokens: int) -> None:
    held = min(tokens, before.burst)
    level = Level(held * before.per_ms, 1_000, before.per_ms)
    assert rate.available(after, level, 1_000) == min(held, after.burst)


@given(buckets, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_clock_that_goes_back_adds_nothing(bucket: Bucket, now: int, back: int) -> None:
    level = rate.refill(bucket, Level(0, now, bucket.per_ms), now - back)
    assert level == Level(0, now - back, bucket.per_ms), "and filling goes on from where the clock stands now"


@given(buckets, st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_wait_is_exactly_as_long_as_it_must_be(bucket: Bucket, parts: int, now: int) -> None:
    level = Level(parts % (bucket.burst * bucket.per_ms + 1), 0, bucket.per_ms)
    wait = rate.wait_ms(bucket, level, now)
    assert rate.take(bucket, level, now + wait)[1]
    assert wait == 0 or not rate.take(bucket, level, now + wait - 1)[1]


def test_a_refused_take_costs_nothing() -> None:
    bucket = Bucket(1, 1_000, 1)
    assert rate.take(bucket, Level(999, 0, 1_000), 0) == (Level(999, 0, 1_000), False)


def test_text_stands_for_a_rate_and_anything_else_is_refused() -> None:
    wrong: Any = 100
    assert rate.rate("1/s") == Rate("1/s") == rate.rate(Rate("1/s"))
    assert rate.rate(None) is None
    with pytest.raises(ConfigError, match=r"^rate_limit must be text like '100/m', a Rate or None, found 100$"):
        rate.rate(wrong)


# ---------------------------------------------------------------- concurrency


@pytest.mark.parametrize("count", [0, -1, True, "2", 2.0, None])
def test_a_concurrency_limit_is_a_whole_number_of_at_least_one(count: Any) -> None:
    with pytest.raises(ConfigError, match=r"^a concurrency limit must be a whole number of at least 1, found "):
        Limit(count)


def test_a_number_stands_for_a_limit() -> None:
    assert limit(3) == Limit(3) == limit(Limit(3))
    assert limit(None) is None


@pytest.mark.parametrize(("most", "running", "may"), [(None, 10**6, True), (2, 1, True), (2, 2, False), (2, 3, False)])
def test_a_job_may_start_while_fewer_than_the_limit_run(most: int | None, running: int, may: bool) -> None:
    assert admits(most, running) is may


@given(st.text())
def test_the_name_of_a_limit_can_be_read_from_its_key(value: str) -> None:
    key = limit_key("orders.charge", value)
    assert limit_name(key) == "orders.charge"
    assert shown(key) == (f"orders.charge[{value}]" if value else "orders.charge")


# ---------------------------------------------------------------- priorities


@given(st.integers(0, 10**6), st.integers(0, HIGHEST))
def test_every_level_that_has_work_is_served_within_80_claims(start: int, level: int) -> None:
    waiting = [True] * LEVELS
    served = set()
    for tick in range(start, start + 80):
        guarded = guarded_level(tick)
        served.add(first_nonempty(HIGHEST if guarded is None else guarded, waiting))
    assert level in served


def test_seven_claims_of_eight_keep_plain_order() -> None:
    ticks = [tick for tick in range(800) if guarded_level(tick) is not None]
    assert ticks == list(range(GUARD_EVERY - 1, 800, GUARD_EVERY))


def test_strict_order_has_no_guard() -> None:
    assert {guarded_level(tick, strict=True) for tick in range(100)} == {None}


@given(st.integers(0, HIGHEST), st.lists(st.booleans(), min_size=LEVELS, max_size=LEVELS))
def test_an_empty_level_passes_its_turn_to_the_next_lower_one(level: int, waiting: list[bool]) -> None:
    found = first_nonempty(level, waiting)
    if found is None:
        assert not any(waiting)
        return
    assert waiting[found]
    between = [(level - step) % LEVELS for step in range((level - found) % LEVELS)]
    assert not any(waiting[skipped] for skipped in between)


def test_each_queue_is_first_in_its_turn() -> None:
    names = ["a", "b", "c"]
    assert [queue_order(names, turn) for turn in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert queue_order(names, 1, strict=True) == names
    assert queue_order([], 5) == []


# ---------------------------------------------------------------- leases


@pytest.mark.parametrize(
    ("losses", "expires_at", "flag"),
    [
        (0, None, None),
        (4, 1_001, None),
        (5, None, "lost"),
        (0, 1_000, "expired"),
        (0, 999, "expired"),
        (5, 999, "lost"),
        (6, None, "lost"),
    ],
)
def test_a_claim_flags_jobs_lost_too_often_or_past_their_expiry(
    losses: int, expires_at: int | None, flag: str | None
) -> None:
    assert ended(losses=losses, max_losses=5, expires_at_ms=expires_at, now_ms=1_000) == flag


@given(st.integers(SHORTEST_LEASE_MS, 10**9))
def test_two_renewals_may_fail_before_a_lease_ends(lease_ms: int) -> None:
    assert 0 < 3 * renew_every_ms(lease_ms) <= lease_ms


@given(st.floats(0, 10**6), st.integers(SHORTEST_LEASE_MS, 10**9))
def test_a_worker_stops_by_itself_before_the_store_gives_the_job_away(asked_at: float, lease_ms: int) -> None:
    assert asked_at < stop_by(asked_at, lease_ms) < asked_at + lease_ms / 1_000


# ---------------------------------------------------------------- groups


@pytest.mark.parametrize(
    ("arrived", "failed", "collect", "meant"),
    [
        (2, 0, False, "wait"),
        (2, 2, False, "wait"),
        (2, 2, True, "wait"),
        (3, 0, False, "fire"),
        (3, 0, True, "fire"),
        (3, 1, False, "broken"),
        (3, 1, True, "fire"),
        (3, 3, True, "fire"),
    ],
)
def test_a_group_fires_once_all_have_arrived_and_breaks_on_a_failure_unless_collecting(
    arrived: int, failed: int, collect: bool, meant: str
) -> None:
    assert verdict(total=3, arrived=arrived, failed=failed, collect=collect) == meant


def test_an_empty_group_fires_at_once() -> None:
    assert verdict(total=0, arrived=0, failed=0, collect=False) == "fire"
