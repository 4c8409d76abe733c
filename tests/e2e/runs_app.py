"""The app of the storm for runs: whatever is done leaves one line in a ledger that is on the disk before it counts."""

from __future__ import annotations

import asyncio
import contextvars
import math
import os
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
from pydantic import BaseModel

from stem import (
    Mailbox,
    RetryPolicy,
    Stem,
    StepContext,
    TaskContext,
    Topic,
    Transaction,
    WorkflowContext,
    task,
    workflow,
)
from stem.durable.context import Context
from stem.durable.lane import RunLane
from stem.durable.leaving import Lost
from stem.worker.worker import Worker
from tests.e2e.storm_app import end_with_parent, main

LEDGER: Final = os.environ.get("STORM_LEDGER", "")
SQLITE: Final = os.environ.get("STEM_URL", "").startswith("sqlite")
#: How soon another worker goes on, seconds.
LEASE: Final = 2.0
#: How long a step takes that has lost its lease when it comes to its end, and the one that takes its place, seconds.
DEAF: Final = 2.6
LINGER: Final = 1.0
#: The sleeps of a run, seconds: one that stays with its worker and one that leaves it.
NAPS: Final = (0.2, 1.2)
#: The nap of a child.
DOZE: Final = 0.1

NOTES: Final = Mailbox("storm.notes", payload=str)
GO: Final = Topic("storm.go", payload=str)
DAWN: Final = Topic("storm.dawn", payload=str)

#: claim: a worker has begun with a run. step: the effect of one execution of a step. refused: a worker heard that it
#: has lost the run. job: an execution of a job. said, kept, known: an event or message on its way, and what its
#: sender was told: that it is new, or that another one was there.
Kind: TypeAlias = Literal["claim", "step", "refused", "job", "said", "kept", "known"]


