"""After a storm for runs: what is stored of each is held against the ledger of all that was done."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

import msgspec

from stem import Stem
from stem.core.run_view import Run, StepView
from tests.e2e.runs_app import DAWN, DOZE, NOTES, OWN, Line, dawn_for, keys_of, nap_for, read_ledger, run_name
from tests.e2e.runs_storm import RUNS, Feeders, RunFleet, Span, Watcher

#: What an instant may be off by rounding, seconds.
ROUNDING: Final = 0.002


class Ledger:
    """The lines, by what they are about."""

    def __init__(self, path: Path) -> None:
        self.lines = read_ledger(path)
        self.claims: dict[str, list[Line]] = defaultdict(list)
        self.steps: dict[tuple[str, str], list[Line]] = defaultdict(list)
        self.said: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.kept: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.jobs: dict[str, set[str]] = defaultdict(set)
        self.refused = 0
        for line in self.lines:
            self._sort(line)

    def _sort(self, line: Line) -> None:
        match line.kind:
            case "claim":
                self.claims[line.run].append(line)
            case "step":
                self.steps[line.run, line.key].append(line)
            case "said":
                self.said[line.run, line.key].add(line.value)
            case "kept":
                self.kept[line.run, line.key].append(line.value)
            case "job":
                self.jobs[line.run].add(line.value)
            case "refused":
                self.refused += 1
            case "known":
                pass

    @property
    def executions(self) -> int:
        return sum(map(len, self.steps.values()))

    @property
    def again(self) -> int:
        """Executions beyond each step's first."""
        return self.executions - len(self.steps)


class Faults(msgspec.Struct):
    """What was found, each with the runs in which it was."""

    lost: list[str] = []
    usurped: list[str] = []
    unledgered: list[str] = []
    shared: list[str] = []
    unexplained: list[str] = []
    changed: list[str] = []
    results: list[str] = []
    payments: list[str] = []
    mails: list[str] = []
    events: list[str] = []
    children: list[str] = []
    early: list[str] = []

    def __str__(self) -> str:
        counts = {name: len(getattr(self, name)) for name in self.__struct_fields__}
        return ", ".join(f"{name} {count}" for name, count in counts.items())

    def none(self) -> None:
        """Nothing of all this may be."""
        found = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name)}
        told = "\n".join(f"{name}: {len(cases)}, as {'; '.join(cases[:4])}" for name, cases in found.items())
        assert not found, f"the audit found:\n{told}"


