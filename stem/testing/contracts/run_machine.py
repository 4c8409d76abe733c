"""The same random life of workflow runs on an engine and on the one in memory must give the same answers.

    class SqliteRuns(OnSqlite, RunMachine): ...

    TestRunMachine = SqliteRuns.TestCase
    TestRunMachine.settings = QUICK

Time moves in whole minutes, so that the milliseconds by which two engines differ never decide an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from stem.contracts.broker import Renewal
from stem.contracts.engine import Engine
from stem.contracts.workflows import RunFilter
from stem.core.run import (
    ENDED,
    Block,
    Call,
    CancelRequest,
    Change,
    ClaimedRun,
    End,
    GoOn,
    Parent,
    Quarantine,
    RunEffect,
    RunRow,
    Say,
    Spawn,
    Step,
    Stop,
    Suspend,
    Tell,
    Then,
    Wait,
    box_topic,
    event_topic,
)
from stem.core.unique import UniqueClaim
from stem.memory.engine import MemoryEngine
from stem.testing.contracts import DAY_MS, shift, submission
from stem.testing.contracts.on_engine import OnEngine
from stem.testing.contracts.runs import LINE, checkpoint, event, message, new_run

T = TypeVar("T")

_MINUTE: Final = 60_000
_any: Final = st.integers(0, 999)
_KEYS: Final = ("a", "b", "c#0", "c#1", "w/sleep#0")
_RUNS: Final = ("run-0", "run-1", "run-2", "run-3")
_TOPICS: Final = ("t", "u")

_waits: Final = st.lists(
    st.tuples(
        st.sampled_from(_KEYS),
        st.sampled_from(("", "", event_topic("t", ""), event_topic("u", "k"), box_topic("box"))),
        st.sampled_from((None, 0, 1, 3)),
        st.sampled_from(("", "child", "job")),
    ),
    max_size=2,
)
_effects: Final = st.lists(
    st.sampled_from(("call", "held", "spawn", "spawn-wait", "say", "tell", "stop", "stop-self")), max_size=2
)
_then: Final = st.sampled_from(
    ("go", "go", "suspend", "suspend", "later", "succeed", "fail", "cancel", "block", "quarantine")
)


class RunMachine(OnEngine):
    """Runs from start to grave on two engines at once; `open_engine` gives the one under test, on a fresh store."""

    #: Engines that publish jobs elsewhere do not know of a unique key that is held, nor of an id that is known.
    knows_keys = True

    def __init__(self) -> None:
        super().__init__()
        self.oracle: Engine = MemoryEngine()
        self.claims: list[tuple[ClaimedRun, ClaimedRun]] = []
        self.numbers: dict[int, int] = {}
        self.known: set[str] = set()
        self.stored: dict[tuple[int, int, str], bytes] = {}
        self.over: dict[tuple[int, int], str] = {}
        self.both(lambda e: e.broker.publish([submission("holder", unique=UniqueClaim("key"))]))

    def both(self, ask: Callable[[Engine], Awaitable[T]], seen: Callable[[T], Any] = lambda answer: answer) -> T:
        """The answer of the engine under test, which must look like the one of the oracle."""
        expected, found = self.run(ask(self.oracle)), self.run(ask(self.engine))
        assert seen(found) == seen(expected)
        return found

    # ------------------------------------------------------------ what may happen

    @rule(
        run=st.sampled_from(_RUNS),
        minutes=st.sampled_from((0, 0, 0, 2)),
        cleans_up=st.booleans(),
        cancel_after=st.sampled_from((None, None, 5)),
        max_suspend=st.sampled_from((None, None, 2)),
        if_exists=st.sampled_from(("return", "restart")),
    )
    def start(
        self,
        run: str,
        minutes: int,
        cleans_up: bool,  # noqa: FBT001 - drawn, never passed by hand
        cancel_after: int | None,
        max_suspend: int | None,
        if_exists: Any,
    ) -> None:
        one = new_run(
            run,
            delay_ms=minutes * _MINUTE,
            lease_ms=2 * _MINUTE,
            cleans_up=cleans_up,
            cancel_after_ms=None if cancel_after is None else cancel_after * _MINUTE,
            max_suspend_ms=None if max_suspend is None else max_suspend * _MINUTE,
            keep_ms=DAY_MS,
            if_exists=if_exists,
        )
        self.known.add(run)
        self.both(lambda e: e.workflows.start([one]))

    @rule(limit=st.sampled_from((1, 10)), renews=st.booleans())
    def claim(self, limit: int, renews: bool) -> None:  # noqa: FBT001 - drawn
        """All that is due, or one; in which order is each engine's own affair, so one is claimed when one is due."""
        if limit == 1:
            due = [one for one in self.run(self._due(self.oracle)) if one]
            if len(due) != 1:
                return
        expected, found = (
            sorted(self.run(e.workflows.claim([LINE], limit, "w", renews=renews)).runs, key=lambda one: one.id)
            for e in (self.oracle, self.engine)
        )
        assert [_shown(one) for one in found] == [_shown(one) for one in expected]
        self.claims += zip(expected, found, strict=True)

    async def _due(self, engine: Engine) -> list[str]:
        now = await engine.now_ms()
        rows, _ = await engine.workflows.page(RunFilter(), limit=1_000)
        return [row.id for row in rows if row.due_at is not None and row.due_at <= now]

    @precondition(lambda self: self.claims)
    @rule(
        which=_any,
        keys=st.lists(st.sampled_from(_KEYS), max_size=2, unique=True),
        waits=_waits,
        effects=_effects,
        how=_then,
        rerun=st.sampled_from((False, False, False, True)),
        note=st.sampled_from((None, b'{"doing":"x"}')),
        again=st.sampled_from((False, False, False, True)),
        cleanup=st.sampled_from((None, None, None, None, 2)),
    )
    def commit(
        self,
        which: int,
        keys: list[str],
        waits: list[tuple[str, str, int | None, str]],
        effects: list[str],
        how: str,
        rerun: bool,  # noqa: FBT001 - drawn, never passed by hand
        note: bytes | None,
        again: bool,  # noqa: FBT001
        cleanup: int | None,
    ) -> None:
        """Any claim ever made, so that old fences are tried too; now and then a change that came before."""
        place, number, run = self._next(which, again=again)
        change = Change(
            number=number,
            steps=tuple(checkpoint(key, _KEYS.index(key), f'"{key}-{len(self.stored)}"'.encode()) for key in keys),
            waits=tuple(_wait(run, *one) for one in waits),
            effects=tuple(self._effect(run, one) for one in effects),
            pending=_KEYS if how in {"suspend", "later"} else (),
            notes=note,
            rerun=rerun,
            cleanup_ms=None if cleanup is None else cleanup * _MINUTE,
            then=_then_of(how),
        )
        said = self.both(lambda e: e.workflows.commit(self._claim(e, place).receipt, change), _said)
        if said.status == "done":
            self.known |= {effect.run.id for effect in change.effects if isinstance(effect, Spawn)}

    @precondition(lambda self: self.claims)
    @rule(which=_any, key=st.sampled_from(_KEYS), again=st.sampled_from((False, False, True)))
    def step(self, which: int, key: str, again: bool) -> None:  # noqa: FBT001 - drawn, never passed by hand
        """One checkpoint and nothing else, as most changes are."""
        place, number, _ = self._next(which, again=again)
        change = Change(number=number, steps=(checkpoint(key, _KEYS.index(key), f'"{key}-{number}"'.encode()),))
        self.both(lambda e: e.workflows.commit(self._claim(e, place).receipt, change), _said)

    def _next(self, which: int, *, again: bool) -> tuple[int, int, str]:
        """One of the last claims, the number of its next change (or of the one before), and its run."""
        place = len(self.claims) - 1 - which % min(3, len(self.claims))
        number = self.numbers.get(place, 0) + (0 if again and self.numbers.get(place) else 1)
        self.numbers[place] = number
        return place, number, self.claims[place][0].id

    @precondition(lambda self: self.claims)
    @rule(which=_any, minutes=st.sampled_from((None, 1, 5)))
    def renew(self, which: int, minutes: int | None) -> None:
        lease_ms = None if minutes is None else minutes * _MINUTE
        place = which % len(self.claims)
        self.both(lambda e: e.workflows.renew([Renewal(self._claim(e, place).receipt, lease_ms)]))

    @precondition(lambda self: self.claims)
    @rule(which=_any)
    def release(self, which: int) -> None:
        place = which % len(self.claims)
        self.both(lambda e: e.workflows.release([self._claim(e, place).receipt]))

    @rule(topic=st.sampled_from((("t", ""), ("u", "k"), ("u", ""))), minutes=st.sampled_from((3, 1_000)))
    def emit(self, topic: tuple[str, str], minutes: int) -> None:
        one = event(topic[0], b'"emitted"', of=topic[1], id="e", ttl_ms=minutes * _MINUTE)
        self.both(lambda e: e.workflows.emit(one))

    @rule(run=st.sampled_from(_RUNS), name=st.sampled_from(("", "m1", "m2")), starts=st.booleans(), n=_any)
    def send(self, run: str, name: str, starts: bool, n: int) -> None:  # noqa: FBT001 - drawn, never passed by hand
        new = new_run(run, lease_ms=2 * _MINUTE, keep_ms=DAY_MS, if_exists="restart") if starts else None
        one = message(run, str(n).encode(), id=name)
        if self.both(lambda e: e.workflows.send(one, new)) == "new":
            self.known.add(run)

    @rule(
        run=st.sampled_from(_RUNS),
        key=st.sampled_from(_KEYS),
        way=st.sampled_from(("done", "failed")),
        who=st.sampled_from(("", "", "child", "job")),
    )
    def complete(self, run: str, key: str, way: Any, who: str) -> None:
        step = Step(key=key, pos=0, outcome=way, value=b'"from outside"')
        self.both(lambda e: e.workflows.complete(run, key, step, source=_source(run, who)))

    @rule(run=st.sampled_from(_RUNS), terminate=st.sampled_from((False, False, True)))
    def cancel(self, run: str, terminate: bool) -> None:  # noqa: FBT001 - drawn, never passed by hand
        request = CancelRequest("asked", "somebody")
        self.both(lambda e: e.workflows.cancel(run, request, terminate=terminate))

    @rule(run=st.sampled_from(_RUNS))
    def resume(self, run: str) -> None:
        self.both(lambda e: e.workflows.resume(run))

    @rule(run=st.sampled_from(_RUNS), key=st.sampled_from((*_KEYS, "c")))
    def rewind(self, run: str, key: str) -> None:
        self.both(lambda e: e.workflows.rewind(run, key))

    @rule()
    def sweep(self) -> None:
        self.both(lambda e: e.workflows.sweep())

    @rule(minutes=st.integers(1, 3))
    def let_time_go_by(self, minutes: int) -> None:
        shift(minutes * _MINUTE, self.oracle, self.engine)

    @rule()
    def let_a_day_go_by(self) -> None:
        shift(DAY_MS + _MINUTE, self.oracle, self.engine)

    # ------------------------------------------------------------ what must hold

    @invariant()
    def both_know_the_same_runs(self) -> None:
        for run in sorted(self.known):
            self.both(lambda e, run=run: _seen(e, run))  # type: ignore[misc]
        self.both(lambda e: e.workflows.page(RunFilter(), limit=100), lambda page: sorted(row.id for row in page[0]))
        for state in ("queued", "suspended", "cancelled"):
            which = RunFilter(states=(state,))
            self.both(
                lambda e, which=which: e.workflows.page(which, limit=100),  # type: ignore[misc]
                lambda page: sorted(row.id for row in page[0]),
            )

    @invariant()
    def both_know_the_same_events_and_waits(self) -> None:
        self.both(
            lambda e: e.workflows.events(),
            lambda found: sorted((one.topic, one.run, one.payload, one.read_by) for one in found),
        )
        for topic in _TOPICS:
            self.both(
                lambda e, topic=topic: e.workflows.waiters(event_topic(topic, "")),  # type: ignore[misc]
                lambda found: sorted((one.run, one.wait.key) for one in found),
            )

    @invariant()
    def no_run_is_stranded_and_nothing_stored_changes(self) -> None:
        """A run that has not ended has a lease, a timer, a wait, a place in line, or is quarantined."""
        for run in self.known:
            detail = self.run(self.engine.workflows.get(run))
            if detail is None:
                continue
            row = detail.row
            if row.state not in ENDED and row.state != "quarantined":
                assert row.due_at is not None or row.policy_at is not None or detail.waits or row.state == "suspended"
            assert (row.finished_at is not None) == (row.state in ENDED)
            aside = {(old.generation, old.step.key) for old in detail.branches}
            for step in detail.steps:
                place = (row.seq, row.generation, step.key)
                if (row.generation, step.key) not in aside:
                    assert self.stored.setdefault(place, step.value) == step.value
            if row.state in ENDED:
                assert self.over.setdefault((row.seq, row.generation), row.state) == row.state

    # ------------------------------------------------------------ inside

    def _claim(self, engine: Engine, place: int) -> ClaimedRun:
        """One that this engine has handed out: fences are each engine's own."""
        expected, found = self.claims[place]
        return expected if engine is self.oracle else found

    def _effect(self, run: str, kind: str) -> RunEffect:
        child = _source(run, "child")
        match kind:
            case "call":
                name = (
                    _source(run, "job")
                    if self.knows_keys
                    else f"job-{run}-{len(self.claims)}-{sum(self.numbers.values())}"
                )
                return Call("a", submission(name))
            case "held":
                unique = UniqueClaim("key") if self.knows_keys else None
                return Call("a", submission(f"held-{run}", unique=unique))
            case "spawn" | "spawn-wait":
                policy: Any = "wait" if kind == "spawn-wait" else "cancel"
                return Spawn("b", new_run(child, lease_ms=2 * _MINUTE, keep_ms=DAY_MS, parent=Parent(run, "b", policy)))
            case "say":
                return Say(event("t", b'"said"', ttl_ms=3 * _MINUTE))
            case "tell":
                return Tell(message(child, b'"told"', id=f"from-{run}"))
            case "stop":
                return Stop(child, CancelRequest("stopped", run))
            case _:
                return Stop(run, CancelRequest("stopped", run))


