"""Out of the line: one claim, from promoting what is due to going to sleep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from stem.contracts.broker import Claimed, Delivery
from stem.core.amounts import PROMOTE_LIMIT, SCAN_LIMIT
from stem.core.lease import DOUBTED, RENEWS, Ended, doubt_ms, ended
from stem.core.priority import LEVELS, first_nonempty, guarded_level, queue_order
from stem.sqlite.bells import Bells
from stem.sqlite.desk import Answer
from stem.sqlite.limits import next_look, over_limit, park, pass_room_on, stop_counting, unpark_due
from stem.sqlite.line import free_unique, next_timer
from stem.sqlite.rows import as_json
from stem.sqlite.sleepers import get_up, is_asleep, lie_down
from stem.sqlite.step import Step, View


class Ask(NamedTuple):
    """One claim as asked for; `turn` counts the claims of this worker."""

    queues: Sequence[str]
    limit: int
    worker: str
    turn: int
    strict: bool
    renews: bool


class _Next(NamedTuple):
    """A job at the head of its line."""

    seq: int
    id: str
    task: str
    priority: int
    attempts: int
    losses: int
    max_losses: int
    lease_ms: int
    enqueued_at: int
    expires_at: int | None
    result_ttl_ms: int
    overrides: bytes
    cancel_reason: str | None
    rate_key: str
    limit_key: str
    unique_key: str | None
    unique_until: str | None
    unique_for_ms: int | None
    envelope: bytes


_COLUMNS: Final = ", ".join([f"job.{name}" for name in _Next._fields[:-1]] + ["envelope.data"])
_HEAD: Final = f"""
SELECT {_COLUMNS} FROM job INDEXED BY job_ready CROSS JOIN envelope ON envelope.seq = job.seq
WHERE job.qid = ? AND job.state = 0 ORDER BY job.priority DESC, job.seq LIMIT ?"""  # noqa: S608
_HEAD_OF_LEVEL: Final = f"""
SELECT {_COLUMNS} FROM job INDEXED BY job_ready CROSS JOIN envelope ON envelope.seq = job.seq
WHERE job.qid = ? AND job.state = 0 AND job.priority = ? ORDER BY job.seq LIMIT 1"""  # noqa: S608
_HAND_OUT: Final = """
UPDATE job SET state = 3, fence = ?5, deliveries = deliveries + 1, lease_until = ?1 + lease_ms, worker = ?2,
    started_at = ?1, counted = ?3, doubt = ?6, changes = changes + 1
