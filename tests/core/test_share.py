"""How the places of a claim are shared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stem.core.share import shares


@pytest.mark.parametrize(
    ("waiting", "limit", "given_"),
    [
        ([20, 20], 10, [5, 5]),
        ([20, 0], 10, [10, 0]),
        ([0, 20], 10, [0, 10]),
        ([20, 1], 10, [9, 1]),
        ([1, 20, 20], 10, [1, 5, 4]),
        ([20, 20, 20, 20], 3, [1, 1, 1, 0]),
        ([2, 2], 10, [2, 2]),
        ([5], 3, [3]),
        ([], 3, []),
        ([5, 5], 0, [0, 0]),
    ],
)
def test_places_go_to_where_something_waits(waiting: list[int], limit: int, given_: list[int]) -> None:
    assert shares(waiting, limit) == given_


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 100))
def test_no_place_stays_free_and_no_line_is_short_beside_a_longer_one(waiting: list[int], limit: int) -> None:
    got = shares(waiting, limit)
    assert sum(got) == min(limit, sum(waiting))
    assert all(0 <= has <= most for has, most in zip(got, waiting, strict=True))
    for has, most in zip(got, waiting, strict=True):
        if has < most:  # who could have more is at most one behind
            assert all(other <= has + 1 for other in got)
    firsts = [has for has, most in zip(got, waiting, strict=True) if has < most]
    assert firsts == sorted(firsts, reverse=True)  # what cannot be shared equally goes to the first