class Line(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One line of the ledger; `at` is unix time, `losses` how many workers in a row had lost the run when it was claimed."""

    kind: Kind
    run: str
    key: str = ""
    fence: int = 0
    losses: int = 0
    attempt: int = 1
    pid: int = 0
    at: float = 0.0
    value: str = ""


_encoder: Final = msgspec.json.Encoder()


def write_down(line: Line) -> None:
    """Append it in one write, and have it on the disk unless it is for statistics alone."""
    made = msgspec.structs.replace(line, pid=os.getpid(), at=time.time())
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND)
    os.write(ledger, _encoder.encode(made) + b"\n")
    if line.kind not in {"claim", "refused"}:
        os.fsync(ledger)
    os.close(ledger)


def read_ledger(path: Path) -> list[Line]:
    """All of it, in order."""
    decoder = msgspec.json.Decoder(Line)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]


class Claim(msgspec.Struct, frozen=True):
    """In whose hands a run is: the steps of one claim share it."""

    run: str
    fence: int
    losses: int

    def act(self, key: str, attempt: int = 1) -> str:
        """The side effect of a step: a line that no other execution writes; its value."""
        value = f"{key}:{self.fence}:{attempt}:{secrets.token_hex(4)}"
        write_down(
            Line(
                kind="step",
                run=self.run,
                key=key,
                fence=self.fence,
                losses=self.losses,
                attempt=attempt,
                value=value,
            )
        )
        return value

    def lingers(self) -> float:
        """How long an execution takes that outlives its lease, seconds: only the fence in the store stands between it and
        a second commit, for its worker neither renews the lease nor notices the loss of it. The next execution is still
        under way when the first one comes to its end; others are quick.
        """
        if self.losses:
            return LINGER if self.losses == 1 else 0.0
        for lane in LANES:
            held = lane._held.get(self.run)
            if held is not None:
                held.renew_at = held.stop_by = math.inf
        return DEAF


#: The claim in which code runs, also in threads and branches.
CLAIM: Final = contextvars.ContextVar[Claim]("CLAIM")
#: The runs of this process.
LANES: Final[list[RunLane]] = []


def begin(ctx: WorkflowContext) -> Claim:
    """Note that this worker goes on with the run."""
    assert isinstance(ctx, Context)
    claimed = ctx._x.claimed
    claim = Claim(claimed.id, claimed.fence, claimed.takeovers)
    CLAIM.set(claim)
    write_down(Line(kind="claim", run=claim.run, fence=claim.fence, losses=claim.losses))
    return claim


# ---------------------------------------------------------------- one run


class Order(BaseModel):
    number: int


def dawn_for(number: int) -> bool:
    """Whether a run waits for the event that comes once for hundreds; others have one of their own."""
    return number % 8 in {3, 5, 7}


def early_for(number: int) -> bool:
    """Whether its event and messages are there before it waits."""
    return number % 2 == 0


def nap_for(number: int) -> float:
    """How long it sleeps; most do so in their worker's hands."""
    return NAPS[number % 5 == 4]


async def take(number: int) -> str:
    value = CLAIM.get().act("take")
    await asyncio.sleep(0.002)
    return value


def check(step: StepContext, number: int) -> str:
    """A plain function; of some runs the first attempt fails, of others it lingers."""
    claim = CLAIM.get()
    value = claim.act("check", step.attempt)
    if number % 10 == 3 and step.attempt == 1:
        raise ConnectionError("the first attempt fails")
    time.sleep(claim.lingers() if number % 50 == 12 else 0)
    return value


async def rest(number: int) -> str:
    claim = CLAIM.get()
    value = claim.act("rest")
    await asyncio.sleep(claim.lingers() if number % 25 == 0 else 0.002)
    return value


async def left(number: int) -> str:
    claim = CLAIM.get()
    value = claim.act("left")
    await asyncio.sleep(claim.lingers() if number % 50 == 31 else 0.005)
    return value


def right(number: int) -> str:
    value = CLAIM.get().act("right")
    time.sleep(0.003)
    return value


@task("storm.job", visibility_timeout="2s")
async def job(ctx: TaskContext, one: Order) -> str:
    value = f"job:{secrets.token_hex(4)}"
    write_down(Line(kind="job", run=ctx.id, value=value))
    return value


def part(number: int) -> str:
    return CLAIM.get().act("part")


@workflow("storm.part", visibility_timeout=LEASE)
async def small(ctx: WorkflowContext, one: Order) -> str:
    """A child: one step and a nap."""
    begin(ctx)
    done = await ctx.step("part", part, one.number)
    await ctx.sleep("doze", DOZE)
    return done


@workflow("storm.order", visibility_timeout=LEASE)
async def order(ctx: WorkflowContext, one: Order) -> list[str]:
    """Everything a run can wait for; the result is what each step gave, in order."""
    claim = begin(ctx)
    try:
        return await carry_out(ctx, claim, one.number)
    except Lost:
        write_down(Line(kind="refused", run=claim.run, fence=claim.fence, losses=claim.losses))
        raise


async def carry_out(ctx: WorkflowContext, claim: Claim, number: int) -> list[str]:
    values = [await ctx.step("take", take, number)]
    retried = ctx.options(retry=RetryPolicy.fixed("50ms"))
    values.append(await retried.step_in("check", check, number))
    await ctx.sleep("nap", nap_for(number))
    values.append(await ctx.step("rest", rest, number))
    values.append(await ctx.wait(NOTES))
    values.append(await (ctx.wait(DAWN) if dawn_for(number) else ctx.wait(GO, key=str(number))))
    values.append(await ctx.call(job.build(Order(number=number))))
    values.append(await ctx.run(small.build(Order(number=number))))
    async with ctx.gather() as both:
        one, other = both.step("left", left, number), both.step("right", right, number)
    values += [await one, await other, await ctx.wait(NOTES)]
    values.append(await pay(ctx, claim, number))
    return values


async def pay(ctx: WorkflowContext, claim: Claim, number: int) -> str:
    """The last step; where the store has transactions, a row in a table of our own comes with its checkpoint."""
    if number % 25 == 6 and not ctx.is_replaying:
        await asyncio.sleep(claim.lingers())

    def in_the_file(connection: Transaction) -> str:
        value = claim.act("pay")
        connection.execute("INSERT INTO payment VALUES (?, ?)", (claim.run, value))
        return value

    def elsewhere() -> str:
        return claim.act("pay")

    return await (ctx.transaction("pay", in_the_file) if SQLITE else ctx.step("pay", elsewhere))


#: The keys of a run's checkpoints, in the order of its result.
GIVEN: Final = (
    "take",
    "check",
    "rest",
    "storm.notes",
    "",
    "storm.job",
    "storm.part",
    "left",
    "right",
    "storm.notes#1",
    "pay",
)
#: Those that leave their line in the ledger.
OWN: Final = ("take", "check", "rest", "left", "right", "pay")


def keys_of(number: int) -> Sequence[str]:
    """The same for one run, whose event has a name of its own."""
    event = "storm.dawn" if dawn_for(number) else f"storm.go[{number}]"
    return [key or event for key in GIVEN]


def run_name(number: int) -> str:
    return f"order-{number}"


def number_of(run: str) -> int:
    return int(run.partition("-")[2])


def noted(made: Worker) -> None:
    """Know the runs of the worker, so that they can turn deaf."""
    LANES[:] = [lane for lane in made._lanes if isinstance(lane, RunLane)]


if __name__ == "__main__":
    os.read(0, 1)  # until it is wanted
    threading.Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(main(Stem.from_env(tasks=[job], workflows=[order, small]), noted))