WHERE seq IN (SELECT value FROM json_each(?4))"""
_DUE: Final = "SELECT seq FROM job WHERE qid = ? AND state = 1 AND ready_at <= ? ORDER BY ready_at, seq LIMIT ?"
_LOST: Final = """
SELECT seq, id, limit_key, counted, doubt, lease_ms FROM job WHERE qid = ? AND state = 3 AND lease_until <= ?
ORDER BY lease_until, seq LIMIT ?"""
_TAKE_BACK: Final = """
UPDATE job SET state = 0, losses = losses + 1, lease_until = 0, counted = 0, changes = changes + 1 WHERE seq = ?"""


def claim(step: Step, ask: Ask, bells: Bells) -> Claimed:
    """See the contract. An empty answer leaves rows by which this worker will be woken."""
    unpark_due(step)
    taken: list[Delivery] = []
    looked = SCAN_LIMIT
    for queue in queue_order(ask.queues, ask.turn, strict=ask.strict):
        row = step.execute("SELECT qid, paused, tick FROM queue WHERE ns = ? AND name = ?", (step.ns, queue)).fetchone()
        if row is None:
            continue
        qid, paused, tick = row
        promoted = _promote(step, qid)
        if not paused:
            before = len(taken)
            looked = _Taking(step, queue, qid, ask, taken).take(tick, looked)
            if (left := promoted - (len(taken) - before)) > 0:
                step.ring_workers(queue, left)
    if taken:
        get_up(step, ask.worker, bells)
    elif looked:
        lie_down(step, ask.worker, frozenset(ask.queues), bells)
    return Claimed(tuple(taken), 0 if not looked else next_due(step, ask.queues))


def nothing_to_claim(view: View, ask: Ask, bells: Bells) -> Answer[Claimed] | None:
    """The empty answer, found without any lock, for a worker whose rows say that it sleeps; None: look properly."""
    if bells.dozing.get(ask.worker) != frozenset(ask.queues) or not is_asleep(view, ask.worker):
        return None
    if may_claim(view, ask.queues):
        return None
    return Answer(Claimed((), next_due(view, ask.queues)))


def may_claim(view: View, queues: Sequence[str]) -> bool:
    """Whether a claim of these queues could find something: a job, or a timer that is due."""
    due = next_due(view, queues)
    return due == 0 or any(_has_ready(view, queue) for queue in queues)


def next_due(view: View, queues: Sequence[str]) -> int | None:
    """In how many ms the next timer is due: a delay, a lease, or a limit that has parked jobs."""
    numbers = [qid for queue in queues if (qid := view.find_queue(queue)) is not None]
    timers = [next_look(view), *(next_timer(view, qid) for qid in numbers)]
    known = [at for at in timers if at is not None]
    return max(0, min(known) - view.now) if known else None


def _has_ready(view: View, queue: str) -> bool:
    query = """
    SELECT 1 FROM queue WHERE ns = ? AND name = ? AND NOT paused
    AND EXISTS (SELECT 1 FROM job WHERE job.qid = queue.qid AND job.state = 0)"""
    return view.execute(query, (view.ns, queue)).fetchone() is not None


def _promote(step: Step, qid: int) -> int:
    """Back in line: what was put aside until now, and what was lost; how many."""
    due = step.execute(_DUE, (qid, step.now, PROMOTE_LIMIT)).fetchall()
    if due:
        numbers = as_json([seq for (seq,) in due])
        step.execute("UPDATE job SET state = 0 WHERE seq IN (SELECT value FROM json_each(?))", (numbers,))
        step.count(qid, "delayed", -len(due))
        step.count(qid, "queued", len(due))
    over = step.execute(_LOST, (qid, step.now, PROMOTE_LIMIT)).fetchall()
    lost = [row for row in over if row[4] != RENEWS]
    doubted = [(step.now + doubt_ms(row[5]), DOUBTED, row[0]) for row in over if row[4] == RENEWS]
    step.executemany("UPDATE job SET lease_until = ?, doubt = ? WHERE seq = ?", doubted)
    for seq, job_id, limit_key, counted, *_ in lost:
        step.execute(_TAKE_BACK, (seq,))
        step.count(qid, "lost")
        step.count(qid, "running", -1)
        step.count(qid, "queued")
        if counted:
            stop_counting(step, limit_key)
        step.changed(job_id)
    return len(due) + len(lost)


class _Taking:
    """Handing out of one line."""

    def __init__(self, step: Step, queue: str, qid: int, ask: Ask, taken: list[Delivery]) -> None:
        self._step, self._queue, self._qid, self._ask, self._taken = step, queue, qid, ask, taken

    def take(self, tick: int, looked: int) -> int:
        """Hand out until the claim has its `limit`; how many more jobs may be looked at.

        A claim counts for the queues that it takes jobs from.
        """
        step = self._step
        if len(self._taken) == self._ask.limit or not looked:
            return looked
        first, counted = guarded_level(tick, strict=self._ask.strict), False
        if first is not None:
            first = first_nonempty(first, self._waiting_levels())
        while (want := min(self._ask.limit - len(self._taken), looked)) > 0:
            if first is not None:
                rows = step.execute(_HEAD_OF_LEVEL, (self._qid, first)).fetchall()
            else:
                rows = step.execute(_HEAD, (self._qid, want)).fetchall()
            if not rows:
                break
            if not counted:
                step.count(self._qid, "tick")
            first, counted = None, True
            self._hand_out_or_park([_Next._make(row) for row in rows])
            looked -= len(rows)
        return looked

    def _waiting_levels(self) -> list[bool]:
        query = "SELECT EXISTS (SELECT 1 FROM job WHERE qid = ? AND state = 0 AND priority = ?)"
        return [bool(self._step.execute(query, (self._qid, level)).fetchone()[0]) for level in range(LEVELS)]

    def _hand_out_or_park(self, jobs: list[_Next]) -> None:
        step, now = self._step, self._step.now
        fence = step.next_seq()
        handed: dict[bool, list[int]] = {False: [], True: []}
        for job in jobs:
            why = ended(losses=job.losses, max_losses=job.max_losses, expires_at_ms=job.expires_at, now_ms=now)
            looked_at = not why and job.cancel_reason is None and bool(job.limit_key or job.rate_key)
            over = over_limit(step, job.limit_key, job.rate_key) if looked_at else ""
            if over:
                park(step, job.seq, job.id, self._qid, over)
                pass_room_on(step, job.limit_key if over != job.limit_key else "")
                continue
            counted = looked_at and bool(job.limit_key)
            if not looked_at:
                pass_room_on(step, job.limit_key)
            handed[counted].append(job.seq)
            if job.unique_until == "start":
                free_unique(step, job.id, job.unique_key, job.unique_for_ms)
            step.changed(job.id)
            self._taken.append(self._delivery(job, fence, why))
        for counted, numbers in handed.items():
            if numbers:
                step.execute(_HAND_OUT, (now, self._ask.worker, counted, as_json(numbers), fence, self._ask.renews))
                step.count(self._qid, "queued", -len(numbers))
                step.count(self._qid, "running", len(numbers))

    def _delivery(self, job: _Next, fence: int, why: Ended | None) -> Delivery:
        return Delivery(
            id=job.id,
            fence=fence,
            task=job.task,
            queue=self._queue,
            envelope=job.envelope,
            attempt=job.attempts + 1,
            losses=job.losses,
            lease_ms=job.lease_ms,
            enqueued_at=job.enqueued_at,
            priority=job.priority,
            result_ttl_ms=job.result_ttl_ms,
            max_losses=job.max_losses,
            overrides=job.overrides,
            ended=why,
            cancel_reason=job.cancel_reason,
        )
