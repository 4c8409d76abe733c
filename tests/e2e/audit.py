"""After a storm: the ledger of executions is held against what is stored."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import msgspec

from stem import Stem
from stem.contracts.jobs import JobRow
from stem.core.record import decode_record
from tests.e2e.storm import Fleet, Producer, job_id


class Report(msgspec.Struct, kw_only=True):
    """What was found; `runs` are executions by job."""

    jobs: int
    runs: Counter[str]
    succeeded: int
    leases_lost: int
    lost: list[int] = []
    usurped: list[str] = []
    unexplained: Counter[str] = msgspec.field(default_factory=Counter)
    shared: list[str] = []

    @property
    def settled_twice(self) -> int:
        """Settlements counted beyond the jobs that have a result; the count is written with each result."""
        return self.succeeded - (self.jobs - len(self.lost))

    @property
    def again(self) -> int:
        """Executions beyond each job's first."""
        return self.runs.total() - len(self.runs)

    def nothing_settled_twice(self) -> None:
        """Each stored result was counted once, and comes from the delivery that held the job; each fence ran once."""
        assert not self.settled_twice, (
            f"{self.settled_twice} settlements too many for {self.jobs - len(self.lost)} jobs"
        )
        assert not self.usurped, f"settled by a delivery that had been lost: {self.usurped[:5]}"
        assert not self.shared, f"the same job ran twice under the same fence: {self.shared[:5]}"

    def nothing_lost(self) -> None:
        """Every acknowledged job has its result, and has run."""
        assert not self.lost, f"acknowledged and lost: {[job_id(number) for number in self.lost[:5]]}, {len(self.lost)}"
        assert len(self.runs) == self.jobs, "there are jobs that never ran, or ran without having been enqueued"

    def repeats_explained(self) -> None:
        """Nothing was executed more often than leases were lost."""
        assert not self.unexplained, f"executed more often than leases were lost: {self.unexplained.most_common(5)}"

    def __str__(self) -> str:
        explained = self.again - self.unexplained.total()
        return (
            f"{len(self.lost)} lost, {self.settled_twice} settled twice, {len(self.usurped)} settled by a lost delivery, "
            f"{self.again} executions beyond the first "
            f"({explained} explained by {self.leases_lost} lost leases)"
        )


async def audit(app: Stem, ledger: Path, jobs: int) -> Report:
    """Look at all that was acknowledged, when nothing waits or runs any more."""
    lines = [line.split() for line in ledger.read_text().splitlines()]
    stats = await app.queues.stats("default")
    assert (stats.waiting, stats.running, stats.failed, stats.dead) == (0, 0, 0, 0)
    runs = Counter(name for name, _, _ in lines)
    report = Report(jobs=jobs, runs=runs, succeeded=stats.succeeded, leases_lost=stats.lost)
    held = Counter((name, fence) for name, fence, _ in lines)
    report.shared = [" ".join(pair) for pair, count in held.items() if count > 1]
    for number in range(jobs):
        row = await app.engine.jobs.get(job_id(number))
        if row is None or not row.record:
            report.lost.append(number)
        else:
            look_at(row, report)
    return report


def look_at(row: JobRow, report: Report) -> None:
    """The result tells which delivery made it, and the record how many leases had been lost before."""
    record = decode_record(row.record)
    assert isinstance(record.value, msgspec.Raw)
    if int(bytes(record.value)) != row.fence:
        report.usurped.append(row.id)
    if report.runs[row.id] > 1 + record.losses:
        report.unexplained[row.id] = report.runs[row.id] - 1 - record.losses


def told(name: str, fleet: Fleet, producer: Producer, report: Report, began: float, more: str = "") -> None:
    """One line of figures."""
    struck = f"{fleet.kills} SIGKILL, {fleet.stops} SIGSTOP past the lease"
    refused = f", {producer.refused} enqueues refused and repeated" if producer.refused else ""
    seconds = time.monotonic() - began
    print(f"\n{name}: {report.jobs} jobs, {struck}{more}{refused}; {report}; {seconds:.0f} s")
