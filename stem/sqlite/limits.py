"""Limits at the claim: what keeps a job from starting, parking it, and letting it back."""

from __future__ import annotations

from typing import Final

import msgspec

from stem.core import rate
from stem.core.amounts import LIMIT_KEYS, SCAN_LIMIT
from stem.core.limit import LimitRow, admits, is_freed_by_time, limit_name
from stem.sqlite.step import Step, View

_PARKED: Final = """
SELECT seq FROM job WHERE ns = ? AND parked_key = ? AND qid = ? AND state = 2 ORDER BY seq LIMIT ?"""
#: The queues with jobs parked under a key, from one to the next along the index, however many jobs there are.
_PARKED_IN: Final = """
WITH RECURSIVE waiting (qid) AS (
    SELECT min(qid) FROM job WHERE ns = ?1 AND parked_key = ?2 AND state = 2
    UNION ALL
    SELECT (SELECT min(qid) FROM job WHERE ns = ?1 AND parked_key = ?2 AND state = 2 AND qid > waiting.qid)
    FROM waiting WHERE waiting.qid IS NOT NULL
)
SELECT qid FROM waiting WHERE qid IS NOT NULL"""
_DUE: Final = "SELECT key FROM park_timer WHERE ns = ? AND due <= ? ORDER BY due LIMIT ?"
#: Timers that were set before the clock went back: none waits longer than its bucket takes to fill.
_AHEAD: Final = "SELECT key FROM park_timer WHERE ns = ? AND set_at > ? ORDER BY set_at LIMIT ?"

encode_row: Final = msgspec.json.Encoder().encode
decode_row: Final = msgspec.json.Decoder(LimitRow).decode


def limit_row(view: View, key: str) -> LimitRow | None:
    """The limit in force that this key falls under."""
    query = "SELECT coalesce(forced, declared) FROM limit_row WHERE ns = ? AND name = ?"
    row = view.execute(query, (view.ns, limit_name(key))).fetchone()
    return None if row is None else decode_row(row[0])


def bucket_of(view: View, key: str) -> rate.Bucket | None:
    """The bucket that this rate key falls under."""
    row = limit_row(view, key)
    return None if row is None else row.bucket


def level_of(view: View, key: str, bucket: rate.Bucket) -> rate.Level:
    """What the bucket of this key holds; full when nobody has used it."""
    query = "SELECT parts, at_ms, per_ms FROM bucket WHERE ns = ? AND key = ?"
    row = view.execute(query, (view.ns, key)).fetchone()
    return rate.full(bucket, view.now) if row is None else rate.Level(*row)


def take_tokens(step: Step, key: str, bucket: rate.Bucket, tokens: int = 1) -> tuple[rate.Level, bool]:
    """Take tokens out of the bucket of this key if there are enough; what it holds then."""
    level, ok = rate.take(bucket, level_of(step, key, bucket), step.now, tokens)
    full_at = step.now + rate.wait_ms(bucket, level, step.now, bucket.burst)
    row = (step.ns, key, level.parts, level.at_ms, level.per_ms, full_at)
    step.execute(
        "INSERT OR REPLACE INTO bucket (ns, key, parts, at_ms, per_ms, full_at) VALUES (?, ?, ?, ?, ?, ?)", row
    )
    return level, ok


def over_limit(step: Step, limit_key: str, rate_key: str) -> str:
    """The key of the limit that keeps a job from starting; "" when it may start, and then it is counted."""
    if limit_key:
        row = limit_row(step, limit_key)
        if row is not None and not admits(row.running, _running(step, limit_key)):
            return limit_key
    if rate_key and not _take_token(step, rate_key):
        return rate_key
    if limit_key:
        counted = "INSERT INTO running_count VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1"
        step.execute(counted, (step.ns, limit_key))
    return ""


def stop_counting(step: Step, limit_key: str) -> None:
    """One job less runs under this key: room for the next."""
    key = (step.ns, limit_key)
    step.execute("UPDATE running_count SET n = n - 1 WHERE ns = ? AND key = ?", key)
    step.execute("DELETE FROM running_count WHERE ns = ? AND key = ? AND n <= 0", key)
    unpark(step, limit_key, 1)


def pass_room_on(step: Step, limit_key: str) -> None:
    """A job that was let back for the room under this key leaves the line without taking it: the next one may."""
    if limit_key:
        unpark(step, limit_key, 1)


