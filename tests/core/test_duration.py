"""Spans and instants: what is accepted, how it is rounded, what is refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stem.core.duration import instant, instant_ms, milliseconds, span, words
from stem.errors import ConfigError

LONGEST_S = 100 * 366 * 86_400


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("250ms", 250),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        (" 1H 30M ", 5_400_000),
        ("2d", 172_800_000),
        ("1w", 604_800_000),
        ("1.5s", 1_500),
        ("0.07s", 70),
        (0.07, 70),
        (30, 30_000),
        (1.0005, 1_001),
        (0, 0),
        (timedelta(seconds=2), 2_000),
        (timedelta(microseconds=1), 1),
        (LONGEST_S, LONGEST_S * 1_000),
    ],
)
def test_a_span_is_whole_milliseconds_rounded_up(written: Any, ms: int) -> None:
    assert milliseconds(written) == ms


@pytest.mark.parametrize(
    "written",
    [
        *(True, False, None, b"5s", [], object()),
        *(math.nan, math.inf, -math.inf, 1e308, 10**400, LONGEST_S + 1, timedelta.max),
        *(-1, -0.0001, timedelta(microseconds=-1), timedelta.min),
        *("", "5", "s", "-5s", "5 parsecs", "5s!", "1e3s", "9" * 5_000 + "s", "999999999w"),
    ],
)
def test_what_is_no_span_is_refused_with_the_name_of_the_option(written: Any) -> None:
    with pytest.raises(ConfigError, match=r"^time_limit must "):
        milliseconds(written, what="time_limit")


def test_a_span_below_the_minimum_is_refused_with_the_minimum_in_words() -> None:
    with pytest.raises(ConfigError, match=r"^result_ttl must be between 1s and 100 years, found '0.9s'$"):
        milliseconds("0.9s", what="result_ttl", minimum=1_000)
    assert milliseconds("1s", minimum=1_000) == 1_000


@given(st.integers(0, LONGEST_S * 1_000))
def test_a_number_a_timedelta_and_a_text_of_the_same_span_agree(ms: int) -> None:
    assert milliseconds(span(ms)) == milliseconds(f"{ms}ms") == milliseconds(ms / 1_000) == ms


@given(st.one_of(st.text(), st.floats(), st.integers(), st.timedeltas(), st.booleans(), st.none()))
def test_anything_is_a_sensible_span_or_a_config_error(written: Any) -> None:
    try:
        ms = milliseconds(written)
    except ConfigError:
        return
    assert 0 <= ms <= LONGEST_S * 1_000


@given(st.integers(0, 16_725_225_600_000))
def test_an_instant_comes_back_to_the_millisecond(ms: int) -> None:
    assert instant_ms(instant(ms)) == ms


@pytest.mark.parametrize(
    "at",
    [datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=23))), datetime(1969, 12, 31, tzinfo=UTC)],
)
def test_an_instant_that_could_not_be_shown_is_refused(at: datetime) -> None:
    with pytest.raises(ConfigError, match="eta must lie between 1970 and 2500"):
        instant_ms(at, what="eta")


def test_instants_count_from_1970_in_every_zone() -> None:
    assert instant_ms(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0
    assert instant(0) == datetime(1970, 1, 1, tzinfo=UTC)


class Nowhere(tzinfo):
    """A zone that does not know its offset: Python calls such datetimes naive too."""

    def utcoffset(self, dt: datetime | None) -> None: ...
    def dst(self, dt: datetime | None) -> None: ...
    def tzname(self, dt: datetime | None) -> None: ...


@pytest.mark.parametrize("at", [datetime(2030, 1, 1), datetime(2030, 1, 1, tzinfo=Nowhere())])
def test_a_naive_datetime_is_refused_with_the_cure(at: datetime) -> None:
    with pytest.raises(ConfigError, match=r"^eta must carry a time zone, found the naive 2030.*; add tzinfo=UTC$"):
        instant_ms(at, what="eta")


@pytest.mark.parametrize("at", [5, "2030-01-01", None, datetime(2030, 1, 1).date(), True])
def test_what_is_no_datetime_is_no_instant(at: Any) -> None:
    with pytest.raises(ConfigError, match=r"^eta must be an aware datetime"):
        instant_ms(at, what="eta")


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "0ms"),
        (250, "250ms"),
        (1_500, "1.5s"),
        (30_000, "30s"),
        (60_000, "1m"),
        (90_000, "1m 30s"),
        (5_400_000, "1h 30m"),
        (172_800_000, "2d"),
        (90_000_000, "1d 1h"),
    ],
)
def test_a_span_in_words_shows_its_two_largest_units(ms: int, said: str) -> None:
    assert words(ms) == said
