"""Claims of several workflows at once, held against `stem.core.share` and `stem.core.priority`.

    class SqliteShares(OnSqlite, FairShareMachine): ...

    TestFairShare = SqliteShares.TestCase
    TestFairShare.settings = BRIEF

Which runs of a line come first is not asked here: runs of one line are alike. Time moves in whole minutes.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from stem.core.priority import queue_order
from stem.core.run import Change, ClaimedRun, End, line_name
from stem.core.share import shares
from stem.testing.contracts import shift
from stem.testing.contracts.on_engine import OnEngine
from stem.testing.contracts.runs import new_run

_MINUTE: Final = 60_000
_LEASE: Final = 2
_FLOWS: Final = ("a", "b", "c", "d")


class FairShareMachine(OnEngine):
    """Runs of four workflows; each claim must give each workflow what core says."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        #: From the minute of the value on a claim may hand it out.
        self.due: dict[str, int] = {}
        self.flows: dict[str, str] = {}
        self.turns: Counter[str] = Counter()
        self.claims: list[ClaimedRun] = []

    @rule(flow=st.sampled_from(_FLOWS), count=st.integers(1, 12), minutes=st.sampled_from((0, 0, 0, 1)))
    def start(self, flow: str, count: int, minutes: int) -> None:
        batch = [
            new_run(f"run-{len(self.due) + n}", flow, delay_ms=minutes * _MINUTE, lease_ms=_LEASE * _MINUTE)
            for n in range(count)
        ]
        self.run(self.engine.workflows.start(batch))
        self.due.update(dict.fromkeys((new.id for new in batch), self.now + minutes))
        self.flows.update(dict.fromkeys((new.id for new in batch), flow))

    @rule(
        flows=st.lists(st.sampled_from(_FLOWS), min_size=1, unique=True),
        limit=st.integers(1, 20),
        worker=st.sampled_from(("v", "w")),
    )
    def claim(self, flows: list[str], limit: int, worker: str) -> None:
        """Each line gets what core's rule says, of what is due in it."""
        self.turns[worker] += 1
        order = queue_order(flows, self.turns[worker])
        waiting = Counter(self.flows[run] for run, at in self.due.items() if at <= self.now)
        expected = dict(zip(order, shares([waiting[flow] for flow in order], limit), strict=True))
        lines = [line_name(flow, 1) for flow in flows]
        found = self.run(self.engine.workflows.claim(lines, limit, worker)).runs
        assert Counter(one.workflow for one in found) == Counter(expected)
        for one in found:
            assert self.due[one.id] <= self.now
            self.due[one.id] = self.now + _LEASE
        self.claims = [one for one in self.claims if one.id not in {new.id for new in found}] + list(found)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 99), ends=st.booleans())
    def give_back(self, which: int, ends: bool) -> None:  # noqa: FBT001 - drawn, never passed by hand
        """The last claim of a run ends it or gives it back, be its lease over or not."""
        one = self.claims.pop(which % len(self.claims))
        if ends:
            done = Change(number=1, then=End("succeeded", result=b"1"))
            assert self.run(self.engine.workflows.commit(one.receipt, done)).status == "done"
            self.due[one.id] = 1_000_000
        else:
            self.run(self.engine.workflows.release([one.receipt]))
            self.due[one.id] = self.now

    @rule(minutes=st.integers(1, 3))
    def let_time_go_by(self, minutes: int) -> None:
        shift(minutes * _MINUTE, self.engine)
        self.now += minutes
