"""What scripts must decide inside of a step, they decide as stem.core does."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stem.core import rate
from stem.core.lease import ended
from stem.core.priority import GUARD_EVERY, LEVELS, first_nonempty, guarded_level
from stem.core.rate import Bucket, Level
from tests.servers.redis import RedisServer

_BUCKETS = st.builds(Bucket, st.integers(1, 10_000), st.integers(1, 86_400_000), st.integers(1, 10_000))
_EXAMPLES = settings(max_examples=200, deadline=None, derandomize=True, database=None)

_RATE = """
local bucket = {tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])}
local level = {tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])}
local at, tokens = tonumber(ARGV[7]), tonumber(ARGV[8])
local after, ok = take_tokens(bucket, level, at, tokens)
local text = {}
for i, number in ipairs({after[1], after[2], after[3], ok and 1 or 0, available(bucket, level, at),
  wait_for(bucket, level, at, tokens)}) do text[i] = string.format('%.0f', number) end
return text
"""


@pytest.fixture(scope="module")
def told(running: RedisServer) -> Any:
    """Answers of the parts of the scripts."""
    with running.session() as ask:
        yield ask


@_EXAMPLES
@given(bucket=_BUCKETS, parts=st.floats(0, 1), per=st.integers(1, 86_400_000), gap=st.integers(-(10**7), 10**8))
def test_buckets_fill_and_empty_alike(told: Any, bucket: Bucket, parts: float, per: int, gap: int) -> None:
    level = Level(int(parts * bucket.burst * per), 1_700_000_000_000, per)
    now, tokens = level.at_ms + gap, max(1, bucket.burst // 2)
    after, ok = rate.take(bucket, level, now, tokens)
    expected = [
        after.parts,
        after.at_ms,
        after.per_ms,
        ok,
        rate.available(bucket, level, now),
        rate.wait_ms(bucket, level, now, tokens),
    ]
    words = (bucket.count, bucket.per_ms, bucket.burst, level.parts, level.at_ms, level.per_ms, now, tokens)
    assert [int(number) for number in told("EVAL", part("rate") + _RATE, 0, *words)] == expected


def test_levels_are_guarded_alike(told: Any) -> None:
    text = (
        "local strict, TICK = false, 1\n"
        "local function queued_at(level) return 2 + level end\n"
        + function("heads", "is_guarded")
        + function("claiming", "guarded")
        + "local answers = {}\n"
        "for tick = 0, 199 do local line = {tick}\n"
        "for level = 0, 9 do line[2 + level] = string.sub(ARGV[1], level + 1, level + 1) == '1' and 1 or 0 end\n"
        "answers[#answers + 1] = tostring(guarded(line)) end\n"
        "return answers"
    )
    for waiting in ("1111111111", "1000000000", "0000100001", "0101010101"):
        here = [one == "1" for one in waiting]
        expected = [
            None if (level := guarded_level(tick)) is None else first_nonempty(level, here) for tick in range(200)
        ]
        found = [None if one == b"nil" else int(one) for one in told("EVAL", text, 0, waiting)]
        assert found == expected
    assert (GUARD_EVERY, LEVELS) == (8, 10)


@_EXAMPLES
@given(losses=st.integers(0, 3), most=st.integers(0, 3), gap=st.none() | st.integers(-2, 2))
def test_jobs_end_alike(told: Any, losses: int, most: int, gap: int | None) -> None:
    text = (
        "local LOSSES, MAX_LOSSES, EXPIRES, now = 1, 2, 3, 1000\n"
        + function("claiming", "ended")
        + "return ended({tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])})"
    )
    expires = None if gap is None else 1_000 + gap
    expected = ended(losses=losses, max_losses=most, expires_at_ms=expires, now_ms=1_000) or ""
    found = told("EVAL", text, 0, losses, most, -1 if expires is None else expires)
    assert found.decode() == expected


def part(name: str) -> str:
    """One part of the scripts, as it is shipped."""
    return (files("stem.redis") / "lua" / "lib" / f"{name}.lua").read_text("utf-8")


def function(file: str, name: str) -> str:
    """One function of a part, as it is shipped."""
    text = part(file)
    start = text.index(f"local function {name}(")
    return text[start : text.index("end\n\n", start)] + "end\n"