class Audit:
    """One look at everything, when all is over."""

    def __init__(self, app: Stem, ledger: Ledger, watcher: Watcher) -> None:
        self.app, self.ledger, self.watcher = app, ledger, watcher
        self.faults = Faults(changed=watcher.changed)

    async def run(self, payments: Path | None) -> Faults:
        """All runs, one by one, then what they share. `payments`: the file with the table of transactions."""
        paid = rows_of(payments) if payments else None
        for number in range(RUNS):
            run = await self.app.workflows.get(run_name(number))
            await self.look_at(run, number)
            if paid is not None:
                self.look_at_payment(run, paid[run.id])
        if paid is not None and len(paid) != RUNS:
            self.faults.payments.append(f"{len(paid)} runs have paid")
        await self.look_at_all()
        return self.faults

    async def look_at(self, run: Run, number: int) -> None:
        """One run with its child."""
        if run.state != "succeeded":
            done = [step.key for step in run.steps]
            self.faults.lost.append(f"{run.id} is {run.state} ({run.reason} {run.error}) after {done}")
            return
        steps = {step.key: step for step in run.steps}
        await self.watcher.look(self.app, run.id)
        expected = keys_of(number)
        if sorted(steps) != sorted([*expected, "nap"]) or len(steps) != len(run.steps):
            self.faults.results.append(f"{run.id} has the steps {sorted(steps)}")
            return
        if json.loads(run.result) != [json.loads(steps[key].value) for key in expected]:
            self.faults.results.append(f"{run.id} has the result {run.result}")
        for key in OWN:
            self.look_at_step(run, steps[key])
        self.look_at_sleep(run, steps["nap"], nap_for(number), "check", "rest")
        self.look_at_mails(run, steps)
        self.look_at_event(run, steps[expected[4]])
        if json.loads(steps["storm.job"].value) not in self.ledger.jobs[f"{run.id}/storm.job"]:
            self.faults.unledgered.append(f"{run.id}: no such job gave {steps['storm.job'].value}")
        await self.look_at_child(run, steps["storm.part"])

    def look_at_step(self, run: Run, step: StepView) -> None:
        """Its value comes from the last claim that executed it: those before could not store theirs, or this one would
        have found it; those after would have, too. And it was stored before there was any later claim.
        """
        done = self.ledger.steps[run.id, step.key]
        value, last = json.loads(step.value), max((line.fence for line in done), default=0)
        mine = [line for line in done if line.value == value]
        if len(mine) != 1:
            self.faults.unledgered.append(f"{run.id} {step.key}: {value}, {len(mine)} lines in the ledger")
        elif mine[0].fence != last:
            self.faults.usurped.append(f"{run.id} {step.key}: stored of claim {mine[0].fence}, done again by {last}")
        elif self._is_late(run, step, mine[0]):
            self.faults.usurped.append(f"{run.id} {step.key}: stored of claim {mine[0].fence} after a later claim")
        self.look_at_repeats(run, step.key, done)

    def _is_late(self, run: Run, step: StepView, line: Line) -> bool:
        """Whether the run was in later hands when this one's value was stored."""
        assert step.finished_at is not None
        latest = step.finished_at.timestamp() - ROUNDING
        return any(claim.fence > line.fence and claim.at < latest for claim in self.ledger.claims[run.id])

    def look_at_repeats(self, run: Run, key: str, done: list[Line]) -> None:
        """One execution for each attempt of a claim; another claim executes it again only when a lease was lost.

        A transaction may be rolled back and done once more by the same claim.
        """
        counts = Counter((line.fence, line.attempt) for line in done)
        if key != "pay" and max(counts.values(), default=0) > 1:
            self.faults.shared.append(f"{run.id} {key}: {counts}")
        fences = sorted({line.fence for line in done})
        lost = {line.fence for line in self.ledger.claims[run.id] if line.losses}
        for before, after in itertools.pairwise(fences):
            if not any(before < fence <= after for fence in lost):
                self.faults.unexplained.append(f"{run.id} {key}: done by claim {before} and again by {after}")

    def look_at_sleep(self, run: Run, nap: StepView, seconds: float, before: str, after: str) -> None:
        """By the clock of the store, and by the ledger: nothing behind it was done before it was over."""
        assert nap.started_at is not None
        assert nap.finished_at is not None
        slept = (nap.finished_at - nap.started_at).total_seconds()
        ends = [line.at for line in self.ledger.steps[run.id, after]]
        began = self._done_at(run, before)
        apart = min(ends, default=began + seconds) - began
        if min(slept, apart) < seconds - ROUNDING:
            self.faults.early.append(
                f"{run.id} {nap.key}: {slept:.3f} s by the store, {apart:.3f} s apart, of {seconds}"
            )

    def _done_at(self, run: Run, key: str) -> float:
        """When the execution came to its effect whose value is stored; others of the step may come later, in vain."""
        value = next(json.loads(step.value) for step in run.steps if step.key == key)
        return next((line.at for line in self.ledger.steps[run.id, key] if line.value == value), 0.0)

    def look_at_mails(self, run: Run, steps: dict[str, StepView]) -> None:
        """Two messages, each kept once and read by one step, in the order in which they came."""
        keys = [NOTES.name, f"{NOTES.name}#1"]
        read = [(mail.read_by, mail.payload) for mail in run.messages]
        if read != [(key, steps[key].value) for key in keys]:
            self.faults.mails.append(f"{run.id}: {read}")
        for nth, key in enumerate(keys):
            self.look_at_words(run.id, f"{NOTES.name}#{nth}", json.loads(steps[key].value), self.faults.mails)

    def look_at_words(self, run: str, key: str, value: str, faults: list[str]) -> None:
        """It was said by somebody; at most one was told that it is kept, and it is that one's."""
        told = self.ledger.kept[run, key]
        if value not in self.ledger.said[run, key] or told not in ([], [value]):
            faults.append(f"{run} {key}: {value} was seen, {told} kept of {self.ledger.said[run, key]}")

    def look_at_event(self, run: Run, step: StepView) -> None:
        """What it saw was emitted, and is what every other saw: the one that was kept."""
        if step.outcome != "done":
            self.faults.events.append(f"{run.id} {step.key}: {step.outcome}")
            return
        self.look_at_words(step.key, "", json.loads(step.value), self.faults.events)

    async def look_at_child(self, run: Run, told: StepView) -> None:
        """It ended, its parent heard so, and there is no other."""
        name = f"{run.id}/storm.part"
        child = await self.app.workflows.get(name)
        steps = {step.key: step for step in child.steps}
        good = child.state == "succeeded" and run.children == (name,) and told.value == child.result
        if not good or sorted(steps) != ["doze", "part"] or child.result != steps["part"].value:
            self.faults.children.append(f"{run.id}: {child.state}, {child.result}, told {told.value}, {run.children}")
            return
        self.look_at_step(child, steps["part"])
        assert steps["doze"].started_at is not None
        self.look_at_sleep(child, steps["doze"], DOZE, "part", "-")

    def look_at_payment(self, run: Run, values: list[str]) -> None:
        """Exactly one row, which came with the checkpoint."""
        stored = [json.loads(step.value) for step in run.steps if step.key == "pay"]
        if len(values) != 1 or values != stored:
            self.faults.payments.append(f"{run.id}: {values} in the table, {stored} stored")

    async def look_at_all(self) -> None:
        """Every event is kept as it was seen, the dawn was one for all, nothing is left unread, and nobody else ran."""
        left = [mail for mail in await self.app.workflows.events(limit=10 * RUNS) if mail.mailbox == NOTES.name]
        self.faults.mails += [f"unread: {mail}" for mail in left]
        dawns = set()
        for number in filter(dawn_for, range(RUNS)):
            run = await self.app.workflows.get(run_name(number))
            dawns |= {step.value for step in run.steps if step.key == DAWN.name}
        if len(dawns) != 1:
            self.faults.events.append(f"the dawn was seen as {dawns}")
        count = 0
        async for _ in self.app.workflows.all():
            count += 1
        if count != 2 * RUNS:
            self.faults.children.append(f"there are {count} runs, of {2 * RUNS}")
        stats = await self.app.queues.stats("default")
        if (stats.waiting, stats.running, stats.failed, stats.dead, stats.succeeded) != (0, 0, 0, 0, RUNS):
            self.faults.results.append(f"jobs: {stats}")


