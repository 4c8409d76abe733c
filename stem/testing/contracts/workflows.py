"""Runs: started, handed out, changed under their fence, woken, ended; by events, messages, time, jobs, children, people."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from stem.contracts.broker import Renewal
from stem.contracts.engine import Engine
from stem.contracts.workflows import RunFilter
from stem.core.duration import words
from stem.core.outcome import Returned, Stopped
from stem.core.run import (
    Block,
    Call,
    CancelRequest,
    Change,
    Parent,
    Quarantine,
    Say,
    Spawn,
    Step,
    Stop,
    Suspend,
    Tell,
    Wait,
    box_topic,
    event_topic,
    line_name,
)
from stem.core.settle import Complete, Terms, settle
from stem.testing.contracts import (
    DAY_MS,
    NEVER_MS,
    SOON_MS,
    Contract,
    EngineFactory,
    shift,
    submission,
    take_one,
)
from stem.testing.contracts.runs import (
    FLOW,
    LINE,
    Hand,
    begun,
    checkpoint,
    event,
    message,
    new_run,
    row_of,
    sleeping,
    started,
    state_of_run,
    steps_of_run,
    swept,
    take_run,
    take_runs,
    waiting,
)

ASKED = CancelRequest("asked", "somebody")


class WorkflowsContract(Contract):
    """One run after another."""

    # ------------------------------------------------------------ starting and claiming

    async def test_a_start_is_answered_new_and_again_exists(self, engine: Engine) -> None:
        """Checklist: 109."""
        assert await started(engine, new_run(), new_run("other")) == ["new", "new"]
        assert await started(engine, new_run(params=b'{"n":2}')) == ["exists"]
        (answer,) = await engine.workflows.start([new_run("run", "another")])
        assert (answer.status, answer.state, answer.workflow) == ("exists", "queued", FLOW)
        assert (await row_of(engine)).params == b'{"n":1}'
        assert len(await take_runs(engine)) == 2

    async def test_a_run_that_has_ended_can_be_started_anew_and_only_when_asked(self, engine: Engine) -> None:
        """Checklist: 109."""
        hand = Hand(engine, await begun(engine))
        assert await started(engine, new_run(if_exists="restart")) == ["exists"]
        await hand.step("a")
        await hand.end()
        assert await started(engine, new_run()) == ["exists"]
        assert await started(engine, new_run(params=b'{"n":2}', if_exists="restart")) == ["restarted"]
        claimed = await take_run(engine)
        assert (claimed.params, claimed.steps, claimed.generation) == (b'{"n":2}', (), 1)
        assert await engine.workflows.ended("run", 0) is None

    async def test_a_claim_hands_out_all_that_a_worker_needs(self, engine: Engine) -> None:
        """Checklist: 110."""
        hand = Hand(engine, await begun(engine, lease_ms=12_345, parent=Parent("p", "s", "wait")))
        await hand.commit(steps=(checkpoint("b", 1, b'"y"'), checkpoint("a", 0, b'"x"')), notes=b'{"doing":"c"}')
        await hand.wait(waiting("w", "topic", timeout_ms=60_000, pos=2), sleeping("s", 5_000, pos=3))
        shift(5_000, engine)
        claimed = await take_run(engine, worker="other")
        assert (claimed.id, claimed.workflow, claimed.version) == ("run", FLOW, 1)
        assert (claimed.lease_ms, claimed.params, claimed.notes) == (12_345, b'{"n":1}', b'{"doing":"c"}')
        assert claimed.parent == Parent("p", "s", "wait")
        assert [(one.key, one.pos, one.value) for one in claimed.steps] == [
            ("a", 0, b'"x"'),
            ("b", 1, b'"y"'),
            ("s", 3, b"null"),
        ]
        (wait,) = claimed.waits
        assert (wait.key, wait.topic, wait.on_time) == ("w", event_topic("topic", ""), "timeout")
        assert wait.deadline is not None
        assert 50_000 < wait.deadline - claimed.now <= 60_000

    async def test_a_lease_is_exclusive_and_every_claim_has_a_higher_fence(self, engine: Engine, other: Engine) -> None:
        """Checklist: 110, 128."""
        first = await begun(engine, lease_ms=60_000)
        assert await take_runs(other) == []
        shift(60_001, engine, other)
        second = await take_run(other)
        assert second.fence > first.fence
        assert (second.takeovers, second.last_worker) == (1, "w")

    async def test_only_lines_that_were_asked_for_are_handed_out(self, engine: Engine) -> None:
        """Checklist: 110."""
        await started(engine, new_run("a"), new_run("b", version=2), new_run("c", workflow="other"))
        assert [one.id for one in await take_runs(engine, line_name(FLOW, 2))] == ["b"]
        assert [one.id for one in await take_runs(engine, LINE, line_name("other", 1))] in (["a", "c"], ["c", "a"])

    async def test_a_claim_is_never_larger_than_asked_for(self, engine: Engine) -> None:
        """Checklist: 110."""
        await started(engine, *(new_run(f"r{n}") for n in range(5)), *(new_run(f"o{n}", "other") for n in range(5)))
        lines = (LINE, line_name("other", 1))
        sizes = [len(await take_runs(engine, *lines, limit=3)) for _ in range(5)]
        assert max(sizes) <= 3
        assert sum(sizes) == 10

    @pytest.mark.parametrize("busy", [0, 1, 2])
    async def test_a_claim_is_full_whichever_workflow_the_runs_are_of(self, engine: Engine, busy: int) -> None:
        """Checklist: 110."""
        flows = ("a", "b", "c")
        await started(engine, *(new_run(f"run-{n}", flows[busy]) for n in range(20)))
        assert len(await take_runs(engine, *(line_name(flow, 1) for flow in flows), limit=10)) == 10

    async def test_a_run_can_be_started_for_later(self, engine: Engine) -> None:
        """Checklist: 118."""
        now = await engine.now_ms()
        await started(engine, new_run("delayed", delay_ms=60_000), new_run("at", at=now + 120_000))
        claimed = await engine.workflows.claim([LINE], 10, "w")
        assert claimed.runs == ()
        assert claimed.next_due_ms is not None
        assert 50_000 < claimed.next_due_ms <= 60_000
        shift(60_000, engine)
        assert [one.id for one in await take_runs(engine)] == ["delayed"]
        shift(60_000 + SOON_MS, engine)
        assert "at" in [one.id for one in await take_runs(engine)]

    async def test_a_worker_that_knows_nothing_gets_nothing(self, engine: Engine) -> None:
        await started(engine, new_run())
        assert (await engine.workflows.claim([], 10, "w")).runs == ()

    # ------------------------------------------------------------ holding

    async def test_a_renewal_holds_and_a_lost_lease_says_so(self, engine: Engine, other: Engine) -> None:
        """Checklist: 110."""
        claimed = await begun(engine, lease_ms=60_000)
        shift(50_000, engine, other)
        assert [one.status for one in await engine.workflows.renew([Renewal(claimed.receipt)])] == ["held"]
        shift(50_000, engine, other)
        assert await take_runs(other) == []
        shift(20_000, engine, other)
        await take_run(other)
        assert [one.status for one in await engine.workflows.renew([Renewal(claimed.receipt)])] == ["lost"]

    async def test_the_renewal_line_holds_runs_too(self, engine: Engine) -> None:
        """Checklist: 110."""
        claimed = await begun(engine, lease_ms=60_000)
        line = engine.renewals()
        try:
            shift(50_000, engine)
            answers = await asyncio.to_thread(line.renew_runs, [Renewal(claimed.receipt, 90_000)])
        finally:
            await asyncio.to_thread(line.close)
        assert [one.status for one in answers] == ["held"]
        shift(80_000, engine)
        assert await take_runs(engine) == []

    async def test_a_checkpoint_holds_as_a_renewal_does(self, engine: Engine) -> None:
        """Checklist: 110."""
        hand = Hand(engine, await begun(engine, lease_ms=60_000))
        shift(50_000, engine)
        await hand.step("a")
        shift(50_000, engine)
        assert await take_runs(engine) == []

    async def test_a_run_given_back_is_handed_out_at_once_and_is_not_counted(self, engine: Engine) -> None:
        """Checklist: 110."""
        claimed = await begun(engine)
        assert await engine.workflows.release([claimed.receipt]) == [True]
        assert await engine.workflows.release([claimed.receipt]) == [False]
        again = await take_run(engine)
        assert await engine.workflows.release([again.receipt], again_in_ms=1_000) == [True]
        assert (await engine.workflows.claim([LINE], 1, "w")).runs == ()
        shift(1_000, engine)
        again = await take_run(engine)
        assert (again.takeovers, again.fence > claimed.fence) == (0, True)

    # ------------------------------------------------------------ committing

    async def test_a_change_under_an_old_fence_is_refused_and_changes_nothing(
        self, engine: Engine, other: Engine
    ) -> None:
        """Checklist: 111."""
        old = Hand(engine, await begun(engine, lease_ms=1_000))
        shift(1_001, engine, other)
        new = Hand(other, await take_run(other))
        effects = (Call("", submission("job")), Say(event("topic")), Spawn("", new_run("child")))
        said = await old.commit(steps=(checkpoint("a", value=b'"old"'),), effects=effects, then=Suspend(5))
        assert (said.status, said.ended) == ("lost", False)
        assert await steps_of_run(engine) == {}
        assert await state_of_run(engine, "child") == "unknown"
        assert await engine.jobs.get("job") is None
        assert await engine.workflows.events() == []
        assert (await new.step("a", value=b'"new"')).status == "done"
        assert (await old.end()).status == "lost"
        assert await steps_of_run(engine) == {"a": b'"new"'}
        assert await state_of_run(engine) == "running"

    async def test_a_step_alone_is_fenced_and_numbered_too(self, engine: Engine, other: Engine) -> None:
        """Checklist: 111, 112. Most changes are one checkpoint and nothing else; engines may have a short way for them."""
        old = Hand(engine, await begun(engine, lease_ms=1_000))
        assert (await old.step("a")).status == "done"
        shift(1_001, engine, other)
        new = Hand(other, await take_run(other))
        assert (await old.step("b")).status == "lost"
        assert (await new.step("c", 1)).status == "done"
        new.number -= 1
        assert (await new.step("d", 2)).status == "repeated"
        assert (await new.step("a", value=b'"other"')).status == "done"
        assert await steps_of_run(engine) == {"a": b"1", "c": b"1"}

    async def test_a_fence_is_worth_nothing_once_the_run_has_left(self, engine: Engine) -> None:
        """Checklist: 111."""
        hand = Hand(engine, await begun(engine))
        assert (await hand.wait(sleeping("s", 60_000))).ended
        assert (await hand.step("a")).status == "lost"
        assert await engine.workflows.release([hand.claimed.receipt]) == [False]
        assert [one.status for one in await engine.workflows.renew([Renewal(hand.claimed.receipt)])] == ["lost"]

    async def test_a_change_that_comes_twice_is_recognised(self, engine: Engine) -> None:
        """Checklist: 112. The first answer was lost; what was stored the first time stands."""
        hand = Hand(engine, await begun(engine))
        change = Change(number=1, steps=(checkpoint("a"),), effects=(Call("", submission("job")),))
        receipt = hand.claimed.receipt
        said = [await engine.workflows.commit(receipt, change) for _ in range(2)]
        assert [one.status for one in said] == ["done", "repeated"]
        last = Change(number=2, then=Suspend(60_000))
        said = [await engine.workflows.commit(receipt, last) for _ in range(2)]
        assert [(one.status, one.ended) for one in said] == [("done", True), ("repeated", True)]

    async def test_a_checkpoint_never_changes(self, engine: Engine) -> None:
        """Checklist: 112."""
        hand = Hand(engine, await begun(engine))
        await hand.step("a", value=b'"first"')
        await hand.step("a", value=b'"second"')
        assert await steps_of_run(engine) == {"a": b'"first"'}

    async def test_a_rerun_puts_the_old_checkpoint_aside(self, engine: Engine) -> None:
        """Checklist: 112."""
        hand = Hand(engine, await begun(engine))
        await hand.step("a", value=b'"first"')
        await hand.commit(steps=(checkpoint("a", value=b'"second"'),), rerun=True)
        detail = await engine.workflows.get("run")
        assert detail is not None
        assert [step.value for step in detail.steps] == [b'"second"']
        assert [(old.generation, old.step.value) for old in detail.branches] == [(0, b'"first"')]

    async def test_any_text_comes_back_as_it_was(self, engine: Engine) -> None:
        """Checklist: 8."""
        value = '["", "\\u0000", "\U0001f331", 9007199254740993, [], {}]'.encode()
        hand = Hand(engine, await begun(engine, params=value))
        await hand.commit(steps=(checkpoint("a/b#1[\U0001f331|{x}%0A]", value=value),), notes=b'{"tries":{}}', waits=())
        await hand.end(result=value)
        detail = await engine.workflows.get("run")
        assert detail is not None
        assert (detail.row.params, detail.row.result, detail.steps[0].value) == (value, value, value)
        assert detail.steps[0].key == "a/b#1[\U0001f331|{x}%0A]"

    async def test_a_checkpoint_keeps_all_that_was_said_of_it(self, engine: Engine) -> None:
        """Checklist: 112."""
        hand = Hand(engine, await begun(engine))
        before = await engine.now_ms()
        step = Step(
            key="a", pos=7, outcome="failed", value=b'{"type":"E","message":"m"}', meta=b"{}", started_at=3, attempts=4
        )
        await hand.commit(steps=(step,))
        detail = await engine.workflows.get("run")
        assert detail is not None
        (stored,) = detail.steps
        assert stored == msgspec.structs.replace(step, finished_at=stored.finished_at)
        assert before <= stored.finished_at <= before + SOON_MS

    async def test_effects_happen_with_their_checkpoint(self, engine: Engine) -> None:
        """Checklist: 119."""
        await started(engine, new_run("listener", "other"))
        listener = Hand(engine, await take_run(engine, line_name("other", 1)))
        await listener.wait(Wait(key="m", pos=0, topic=box_topic("box")))
        hand = Hand(engine, await begun(engine))
        said = await hand.commit(
            steps=(checkpoint("a"),),
            effects=(
                Call("", submission("job")),
                Say(event("topic")),
                Spawn("", new_run("child")),
                Tell(message("listener", id="m1")),
            ),
        )
        assert said.status == "done"
        assert (await take_one(engine)).id == "job"
        assert [one.id for one in await take_runs(engine)] == ["child"]
        assert await steps_of_run(engine, "listener") == {"m": b'"hello"'}
        assert not (await engine.workflows.emit(event("topic"))).new

    # ------------------------------------------------------------ sleeping

    async def test_a_sleep_ends_in_time_and_not_before(self, engine: Engine) -> None:
        """Checklist: 118."""
        hand = Hand(engine, await begun(engine))
        said = await hand.wait(sleeping("s", 60_000))
        assert (said.status, said.ended) == ("done", True)
        assert await state_of_run(engine) == "suspended"
        shift(60_000 - SOON_MS, engine)
        assert await take_runs(engine) == []
        assert await steps_of_run(engine) == {}
        shift(SOON_MS, engine)
        claimed = await take_run(engine)
        assert [(one.key, one.outcome, one.value) for one in claimed.steps] == [("s", "done", b"null")]
        assert claimed.waits == ()

    async def test_two_sleeps_are_two_checkpoints(self, engine: Engine) -> None:
        """Checklist: 118."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(sleeping("s#0", 1_000))
        shift(1_000, engine)
        hand = Hand(engine, await take_run(engine))
        assert (await hand.wait(sleeping("s#1", 1_000, pos=1))).ended
        assert await take_runs(engine) == []
        shift(1_000, engine)
        assert [one.key for one in (await take_run(engine)).steps] == ["s#0", "s#1"]

    async def test_the_same_wait_again_keeps_its_deadline(self, engine: Engine) -> None:
        """Checklist: 118."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(waits=(sleeping("s", 60_000),))
        shift(50_000, engine)
        await hand.wait(sleeping("s", 60_000))
        shift(10_000, engine)
        assert [one.key for one in (await take_run(engine)).steps] == ["s"]

    async def test_a_back_off_is_a_suspension_without_a_wait(self, engine: Engine) -> None:
        """Checklist: 118."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(notes=b'{"doing":"x"}', then=Suspend(60_000))
        assert await take_runs(engine) == []
        shift(60_000, engine)
        claimed = await take_run(engine)
        assert (claimed.steps, claimed.notes) == ((), b'{"doing":"x"}')

    async def test_the_first_of_several_timers_wakes(self, engine: Engine) -> None:
        """Checklist: 118."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(sleeping("long", 60_000), sleeping("short", 1_000, pos=1), after_ms=30_000)
        shift(1_000, engine)
        hand = Hand(engine, await take_run(engine))
        assert [one.key for one in hand.claimed.steps] == ["short"]
        assert [one.key for one in hand.claimed.waits] == ["long"]
        assert (await hand.commit(pending=("long",), then=Suspend())).ended
        shift(59_000, engine)
        assert {one.key for one in (await take_run(engine)).steps} == {"short", "long"}

    async def test_a_deadline_that_passes_while_the_run_works_is_answered(self, engine: Engine) -> None:
        """Checklist: 118."""
        hand = Hand(engine, await begun(engine, lease_ms=DAY_MS))
        await hand.commit(waits=(sleeping("s", 1_000),))
        shift(1_000, engine)
        said = await hand.commit(pending=("s",), then=Suspend())
        assert (said.ended, [one.key for one in said.answers]) == (False, ["s"])

    # ------------------------------------------------------------ events

    async def test_an_event_wakes_every_run_that_waits(self, engine: Engine) -> None:
        """Checklist: 114."""
        for name in ("a", "b"):
            hand = Hand(engine, await begun(engine, name))
            await hand.wait(waiting("w", "topic"))
        emitted = await engine.workflows.emit(event("topic", b'"now"'))
        assert (emitted.new, emitted.woken, emitted.more) == (True, 2, False)
        claimed = await take_runs(engine)
        assert {one.id: (one.steps[0].outcome, one.steps[0].value) for one in claimed} == {
            "a": ("done", b'"now"'),
            "b": ("done", b'"now"'),
        }

    async def test_an_event_before_the_wait_is_not_lost(self, engine: Engine) -> None:
        """Checklist: 113."""
        await engine.workflows.emit(event("topic", b'"before"'))
        hand = Hand(engine, await begun(engine))
        said = await hand.wait(waiting("w", "topic"))
        assert (said.ended, [one.value for one in said.answers]) == (False, [b'"before"'])
        assert await steps_of_run(engine) == {"w": b'"before"'}
        assert await state_of_run(engine) == "running"

    async def test_an_event_between_registering_and_suspending_is_not_lost(self, engine: Engine) -> None:
        """Checklist: 114."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(waits=(waiting("w", "topic"),))
        await engine.workflows.emit(event("topic"))
        said = await hand.commit(pending=("w",), then=Suspend())
        assert (said.ended, [one.key for one in said.answers]) == (False, ["w"])

    async def test_the_first_event_wins_and_stays_for_its_time(self, engine: Engine) -> None:
        """Checklist: 115."""
        assert (await engine.workflows.emit(event("topic", b'"first"', ttl_ms=60_000))).new
        again = await engine.workflows.emit(event("topic", b'"second"', ttl_ms=60_000))
        assert (again.new, again.woken) == (False, 0)
        hand = Hand(engine, await begun(engine))
        assert (await hand.wait(waiting("w", "topic"))).answers[0].value == b'"first"'
        shift(60_000, engine)
        assert (await engine.workflows.emit(event("topic", b'"third"'))).new

    async def test_an_event_whose_time_is_over_is_not_seen(self, engine: Engine) -> None:
        """Checklist: 115."""
        await engine.workflows.emit(event("topic", ttl_ms=1_000))
        shift(1_000, engine)
        hand = Hand(engine, await begun(engine))
        assert (await hand.wait(waiting("w", "topic"))).ended
        await engine.workflows.sweep()
        assert await engine.workflows.events() == []

    async def test_events_of_other_keys_and_names_wake_nobody(self, engine: Engine) -> None:
        """Checklist: 114."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(waiting("w", "topic", of="42"))
        for other in (event("topic"), event("topic", of="4"), event("topic4", of="2"), event("to", of="pic42")):
            assert (await engine.workflows.emit(other)).woken == 0
        assert await take_runs(engine) == []

    async def test_the_same_payload_in_every_replay(self, engine: Engine) -> None:
        """Checklist: 116."""
        hand = Hand(engine, await begun(engine, lease_ms=1_000))
        await hand.wait(waiting("w", "topic"))
        await engine.workflows.emit(event("topic", b'"x"', ttl_ms=1))
        for _ in range(3):
            claimed = await take_run(engine)
            assert claimed.steps[0].value == b'"x"'
            shift(1_001, engine)
        assert (await engine.workflows.emit(event("topic", b'"y"'))).new
        assert await steps_of_run(engine) == {"w": b'"x"'}

    async def test_a_timeout_is_an_outcome_of_its_own(self, engine: Engine) -> None:
        """Checklist: 117."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(waiting("w", "topic", timeout_ms=60_000))
        shift(60_000, engine)
        claimed = await take_run(engine)
        assert [(one.key, one.outcome, one.value) for one in claimed.steps] == [("w", "timeout", b"null")]
        assert (await engine.workflows.emit(event("topic"))).woken == 0
        assert (await steps_of_run(engine))["w"] == b"null"

    async def test_an_event_that_comes_first_wins_over_the_timeout(self, engine: Engine) -> None:
        """Checklist: 117."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(waiting("w", "topic", timeout_ms=60_000))
        await engine.workflows.emit(event("topic"))
        shift(60_000, engine)
        assert [(one.outcome, one.value) for one in (await take_run(engine)).steps] == [("done", b'"sent"')]

    @pytest.mark.parametrize("early", [0, 3, 6])
    async def test_a_timeout_and_an_event_at_once_give_one_of_them(
        self, engine: Engine, other: Engine, early: int
    ) -> None:
        """Checklist: 117. Whichever is stored first stays, in whatever order both arrive."""
        runs = [f"r{n}" for n in range(12)]
        for name in runs:
            hand = Hand(engine, await begun(engine, name))
            await hand.wait(waiting("w", "topic", of=name, timeout_ms=60_000))
        shift(60_000, engine, other)
        emits = [other.workflows.emit(event("topic", of=name)) for name in runs]
        claims = [engine.workflows.claim([LINE], 4, f"w{n}") for n in range(3)]
        race: list[Any] = [*emits[:early], *claims, *emits[early:]]
        said = await asyncio.gather(*race)
        woken = sum(one.woken for one in said if hasattr(one, "woken"))
        outcomes = []
        for name in runs:
            detail = await engine.workflows.get(name)
            assert detail is not None
            outcomes += [step.outcome for step in detail.steps]
        assert outcomes.count("done") == woken
        assert len(outcomes) == len(runs)

    async def test_many_who_wait_are_woken_in_slices_and_none_is_lost(self, engine: Engine, other: Engine) -> None:
        """Checklist: 127. The one who emits is gone after its first step; any claim goes on."""
        names = [f"r{n:04}" for n in range(1_203)]
        for start in range(0, len(names), 200):
            await started(engine, *(new_run(name) for name in names[start : start + 200]))
        while claimed := await take_runs(engine, limit=200):
            await asyncio.gather(*(Hand(engine, one).wait(waiting("w", "topic")) for one in claimed))
        emitted = await engine.workflows.emit(event("topic", ttl_ms=1))
        assert (emitted.woken, emitted.more) == (500, True)
        shift(2, engine, other)
        seen: set[str] = set()
        while True:
            answer = await other.workflows.claim([LINE], 500, "w")
            seen |= {one.id for one in answer.runs}
            if not answer.runs and answer.next_due_ms != 0:
                break
        assert seen == set(names)
        assert await other.workflows.waiters(event_topic("topic", "")) == []

    async def test_a_sweep_wakes_the_rest_too(self, engine: Engine) -> None:
        """Checklist: 127."""
        await started(engine, *(new_run(f"r{n}") for n in range(501)))
        while claimed := await take_runs(engine, limit=300):
            await asyncio.gather(*(Hand(engine, one).wait(waiting("w", "topic")) for one in claimed))
        assert (await engine.workflows.emit(event("topic"))).more
        assert await engine.workflows.sweep() >= 1
        assert await engine.workflows.waiters(event_topic("topic", "")) == []

    # ------------------------------------------------------------ messages

    async def test_a_message_is_read_once_in_the_order_of_arrival(self, engine: Engine) -> None:
        """Checklist: 113."""
        hand = Hand(engine, await begun(engine))
        for n in (1, 2):
            assert await engine.workflows.send(message(payload=str(n).encode())) == "new"
        for n in (1, 2):
            said = await hand.wait(Wait(key=f"m#{n}", pos=n, topic=box_topic("box")))
            assert [one.value for one in said.answers] == [str(n).encode()]
        assert (await hand.wait(Wait(key="m#3", pos=3, topic=box_topic("box")))).ended

    async def test_a_message_wakes_the_run_that_waits_for_it(self, engine: Engine) -> None:
        """Checklist: 114."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(Wait(key="m", pos=0, topic=box_topic("box")))
        assert await engine.workflows.send(message(box="other")) == "new"
        assert await take_runs(engine) == []
        assert await engine.workflows.send(message(payload=b'"x"', id="1")) == "new"
        assert await engine.workflows.send(message(payload=b'"y"', id="1")) == "duplicate"
        assert (await take_run(engine)).steps[0].value == b'"x"'
        detail = await engine.workflows.get("run")
        assert detail is not None
        assert [(one.topic, one.read_by) for one in detail.messages] == [("m:other", ""), ("m:box", "m")]

    async def test_two_who_wait_read_one_message_each_the_longest_first(self, engine: Engine) -> None:
        """Checklist: 114."""
        hand = Hand(engine, await begun(engine))
        waits = [Wait(key=f"m#{n}", pos=n, topic=box_topic("box")) for n in range(2)]
        await hand.wait(*waits)
        for n in (1, 2):
            await engine.workflows.send(message(payload=str(n).encode()))
        assert await steps_of_run(engine) == {"m#0": b"1", "m#1": b"2"}

    async def test_nobody_reads_a_message_to_a_run_that_is_over_or_unknown(self, engine: Engine) -> None:
        """Checklist: 120."""
        assert await engine.workflows.send(message("nobody")) == "unknown"
        hand = Hand(engine, await begun(engine))
        await hand.end()
        assert await engine.workflows.send(message()) == "ended"

    async def test_a_message_sent_again_after_the_end_is_a_duplicate(self, engine: Engine) -> None:
        """Checklist: 120."""
        start = new_run(if_exists="restart")
        hand = Hand(engine, await begun(engine))
        assert await engine.workflows.send(message(payload=b"1", id="read")) == "new"
        await hand.wait(Wait(key="m", pos=0, topic=box_topic("box")))
        assert await engine.workflows.send(message(payload=b"2", id="unread")) == "new"
        await hand.end()
        for name in ("read", "unread"):
            assert await engine.workflows.send(message(id=name)) == "duplicate"
            assert await engine.workflows.send(message(id=name), start) == "duplicate"
        assert await engine.workflows.send(message(id="another")) == "ended"
        assert await engine.workflows.send(message()) == "ended"

    async def test_a_message_can_start_its_run(self, engine: Engine) -> None:
        """Checklist: 109."""
        start = new_run(if_exists="restart")
        assert await engine.workflows.send(message(payload=b"1", id="1"), start) == "new"
        assert await engine.workflows.send(message(payload=b"2", id="2"), start) == "new"
        hand = Hand(engine, await take_run(engine))
        assert (await hand.wait(Wait(key="m", pos=0, topic=box_topic("box")))).answers[0].value == b"1"
        await hand.end()
        assert await engine.workflows.send(message(payload=b"3", id="3"), start) == "new"
        hand = Hand(engine, await take_run(engine))
        assert (await hand.wait(Wait(key="m", pos=0, topic=box_topic("box")))).answers[0].value == b"3"

    # ------------------------------------------------------------ jobs and children

    async def test_the_end_of_a_job_is_the_answer_to_its_call(self, engine: Engine) -> None:
        """Checklist: 124."""
        hand = Hand(engine, await begun(engine))
        said = await hand.commit(
            waits=(Wait(key="call", pos=0, source="job"),),
            effects=(Call("call", submission("job")),),
            pending=("call",),
            then=Suspend(),
        )
        assert said.ended
        delivery = await take_one(engine)
        terms = Terms(
            receipt=delivery.receipt, task="t", queue="q", effects=(Complete("run", "call", "job", "failed", b""),)
        )
        (answer,) = await engine.broker.settle([settle(terms, Returned(b"42"), now_ms=1, jitter=0)])
        assert answer == "done"
        claimed = await take_run(engine)
        assert [(one.key, one.outcome, one.value) for one in claimed.steps] == [("call", "done", b"42")]

    async def test_a_cancelled_job_answers_too(self, engine: Engine) -> None:
        """Checklist: 124."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(
            waits=(Wait(key="call", pos=0, source="job"),), effects=(Call("call", submission("job")),), then=Suspend()
        )
        receipt = (await take_one(engine)).receipt
        terms = Terms(receipt=receipt, queue="q", effects=(Complete("run", "call", "job", "failed", b""),))
        await engine.broker.settle([settle(terms, Stopped("asked"), now_ms=1, jitter=0)])
        (step,) = (await take_run(engine)).steps
        assert (step.outcome, msgspec.json.decode(step.value)) == ("cancelled", {"id": "job", "reason": "asked"})

    async def test_an_answer_nobody_waits_for_changes_nothing(self, engine: Engine) -> None:
        """Checklist: 124."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(sleeping("s", 60_000))
        assert not await engine.workflows.complete("run", "call", checkpoint("call"))
        assert not await engine.workflows.complete("nobody", "call", checkpoint("call"))
        assert await engine.workflows.complete("run", "s", checkpoint("s", value=b'"early"'))
        assert await steps_of_run(engine) == {"s": b'"early"'}

    @pytest.mark.parametrize("way", ["succeeded", "failed", "cancelled"])
    async def test_the_end_of_a_child_is_told_once(self, engine: Engine, way: Any) -> None:
        """Checklist: 124."""
        hand = Hand(engine, await begun(engine))
        child = new_run("child", "small", parent=Parent("run", "child"))
        await hand.commit(
            waits=(Wait(key="child", pos=0, source="child"),),
            effects=(Spawn("child", child),),
            pending=("child",),
            then=Suspend(),
        )
        small = Hand(engine, await take_run(engine, line_name("small", 1)))
        error = b'{"type":"E","message":"m"}' if way == "failed" else b""
        await small.end(way, b'"fine"', error=error, reason="asked" if way == "cancelled" else "")
        (step,) = (await take_run(engine)).steps
        told = {
            "succeeded": ("done", "fine"),
            "failed": ("failed", {"id": "child", "error": {"type": "E", "message": "m"}}),
            "cancelled": ("cancelled", {"id": "child", "reason": "asked"}),
        }
        assert (step.outcome, msgspec.json.decode(step.value)) == told[way]
        (row,), _ = await engine.workflows.page(RunFilter(parent="run"))
        assert (row.state, row.params, row.notes, row.result, row.error) == (way, b"", b"", b"", b"")

    async def test_only_the_job_that_is_waited_for_answers(self, engine: Engine) -> None:
        """Checklist: 124."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(Wait(key="call", pos=0, source="job"))
        assert not await engine.workflows.complete("run", "call", checkpoint("call"))
        assert not await engine.workflows.complete("run", "call", checkpoint("call"), source="other")
        assert await steps_of_run(engine) == {}
        assert await engine.workflows.complete("run", "call", checkpoint("call", value=b"2"), source="job")
        assert await steps_of_run(engine) == {"call": b"2"}

    @pytest.mark.parametrize("how", ["rewind", "restart"])
    async def test_jobs_of_an_earlier_life_are_no_answer(self, engine: Engine, how: Any) -> None:
        """Checklist: 124."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(
            waits=(Wait(key="call", pos=0, source="job-0"),),
            effects=(Call("call", submission("job-0")),),
            then=Suspend(),
        )
        hand = await _next_life(engine, how, "call")
        await hand.wait(Wait(key="call", pos=0, source="job-1"))
        receipt = (await take_one(engine)).receipt
        terms = Terms(receipt=receipt, queue="q", effects=(Complete("run", "call", "job-0", "failed", b""),))
        assert await engine.broker.settle([settle(terms, Returned(b"0"), now_ms=1, jitter=0)]) == ["done"]
        assert await steps_of_run(engine) == {}

    @pytest.mark.parametrize("how", ["rewind", "restart"])
    @pytest.mark.parametrize("way", ["succeeded", "failed", "cancelled"])
    async def test_children_of_an_earlier_life_are_no_answer(self, engine: Engine, how: Any, way: Any) -> None:
        """Checklist: 124."""
        hand = Hand(engine, await begun(engine))
        old, new = (new_run(f"child-{n}", "small", parent=Parent("run", "child", "abandon")) for n in range(2))
        await hand.commit(
            waits=(Wait(key="child", pos=0, source="child-0"),), effects=(Spawn("child", old),), then=Suspend()
        )
        small = Hand(engine, await take_run(engine, line_name("small", 1)))
        hand = await _next_life(engine, how, "child")
        await hand.commit(
            waits=(Wait(key="child", pos=0, source="child-1"),), effects=(Spawn("child", new),), then=Suspend()
        )
        await small.end(way, b'"old"')
        assert await steps_of_run(engine) == {}
        await Hand(engine, await take_run(engine, line_name("small", 1))).end("succeeded", b'"new"')
        assert await steps_of_run(engine) == {"child": b'"new"'}

    async def test_a_child_of_the_same_id_is_begun_anew_after_a_rewind(self, engine: Engine) -> None:
        """Checklist: 109."""
        hand = Hand(engine, await begun(engine))
        child = new_run("child", "small", parent=Parent("run", "child"))
        wait = Wait(key="child", pos=0, source="child")
        await hand.commit(waits=(wait,), effects=(Spawn("child", child),), then=Suspend())
        await Hand(engine, await take_run(engine, line_name("small", 1))).end(
            "failed", error=b'{"type":"E","message":"m"}'
        )
        hand = await _next_life(engine, "rewind", "child")
        said = await hand.commit(waits=(wait,), effects=(Spawn("child", child),), pending=("child",), then=Suspend())
        assert (said.ended, said.refused) == (True, ())
        again = await take_run(engine, line_name("small", 1))
        assert again.generation == 1
        await Hand(engine, again).end("succeeded", b'"new"')
        assert await steps_of_run(engine) == {"child": b'"new"'}

    async def test_a_child_that_is_being_cancelled_has_to_end_before_it_begins_anew(self, engine: Engine) -> None:
        """Checklist: 109."""
        hand = Hand(engine, await begun(engine))
        child = new_run("child", "small", parent=Parent("run", "child"), cleans_up=True)
        begin: dict[str, Any] = {
            "waits": (Wait(key="child", pos=0, source="child"),),
            "effects": (Spawn("child", child),),
            "pending": ("child",),
            "then": Suspend(),
        }
        await hand.commit(**begin)
        small = Hand(engine, await take_run(engine, line_name("small", 1)))
        hand = await _next_life(engine, "rewind", "child")
        await swept(engine)
        said = await hand.commit(**begin)
        assert [(one.step, one.why, one.holder) for one in said.refused] == [("child", "ending", "child")]
        assert (said.ended, said.answers) == (False, ())
        detail = await engine.workflows.get("run")
        assert detail is not None
        assert detail.waits == ()
        await small.end("cancelled", reason="as asked")
        assert (await hand.commit(**begin)).ended
        assert (await take_run(engine, line_name("small", 1))).generation == 1

    async def test_a_child_whose_id_is_anothers_is_refused(self, engine: Engine) -> None:
        """Checklist: 109."""
        await started(engine, new_run("taken", "small"))
        hand = Hand(engine, await begun(engine))
        mine = new_run("mine", "small", parent=Parent("run", "b"))
        taken = new_run("taken", "small", parent=Parent("run", "a"))
        waits = (Wait(key="a", pos=0, source="taken"), Wait(key="b", pos=1, source="mine"))
        effects = (Spawn("a", taken), Spawn("b", mine))
        said = await hand.commit(waits=waits, effects=effects, pending=("a", "b"), then=Suspend())
        assert [(one.step, one.why, one.holder) for one in said.refused] == [("a", "exists", "taken")]
        assert [(one.key, one.outcome) for one in said.answers] == [("a", "failed")]
        assert msgspec.json.decode(said.answers[0].value) == {"id": "taken", "refused": "exists"}
        assert not said.ended
        assert (await hand.commit(effects=(Spawn("b", mine),))).refused == ()

    @pytest.mark.parametrize("terminate", [False, True])
    @pytest.mark.parametrize("policy", ["cancel", "abandon", "wait"])
    async def test_children_end_with_their_parent_as_their_policy_says(
        self,
        engine: Engine,
        policy: Any,
        terminate: bool,  # noqa: FBT001 - a parameter of the test
    ) -> None:
        """Checklist: 120."""
        hand = Hand(engine, await begun(engine))
        child = new_run("child", "small", parent=Parent("run", "child", policy))
        await hand.commit(
            waits=(Wait(key="child", pos=0, source="child"),), effects=(Spawn("child", child),), then=Suspend()
        )
        waits = policy == "wait" and not terminate  # a worker has to end the child first
        said = await engine.workflows.cancel("run", ASKED, terminate=terminate)
        assert said == ("requested" if waits else "cancelled")
        await swept(engine)
        goes_on = waits or policy == "abandon"
        assert await state_of_run(engine, "child") == ("queued" if goes_on else "cancelled")

    async def test_children_of_a_run_that_succeeds_go_on(self, engine: Engine) -> None:
        """Checklist: 120."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(effects=(Spawn("child", new_run("child", "small", parent=Parent("run", "child"))),))
        await hand.end()
        assert await engine.workflows.sweep() == 0
        assert await state_of_run(engine, "child") == "queued"

    async def test_grandchildren_end_too(self, engine: Engine) -> None:
        """Checklist: 120."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(
            effects=(Spawn("c", new_run("child", "small", parent=Parent("run", "c"))),), then=Suspend(DAY_MS)
        )
        small = Hand(engine, await take_run(engine, line_name("small", 1)))
        deep = new_run("grandchild", "deep", parent=Parent("child", "g"))
        await small.commit(effects=(Spawn("g", deep),), then=Suspend(DAY_MS))
        await engine.workflows.cancel("run", ASKED, terminate=True)
        await swept(engine)
        assert [await state_of_run(engine, name) for name in ("run", "child", "grandchild")] == ["cancelled"] * 3

    # ------------------------------------------------------------ ends

    async def test_an_end_is_kept_and_told_to_who_waits(self, engine: Engine, other: Engine) -> None:
        """Checklist: 121."""
        hand = Hand(engine, await begun(engine))
        waiting_ = asyncio.create_task(other.workflows.ended("run", 60_000))
        await asyncio.sleep(0.01)
        await hand.end(result=b'"fine"')
        async with asyncio.timeout(SOON_MS / 1000):
            row = await waiting_
        assert row is not None
        assert (row.state, row.result, row.owner) == ("succeeded", b'"fine"', "")
        assert await take_runs(engine) == []

    async def test_waiting_for_an_end_stops_at_the_time_out_and_for_the_unknown(self, engine: Engine) -> None:
        await started(engine, new_run())
        assert await engine.workflows.ended("run", 20) is None
        assert await engine.workflows.ended("nobody", None) is None

    async def test_every_change_is_told_to_who_watches(self, engine: Engine, other: Engine) -> None:
        hand = Hand(engine, await begun(engine))
        version = await other.workflows.changed("run", -1, 0)
        assert await other.workflows.changed("run", version, 20) == version
        watching = asyncio.create_task(other.workflows.changed("run", version, 60_000))
        await asyncio.sleep(0.01)
        await hand.step("a")
        async with asyncio.timeout(SOON_MS / 1000):
            assert await watching > version
        assert await other.workflows.changed("nobody", 3, 60_000) == -1

    async def test_an_ended_run_is_kept_for_its_time_and_then_gone_without_a_trace(self, engine: Engine) -> None:
        """Checklist: 126."""
        hand = Hand(engine, await begun(engine, keep_ms=60_000, parent=Parent("p", "s")))
        await engine.workflows.send(message(id="1"))
        await hand.step("a")
        await hand.commit(steps=(checkpoint("a"),), rerun=True, waits=(waiting("w", "topic"),))
        await hand.end()
        shift(60_000 - SOON_MS, engine)
        await engine.workflows.sweep()
        assert await state_of_run(engine) == "succeeded"
        shift(SOON_MS, engine)
        assert await engine.workflows.sweep() == 1
        assert await engine.workflows.get("run") is None
        assert await engine.workflows.page(RunFilter()) == ([], "")
        assert await engine.workflows.events() == []
        assert await engine.workflows.waiters(event_topic("topic", "")) == []
        assert await started(engine, new_run()) == ["new"]
        assert (await take_run(engine)).steps == ()
        assert await engine.workflows.send(message(id="1")) == "new"

    # ------------------------------------------------------------ cancelling

    async def test_a_run_that_waits_is_cancelled_at_once_with_no_worker_alive(self, engine: Engine) -> None:
        """Checklist: 120."""
        hand = Hand(engine, await begun(engine))
        await hand.wait(waiting("w", "topic"))
        assert await engine.workflows.cancel("run", ASKED) == "cancelled"
        row = await row_of(engine)
        assert (row.state, row.reason) == ("cancelled", "asked")
        request = row.cancel_request
        assert request is not None
        assert (request.reason, request.by, request.at > 0) == ("asked", "somebody", True)
        assert (await engine.workflows.emit(event("topic"))).woken == 0
        assert await take_runs(engine) == []
        assert await engine.workflows.cancel("run", ASKED) == "ended"
        assert await engine.workflows.cancel("nobody", ASKED) == "unknown"

    async def test_a_run_in_line_is_cancelled_at_once(self, engine: Engine) -> None:
        """Checklist: 120."""
        await started(engine, new_run(cleans_up=True))
        assert await engine.workflows.cancel("run", ASKED) == "cancelled"
        assert await take_runs(engine) == []

    async def test_a_run_that_works_is_asked_and_told_at_its_next_step(self, engine: Engine) -> None:
        """Checklist: 120."""
        hand = Hand(engine, await begun(engine))
        assert await engine.workflows.cancel("run", ASKED) == "requested"
        assert await engine.workflows.cancel("run", CancelRequest("other")) == "requested"
        (held,) = await engine.workflows.renew([Renewal(hand.claimed.receipt)])
        assert (held.status, held.reason) == ("cancel", "asked")
        said = await hand.wait(sleeping("s", 60_000))
        assert not said.ended
        assert said.cancel is not None
        assert said.cancel.reason == "asked"
        await hand.end("cancelled", reason="asked")
        assert await state_of_run(engine) == "cancelled"

    async def test_a_run_that_has_to_clean_up_is_handed_out_for_it(self, engine: Engine) -> None:
        """Checklist: 120."""
        hand = Hand(engine, await begun(engine, cleans_up=True))
        await hand.wait(sleeping("s", DAY_MS))
        assert await engine.workflows.cancel("run", ASKED) == "requested"
        hand = Hand(engine, await take_run(engine))
        assert hand.claimed.cancel is not None
        assert not hand.claimed.cleaning
        await hand.commit(cleanup_ms=60_000)
        assert [one.status for one in await engine.workflows.renew([Renewal(hand.claimed.receipt)])] == ["held"]
        assert (await hand.wait(sleeping("c", 1_000, pos=9))).ended
        shift(1_000, engine)
        hand = Hand(engine, await take_run(engine))
        assert hand.claimed.cleaning
        await hand.end("cancelled", reason="asked")
        assert await state_of_run(engine) == "cancelled"

    async def test_a_step_can_say_that_there_is_something_to_clean_up(self, engine: Engine) -> None:
        """Checklist: 120."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(steps=(checkpoint("a"),), cleans_up=True)
        await hand.wait(sleeping("s", DAY_MS, pos=1))
        assert await engine.workflows.cancel("run", ASKED) == "requested"
        assert (await take_run(engine)).cancel is not None

    async def test_a_clean_up_that_takes_too_long_is_ended(self, engine: Engine) -> None:
        """Checklist: 120, 123."""
        hand = Hand(engine, await begun(engine, cleans_up=True))
        await engine.workflows.cancel("run", ASKED)
        await hand.commit(cleanup_ms=1_000)
        shift(1_000, engine)
        assert await take_runs(engine) == []
        row = await row_of(engine)
        assert row.state == "cancelled"
        assert "budget" in row.reason
        assert (await hand.step("late")).status == "lost"

    async def test_a_time_without_a_worker_does_not_count_for_a_clean_up(self, engine: Engine) -> None:
        """Checklist: 120, 123."""
        hand = Hand(engine, await begun(engine, cleans_up=True))
        await engine.workflows.cancel("run", ASKED)
        await hand.commit(cleanup_ms=1_000)
        shift(hand.claimed.lease_ms, engine)
        hand = Hand(engine, await take_run(engine))
        assert hand.claimed.cleaning
        shift(hand.claimed.lease_ms * 3 // 5, engine)
        assert (await hand.step("undone")).status == "done"
        shift(hand.claimed.lease_ms * 3 // 5, engine)
        assert await take_runs(engine) == []
        assert await state_of_run(engine) == "cancelled"

    async def test_a_run_that_has_failed_and_cleans_up_ends_by_itself(self, engine: Engine) -> None:
        """Checklist: 120, 122. Neither a cancel nor its policies change that, nor can it be rewound meanwhile."""
        hand = Hand(engine, await begun(engine, cleans_up=True, cancel_after_ms=60_000, lease_ms=3_600_000))
        await hand.commit(steps=(checkpoint("a"),), cleanup_ms=1_000)
        assert await engine.workflows.cancel("run", ASKED) == "ending"
        assert await engine.workflows.rewind("run", "a") == "undoing"
        shift(120_000, engine)
        assert await engine.workflows.sweep() == 0
        assert [one.status for one in await engine.workflows.renew([Renewal(hand.claimed.receipt)])] == ["held"]
        assert (await hand.wait(sleeping("s", 60_000))).ended
        shift(60_000, engine)
        hand = Hand(engine, await take_run(engine))
        assert hand.claimed.cleaning
        await hand.end("failed", error=b'{"type":"E","message":"m"}')
        assert await engine.workflows.rewind("run", "a") == "rewound"

    @pytest.mark.parametrize("then", [Block("the code has changed", 120_000), Quarantine("it kills its workers")])
    async def test_a_clean_up_that_stands_still_keeps_its_budget(self, engine: Engine, then: Any) -> None:
        """Checklist: 120. Nobody has it in hand; when somebody has again, there is a lease's time at least."""
        hand = Hand(engine, await begun(engine, cleans_up=True, lease_ms=30_000))
        await engine.workflows.cancel("run", ASKED)
        await hand.commit(cleanup_ms=60_000, then=then)
        shift(119_000, engine)
        assert await engine.workflows.sweep() == 0
        assert await state_of_run(engine) in {"blocked", "quarantined"}
        if isinstance(then, Quarantine):
            assert await engine.workflows.resume("run")
        else:
            shift(1_000, engine)
        hand = Hand(engine, await take_run(engine))
        shift(20_000, engine)
        assert await take_runs(engine) == []
        assert [one.status for one in await engine.workflows.renew([Renewal(hand.claimed.receipt)])] == ["held"]
        shift(29_000, engine)
        assert await take_runs(engine) == []
        assert await state_of_run(engine) == "cancelled"

    async def test_terminating_takes_the_run_from_its_worker(self, engine: Engine) -> None:
        """Checklist: 120."""
        hand = Hand(engine, await begun(engine, cleans_up=True))
        assert await engine.workflows.cancel("run", ASKED, terminate=True) == "cancelled"
        assert (await hand.end()).status == "lost"
        assert await state_of_run(engine) == "cancelled"

    async def test_a_completion_that_is_stored_first_wins_over_a_cancel(self, engine: Engine) -> None:
        """Checklist: 121."""
        hand = Hand(engine, await begun(engine))
        await hand.end()
        assert await engine.workflows.cancel("run", ASKED, terminate=True) == "ended"
        assert await state_of_run(engine) == "succeeded"

    @pytest.mark.parametrize("way", ["succeeded", "failed"])
    async def test_a_cancel_that_is_stored_first_wins_over_an_end(self, engine: Engine, way: Any) -> None:
        """Checklist: 121."""
        hand = Hand(engine, await begun(engine))
        assert await engine.workflows.cancel("run", ASKED) == "requested"
        said = await hand.end(way, error=b'{"type":"E","message":"m"}' if way == "failed" else b"")
        assert (said.ended, said.cancel is not None) == (False, True)
        assert await state_of_run(engine) == "running"
        assert await engine.workflows.rewind("run", "a") == "undoing"
        assert (await hand.end("cancelled", reason="asked")).ended
        assert await state_of_run(engine) == "cancelled"

    async def test_completion_and_cancel_at_once_give_one_end(self, engine: Engine, other: Engine) -> None:
        """Checklist: 121."""
        hands = [Hand(engine, await begun(engine, f"r{n}")) for n in range(12)]
        race: list[Any] = []
        for number, hand in enumerate(hands):
            pair: list[Any] = [hand.end(), other.workflows.cancel(hand.claimed.id, ASKED, terminate=True)]
            race += pair if number % 2 else pair[::-1]
        said = await asyncio.gather(*race)
        for number, hand in enumerate(hands):
            pair = said[2 * number : 2 * number + 2]
            ended, cancelled = pair if number % 2 else pair[::-1]
            won = "succeeded" if ended.status == "done" else "cancelled"
            assert cancelled == ("ended" if won == "succeeded" else "cancelled")
            assert await state_of_run(engine, hand.claimed.id) == won

    # ------------------------------------------------------------ policies

    async def test_a_run_that_takes_too_long_is_cancelled_by_any_claim(self, engine: Engine) -> None:
        """Checklist: 123. Whoever claims, and whatever its line: nobody has to know the workflow."""
        hand = Hand(engine, await begun(engine, cancel_after_ms=60_000))
        await hand.wait(waiting("w", "topic"))
        claimed = await engine.workflows.claim([line_name("other", 1)], 10, "w")
        assert claimed.next_due_ms is not None
        assert 50_000 < claimed.next_due_ms <= 60_000
        shift(60_000, engine)
        assert await take_runs(engine, line_name("other", 1)) == []
        row = await row_of(engine)
        assert row.state == "cancelled"
        assert row.reason == "cancel_after: it took longer than 1m"
        assert row.cancel_request is not None
        assert row.cancel_request.by == "policy"

    @pytest.mark.parametrize("ms", [300, 1_500, 61_000, 3_600_000, 5_430_000, 90_000_000])
    async def test_a_policy_says_its_span_as_people_do(self, engine: Engine, ms: int) -> None:
        """Checklist: 123."""
        await begun(engine, cancel_after_ms=ms)
        shift(ms, engine)
        await engine.workflows.sweep()
        row = await row_of(engine)
        assert row.cancel_request is not None
        assert row.cancel_request.reason == f"cancel_after: it took longer than {words(ms)}"

    async def test_a_run_that_ends_in_its_waits_says_what_it_waited_for(self, engine: Engine) -> None:
        """Checklist: 120. Those of a run that succeeds do not matter any more."""
        for run, state in (("run", "cancelled"), ("other", "failed"), ("third", "succeeded")):
            hand = Hand(engine, await begun(engine, run))
            await hand.commit(waits=(waiting("w", "topic"), waiting("x", "more", pos=1)))
            await hand.end(state)
            row = await row_of(engine, run)
            assert row.waited_for == ("" if state == "succeeded" else "w, x")

    async def test_a_run_that_waits_too_long_is_cancelled(self, engine: Engine) -> None:
        """Checklist: 123. Each wait has the whole time."""
        hand = Hand(engine, await begun(engine, max_suspend_ms=60_000))
        await hand.wait(waiting("w", "topic"))
        shift(50_000, engine)
        await engine.workflows.emit(event("topic"))
        hand = Hand(engine, await take_run(engine))
        shift(50_000, engine)
        assert await engine.workflows.sweep() == 0
        await hand.wait(waiting("x", "other", pos=1))
        shift(60_000, engine)
        assert await engine.workflows.sweep() == 1
        row = await row_of(engine)
        assert (row.state, row.reason) == ("cancelled", "max_suspend: it waited longer than 1m")
        assert row.waited_for == "x"

    async def test_a_policy_asks_a_run_that_works(self, engine: Engine) -> None:
        """Checklist: 123."""
        hand = Hand(engine, await begun(engine, cancel_after_ms=1_000))
        shift(1_000, engine)
        await engine.workflows.sweep()
        said = await hand.step("a")
        assert said.cancel is not None
        assert said.cancel.by == "policy"
        assert await engine.workflows.sweep() == 0

    # ------------------------------------------------------------ standing still

    async def test_a_blocked_run_is_tried_again_later_or_when_asked(self, engine: Engine) -> None:
        """Checklist: 119."""
        hand = Hand(engine, await begun(engine))
        await hand.commit(then=Block("the code has changed", 60_000))
        row = await row_of(engine)
        assert (row.state, row.reason) == ("blocked", "the code has changed")
        assert await take_runs(engine) == []
        shift(60_000, engine)
        claimed = await take_run(engine)
        assert (claimed.blocks, claimed.takeovers) == (1, 0)
        await Hand(engine, claimed).commit(then=Block("still", 60_000))
        assert await engine.workflows.resume("run")
        assert (await take_run(engine)).blocks == 0

    async def test_a_quarantined_run_is_nobodys_until_it_is_resumed(self, engine: Engine) -> None:
        """Checklist: 119."""
        hand = Hand(engine, await begun(engine, lease_ms=1_000))
        for takeovers in (1, 2):
            shift(1_001, engine)
            hand = Hand(engine, await take_run(engine))
            assert hand.claimed.takeovers == takeovers
        await hand.commit(then=Quarantine("step x"))
        shift(DAY_MS, engine)
        assert await take_runs(engine) == []
        assert (await row_of(engine)).reason == "step x"
        assert await engine.workflows.resume("run")
        assert not await engine.workflows.resume("run")
        assert not await engine.workflows.resume("nobody")
        assert (await take_run(engine)).takeovers == 0

    async def test_takeovers_are_counted_until_something_is_stored(self, engine: Engine) -> None:
        """Checklist: 119. A note alone is no progress."""
        hand = Hand(engine, await begun(engine, lease_ms=1_000))
        shift(1_001, engine)
        hand = Hand(engine, await take_run(engine))
        await hand.commit(notes=b'{"doing":"a"}')
        shift(1_001, engine)
        hand = Hand(engine, await take_run(engine))
        assert hand.claimed.takeovers == 2
        await hand.step("a")
        shift(1_001, engine)
        assert (await take_run(engine)).takeovers == 1

    # ------------------------------------------------------------ rewinding

    @pytest.mark.parametrize("end", ["running", "suspended", "succeeded", "failed", "cancelled"])
    async def test_a_rewind_goes_back_to_before_a_step_in_any_state(self, engine: Engine, end: Any) -> None:
        """Checklist: 122."""
        hand = Hand(engine, await begun(engine))
        for pos, key in enumerate("abc"):
            await hand.step(key, pos)
        if end == "suspended":
            await hand.wait(waiting("w", "topic", pos=3))
        elif end != "running":
            await hand.end(end)
        assert await engine.workflows.rewind("run", "b") == "rewound"
        assert (await hand.step("late", 9)).status == "lost"
        claimed = await take_run(engine)
        assert ([one.key for one in claimed.steps], claimed.waits) == (["a"], ())
        assert (claimed.generation, claimed.cancel) == (1, None)
        detail = await engine.workflows.get("run")
        assert detail is not None
        assert {(old.generation, old.step.key) for old in detail.branches} == {(0, "b"), (0, "c")}
        assert (detail.row.result, detail.row.error, detail.row.finished_at) == (b"", b"", None)

    async def test_a_rewind_by_name_means_the_first_iteration(self, engine: Engine) -> None:
        """Checklist: 122."""
        hand = Hand(engine, await begun(engine))
        for pos, key in enumerate(("a", "poll#0", "poll#1", "z")):
            await hand.step(key, pos)
        assert await engine.workflows.rewind("run", "poll#1") == "rewound"
        assert list(await steps_of_run(engine)) == ["a", "poll#0"]
        assert await engine.workflows.rewind("run", "poll") == "rewound"
        assert list(await steps_of_run(engine)) == ["a"]
        assert await engine.workflows.rewind("run", "poll") == "unknown_step"
        assert await engine.workflows.rewind("nobody", "a") == "unknown_run"

    async def test_a_rewind_leaves_no_step_that_was_undone_for_done(self, engine: Engine) -> None:
        """Checklist: 122."""
        hand = Hand(engine, await begun(engine))
        steps = (checkpoint("a", 0), checkpoint("b#0", 1), checkpoint("c", 2), checkpoint("undo:b#0", 1_000))
        await hand.commit(steps=steps)
        await hand.end("failed", error=b'{"type":"E","message":"m"}')
        assert await engine.workflows.rewind("run", "c") == "undone"
        assert await engine.workflows.rewind("run", "undo:b#0") == "undone"
        assert await state_of_run(engine) == "failed"
        assert await engine.workflows.rewind("run", "b") == "rewound"
        assert list(await steps_of_run(engine)) == ["a"]

    async def test_a_rewind_gives_messages_back(self, engine: Engine) -> None:
        """Checklist: 122."""
        hand = Hand(engine, await begun(engine))
        for n in range(3):
            await engine.workflows.send(message(payload=str(n).encode(), id=str(n)))
        for n in range(3):
            await hand.wait(Wait(key=f"m#{n}", pos=n, topic=box_topic("box")))
        assert await _readers(engine) == {"0": "m#0", "1": "m#1", "2": "m#2"}
        assert await engine.workflows.events() == []
        await engine.workflows.rewind("run", "m#1")
        assert await _readers(engine) == {"0": "m#0", "1": "", "2": ""}
        assert {one.id: one.read_by for one in await engine.workflows.events()} == {"1": "", "2": ""}
        hand = Hand(engine, await take_run(engine))
        assert [one.value for one in hand.claimed.steps] == [b"0"]
        said = await hand.wait(Wait(key="m#1", pos=1, topic=box_topic("box")))
        assert [one.value for one in said.answers] == [b"1"]
        assert await _readers(engine) == {"0": "m#0", "1": "m#1", "2": ""}

    async def test_a_rewind_ends_children_of_what_it_takes_back(self, engine: Engine) -> None:
        """Checklist: 122."""
        hand = Hand(engine, await begun(engine))
        for pos, key in enumerate("ab"):
            child = new_run(f"child-{key}", "small", parent=Parent("run", key))
            await hand.commit(waits=(Wait(key=key, pos=pos, source=child.id),), effects=(Spawn(key, child),))
        await engine.workflows.complete("run", "a", checkpoint("a"), source="child-a")
        await engine.workflows.rewind("run", "b")
        await swept(engine)
        assert await state_of_run(engine, "child-a") == "queued"
        assert await state_of_run(engine, "child-b") == "cancelled"

    async def test_a_rewind_leaves_what_was_begun_before_alone(self, engine: Engine) -> None:
        """Checklist: 122. Its wait is there, and it still answers it."""
        hand = Hand(engine, await begun(engine))
        child = new_run("child", "small", parent=Parent("run", "child"))
        await hand.commit(waits=(Wait(key="child", pos=0, source="child"),), effects=(Spawn("child", child),))
        await hand.commit(steps=(checkpoint("b", 1),))
        await _next_life(engine, "rewind", "b")
        await swept(engine)
        await Hand(engine, await take_run(engine, line_name("small", 1))).end("succeeded", b'"first"')
        assert await steps_of_run(engine) == {"child": b'"first"'}

    # ------------------------------------------------------------ looking

    async def test_lists_are_by_state_workflow_and_parent_in_pages(self, engine: Engine) -> None:
        """Checklist: 125."""
        for n in range(5):
            parent = Parent("p", f"s{n}") if n % 2 else None
            await started(engine, new_run(f"r{n}", "even" if n % 2 == 0 else "odd", parent=parent))
        await engine.workflows.cancel("r4", ASKED)

        async def listed(limit: int = 2, **which: Any) -> list[str]:
            found: list[str] = []
            cursor = ""
            while True:
                rows, cursor = await engine.workflows.page(RunFilter(**which), limit=limit, cursor=cursor)
                assert len(rows) <= limit
                found += [row.id for row in rows]
                if not cursor:
                    return found

        assert await listed() == ["r4", "r3", "r2", "r1", "r0"]
        assert await listed(workflow="even") == ["r4", "r2", "r0"]
        assert await listed(states=("queued",), workflow="even") == ["r2", "r0"]
        assert await listed(states=("cancelled", "running")) == ["r4"]
        assert await listed(states=("queued", "cancelled"), limit=5) == ["r4", "r3", "r2", "r1", "r0"]
        assert await listed(parent="p") == ["r3", "r1"]
        detail = await engine.workflows.get("p")
        assert detail is None

    async def test_who_waits_for_what_can_be_asked(self, engine: Engine) -> None:
        """Checklist: 125."""
        for name in ("1", "2"):
            hand = Hand(engine, await begun(engine, name))
            await hand.wait(waiting("w", "topic", of=name, timeout_ms=60_000))
            shift(5, engine)
        seen = await engine.workflows.waiters(event_topic("topic", ""))
        assert [(one.run, one.workflow, one.wait.key) for one in seen] == [("1", FLOW, "w"), ("2", FLOW, "w")]
        (one,) = await engine.workflows.waiters(event_topic("topic", "2"))
        assert (one.run, one.wait.deadline is not None) == ("2", True)
        assert await engine.workflows.waiters(event_topic("topi", "")) == []

    async def test_events_and_unread_messages_can_be_listed(self, engine: Engine) -> None:
        """Checklist: 125."""
        await started(engine, new_run())
        await engine.workflows.emit(event("topic", b"1", of="k", id="e1"))
        await engine.workflows.send(message(payload=b"2", id="m1"))
        newest, oldest = await engine.workflows.events()
        assert (newest.topic, newest.run, newest.payload, newest.id) == ("m:box", "run", b"2", "m1")
        assert (oldest.topic, oldest.payload, oldest.id) == (event_topic("topic", "k"), b"1", "e1")
        assert len(await engine.workflows.events(limit=1)) == 1

    async def test_events_that_are_over_take_no_place_in_the_list(self, engine: Engine) -> None:
        """Checklist: 115, 125."""
        await engine.workflows.emit(event("lasting", ttl_ms=DAY_MS))
        for n in range(5):
            await engine.workflows.emit(event("short", of=str(n), ttl_ms=1_000))
        shift(1_000, engine)
        assert [one.topic for one in await engine.workflows.events(limit=3)] == [event_topic("lasting", "")]
        await swept(engine)
        assert [one.topic for one in await engine.workflows.events(limit=3)] == [event_topic("lasting", "")]

    # ------------------------------------------------------------ waking workers

    async def test_a_start_wakes_a_worker_that_sleeps(self, engine: Engine, other: Engine) -> None:
        """Checklist: 114."""
        await _lie_down(engine)
        bell = asyncio.create_task(engine.workflows.wait("w", 60_000))
        await asyncio.sleep(0.01)
        await started(other, new_run())
        async with asyncio.timeout(SOON_MS / 1000):
            assert await bell

    async def test_a_start_between_the_claim_and_the_wait_is_heard(self, engine: Engine, other: Engine) -> None:
        """Checklist: 114."""
        await _lie_down(engine)
        await started(other, new_run())
        assert await engine.workflows.wait("w", SOON_MS)

    async def test_a_timer_before_all_others_wakes_a_worker_that_sleeps(self, engine: Engine, other: Engine) -> None:
        """Checklist: 114. It sleeps until the timer that was the first when it lay down."""
        far = Hand(other, await begun(other, "far"))
        await far.commit(then=Suspend(60_000))
        near = Hand(other, await begun(other, "near"))
        await _lie_down(engine)
        bell = asyncio.create_task(engine.workflows.wait("w", 60_000))
        await asyncio.sleep(0.01)
        await near.commit(then=Suspend(1_000))
        async with asyncio.timeout(SOON_MS / 1000):
            assert await bell

    @pytest.mark.parametrize("way", ["emit", "send", "job", "cancel", "release", "rewind", "resume", "timer"])
    async def test_whatever_lets_a_run_go_on_wakes_a_worker(self, engine: Engine, other: Engine, way: str) -> None:
        """Checklist: 114."""
        hand = Hand(other, await begun(other, cleans_up=True))
        if way == "resume":
            await hand.commit(then=Quarantine("x"))
        elif way not in {"release", "timer"}:
            await hand.commit(steps=(checkpoint("a"),))
            waits = (waiting("e", "topic", pos=1), Wait(key="m", pos=2, topic=box_topic("box")), Wait(key="j", pos=3))
            await hand.wait(*waits)
        await _lie_down(engine)
        match way:
            case "emit":
                await other.workflows.emit(event("topic"))
            case "send":
                await other.workflows.send(message())
            case "job":
                await other.workflows.complete("run", "j", checkpoint("j"))
            case "cancel":
                await other.workflows.cancel("run", ASKED)
            case "release":
                await other.workflows.release([hand.claimed.receipt])
            case "rewind":
                await other.workflows.rewind("run", "a")
            case "resume":
                await other.workflows.resume("run")
            case _:
                await hand.wait(sleeping("s", 1_000))
        assert await engine.workflows.wait("w", SOON_MS)

    async def test_a_start_in_a_line_of_others_wakes_nobody(self, engine: Engine, other: Engine) -> None:
        """Checklist: 114."""
        await _lie_down(engine)
        await started(other, new_run("x", "other"))
        assert not await engine.workflows.wait("w", NEVER_MS)

    async def test_two_namespaces_share_no_runs(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 9."""
        away = await engines.make("away")
        hand = Hand(engine, await begun(engine))
        await engine.workflows.emit(event("topic"))
        assert await take_runs(away) == []
        assert await away.workflows.get("run") is None
        assert await away.workflows.events() == []
        assert (await away.workflows.commit(hand.claimed.receipt, Change(number=1))).status == "lost"
        assert await started(away, new_run()) == ["new"]

    async def test_stopping_a_run_is_an_effect_like_others(self, engine: Engine) -> None:
        """Checklist: 120."""
        await started(engine, new_run("child", "small"))
        hand = Hand(engine, await begun(engine))
        await hand.commit(effects=(Stop("child", ASKED), Stop("nobody", ASKED), Stop("run", ASKED)))
        assert await state_of_run(engine, "child") == "cancelled"
        assert await state_of_run(engine) == "running"


class DurableWorkflowsContract(Contract):
    """For engines whose store outlives the engines that use it."""

    async def test_runs_steps_waits_and_events_survive_a_restart(self, engines: EngineFactory) -> None:
        """Checklist: 118."""
        first = await engines.make()
        hand = Hand(first, await begun(first))
        await hand.step("a", value=b'"kept"')
        await hand.wait(sleeping("s", 60_000, pos=1), waiting("w", "topic", pos=2))
        await first.workflows.emit(event("early"))
        await first.close()
        second = await engines.make()
        assert await steps_of_run(second) == {"a": b'"kept"'}
        assert not (await second.workflows.emit(event("early"))).new
        shift(60_000, second)
        claimed = await take_run(second)
        assert [one.key for one in claimed.steps] == ["a", "s"]
        assert [one.key for one in claimed.waits] == ["w"]


async def _next_life(engine: Engine, how: str, key: str) -> Hand:
    """The run begun anew, in the hands of a worker: rewound to `key`, or ended and started again."""
    if how == "rewind":
        assert await engine.workflows.rewind("run", key) == "rewound"
    else:
        assert await engine.workflows.cancel("run", ASKED, terminate=True) == "cancelled"
        assert await started(engine, new_run(if_exists="restart")) == ["restarted"]
    return Hand(engine, await take_run(engine))


async def _readers(engine: Engine) -> dict[str, str]:
    """The steps that have read the run's messages, by the messages' ids."""
    detail = await engine.workflows.get("run")
    assert detail is not None
    return {one.id: one.read_by for one in detail.messages}


async def _lie_down(engine: Engine) -> None:
    claimed = await engine.workflows.claim([LINE], 1, "w")
    assert claimed.runs == ()
