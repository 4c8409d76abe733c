"""Crashing a workflow at every point at which its worker can die, in virtual time, and looking at what comes of it.

    report = await simulate(fulfil, order, events=[order_shipped.event(Shipment(...), key=order.id)],
                            effects={"gateway.charge": (gateway, "charge")})
    assert report.effects["gateway.charge"] == 1

The store is the one in memory, every one of whose calls can die before or after it has had its effect; so can every call
of the functions named by `effects`. First all single crashes are tried, then sampled pairs. Time is moved to the next
timer whenever nobody can go on, so a sleep of a week takes no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypedDict, TypeVar, overload

import msgspec
from pydantic import BaseModel
from typing_extensions import Unpack

from stem.core.call import TaskEnqueueBuilder
from stem.core.codec import NoArgs
from stem.core.envelope import Submission, decode
from stem.core.outcome import Outcome, Raised, Returned
from stem.core.retry import error_names
from stem.core.run import ENDED, ClaimedRun, Event, Message, RunRow, line_name
from stem.core.settle import Terms, follow_ups, settle
from stem.core.sizes import MAX_PAYLOAD
from stem.core.step import decode_meta
from stem.core.submit import submission
from stem.core.task import AnyDeclared
from stem.core.workflow import AnyDeclaredWorkflow, DeclaredWorkflow, WorkflowCall
from stem.durable.client import new_run
from stem.durable.execution import Execution, Means
from stem.durable.faults import error_of
from stem.durable.leaving import Died
from stem.durable.views import topic_words
from stem.memory.engine import MemoryEngine, MemoryStore
from stem.testing.clock import FakeClock
from stem.testing.context import task_context
from stem.testing.fake import FakeStem

A = TypeVar("A", bound=BaseModel)

When: TypeAlias = Literal["before", "after"]
#: A crash: at which point of the life, and whether before or after its effect.
Crash: TypeAlias = tuple[int, When]
#: A function whose calls are counted: where it lies, and its name there.
Effect: TypeAlias = tuple[object, str]

RUN: Final = "run"
#: More claims than this, and the run goes in circles.
MOST_CLAIMS: Final = 10_000


class WorkerDied(Died):
    """A worker's process, killed."""


class Broken(AssertionError):  # noqa: N818 - read by people in a test's output
    """An invariant that did not hold, with the crashes that led to it."""


class SimulateOptions(TypedDict, total=False):
    """What `simulate` takes beside the workflow and its parameters."""

    events: Sequence[Event | Message]
    effects: Mapping[str, Effect] | None
    workflows: Iterable[AnyDeclaredWorkflow]
    tasks: Iterable[AnyDeclared]
    pairs: int
    seed: int
    check: Callable[[Life], None] | None


class Report(msgspec.Struct, kw_only=True):
    """What the simulation saw.

    `points`: the places at which a worker can die in an undisturbed life; `schedules`: lives that were lived; `effects`: by
    name the most *different* calls of a function in one life (a repeated call with the same arguments counts once), and
    `calls` the most calls at all; `repeated`: by name a schedule of crashes in which a call came with other arguments.
    `state`, `result` and `steps` are those of the undisturbed life.
    """

    points: int = 0
    schedules: int = 0
    seconds: float = 0.0
    state: str = ""
    result: object = None
    steps: tuple[str, ...] = ()
    effects: dict[str, int] = {}
    calls: dict[str, int] = {}
    repeated: dict[str, tuple[Crash, ...]] = {}

    @property
    def per_second(self) -> float:
        """Schedules a second."""
        return self.schedules / self.seconds if self.seconds else 0.0