def rows_of(file: Path) -> dict[str, list[str]]:
    """The values that each run has paid."""
    found: dict[str, list[str]] = defaultdict(list)
    with sqlite3.connect(file) as connection:
        for run, value in connection.execute("SELECT run, value FROM payment"):
            found[run].append(value)
    connection.close()
    return found


# ---------------------------------------------------------------- figures


class Takeovers(msgspec.Struct):
    """Seconds from the kill of a worker until others went on with what it had held: took it, and did its next step."""

    held: int = 0
    passed_on: int = 0
    taken: list[float] = []
    stepped: list[float] = []


def takeovers(ledger: Ledger, fleet: RunFleet, outages: list[Span]) -> Takeovers:
    """Of runs that came into hands which began with them, with no outage of the server between; next steps in the claim
    that followed. Who was struck in turn before it had begun costs one more lease, and is counted alone.
    """
    steps: dict[tuple[str, int], list[Line]] = defaultdict(list)
    for lines in ledger.steps.values():
        for line in lines:
            steps[line.run, line.fence].append(line)
    found = Takeovers()
    for kill in fleet.killed:
        for run in kill.held:
            found.held += 1
            claim = next((one for one in ledger.claims[run] if one.at > kill.at and one.pid != kill.pid), None)
            if claim is None or any(span.meets(kill.at, claim.at) for span in outages):
                continue
            before = [one.losses for one in ledger.claims[run] if one.at <= kill.at]
            if claim.losses > (before[-1] if before else 0) + 1:
                found.passed_on += 1
                continue
            found.taken.append(claim.at - kill.at)
            done = steps[run, claim.fence]
            if done:
                found.stepped.append(min(line.at for line in done) - kill.at)
    return found


def spread(values: list[float]) -> str:
    """p50, p99 and the longest."""
    if not values:
        return "none"
    ordered = sorted(values)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99))
    return f"p50 {p50:.2f}, p99 {p99:.2f}, max {ordered[-1]:.2f} s of {len(ordered)}"


def lost_leases(ledger: Ledger, fleet: RunFleet, outages: list[Span]) -> tuple[int, int]:
    """How many claims took a run from another worker; of how many the worker had been struck, or the server away."""
    lost = struck = 0
    dead = {kill.pid: kill.at for kill in fleet.killed}
    for claims in ledger.claims.values():
        for before, after in itertools.pairwise(claims):
            if not after.losses:
                continue
            lost += 1
            stood = [span for span in fleet.stood if span.pid == before.pid] + outages
            killed = before.at <= dead.get(before.pid, 0) <= after.at
            struck += killed or any(span.meets(before.at, after.at) for span in stood)
    return lost, struck


def table(name: str, ledger: Ledger, fleet: RunFleet, feeders: Feeders, outages: list[Span], began: float) -> str:
    """What befell whom, and what came of it."""
    lost, struck = lost_leases(ledger, fleet, outages)
    over = takeovers(ledger, fleet, outages)
    rows = {
        "runs": f"{RUNS}, each with a child and a job, in {time.monotonic() - began:.0f} s",
        "struck": f"{fleet.kills} SIGKILL, {fleet.stops} SIGSTOP past the lease, {len(outages)} restarts of the server, "
        f"{feeders.kills} feeders killed",
        "steps": f"{ledger.executions} executions, {ledger.again} of them again",
        "leases": f"{lost} lost, {struck} of them by a blow; {ledger.refused} workers were refused",
        "taken over": f"{spread(over.taken)} ({over.held} held by who was killed, {over.passed_on} lost once more at once)",
        "next step": spread(over.stepped),
    }
    return f"\nstorm of runs on {name}\n" + "\n".join(f"  {title:<12}{text}" for title, text in rows.items())
