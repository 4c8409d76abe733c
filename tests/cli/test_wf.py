"""`stem wf`, as people use it: a worker in one process, commands in others."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shop

FLOWS = '''
import asyncio
from pydantic import BaseModel
from stem import Flow, Mailbox, RetryPolicy, Stem, Topic, WorkflowContext, task, workflow

class Order(BaseModel):
    id: str
    total: int = 5

shipped = Topic("order.shipped", payload=str)
approval = Mailbox("approval", payload=bool)

@task("invoice")
async def invoice(order: Order) -> int:
    return order.total * 2

async def charge(order: Order) -> str:
    return f"charge-{order.id}"

async def undo(charge: str) -> None: ...

async def fails() -> None:
    raise OSError("the [bold]bank[/bold] is away")

@workflow("orders.fulfil", cancel_after="2h")
async def fulfil(ctx: WorkflowContext, order: Order) -> str:
    """Charge and wait for the parcel."""
    charged = await ctx.options(compensate=undo).step("charge", charge, order)
    parcel = await ctx.wait(shipped, key=order.id)
    return f"{charged} {parcel} {await ctx.call(invoice.build(order))}"

@workflow("orders.ask")
async def ask(ctx: WorkflowContext) -> bool:
    return await ctx.wait(approval)

@workflow("orders.broken")
async def broken(ctx: WorkflowContext) -> None:
    await ctx.options(retry=RetryPolicy.fixed("1h")).step("ask the bank", fails)

@workflow("orders.fails")
async def fails_at_once(ctx: WorkflowContext) -> None:
    raise ValueError("no order")

packing = Flow("orders.pack").step("pack", lambda ctx: 1)

app = Stem("sqlite:///jobs.db", tasks=[invoice], workflows=[fulfil, ask, broken, fails_at_once, packing])
'''


@pytest.fixture
def flows(shop: Shop) -> Shop:
    shop.write("shop.py", FLOWS)
    return shop


def until(shop: Shop, run: str, state: str) -> None:
    shop.until(lambda: shop.stem("wf", "show", run, "--json").json["state"] == state)


def test_a_run_from_start_to_end(flows: Shop) -> None:
    with flows.working() as worker:
        started = flows.stem("wf", "start", "orders.fulfil", "id=42", "--id", "o42")
        assert (started.code, started.out) == (0, "run o42 of orders.fulfil is started\n")
        assert "was there already" in flows.stem("wf", "start", "orders.fulfil", "id=42", "--id", "o42").out
        until(flows, "o42", "suspended")
        assert "order.shipped[42] waits for order.shipped[42], for" in flows.stem("wf", "explain", "o42").out
        waiters = flows.stem("wf", "waiters", "order.shipped")
        assert [line.split()[0] for line in waiters.out.splitlines()] == ["RUN", "o42"]
        assert flows.stem("wf", "waiters", "order.shipped", "--key", "43").out == "nobody waits for it\n"
        checked = flows.stem("wf", "check")
        assert (checked.code, checked.out) == (0, "1 run checked: this code can go on with all of them\n")
        assert flows.stem("wf", "check", "--json").json == {"checked": 1, "differing": [], "more": False}
        other = flows.stem("wf", "start", "orders.ask", "--id", "o42")
        assert (other.code, other.err) == (
            1,
            "stem: run o42 exists already, and is one of workflow 'orders.fulfil': give this one another id\n",
        )
        assert flows.stem("wf", "emit", "order.shipped", '"Post"', "--key", "42").out == "order.shipped is emitted\n"
        assert flows.stem("wf", "emit", "order.shipped", '"Post"', "--key", "42").code == 1
        until(flows, "o42", "succeeded")
        shown = flows.stem("wf", "show", "o42")
        assert 'result               "charge-42 Post 10"' in shown.out
        assert [line.split()[1] for line in shown.out.splitlines()[-3:]] == ["charge", "order.shipped[42]", "invoice"]
        assert flows.stem("wf", "explain", "o42").out.startswith("it has succeeded")
        diagram = flows.stem("wf", "export", "o42", "--format", "mermaid").out
        assert diagram.startswith('flowchart TD\n  run(["orders.fulfil o42"])')
        assert 'finish(["succeeded"])' in diagram
        exported = flows.stem("wf", "export", "o42").json
        assert [step["key"] for step in exported["steps"]] == ["charge", "order.shipped[42]", "invoice"]
        again = flows.stem("wf", "rewind", "o42", "--step", "invoice", "--yes")
        assert again.out == "run o42 goes on from before invoice\n"
        until(flows, "o42", "succeeded")
        assert "put aside" in flows.stem("wf", "show", "o42").out
    assert "workflows" in worker.err


def test_the_result_of_a_run_is_waited_for(flows: Shop) -> None:
    with flows.working():
        flows.stem("wf", "emit", "order.shipped", '"DHL"', "--key", "7")
        done = flows.stem("wf", "start", "orders.fulfil", "id=7", "total=1", "--wait")
        assert (done.code, done.out) == (0, "charge-7 DHL 2\n")
        late = flows.stem("wf", "start", "orders.ask", "--id", "a", "--wait", "--timeout", "0.2")
        assert late.code == 1
        assert "has not ended after 0.2 s; it is suspended and goes on" in late.err
        assert flows.stem("wf", "emit", "approval", "true", "--run", "a", "--id", "1").out == "approval is sent\n"
        assert flows.stem("wf", "emit", "approval", "true", "--run", "a", "--id", "1").code == 1
        until(flows, "a", "succeeded")


def test_lists_are_tables_and_json(flows: Shop) -> None:
    for number in range(3):
        flows.stem("wf", "start", "orders.ask", "--id", f"a{number}")
    listed = flows.stem("wf", "ls").out.splitlines()
    assert listed[0].split()[:4] == ["ID", "WORKFLOW", "STATE", "STARTED"]
    assert [line.split()[0] for line in listed[1:]] == ["a2", "a1", "a0"]
    page = flows.stem("wf", "ls", "--limit", "2", "--json").json
    assert [run["id"] for run in page["runs"]] == ["a2", "a1"]
    rest = flows.stem("wf", "ls", "--limit", "2", "--cursor", page["cursor"], "--json").json
    assert [run["id"] for run in rest["runs"]] == ["a0"]
    assert flows.stem("wf", "ls", "--workflow", "orders.fulfil").out == "no runs\n"
    cancelled = flows.stem("wf", "cancel", "a0", "a1", "nobody", "--reason", "enough")
    assert cancelled.code == 1
    assert cancelled.err == "stem: run nobody is not known\n"
    assert len(flows.stem("wf", "ls", "--state", "cancelled").out.splitlines()) == 3
    assert flows.stem("wf", "workflows").out.splitlines()[1].split()[:4] == ["orders.ask", "1", "()", "->"]
    flows.stem("wf", "emit", "order.shipped", '"x"', "--key", "1")
    assert [one["payload"] for one in flows.stem("wf", "events", "--json").json["events"]] == ['"x"']


def test_a_list_says_why_runs_failed_and_what_a_flow_says_of_itself(flows: Shop) -> None:
    with flows.working():
        flows.stem("wf", "start", "orders.fails", "--id", "f")
        until(flows, "f", "failed")
    assert "ValueError: no order" in flows.stem("wf", "ls").out
    listed = {line.split()[0]: line for line in flows.stem("wf", "workflows").out.splitlines()}
    assert "Charge and wait for the parcel." in listed["orders.fulfil"]
    assert listed["orders.pack"].split()[-1] == "Any"


def test_a_run_that_was_cancelled_in_a_wait_says_at_what_and_by_which_limit(flows: Shop) -> None:
    with flows.working():
        for run, limit in (
            ("a", ("--cancel-after", "300ms")),
            ("b", ("--max-suspend", "0.3")),
            ("c", ("--keep", "1h")),
        ):
            assert flows.stem("wf", "start", "orders.ask", "--id", run, *limit).code == 0
        until(flows, "a", "cancelled")
        until(flows, "b", "cancelled")
        until(flows, "c", "suspended")
    shown = flows.stem("wf", "show", "a").out
    assert "cancel_after: it took longer than 300ms" in shown
    assert "waited for" in shown
    assert "approval" in shown
    assert shown.endswith("\nno steps\n")
    assert re.search(r"^created_at +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(", shown, re.MULTILINE)
    explained = flows.stem("wf", "explain", "b").out
    assert "max_suspend: it waited longer than 300ms" in explained
    assert "it waited for approval" in explained
    with contextlib.closing(sqlite3.connect(flows.folder / "jobs.db")) as database:
        assert database.execute("SELECT keep_ms FROM run WHERE id = 'c'").fetchone() == (3_600_000,)


def test_what_is_wrong_is_explained_and_found(flows: Shop) -> None:
    flows.stem("wf", "start", "orders.broken", "--id", "b")
    explained = flows.stem("wf", "explain", "b").out
    assert "no worker that is alive knows orders.broken@1" in explained
    with flows.working():
        until(flows, "b", "suspended")
        explained = flows.stem("wf", "explain", "b").out
        assert "step ask the bank has failed once (OSError: the [bold]bank[/bold] is away); again in 59m" in explained
        doctor = flows.stem("wf", "doctor")
        assert (doctor.code, doctor.out) == (0, "every run can go on\n")
    flows.write(
        "shop.py", FLOWS.replace('step("ask the bank"', 'step("ask another"').replace('fixed("1h")', "fixed(0)")
    )
    flows.stem("wf", "start", "orders.fulfil", "id=1", "--id", "f")
    with flows.working():
        until(flows, "f", "suspended")
    flows.write("shop.py", FLOWS.replace('await ctx.options(compensate=undo).step("charge", charge, order)', '""'))
    checked = flows.stem("wf", "check", "--workflow", "orders.fulfil")
    assert checked.code == 1
    assert "never reached by the code of today: 'charge'" in " ".join(checked.out.split())
    flows.write("shop.py", FLOWS.replace('step("charge"', 'step("bill"'))
    checked = flows.stem("wf", "check", "--workflow", "orders.fulfil")
    assert checked.code == 1
    assert "'bill' is new at place 0" in " ".join(checked.out.split())
    with flows.working():
        flows.stem("wf", "emit", "order.shipped", '"x"', "--key", "1")
        until(flows, "f", "blocked")
        doctor = flows.stem("wf", "doctor", "--json")
        assert doctor.code == 1
        assert [(one["run"], one["trouble"]) for one in doctor.json["findings"]] == [("f", "blocked")]
        assert "it is blocked: the code has changed" in flows.stem("wf", "explain", "f").out
    flows.write("shop.py", FLOWS)
    with flows.working():
        assert flows.stem("wf", "resume", "f").out == "run f goes on\n"
        until(flows, "f", "succeeded")
    assert flows.stem("wf", "resume", "f").err == "stem: run f is neither quarantined nor blocked\n"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("start", "orders.fulfl"), 2, "no workflow named 'orders.fulfl' is registered; did you mean 'orders.fulfil'?"),
        (("start", "orders.fulfil", "idd=1"), 2, "unknown field 'idd' of Order; did you mean 'id'?"),
        (("start", "orders.fulfil"), 2, "parameters of workflow 'orders.fulfil' were refused: id: Field required"),
        (("start", "orders.ask", "--timeout", "1s"), 2, "--timeout says how long --wait waits; add --wait"),
        (("check", "--workflow", "orders.fulfl"), 2, "did you mean 'orders.fulfil'?"),
        (("show", "nobody"), 1, "no run 'nobody' is known"),
        (("explain", "nobody"), 1, "no run 'nobody' is known"),
        (("rewind", "nobody", "--step", "a", "--yes"), 1, "no run 'nobody' is known"),
        (("rewind", "nobody", "--step", "a"), 2, "nothing was done: nobody is here to confirm it; add --yes"),
        (("emit", "order.shipped", "not json"), 2, "the payload must be JSON"),
        (("emit", "approval", "1", "--run", "nobody"), 1, "no run 'nobody' is known"),
        (("emit", "approval", "1", "--run", "a", "--key", "b"), 2, "a mailbox belongs to one run and has no keys"),
        (("ls", "--state", "asleep"), 2, "'asleep' is not one of"),
        (("sho", "x"), 2, "has no command 'sho'; did you mean 'show'?"),
    ],
)
def test_what_does_not_make_sense_is_said(flows: Shop, words: tuple[str, ...], code: int, says: str) -> None:
    flows.make_database()
    answer = flows.stem("wf", *words)
    assert answer.code == code
    assert says in answer.err
    assert len(answer.err.splitlines()) <= 5


def test_an_error_is_a_document_with_json(flows: Shop) -> None:
    flows.make_database()
    answer = flows.stem("wf", "show", "nobody", "--json")
    assert json.loads(answer.out)["error"]["type"] == "UnknownRunError"


def test_a_worker_takes_only_the_workflows_it_is_told(flows: Shop) -> None:
    wrong = flows.stem("worker", "--workflows", "orders.aks")
    assert wrong.code == 2
    assert "did you mean 'orders.ask'" in wrong.err
    worker = flows.worker("--workflows", "orders.ask")
    assert "workflows    orders.ask@1" in worker.err
    none = flows.worker("--workflows", "none")
    assert "workflows" not in none.err


def test_a_check_tells_that_there_are_more_runs(flows: Shop) -> None:
    for number in range(3):
        flows.stem("wf", "start", "orders.ask", "--id", f"a{number}")
    checked = flows.stem("wf", "check", "--limit", "2")
    assert (checked.code, checked.out) == (0, "2 runs checked: this code can go on with these\n")
    assert checked.err == "stem: note: only the 2 newest were checked, and there are more: see --limit\n"
    assert flows.stem("wf", "check", "--limit", "2", "--json").json == {"checked": 2, "differing": [], "more": True}


def test_an_answer_that_cannot_be_written_is_an_error(flows: Shop) -> None:
    flows.stem("wf", "start", "orders.ask", "--id", "a")
    for words in (("wf", "ls", "--json"), ("wf", "ls"), ("--help",)):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "stem", *words],
                cwd=flows.folder,
                env=flows.environment,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == 70
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