def _source(run: str, who: str) -> str:
    """The id of the one job and the one child that a run has here."""
    child = _RUNS[(_RUNS.index(run) + 1) % len(_RUNS)] if run in _RUNS else _RUNS[0]
    return {"": "", "child": child, "job": f"job-{run}"}[who]


def _wait(run: str, key: str, topic: str, minutes: int | None, who: str) -> Wait:
    return Wait(
        key=key,
        pos=_KEYS.index(key),
        topic=topic,
        source="" if topic else _source(run, who),
        after_ms=None if minutes is None else minutes * _MINUTE,
        on_time="timeout" if topic else "done",
        late=b'"late"',
        meta=b'{"kind":"wait"}',
    )


def _then_of(how: str) -> Then:
    match how:
        case "suspend":
            return Suspend()
        case "later":
            return Suspend(_MINUTE)
        case "succeed":
            return End("succeeded", result=b'"result"')
        case "fail":
            return End("failed", error=b'{"type":"E","message":"m"}')
        case "cancel":
            return End("cancelled", reason="by itself")
        case "block":
            return Block("the code has changed", 2 * _MINUTE)
        case "quarantine":
            return Quarantine("step x")
        case _:
            return GoOn()


def _shown(claimed: ClaimedRun) -> ClaimedRun:
    """What two engines must agree on about a claim."""
    cancel = None if claimed.cancel is None else msgspec.structs.replace(claimed.cancel, at=0)
    return msgspec.structs.replace(
        claimed,
        fence=0,
        now=0,
        created_at=0,
        cancel=cancel,
        steps=tuple(sorted((_timeless(step) for step in claimed.steps), key=lambda one: one.key)),
        waits=tuple(sorted((_waitless(wait, claimed.now) for wait in claimed.waits), key=lambda one: one.key)),
    )


