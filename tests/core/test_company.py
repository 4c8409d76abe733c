"""Who may run beside whom."""

from __future__ import annotations

import pytest

from stem.core.company import company, may_start
from stem.core.lease import DEFAULT_MAX_LOSSES


@pytest.mark.parametrize(
    ("losses", "most", "beside"),
    [
        *((losses, DEFAULT_MAX_LOSSES, beside) for losses, beside in enumerate((None, None, 10, 3, 0))),
        (1, 2, 0),  # its last chance is its own
        (1, 3, 3),
        (0, 1, None),  # never lost: no suspect, however few losses it is allowed
        (7, 10, 10),
        (5, 5, None),  # handed out only to be buried
    ],
)
def test_company_shrinks_with_each_loss_and_the_last_chance_is_alone(
    losses: int, most: int, beside: int | None
) -> None:
    assert company(losses, most) == beside


@pytest.mark.parametrize(
    ("own", "beside", "least", "starts"),
    [
        (None, 99, None, True),
        (None, 10, 10, True),
        (None, 11, 10, False),
        (0, 0, None, True),
        (0, 1, None, False),
        (10, 3, 3, True),
        (10, 4, 3, False),
        (3, 4, 10, False),
    ],
)
def test_nobody_starts_in_larger_company_than_all_of_them_tolerate(
    own: int | None, beside: int, least: int | None, starts: bool
) -> None:
    assert may_start(own, beside=beside, least=least) is starts