@overload
async def simulate(workflow: DeclaredWorkflow[NoArgs, Any], **options: Unpack[SimulateOptions]) -> Report: ...
@overload
async def simulate(workflow: DeclaredWorkflow[A, Any], params: A, **options: Unpack[SimulateOptions]) -> Report: ...
async def simulate(
    workflow: DeclaredWorkflow[Any, Any],
    params: BaseModel | None = None,
    *,
    events: Sequence[Event | Message] = (),
    effects: Mapping[str, Effect] | None = None,
    workflows: Iterable[AnyDeclaredWorkflow] = (),
    tasks: Iterable[AnyDeclared] = (),
    pairs: int = 200,
    seed: int = 0,
    check: Callable[[Life], None] | None = None,
) -> Report:
    """Live the run undisturbed, then with every single crash, then with `pairs` sampled pairs of crashes.

    `events` are delivered in order: when the run waits and nothing else is due, or now and then before it begins; a
    Message's run is `"run"`. `workflows` and `tasks` are what the run starts and calls. Broken (an AssertionError) when a
    life ends differently, a checkpoint changes, a sleep ends early, or the run is stranded; so is what `check(life)` raises.
    """
    began = time.perf_counter()
    simulation = _Simulation(workflow, params, tuple(events), effects or {}, tuple(workflows), tuple(tasks), check)
    whole = await simulation.live((), seed)
    report = Report(
        points=whole.points,
        state=whole.row.state,
        result=msgspec.json.decode(whole.row.result) if whole.row.result else None,
        steps=tuple(whole.steps),
    )
    singles: list[tuple[Crash, ...]] = [((n, when),) for n in range(whole.points) for when in ("before", "after")]
    chance = random.Random(seed)
    for number, crashes in enumerate([(), *singles, *_pairs(chance, whole.points, pairs)]):
        life = whole if not crashes else await simulation.live(crashes, seed + number)
        if crashes:
            _compare(whole, life)
        report.schedules += 1
        for name, calls in life.calls.items():
            different = len(set(calls))
            if different > report.effects.get(name, 0):
                report.effects[name] = different
            if different > len(set(whole.calls.get(name, ()))):
                report.repeated.setdefault(name, crashes)
            report.calls[name] = max(report.calls.get(name, 0), len(calls))
    report.seconds = time.perf_counter() - began
    return report


