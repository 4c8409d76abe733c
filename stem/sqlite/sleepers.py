"""Workers that found nothing: rows by which they are woken, of jobs and of runs alike."""

from __future__ import annotations

from stem.sqlite.bells import Bells
from stem.sqlite.step import Step, View


def is_asleep(view: View, worker: str) -> bool:
    """Whether the rows by which this worker is woken are still there."""
    query = "SELECT 1 FROM sleeper WHERE ns = ? AND worker = ? LIMIT 1"
    return view.execute(query, (view.ns, worker)).fetchone() is not None


def stop_sleeping(step: Step, worker: str, queues: frozenset[str]) -> None:
    """The worker stopped waiting by itself; a ring it did not hear goes to the next one."""
    gone = step.execute("DELETE FROM sleeper WHERE ns = ? AND worker = ?", (step.ns, worker))
    if not gone.rowcount:
        for queue in queues:
            step.ring_workers(queue)


def lie_down(step: Step, worker: str, queues: frozenset[str], bells: Bells) -> None:
    """This worker has just found these queues empty."""
    step.execute("DELETE FROM sleeper WHERE ns = ? AND worker = ?", (step.ns, worker))
    rows = [(step.ns, worker, queue, bells.address) for queue in queues]
    step.executemany("INSERT INTO sleeper (ns, worker, queue, address) VALUES (?, ?, ?, ?)", rows)
    bells.dozing[worker] = queues


def get_up(step: Step, worker: str, bells: Bells) -> None:
    """This worker has found work: nobody need ring it."""
    if bells.dozing.pop(worker, None) is not None:
        step.execute("DELETE FROM sleeper WHERE ns = ? AND worker = ?", (step.ns, worker))
