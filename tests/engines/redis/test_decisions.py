"""What scripts must decide inside of a step, they decide as stem.core does."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stem.core import rate
from stem.core.lease import doubt_ms, ended
from stem.core.priority import GUARD_EVERY, LEVELS, first_nonempty, guarded_level
from stem.core.rate import Bucket, Level
from stem.core.share import shares
from stem.redis.numbers import NUMBERS, with_numbers
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
def evaluate(running: RedisServer) -> Any:
    """Answers of the parts of the scripts."""
    with running.session() as ask:
        yield ask


@_EXAMPLES
@given(bucket=_BUCKETS, parts=st.floats(0, 1), per=st.integers(1, 86_400_000), gap=st.integers(-(10**7), 10**8))
def test_buckets_fill_and_empty_alike(evaluate: Any, bucket: Bucket, parts: float, per: int, gap: int) -> None:
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
    assert [int(number) for number in evaluate("EVAL", part("rate") + _RATE, 0, *words)] == expected


def test_levels_are_guarded_alike(evaluate: Any) -> None:
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
        found = [None if one == b"nil" else int(one) for one in evaluate("EVAL", text, 0, waiting)]
        assert found == expected
    assert (GUARD_EVERY, LEVELS) == (8, 10)  # how the head of a queue is packed knows of ten levels


@_EXAMPLES
@given(losses=st.integers(0, 3), most=st.integers(0, 3), gap=st.none() | st.integers(-2, 2))
def test_jobs_end_alike(evaluate: Any, losses: int, most: int, gap: int | None) -> None:
    text = (
        "local LOSSES, MAX_LOSSES, EXPIRES, now = 1, 2, 3, 1000\n"
        + function("claiming", "ended")
        + "return ended({tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])})"
    )
    expires = None if gap is None else 1_000 + gap
    expected = ended(losses=losses, max_losses=most, expires_at_ms=expires, now_ms=1_000) or ""
    found = evaluate("EVAL", text, 0, losses, most, -1 if expires is None else expires)
    assert found.decode() == expected


@_EXAMPLES
@given(lease_ms=st.integers(1, 10**8))
def test_leases_are_doubted_alike(evaluate: Any, lease_ms: int) -> None:
    assert evaluate("EVAL", part("lease") + "return doubt_ms(tonumber(ARGV[1]))", 0, lease_ms) == doubt_ms(lease_ms)


@_EXAMPLES
@given(waiting=st.lists(st.integers(0, 40), min_size=1, max_size=8), limit=st.integers(0, 100))
def test_places_are_shared_alike(evaluate: Any, waiting: list[int], limit: int) -> None:
    text = (
        "local lines, limit, F, now = {}, tonumber(ARGV[1]), '', 0\n"
        "for k = 2, #ARGV do lines[k - 1] = ARGV[k] end\n"
        "local function call(_, key) return tonumber(string.match(key, '%d+')) end\n"
        + function("../claim_runs", "shares")
        + "return shares()"
    )
    expected = [limit] if len(waiting) == 1 else shares(waiting, limit)
    assert evaluate("EVAL", text, 0, limit, *waiting) == expected


def test_a_number_stands_in_python_alone() -> None:
    """A part has the number for each name that it lists; a name that no number has is refused."""
    text = "-- numbers: LEVELS GUARD_EVERY\nreturn LEVELS * GUARD_EVERY + MY_LEVELS"
    assert with_numbers(text) == f"return {LEVELS} * {GUARD_EVERY} + MY_LEVELS"
    with pytest.raises(KeyError, match="LEVLES"):
        with_numbers("-- numbers: LEVLES")


@pytest.mark.parametrize(
    "path", sorted(Path(str(files("stem.redis") / "lua")).rglob("*.lua")), ids=lambda path: path.stem
)
def test_a_part_lists_the_numbers_that_it_uses_and_no_other(path: Path) -> None:
    text = path.read_text("utf-8")
    listed = re.search(r"^-- numbers: (.+)$", text, re.MULTILINE)
    code = re.sub(r"--.*", "", text)
    assert {name for name in NUMBERS if re.search(rf"\b{name}\b", code)} == set(listed[1].split() if listed else ())


def part(name: str) -> str:
    """One part of the scripts, as it is shipped."""
    return with_numbers((files("stem.redis") / "lua" / "lib" / f"{name}.lua").read_text("utf-8"))


def function(file: str, name: str) -> str:
    """One function of a part, as it is shipped."""
    text = part(file)
    start = text.index(f"local function {name}(")
    return text[start : text.index("end\n\n", start)] + "end\n"
