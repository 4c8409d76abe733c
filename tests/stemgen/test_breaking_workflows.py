"""What breaks runs in flight and events: verdicts, and their soundness by experiment."""

from __future__ import annotations

import json
import random
from typing import Any, Final

import pytest
from pydantic import TypeAdapter, ValidationError

from stem.core.codec import ResultCodec
from stem.core.replay import OnChange, Replay
from stem.core.run import Step
from stem.core.schema import arguments_schema, read_schema, result_schema
from stem.core.step import StepMeta, encode_meta
from stemgen.breaking.events import compare_events
from stemgen.breaking.report import Report
from stemgen.breaking.workflows import compare_workflows, in_flight
from stemgen.config import Allowed
from stemgen.lock import FORMAT, EventLock, Lock, WorkflowLock
from tests.stemgen.conftest import Project
from tests.stemgen.documents import Documents
from tests.stemgen.test_breaking import CASES, Colour, MoreColour, model


def run(
    steps: str = "",
    *,
    version: int = 1,
    params: Any = None,
    result: Any = int,
    on_change: OnChange = "block",
    name: str = "t.f",
) -> WorkflowLock:
    """One version of a workflow; its steps are words, those behind `ctx.patched` end in `?`."""
    words = steps.split()
    return WorkflowLock(
        name=name,
        version=version,
        handler="app.f",
        schema="",
        params=arguments_schema(params or model(a=int)),
        result=result_schema(result),
        reads=read_schema(result),
        steps=tuple(word.rstrip("?") for word in words),
        patched=tuple(place for place, word in enumerate(words) if word.endswith("?")),
        on_change=on_change,
    )


def lock(*workflows: WorkflowLock, events: tuple[EventLock, ...] = ()) -> Lock:
    return Lock(
        FORMAT,
        {},
        {f"{one.name}@{one.version}": one for one in workflows},
        {f"{one.kind}:{one.name}": one for one in events},
    )


def said(found: list[Report]) -> list[tuple[str, str, str, str]]:
    return [(one.level, one.rule, one.part, one.path) for one in found]


# ---------------------------------------------------------------- steps

#: name -> old steps, new steps, the rules that make it an error.
STEPS: Final = {
    "nothing": ("a b", "a b", set()),
    "one more at the end": ("a b", "a b c", set()),
    "one less": ("a b", "a", {"STEP_REMOVED"}),
    "renamed": ("a b c", "a x c", {"STEP_REMOVED"}),
    "one more in front": ("a b", "x a b", {"STEP_INSERTED"}),
    "one more between": ("a b", "a x b", {"STEP_INSERTED"}),
    "another order": ("a b c", "a c b", {"STEP_REORDERED"}),
    "one more between, patched": ("a b", "a x? b", set()),
    "another order, patched": ("a b", "b? a? a b", set()),
    "patched and not": ("a b", "a x? y b", {"STEP_INSERTED"}),
    "now patched alone": ("a b", "a b?", {"STEP_REMOVED"}),
    "no longer patched": ("a x? b", "a x b", {"STEP_INSERTED"}),
    "patched, gone again": ("a x? b", "a b", {"STEP_REMOVED"}),
    "twice, then once": ("a b a", "a b", {"STEP_REMOVED"}),
}


@pytest.mark.parametrize("case", STEPS)
def test_a_change_of_steps_is_judged_by_what_it_does_to_runs_in_flight(case: str) -> None:
    old, new, rules = STEPS[case]
    found = compare_workflows([run(old)], lock(run(new)))
    assert {one.rule for one in found} == rules
    assert all(one.level == "error" and "runs in flight of version 1 would be blocked" in one.text for one in found)
    assert all("raise version= and keep the old function" in one.text for one in found)


@pytest.mark.parametrize("case", STEPS)
def test_a_raised_version_beside_the_old_function_breaks_nothing(case: str) -> None:
    old, new, _ = STEPS[case]
    assert compare_workflows([run(old)], lock(run(old), run(new, version=2))) == []


def test_a_workflow_that_goes_on_whatever_has_changed_is_warned_of() -> None:
    found = compare_workflows([run("a b")], lock(run("b a", on_change="warn")))
    assert said(found) == [("warning", "STEP_REORDERED", "steps of version 1", "$")]
    assert not found[0].breaks


@pytest.mark.parametrize("seed", range(40))
def test_by_experiment_what_replay_would_block_is_called_wrong(seed: int) -> None:
    """Random edits of random steps: the old ones recorded up to every place, the new ones replayed."""
    chance = random.Random(seed)
    for _ in range(50):
        old = chance.sample("abcdef", chance.randint(0, 5))
        new = edited(old, chance)
        blocked = any(blocks(old[:recorded], new) for recorded in range(len(old) + 1))
        found = compare_workflows([run(" ".join(old))], lock(run(" ".join(new))))
        assert bool(found) == blocked, (old, new, found)


