"""All that one namespace holds, as plain dicts and heaps; every role works on it under one lock."""

from __future__ import annotations

import heapq
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from stem.clock import Clock
from stem.contracts.groups import Member
from stem.contracts.locks import Lock
from stem.contracts.presence import Present
from stem.contracts.schedules import Entry
from stem.core.envelope import Submission
from stem.core.lease import UNKNOWN
from stem.core.limit import LimitRow
from stem.core.priority import LEVELS
from stem.core.rate import Level
from stem.core.states import JobState
from stem.memory.bells import Bells, Doze
from stem.memory.runs import Runs


class StoredJob(msgspec.Struct, eq=False):
    """A job that is not over, or lies among the dead letters."""

    sub: Submission
    seq: int
    enqueued_at: int
    ready_at: int
    expires_at: int | None
    state: JobState = "queued"
    attempts: int = 0
    fence: int = 0
    deliveries: int = 0
    losses: int = 0
    settled: int = -1
    lease_until: int = 0
    started_at: int | None = None
    worker: str = ""
    cancel_reason: str | None = None
    counted: bool = False
    doubt: int = UNKNOWN
    parked_key: str = ""
    overrides: bytes = b""
    error: bytes = b""
    progress: bytes = b""
    changes: int = 0
    reason: str = ""
    record: bytes = b""
    died_at: int = 0
    dead_until: int = 0
    replays: int = 0


class StoredResult(msgspec.Struct, eq=False, gc=False):
    """What is kept of a finished job; `fence` recognises the settlement that stored it."""

    id: str
    task: str
    queue: str
    state: JobState
    fence: int
    deliveries: int
    record: bytes
    finished_at: int
    expires_at: int
    seq: int


@dataclass(slots=True)
class Line:
    """One queue: ready jobs by priority, timers, and its numbers."""

    name: str
    paused: bool = False
    tick: int = 0
    ready: list[list[tuple[int, StoredJob]]] = field(default_factory=lambda: [[] for _ in range(LEVELS)])
    delayed: list[tuple[int, int, StoredJob]] = field(default_factory=list)
    leases: list[tuple[int, int, int, StoredJob]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def push_ready(self, job: StoredJob) -> None:
        """Put a job where a claim will find it."""
        job.state = "queued"
        self.numbers["queued"] += 1
        heapq.heappush(self.ready[job.sub.priority], (job.seq, job))

    def push_delayed(self, job: StoredJob, ready_at: int) -> None:
        """Put a job aside until `ready_at`."""
        job.state, job.ready_at = "delayed", ready_at
        self.numbers["delayed"] += 1
        heapq.heappush(self.delayed, (ready_at, job.seq, job))

    def waiting_levels(self) -> list[bool]:
        """Which priorities have ready jobs; what is no longer ready is dropped on the way."""
        for level in self.ready:
            while level and level[0][1].state != "queued":
                heapq.heappop(level)
        return [bool(level) for level in self.ready]

    def next_ready(self, first: int | None) -> StoredJob | None:
        """Take the job to look at next: of level `first` if given, else of the highest."""
        waiting = self.waiting_levels()
        for level in [first] if first is not None else range(LEVELS - 1, -1, -1):
            if waiting[level]:
                self.numbers["queued"] -= 1
                return heapq.heappop(self.ready[level])[1]
        return None

    def due(self, now: int, most: int) -> Iterator[StoredJob]:
        """Take up to `most` delayed jobs whose time has come."""
        while most and self.delayed and self.delayed[0][0] <= now:
            ready_at, _, job = heapq.heappop(self.delayed)
            if job.state == "delayed" and job.ready_at == ready_at:
                self.numbers["delayed"] -= 1
                most -= 1
                yield job

    def lost(self, now: int, most: int) -> Iterator[StoredJob]:
        """Take up to `most` running jobs whose lease is over."""
        while most and self.leases and self.leases[0][0] <= now:
            until, _, fence, job = heapq.heappop(self.leases)
            if job.state == "running" and job.fence == fence and job.lease_until == until:
                most -= 1
                yield job

    def hold(self, job: StoredJob, until: int) -> None:
        """Note a new end of the lease."""
        job.lease_until = until
        heapq.heappush(self.leases, (until, job.seq, job.fence, job))

    def next_timer(self) -> int | None:
        """The earliest instant at which something here becomes due."""
        while self.delayed and not (
            self.delayed[0][2].state == "delayed" and self.delayed[0][2].ready_at == self.delayed[0][0]
        ):
            heapq.heappop(self.delayed)
        while self.leases and not _leased(self.leases[0]):
            heapq.heappop(self.leases)
        heads = [heap[0][0] for heap in (self.delayed, self.leases) if heap]
        return min(heads, default=None)


def _leased(entry: tuple[int, int, int, StoredJob]) -> bool:
    until, _, fence, job = entry
    return job.state == "running" and job.fence == fence and job.lease_until == until


@dataclass(slots=True)
class StoredGroup:
    """A group: what it expects, what has come."""

    members: tuple[str, ...]
    callback: Submission | None
    collect: bool
    expires_at: int
    arrived: dict[str, Member] = field(default_factory=dict)
    fired: bool = False


@dataclass(slots=True)
class DefinedLimit:
    """A limit as declared, and as an operator set it."""

    declared: LimitRow
    forced: LimitRow | None = None

    @property
    def row(self) -> LimitRow:
        return self.forced or self.declared


class Space:
    """One namespace."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.bells = Bells()
        self.doze = Doze(lambda worker: self.bells.ring(("work", worker)))
        self.sequence = 0
        self.turns: dict[str, int] = defaultdict(int)
        self.lines: dict[str, Line] = {}
        self.jobs: dict[str, StoredJob] = {}
        self.results: dict[str, StoredResult] = {}
        self.unique: dict[str, tuple[str, int | None]] = {}
        self.limits: dict[str, DefinedLimit] = {}
        self.levels: dict[str, Level] = {}
        self.counts: dict[str, int] = defaultdict(int)
        self.parked: dict[str, dict[str, list[StoredJob]]] = {}
        #: When to look at the jobs parked under a rate key, and when that was set.
        self.park_due: dict[str, tuple[int, int]] = {}
        self.groups: dict[str, StoredGroup] = {}
        self.locks: dict[str, Lock] = {}
        self.lock_token = 0
        self.inboxes: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self.channels: dict[str, list[tuple[int, int, bytes]]] = defaultdict(list)
        self.positions: dict[tuple[str, str], int] = {}
        self.present: dict[str, tuple[int, Present]] = {}
        self.entries: dict[str, Entry] = {}
        self.entry_changes = 0
        self.schemas: dict[str, bytes] = {}
        self.runs = Runs()

    def line(self, queue: str) -> Line:
        """The queue, made on first use."""
        found = self.lines.get(queue)
        if found is None:
            found = self.lines[queue] = Line(queue)
        return found

    def next_seq(self) -> int:
        """The next number in order of arrival."""
        self.sequence += 1
        return self.sequence

    def result(self, job_id: str, now: int) -> StoredResult | None:
        """The result while it lives."""
        found = self.results.get(job_id)
        if found is not None and found.expires_at <= now:
            del self.results[job_id]
            return None
        return found

    def changed(self, job: StoredJob) -> None:
        """Tell who watches this job."""
        job.changes += 1
        self.bells.ring(("job", job.sub.id))