def _pairs(chance: random.Random, points: int, count: int) -> Iterator[tuple[Crash, ...]]:
    """Two crashes in one life; the second may lie in what the first has caused."""
    whens: tuple[When, When] = ("before", "after")
    for _ in range(count):
        first, second = sorted(chance.sample(range(points + points // 2 + 2), 2))
        yield (first, chance.choice(whens)), (second, chance.choice(whens))


def _compare(whole: Life, life: Life) -> None:
    """A life with crashes must end as the one without."""
    same = (life.row.state, life.row.result) == (whole.row.state, whole.row.result)
    if not same:
        raise Broken(
            f"with crashes at {_words(life.crashes)} the run ended {life.row.state} with {life.row.result!r} "
            f"(error {life.row.error!r}), without any {whole.row.state} with {whole.row.result!r}"
        )


def _words(crashes: Sequence[Crash]) -> str:
    return ", ".join(f"{when} point {number}" for number, when in crashes) or "no point"


class Life:
    """One life of the run, with the crashes that are planned for it."""

    def __init__(self, crashes: tuple[Crash, ...]) -> None:
        self.crashes = crashes
        self.points = 0
        self.calls: dict[str, list[str]] = {}
        self.steps: dict[str, bytes] = {}
        self.executions: Counter[str] = Counter()
        self.row = RunRow(id=RUN, workflow="", version=1)
        self._left = dict(crashes)

    async def point(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """One place at which the worker can die."""
        when = self._left.pop(self.points, None)
        self.points += 1
        if when == "before":
            raise WorkerDied
        answer = await call()
        if when == "after":
            raise WorkerDied
        return answer

    def point_now(self, call: Callable[[], Any]) -> Any:
        """The same for a plain function."""
        when = self._left.pop(self.points, None)
        self.points += 1
        if when == "before":
            raise WorkerDied
        answer = call()
        if when == "after":
            raise WorkerDied
        return answer


class _Mortal:
    """A role of the store whose calls are points; what only looks is left alone."""

    def __init__(self, role: Any, life: Life, methods: frozenset[str]) -> None:
        self._role, self._life, self._methods = role, life, methods

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._role, name)
        if name not in self._methods:
            return found

        async def call(*args: Any, **named: Any) -> Any:
            return await self._life.point(lambda: found(*args, **named))

        return call


class _Simulation:
    """Everything but the crashes."""

    def __init__(
        self,
        workflow: AnyDeclaredWorkflow,
        params: BaseModel | None,
        events: tuple[Event | Message, ...],
        effects: Mapping[str, Effect],
        workflows: tuple[AnyDeclaredWorkflow, ...],
        tasks: tuple[AnyDeclared, ...],
        check: Callable[[Life], None] | None,
    ) -> None:
        self._workflow, self._params, self._events, self._effects = workflow, params, events, effects
        self._known = {line_name(one.name, one.version): one for one in (workflow, *workflows)}
        self._tasks = {one.name: one for one in tasks}
        self._check = check

    async def live(self, crashes: tuple[Crash, ...], seed: int) -> Life:
        """One life, to its end."""
        life, world = Life(crashes), _World(self._known, self._tasks)
        call: WorkflowCall[Any] = self._workflow.build(self._params)
        await world.engine.workflows.start([new_run(call, RUN, None, max_payload=MAX_PAYLOAD)])
        left = list(self._events)
        if crashes and random.Random(seed).random() < 0.25:
            left = await world.deliver(left, len(left))
        with _counted(self._effects, life):
            for _ in range(MOST_CLAIMS):
                if await world.work(life):
                    continue
                await world.look(life)
                if life.row.state in ENDED:
                    break
                if life.row.state in {"blocked", "quarantined"}:
                    raise Broken(f"with crashes at {_words(crashes)} the run is {life.row.state}: {life.row.reason}")
                if left:
                    left = await world.deliver(left, 1)
                elif not await world.let_time_go_by():
                    raise Broken(f"with crashes at {_words(crashes)} the run is stranded: {await world.why_not()}")
            else:
                raise Broken(f"with crashes at {_words(crashes)} the run has not ended after {MOST_CLAIMS:,} claims")
        if self._check is not None:
            self._check(life)
        return life


class _World:
    """A store in virtual time, and workers that live until they are killed."""

    def __init__(self, known: dict[str, AnyDeclaredWorkflow], tasks: dict[str, AnyDeclared]) -> None:
        self.clock = FakeClock()
        self.engine = MemoryEngine(MemoryStore(self.clock))
        self._known, self._tasks = known, tasks
        self._worker = 0

    async def work(self, life: Life) -> bool:
        """One claim of runs and one of jobs, and what comes of them; whether there was anything."""
        try:
            return await self._work_on_runs(life) or await self._work_on_jobs(life)
        except WorkerDied:
            self._worker += 1
            return True

    async def _work_on_runs(self, life: Life) -> bool:
        store: Any = _Mortal(self.engine.workflows, life, frozenset({"claim", "commit", "release"}))
        claimed = await store.claim(list(self._known), 1, f"w{self._worker}")
        for run in claimed.runs:
            self._no_early_wake(run)
            await self._carry(run, store)
        return bool(claimed.runs)

    async def _carry(self, run: ClaimedRun, store: Any) -> None:
        """Like a worker's task; what it has begun dies with it."""
        before = asyncio.all_tasks()
        means = Means(
            store=store,
            submission=self._submission,
            new_run=lambda call, name, parent: new_run(call, name, parent, max_payload=MAX_PAYLOAD),
            worker=f"w{self._worker}",
            threads=None,
            max_payload=MAX_PAYLOAD,
            real=False,
        )
        execution = Execution(run, self._known[line_name(run.workflow, run.version)], means, stop_by=float("inf"))
        try:
            await execution.run()
        finally:
            left = [task for task in asyncio.all_tasks() - before if not task.done()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _no_early_wake(self, run: ClaimedRun) -> None:
        for step in run.steps:
            if decode_meta(step.meta).kind == "sleep" and step.finished_at > run.now:
                raise Broken(f"the sleep {step.key!r} ended early")

    def _submission(self, call: TaskEnqueueBuilder[Any], job: str, run: str, step: str) -> Submission:
        return submission(call.request, job_id=job, now_ms=self.clock.now_ms(), queues={}, run=run, step=step)

    async def _work_on_jobs(self, life: Life) -> bool:
        queues = [one.name for one in await self.engine.queues.all()]
        if not queues:
            return False
        broker: Any = _Mortal(self.engine.broker, life, frozenset({"claim", "settle"}))
        claimed = await broker.claim(queues, 1, f"w{self._worker}")
        for delivery in claimed.deliveries:
            envelope = decode(delivery.envelope)
            task = self._tasks.get(envelope.task)
            if task is None:
                raise Broken(f"the run calls the task {envelope.task!r}; give it to simulate as tasks=[...]")
            outcome = await _run_job(task, bytes(envelope.args), envelope.schema)
            terms = Terms(
                receipt=delivery.receipt,
                task=delivery.task,
                queue=delivery.queue,
                attempt=delivery.attempt,
                effects=follow_ups(envelope, delivery.id),
            )
            await broker.settle([settle(terms, outcome, now_ms=self.clock.now_ms(), jitter=0.0)])
        return bool(claimed.deliveries)

    async def deliver(self, events: list[Event | Message], count: int) -> list[Event | Message]:
        """Emit or send the first so many; the rest."""
        for one in events[:count]:
            if isinstance(one, Event):
                await self.engine.workflows.emit(one)
            else:
                await self.engine.workflows.send(one)
        return events[count:]

    async def let_time_go_by(self) -> bool:
        """To the next timer; False when there is none."""
        claimed = await self.engine.workflows.claim([], 0, "clock")
        rows = self.engine.store.space(self.engine.namespace).runs.rows.values()
        live = [row for row in rows if row.state not in ENDED and row.line in self._known]
        times = [row.due_at for row in live if row.due_at is not None]
        known = [at - self.clock.now_ms() for at in times]
        known += [claimed.next_due_ms] if claimed.next_due_ms is not None else []
        for queue in await self.engine.queues.all():
            due = (await self.engine.broker.claim([queue.name], 0, "clock")).next_due_ms
            known += [due] if due is not None else []
        if not known:
            return False
        self.clock.advance(max(1, min(known)) / 1000)
        return True

    async def look(self, life: Life) -> None:
        """What is stored; a checkpoint that has changed is seen here."""
        detail = await self.engine.workflows.get(RUN)
        assert detail is not None
        life.row = detail.row
        for step in detail.steps:
            if life.steps.setdefault(step.key, step.value) != step.value:
                raise Broken(f"with crashes at {_words(life.crashes)} the checkpoint {step.key!r} has changed")

    async def why_not(self) -> str:
        """Why the run does not go on."""
        detail = await self.engine.workflows.get(RUN)
        assert detail is not None
        strangers = sorted(
            {one.workflow for one in detail.children if line_name(one.workflow, one.version) not in self._known}
        )
        if strangers:
            return f"it starts {', '.join(strangers)}; give it to simulate as workflows=[...]"
        waits = ", ".join(f"{one.key} for {topic_words(one.topic)}" for one in detail.waits)
        reason = f", {detail.row.reason}" if detail.row.reason else ""
        return (
            f"it is {detail.row.state}{reason}, and waits for {waits or 'nothing'}; give simulate the events it needs"
        )


async def _run_job(task: AnyDeclared, args: bytes, schema: str) -> Outcome:
    """Like a worker, in few words: one attempt, whose failure is final when the task has no retries left."""
    given = task.reads.read(args, schema)
    context = task_context(app=FakeStem())
    try:
        made = task.fn(*(context if what == "ctx" else given for what in task.takes))
        value = await made if inspect.isawaitable(made) else made
        return Returned(task.results.encode(value))
    except Exception as fault:
        return Raised(error_of(fault), error_names(type(fault)))


@contextlib.contextmanager
def _counted(effects: Mapping[str, Effect], life: Life) -> Iterator[None]:
    """Count every call of these functions, and let the worker die around it."""
    kept: list[tuple[object, str, Any]] = []
    for name, (owner, attribute) in effects.items():
        original = getattr(owner, attribute)
        kept.append((owner, attribute, original))
        setattr(owner, attribute, _counting(name, original, life))
    try:
        yield
    finally:
        for owner, attribute, original in kept:
            setattr(owner, attribute, original)


def _counting(name: str, original: Any, life: Life) -> Any:
    def note(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        life.calls.setdefault(name, []).append(repr((args, sorted(kwargs.items()))))

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)  # a step's codec is made of the annotations
        async def call(*args: Any, **kwargs: Any) -> Any:
            async def done() -> Any:
                note(args, kwargs)
                return await original(*args, **kwargs)

            return await life.point(done)

        return call

    @functools.wraps(original)
    def call_now(*args: Any, **kwargs: Any) -> Any:
        def done() -> Any:
            note(args, kwargs)
            return original(*args, **kwargs)

        return life.point_now(done)

    return call_now