def edited(old: list[str], chance: random.Random) -> list[str]:
    new = list(old)
    for _ in range(chance.randint(0, 2)):
        match chance.choice(["remove", "insert", "patch", "swap"]):
            case "remove" if new:
                new.pop(chance.randrange(len(new)))
            case "swap" if len(new) > 1:
                one, other = chance.sample(range(len(new)), 2)
                new[one], new[other] = new[other], new[one]
            case "patch":
                new.insert(chance.randint(0, len(new)), f"{chance.choice('uvw')}?")
            case _:
                new.insert(chance.randint(0, len(new)), chance.choice("xyz"))
    return list({word.rstrip("?"): word for word in new}.values())


def blocks(recorded: list[str], new: list[str]) -> bool:
    """Whether the runtime's own replay finds a difference, in a run that has recorded so much."""
    steps = [Step(key=name, pos=pos, meta=encode_meta(StepMeta())) for pos, name in enumerate(recorded)]
    replay = Replay(steps, ())
    for word in new:
        if word.endswith("?") and replay.is_behind:
            continue  # ctx.patched says no
        if replay.reach(replay.name(word.rstrip("?"), auto_version=False), StepMeta()).change:
            return True
    return bool(replay.unreached())


# ---------------------------------------------------------------- the rest of a workflow


def test_a_version_that_is_gone_breaks_and_a_new_one_does_not() -> None:
    assert said(compare_workflows([run()], lock())) == [("error", "WORKFLOW_REMOVED", "version 1", "$")]
    (found,) = compare_workflows([run()], lock(run(version=2)))
    assert found.rule == "WORKFLOW_REMOVED"
    assert "keep its function beside version 2 until they have ended" in found.text
    assert compare_workflows([run()], lock(run(), run(version=2), run(name="t.g"))) == []


@pytest.mark.parametrize("case", CASES)
def test_params_are_judged_as_the_arguments_of_a_task(case: str) -> None:
    old, new, rules = CASES[case]
    found = compare_workflows([run(params=old)], lock(run(params=new)))
    assert {one.rule for one in found if one.level == "error"} == rules
    assert not any("jobs already queued" in one.text for one in found)


def test_results_are_judged_from_the_other_side() -> None:
    found = compare_workflows([run(result=Colour)], lock(run(result=MoreColour)))
    assert said(found) == [("error", "ENUM_VALUE_ADDED", "result of version 1", "$")]
    assert compare_workflows([run(result=MoreColour)], lock(run(result=Colour))) == []


def test_full_compatibility_looks_at_new_producers_too() -> None:
    old, new = run(params=model(a=int)), run(params=model(a=int | str))
    assert compare_workflows([old], lock(new)) == []
    (found,) = compare_workflows([old], lock(new), compat="full")
    assert (found.rule, found.part) == ("TYPE_NARROWED", "params of version 1 of new producers")


def test_of_an_engine_only_the_versions_are_known() -> None:
    found = in_flight([("t.f", 1), ("t.f", 2), ("t.g", 1)], lock(run(version=2)))
    assert [(one.task, one.part) for one in found] == [("t.f", "version 1"), ("t.g", "version 1")]


def test_what_is_meant_is_allowed_with_its_reason() -> None:
    allow = [Allowed(rule="STEP_REORDERED", task="t.f", reason="no run is in flight")]
    (found,) = compare_workflows([run("a b")], lock(run("b a")), allow=allow)
    assert (found.allowed, found.breaks) == ("no run is in flight", False)


# ---------------------------------------------------------------- events


def event(payload: Any, kind: Any = "topic", name: str = "e") -> EventLock:
    return EventLock(name=name, kind=kind, payload=result_schema(payload), reads=read_schema(payload))


def test_an_event_that_is_gone_breaks_and_a_new_one_does_not() -> None:
    (found,) = compare_events([event(int)], lock())
    assert (found.level, found.rule, found.task) == ("error", "EVENT_REMOVED", "e")
    (found,) = compare_events([event(int)], lock(events=(event(int, "mailbox"),)))
    assert "which is a mailbox now" in found.text
    assert compare_events([event(int)], lock(events=(event(int), event(int, name="f")))) == []


@pytest.mark.parametrize("case", CASES)
def test_by_experiment_no_payload_that_is_called_right_is_refused(case: str) -> None:
    """Payloads as the old side writes them, read by the new one."""
    old, new, _ = CASES[case]
    found = compare_events([event(old)], lock(events=(event(new),)))
    errors = [one for one in found if one.level == "error"]
    assert {one.rule for one in errors} <= {"EVENT_PAYLOAD"}
    documents, before, after = Documents(arguments_schema(old), random.Random(case)), ResultCodec(old), ResultCodec(new)
    refused = []
    for _ in range(100):
        payload = TypeAdapter(old).validate_json(json.dumps(documents.draw()))
        try:
            after.decode(before.encode(payload))
        except ValidationError as fault:
            refused.append(str(fault))
    assert errors or not refused, refused[:1]