def _timeless(step: Step) -> Step:
    return msgspec.structs.replace(step, started_at=0, finished_at=0)


def _waitless(wait: Wait, now: int) -> Wait:
    """Deadlines to the minute: engines differ by milliseconds."""
    left = None if wait.deadline is None else round((wait.deadline - now) / _MINUTE)
    return msgspec.structs.replace(wait, deadline=left, since=0)


def _said(said: Any) -> tuple[Any, ...]:
    return (
        said.status,
        said.ended,
        tuple(sorted((_timeless(step) for step in said.answers), key=lambda one: one.key)),
        said.refused,
        said.cancel.reason if said.cancel else None,
    )


async def _seen(engine: Engine, run: str) -> tuple[object, ...] | None:
    """What two engines must agree on about one run."""
    detail = await engine.workflows.get(run)
    if detail is None:
        return None
    row = detail.row
    return (
        _row(row, detail.now),
        sorted((_timeless(step) for step in detail.steps), key=lambda one: one.key),
        sorted((_waitless(wait, detail.now) for wait in detail.waits), key=lambda one: one.key),
        [(one.topic, one.payload, one.read_by) for one in detail.messages],
        sorted((old.generation, old.step.key, old.step.value) for old in detail.branches),
        sorted(child.id for child in detail.children),
    )


def _row(row: RunRow, now: int) -> tuple[object, ...]:
    request = row.cancel_request
    times = (row.due_at, row.policy_at, row.cancel_at, row.suspend_at, row.cleanup_at, row.forget_at)
    return (
        row.state,
        row.owner,
        tuple(None if at is None else round((at - now) / _MINUTE) for at in times),
        (row.started_at is None, row.finished_at is None),
        (row.number, row.generation, row.takeovers, row.blocks, row.cleans_up, row.cleaning),
        (row.parent_run, row.parent_step, row.parent_policy),
        (row.reason, request.reason if request else None),
        (row.params, row.notes, row.result, row.error),
    )