def park(step: Step, seq: int, job_id: str, qid: int, key: str) -> None:
    """Set a queued job aside until the limit of `key` has room; it keeps its place in the order of arrival."""
    step.execute("UPDATE job SET state = 2, parked_key = ?, changes = changes + 1 WHERE seq = ?", (key, seq))
    step.count(qid, "queued", -1)
    step.count(qid, "parked")
    step.changed(job_id)


def unpark(step: Step, key: str, most: int) -> None:
    """Put the first parked jobs back in their lines: up to `most` of each queue.

    Of each, for a queue may be paused, or served by nobody, and its job must not keep those of others waiting. Those
    that come too late are parked again at their claim.
    """
    for (qid,) in step.execute(_PARKED_IN, (step.ns, key)).fetchall():
        back = step.execute(_PARKED, (step.ns, key, qid, most)).fetchall()
        step.executemany("UPDATE job SET state = 0, parked_key = '' WHERE seq = ?", back)
        step.count(qid, "parked", -len(back))
        step.count(qid, "queued", len(back))
        step.ring_workers(step.queue_name(qid), len(back))


def unpark_due(step: Step) -> None:
    """Move as many parked jobs back as there are tokens, for each rate key whose timer is due."""
    due = step.execute(_DUE, (step.ns, step.now, LIMIT_KEYS)).fetchall() or step.execute(
        _AHEAD, (step.ns, step.now, LIMIT_KEYS)
    )
    for (key,) in due:
        step.execute("DELETE FROM park_timer WHERE ns = ? AND key = ?", (step.ns, key))
        row = limit_row(step, key)
        bucket = None if row is None else row.bucket
        if bucket is None:
            unpark(step, key, SCAN_LIMIT)
            first = _first_parked(step, key)
            if first and is_freed_by_time(key, None if row is None else row.running, first):
                look_again_in(step, key, 1)
            continue
        level = level_of(step, key, bucket)
        tokens = rate.available(bucket, level, step.now)
        unpark(step, key, max(1, tokens))
        if _is_parked(step, key):
            look_again_in(step, key, rate.wait_ms(bucket, level, step.now, tokens + 1))


def next_look(view: View) -> int | None:
    """When the next park timer is due, unix ms: at once when one was set before the clock went back."""
    query = """
    SELECT (SELECT min(due) FROM park_timer WHERE ns = ?1), (SELECT max(set_at) FROM park_timer WHERE ns = ?1)"""
    due, latest = view.execute(query, (view.ns,)).fetchone()
    if due is None:
        return None
    return view.now if latest > view.now else int(due)


def _take_token(step: Step, key: str) -> bool:
    bucket = bucket_of(step, key)
    if bucket is None:
        return True
    level, ok = take_tokens(step, key, bucket)
    if not ok:
        look_again_in(step, key, rate.wait_ms(bucket, level, step.now))
    return ok


def look_again_in(step: Step, key: str, wait_ms: int) -> None:
    """Set the timer of a rate key; an earlier one stays. (A later one was set before the clock went back.)"""
    query = """
    INSERT INTO park_timer (ns, key, due, set_at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET due = min(due, excluded.due), set_at = excluded.set_at"""
    step.execute(query, (step.ns, key, step.now + max(1, wait_ms), step.now))


def _is_parked(view: View, key: str) -> bool:
    query = "SELECT 1 FROM job WHERE ns = ? AND parked_key = ? AND state = 2 LIMIT 1"
    return view.execute(query, (view.ns, key)).fetchone() is not None


def _first_parked(view: View, key: str) -> list[str]:
    """The limit keys of the first jobs parked under a key, one of each queue."""
    query = "SELECT limit_key FROM job WHERE ns = ? AND parked_key = ? AND qid = ? AND state = 2 ORDER BY seq LIMIT 1"
    queues = view.execute(_PARKED_IN, (view.ns, key)).fetchall()
    return [view.execute(query, (view.ns, key, qid)).fetchone()[0] for (qid,) in queues]


def _running(view: View, key: str) -> int:
    row = view.execute("SELECT n FROM running_count WHERE ns = ? AND key = ?", (view.ns, key)).fetchone()
    return 0 if row is None else int(row[0])