def test_a_payload_that_cannot_be_read_is_told_with_its_place() -> None:
    (found,) = compare_events([event(model(a=int))], lock(events=(event(model(a=int, b=int)),)))
    assert (found.rule, found.part, found.path) == ("EVENT_PAYLOAD", "payload of the topic", "$.b")
    assert found.text == (
        "whoever waits could not read it: payloads already emitted do not carry it; give it a default"
    )
    wider = event(int | str)
    assert compare_events([event(int)], lock(events=(wider,))) == []
    (found,) = compare_events([event(int)], lock(events=(wider,)), compat="full")
    assert found.part == "payload of the topic of new producers"


# ---------------------------------------------------------------- the command

APP: Final = """
from pydantic import BaseModel
from stem import Topic, WorkflowContext, workflow

class A(BaseModel):
    x: int

class Paid(BaseModel):
    cents: int

paid = Topic("order.paid", payload=Paid)

def work() -> None: ...

@workflow("t.f")
async def f(ctx: WorkflowContext, a: A) -> int:
    await ctx.step("one", work)
    await ctx.step("two", work)
    return a.x
"""


@pytest.fixture
def flow(project: Project) -> Project:
    """An app whose lock is put aside."""
    project.write({"app/flows.py": APP})
    project.generate()
    project.write({"old.json": project.read("client/app_client/stem.lock.json")})
    return project


SWAPPED: Final = (
    'await ctx.step("one", work)\n    await ctx.step("two", work)',
    'await ctx.step("two", work)\n    await ctx.step("one", work)',
)
#: An edit -> what the command says of it.
EDITS: Final = {
    "another order": (
        SWAPPED,
        "error    STEP_REORDERED         t.f steps of version 1 $: the step 'two' has another place, the order was 'one', 'two': runs in flight of version 1 would be blocked; raise version= and keep the old function beside the new one, or ask ctx.patched",
    ),
    "a step less": (('    await ctx.step("two", work)\n', ""), "error    STEP_REMOVED           t.f steps of version 1 $: "),
    "a step between": (
        ('    await ctx.step("two"', '    await ctx.step("new", work)\n    await ctx.step("two"'),
        "error    STEP_INSERTED          t.f steps of version 1 $: the step 'new' is new in front of 'two'",
    ),
    "only the version": (('@workflow("t.f")', '@workflow("t.f", version=2)'), "error    WORKFLOW_REMOVED       t.f version 1 $: "),
    "a parameter more": (
        ("x: int", "x: int\n    y: int"),
        "error    REQUIRED_FIELD_ADDED   t.f params of version 1 $.y: runs already started do not carry it; give it a default",
    ),
    "another result": (("-> int:", "-> str:"), "error    TYPE_CHANGED           t.f result of version 1 $: integer -> string"),
    "an event less": (('paid = Topic("order.paid"', 'paid = Topic("paid"'), "error    EVENT_REMOVED          order.paid "),
    "another payload": (
        ("cents: int", "euros: int"),
        "error    EVENT_PAYLOAD          order.paid payload of the topic $.euros: whoever waits could not read it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_against_a_file(flow: Project, what: str) -> None:
    edit, words = EDITS[what]
    assert flow.run("breaking", "--against", "old.json").stdout == "nothing breaks\n"
    flow.edit("app/flows.py", *edit)
    assert flow.run("check").returncode == 1
    flow.generate()
    done = flow.run("breaking", "--against", "old.json")
    assert done.returncode == 1
    assert words in done.stdout


def test_the_new_version_stands_beside_the_old_one(flow: Project) -> None:
    old = flow.read("app/flows.py")
    newer = old[old.index('@workflow("t.f")') :].replace('"t.f"', '"t.f", version=2').replace("def f", "def f2")
    flow.write({"app/flows.py": old + newer.replace(*SWAPPED)})
    flow.generate()
    done = flow.run("breaking", "--against", "old.json")
    assert (done.returncode, done.stdout) == (0, "nothing breaks\n")
    assert "version=2" in flow.read("client/app_client/t.py")


def test_a_lock_of_before_there_were_workflows_is_read(flow: Project) -> None:
    flow.write({"older.json": '{"stemgen": 1, "tasks": {}}'})
    assert flow.run("breaking", "--against", "older.json").stdout == "nothing breaks\n"


START: Final = """
import asyncio
from app.flows import A, f
from stem import Stem

async def main():
    async with Stem("sqlite:///runs.db") as app:
        await f.start(app, A(x=1))

asyncio.run(main())
"""


def test_against_the_engine_in_which_runs_are_in_flight(flow: Project) -> None:
    flow.write({"start.py": START})
    done = flow.python("start.py")
    assert done.returncode == 0, done.stderr
    done = flow.run("breaking", "--against", "sqlite:///runs.db")
    assert done.returncode == 0
    assert "note     of runs in flight only the version was looked at" in done.stdout
    flow.edit("app/flows.py", '@workflow("t.f")', '@workflow("t.f", version=2)')
    flow.generate()
    done = flow.run("breaking", "--against", "sqlite:///runs.db")
    assert done.returncode == 1
    assert "WORKFLOW_REMOVED       t.f version 1 $: runs in flight of version 1 have no code any more" in done.stdout
