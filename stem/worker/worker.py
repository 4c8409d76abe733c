"""The worker: its parts, and its life from start to the last settlement."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import msgspec

from stem.clock import Clock
from stem.contracts.broker import Delivery, Settled
from stem.contracts.engine import Engine
from stem.core.context import Enqueuer
from stem.core.lease import look_every_ms, renew_every_ms, stop_by
from stem.core.limit import LimitRow
from stem.core.options import DEFAULT_QUEUE, Options, no_hard_limit
from stem.core.outcome import Outcome
from stem.core.registry import Registry
from stem.core.schema import task_list
from stem.core.settle import Settlement, Terms, settle
from stem.core.sizes import MAX_RESULT
from stem.core.task import AnyDeclared
from stem.core.unknown import UNKNOWN_FOR_MS
from stem.errors import ConfigError, EngineError
from stem.observe.logs import log_failure
from stem.observe.middleware import Middleware, consume_chain, overriding
from stem.observe.signals import Signals, WorkerEvent
from stem.values import Unset
from stem.worker import duties
from stem.worker.attempt import Runner, interrupted, left_behind
from stem.worker.claim import Claimer, Slots
from stem.worker.lane import Lane, Leased
from stem.worker.process import leave
from stem.worker.renew import Renewer
from stem.worker.running import Running
from stem.worker.settle import Settler
from stem.worker.source import JobSource
from stem.worker.suspects import Suspects

log = logging.getLogger("stem.worker")

#: warm: running jobs come to their end. soft: they are stopped and handed back. hard: handed back at once.
StopMode: TypeAlias = Literal["warm", "soft", "hard"]

_HARDER: Final[tuple[StopMode, ...]] = ("warm", "soft", "hard")

#: How often limits are looked at, seconds.
SCAN: Final = 0.05
#: Exit code of a process that its worker ends.
FAILURE: Final = 70
#: How long a soft stop waits for handlers to end before it hands their jobs back all the same, seconds.
SOFT_GRACE: Final = 10.0


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How one worker works. `owns_process`: it may end the process when a handler blocks the loop past its limit.

    `unknown_for_ms`: how long a job that it does not know waits for a worker that does.
    """

    concurrency: int = 100
    queues: tuple[str, ...] = ()
    name: str = ""
    strict: bool = False
    burst: bool = False
    owns_process: bool = False
    unknown_for_ms: int = UNKNOWN_FOR_MS
    max_result: int = MAX_RESULT


class Worker:
    """Runs the jobs of some queues in this event loop. `async with app.worker():`, or `await worker.run()`."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        config: WorkerConfig,
        *,
        app: Enqueuer,
        clock: Clock,
        queues: Mapping[str, Options],
        middleware: Sequence[Middleware],
        signals: Signals,
        lanes: Sequence[Lane] = (),
    ) -> None:
        self._engine, self._registry, self._config, self._clock = engine, registry, config, clock
        self._signals = signals
        self.name = f"{config.name or f'{socket.gethostname()}-{os.getpid()}'}-{secrets.token_hex(3)}"
        self.known_queues = _queues_of(registry.handlers(), queues)
        self.queues = config.queues or self.known_queues
        check_runnable(registry.handlers())
        self._source = JobSource(engine.broker, self.queues, self.name, strict=config.strict)
        self._slots = Slots(config.concurrency)
        self._suspects = Suspects(self._slots)
        self._threads = ThreadPoolExecutor(config.concurrency, thread_name_prefix="stem-job")
        self._runner = Runner(
            registry=registry,
            broker=engine.broker,
            app=app,
            threads=self._threads,
            middleware=middleware,
            signals=signals,
            queues=dict(queues),
            worker=self.name,
            unknown_for_ms=config.unknown_for_ms,
            max_result=config.max_result,
        )
        self._wrapped = bool(overriding(middleware, "on_consume"))
        self._middleware = middleware
        self._settler = Settler(self._source, self._stored)
        self._lanes = tuple(lanes)
        #: How often something began or ended; and what it was before the last claim of each kind that came back empty.
        self._activity = 0
        self._quiet: dict[int, int] = {}
        said = [*(one.options.layer for one in registry.handlers()), *queues.values()]
        self._claimer = Claimer(
            self._source,
            self._slots,
            self._take,
            lambda mark: self._nothing_to_do(-1, mark),
            lambda: self._activity,
            screen=self._suspects,
            look_ms=look_every_ms(one.lease_ms for one in said if not isinstance(one.lease_ms, Unset)),
        )
        self._held: dict[str, Running] = {}
        self._background: list[asyncio.Task[None]] = []
        self._renewer: Renewer | None = None
        self._stop_asked = asyncio.Event()
        self._mode: StopMode = "warm"
        #: Attempts started, settlements by what they were (`succeeded`, `failed`, ...), outcomes that came too late.
        self.counts: dict[str, int] = {
            "started": 0,
            **{name.removeprefix("job_"): 0 for name in signals.settled},
            "stale": 0,
        }
        self._task_list, _ = task_list(one.name for one in registry.handlers())
        self._started_at = 0
        self.failed: BaseException | None = None
        self._left: list[Running] = []
        self._ending: asyncio.Task[None] | None = None
        self._closing = False

    # ---------------------------------------------------------------- life

    async def __aenter__(self) -> Worker:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop("warm")

    async def start(self) -> None:
        """Begin to work, once. Installs no signal handlers: the process belongs to its host."""
        if self._renewer is not None or self._ending is not None:
            raise ConfigError("this worker has been started before; a worker works once, app.worker() makes another")
        await self._open()
        self._started_at = self._clock.now_ms()
        self._renewer = Renewer(self._engine.renewals, self._leased, owns_process=self._config.owns_process)
        self._renewer.start()
        self._background = [
            asyncio.create_task(self._settler.run(), name="stem-settle"),
            asyncio.create_task(self._scan(), name="stem-limits"),
            asyncio.create_task(duties.show_life(self._engine, self.name, self._info), name="stem-presence"),
            asyncio.create_task(duties.sweep(self._engine, self._define_limits), name="stem-sweep"),
            asyncio.create_task(duties.hear(self._engine, self.name, self._renewer.now), name="stem-commands"),
            asyncio.create_task(duties.tell_schemas(self._engine, self._registry.handlers()), name="stem-schemas"),
        ]
        for task in (*self._claimer.start(), *self._start_lanes(self._renewer), *self._background):
            task.add_done_callback(self._part_ended)
        self._signals.worker_started.emit(WorkerEvent(worker=self.name, queue=",".join(self.queues)))

    def _start_lanes(self, renewer: Renewer) -> list[asyncio.Task[None]]:
        return [
            task
            for number, lane in enumerate(self._lanes)
            for task in lane.start(
                worker=self.name,
                slots=self._slots,
                suspects=self._suspects,
                threads=self._threads,
                expect=renewer.expect,
                idle=partial(self._nothing_to_do, number),
                mark=lambda: self._activity,
                active=self._ended_one,
            )
        ]

    def _leased(self) -> list[Leased]:
        """All that is held; also asked from the renewal thread."""
        return [*list(self._held.values()), *(one for lane in self._lanes for one in lane.held())]

    async def run(self) -> None:
        """Work until somebody asks for the end (`ask_to_stop`), or with `burst` until no job is ready or running."""
        if self._renewer is None:
            await self.start()
        try:
            await self._stop_asked.wait()
        finally:
            await self.stop(self._mode)

    def ask_to_stop(self, mode: StopMode) -> None:
        """Begin to end, or end faster; for signal handlers."""
        self._mode = max(mode, self._mode, key=_HARDER.index)
        self._stop_asked.set()
        for lane in self._lanes:
            lane.hand_back(now=self._mode != "warm")
        if self._mode != "warm":
            for running in list(self._held.values()):
                running.hand_back()

    async def stop(self, mode: StopMode = "warm") -> None:
        """End: claim nothing more, treat what runs as `mode` says, store what has ended.

        Again, meanwhile, it can only become harder; a caller that is cancelled does not break the end off.
        """
        if self._renewer is None:
            return
        self.ask_to_stop(mode)
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(self._renewer), name="stem-end")
        await asyncio.shield(self._ending)

    async def _end(self, renewer: Renewer) -> None:
        self._signals.worker_stopping.emit(WorkerEvent(worker=self.name, queue=",".join(self.queues)))
        try:
            await asyncio.gather(self._claimer.stop(), *(lane.stop() for lane in self._lanes))
            await self._run_down()
            for lane in self._lanes:
                await lane.wait_for_end(SOFT_GRACE if self._mode != "hard" else SCAN * 4)
            await self._drain()
        finally:
            self._renewer = None
            self._closing = True
            await asyncio.to_thread(renewer.stop)
            await _cancelled(self._background)
            self._threads.shutdown(wait=False, cancel_futures=True)
        await self._leave()
        self._signals.worker_stopped.emit(WorkerEvent(worker=self.name, queue=",".join(self.queues)))

    @property
    def running(self) -> int:
        """Attempts under way."""
        return self._running_jobs + sum(lane.running for lane in self._lanes)

    @property
    def _running_jobs(self) -> int:
        return sum(one.task is not None and not one.ended for one in self._held.values())

    @property
    def lines(self) -> list[str]:
        """Workflows and versions whose runs it takes, as 'orders.fulfil@1'."""
        return [line for lane in self._lanes for line in lane.lines]

    @property
    def strange_queues(self) -> list[str]:
        """Queues that were asked for, although no task and no queue of the app has that name."""
        return [name for name in self.queues if name not in self.known_queues]

    @property
    def stuck(self) -> bool:
        """Whether a handler goes on that was left behind: it would keep the process from ending."""
        return any(one.goes_on for one in self._left)

    # ---------------------------------------------------------------- one delivery

    def _take(self, deliveries: Sequence[Delivery], asked: float) -> None:
        """Start an attempt for each delivery: its own task with a fresh context, under its lease from now on."""
        loop = asyncio.get_running_loop()
        renewer = self._renewer
        for delivery in deliveries:
            lease_ms = delivery.lease_ms
            running = Running(delivery, stop_by(asked, lease_ms), asked + renew_every_ms(lease_ms) / 1000)
            before = self._held.get(delivery.id)
            if before is not None:
                before.lose()  # we hold the job again, so the attempt we still knew of had lost its lease
            self._held[delivery.id] = running
            if renewer is not None:
                renewer.expect(lease_ms)
            running.task = loop.create_task(self._attempt(running))
        self.counts["started"] += len(deliveries)
        self._activity += 1

    async def _attempt(self, running: Running) -> None:
        try:
            if self._wrapped:
                await consume_chain(self._middleware, lambda _: self._consume(running))(running.delivery)
                if not running.passed_on:
                    raise ConfigError("a middleware's on_consume ended without `await proceed(delivery)`")
            else:
                await self._consume(running)
        except asyncio.CancelledError:
            running.handed_back = True
        except Exception as fault:
            log.exception("job %s: the attempt broke outside its handler", running.delivery.id)
            self._settle_broken(running, fault)
        finally:
            if not running.ended:
                running.ended = True
                self._free_slot(running)
            if self._held.get(running.delivery.id) is running and (running.lost or running.settlement is None):
                await self._dropped(running)

    async def _consume(self, running: Running) -> None:
        if running.passed_on:
            raise ConfigError("a middleware's on_consume called `proceed` twice for one delivery")
        running.passed_on = True
        if time.monotonic() >= running.stop_by:
            running.lost = True
            return
        terms, outcome = await self._runner.run(running, self._clock.now_ms())
        if outcome is None or running.lost or running.settlement is not None:
            return
        self._settle(running, terms, outcome)

    def _settle(self, running: Running, terms: Terms, outcome: Outcome) -> None:
        running.settlement = settle(terms, outcome, now_ms=self._clock.now_ms(), jitter=random.random())
        self._settler.put(running.settlement)

    def _settle_broken(self, running: Running, fault: Exception) -> None:
        """Code around the handler failed. Handed back, the job would come again at once, and for ever."""
        if running.settlement is None and not running.lost and not running.handed_back:
            terms, outcome = self._runner.broken(running.delivery, fault, self._clock.now_ms())
            self._settle(running, terms, outcome)

    async def _leave_behind(self, running: Running) -> None:
        """A coroutine that does not end: settle without it, and give its slot to others."""
        running.leave_behind()
        self._left = [*(one for one in self._left if one.goes_on), running]
        self._free_slot(running)
        text = "job %s (%s) does not stop; it is left behind and its slot given to others"
        log.warning(text, running.delivery.id, running.delivery.task)
        if running.lost or running.terms is None:
            await self._dropped(running)
        else:
            self._settle(running, running.terms, left_behind())

    def _free_slot(self, running: Running) -> None:
        self._slots.give()
        self._suspects.ended(running)

    async def _dropped(self, running: Running) -> None:
        """An attempt without a settlement: its lease was lost, or its job is handed back."""
        delivery = running.delivery
        self._forget(delivery.id)
        if running.lost:
            self.counts["stale"] += 1
            log.warning("lease on job %s (%s) was lost; what it did here was discarded", delivery.id, delivery.task)
            return
        try:
            await self._source.release([delivery.receipt])
        except EngineError as fault:
            log.warning("job %s could not be handed back, its lease will end: %s", delivery.id, fault)

    def _forget(self, job_id: str) -> None:
        """A delivery is over; the last one of a burst is a reason to look whether there is more."""
        self._held.pop(job_id, None)
        self._ended_one()

    def _ended_one(self) -> None:
        """Something began or ended: what was found empty before need not be so any more."""
        self._activity += 1
        if self._config.burst and not self._held and not any(lane.running for lane in self._lanes):
            self._claimer.look_again()
            for lane in self._lanes:
                lane.look_again()

    def _stored(self, settlement: Settlement, answer: Settled) -> None:
        """The store has answered: tell observers, or say that it was too late."""
        running = self._held.get(settlement.receipt.job_id)
        if running is not None and running.delivery.receipt == settlement.receipt:
            self._forget(settlement.receipt.job_id)
        if answer == "stale":
            self.counts["stale"] += 1
            text = "lease on job %s (%s) was lost before its outcome could be stored; it was discarded"
            log.warning(text, settlement.receipt.job_id, settlement.signal.task)
            return
        signal = settlement.signal
        self.counts[signal.name.removeprefix("job_")] += 1
        if signal.error is not None:
            log_failure(signal)
        source = self._signals.settled[signal.name]
        if source:
            source.emit(signal)

    # ---------------------------------------------------------------- background

    async def _scan(self) -> None:
        """Look at every limit, and show the renewal thread that the event loop lives."""
        while True:
            await asyncio.sleep(SCAN)
            now = time.monotonic()
            if self._renewer is not None:
                self._renewer.loop_seen = now
            self._suspects.look(now)
            for running in list(self._held.values()):
                if not running.ended and running.look(now):
                    await self._leave_behind(running)

    def _info(self) -> dict[str, Any]:
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": list(self.queues),
            "tasks": self._task_list,
            "workflows": self.lines,
            "concurrency": self._config.concurrency,
            "running": self.running,
            "started_at": self._started_at,
            "suspects": self._suspects.running,
            "idle_slots": self._slots.idle,
            "put_back": self._suspects.put_back,
            **self.counts,
            **{name: value for lane in self._lanes for name, value in lane.counts().items()},
        }

    def _nothing_to_do(self, kind: int, mark: int) -> None:
        """A claim came back empty, asked when `mark` was the activity; in a burst that is the end once nothing runs.

        Jobs begin runs and runs enqueue jobs: the worker ends when all kinds were found empty since the last activity.
        """
        if not self._config.burst:
            return
        self._quiet[kind] = mark
        stale = [one for one in range(-1, len(self._lanes)) if self._quiet.get(one) != self._activity]
        for one in stale:
            if one != kind or mark != self._activity:
                (self._claimer if one < 0 else self._lanes[one]).look_again()
        if not stale and not self._held and not any(lane.running for lane in self._lanes):
            self._stop_asked.set()

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        """A part of the worker must not die unseen: the worker ends, and its error is logged."""
        ours = self._ending is not None and (self._closing or task not in self._background)
        if task.cancelled() and not ours:
            self._cut_off(task.get_name())
        elif not task.cancelled() and task.exception() is not None:
            log.critical("%s broke; the worker stops", task.get_name(), exc_info=task.exception())
            self.failed = task.exception()
            self.ask_to_stop("soft")

    def _cut_off(self, part: str) -> None:
        """Somebody has cancelled a part: without it nothing is claimed or stored any more, so there is nothing to wait for."""
        if self.failed is not None:
            return
        jobs = ", ".join(sorted({one.delivery.task for one in self._held.values()})) or "no job"
        text = f"{part} was cancelled by other code in this process, a handler perhaps (running: {jobs})"
        self.failed = RuntimeError(text)
        log.critical("%s; the worker ends, and its jobs are handed out again when their leases end", text)
        if self._config.owns_process:
            leave(FAILURE)
        self.ask_to_stop("hard")

    # ---------------------------------------------------------------- start and end

    async def _open(self) -> None:
        """Connect and write down limits."""
        await self._engine.open()
        await self._define_limits()

    async def _define_limits(self) -> None:
        rows = [_limit_row(task) for task in self._registry.handlers()]
        await self._engine.limiter.define([row for row in rows if row is not None])

    async def _run_down(self) -> None:
        """Wait for what runs, as long as the mode allows; the mode may become harder meanwhile."""
        grace_ends: float | None = None
        while self._running_jobs:
            if self._mode != "warm" and grace_ends is None:
                grace_ends = time.monotonic() + (SOFT_GRACE if self._mode == "soft" else SCAN * 4)
                for running in list(self._held.values()):
                    running.hand_back()
            if grace_ends is not None and (time.monotonic() > grace_ends or self._mode == "hard"):
                await asyncio.sleep(SCAN)
                break
            tasks = [one.task for one in self._held.values() if one.task is not None and not one.ended]
            await asyncio.wait(tasks, timeout=SCAN)
        left = [one for one in self._held.values() if not one.ended]
        if left:
            await self._give_up(left)

    async def _give_up(self, left: Sequence[Running]) -> None:
        """Handlers that did not stop in time: their jobs go to others, but those that must not run twice."""
        self._left += left
        for one in left:
            if one.once and one.terms is not None and one.settlement is None:
                self._settle(one, one.terms, interrupted())
        back = [one.delivery.receipt for one in left if one.settlement is None]
        log.warning("%s did not stop in time; %s handed back", _many(len(left), "handler"), _many(len(back), "job"))
        for one in left:
            if one.settlement is None:
                one.lost = True  # from now on it is somebody else's
                self._held.pop(one.delivery.id, None)
        try:
            await self._source.release(back)
        except EngineError as fault:
            log.warning("%s could not be handed back, the leases will end: %s", _many(len(back), "job"), fault)

    async def _drain(self) -> None:
        """Store what has ended; when the store is away, leases end by themselves."""
        drained, settling = asyncio.ensure_future(self._settler.drained()), self._background[0]
        await asyncio.wait({drained, settling}, timeout=SOFT_GRACE, return_when=asyncio.FIRST_COMPLETED)
        if drained.done():
            return
        drained.cancel()
        if settling.done():
            log.warning("settlements were not stored, their jobs will run again: %s has ended", settling.get_name())
        else:
            log.warning("the store is away: settlements were not stored, their jobs will run again")

    async def _leave(self) -> None:
        try:
            await self._engine.presence.leave(self.name)
        except EngineError as fault:
            log.debug("not signed off: %s", fault)


def check_runnable(tasks: Sequence[AnyDeclared]) -> None:
    """ConfigError when a declared task asks for what this worker cannot do: better at start than at its first job."""
    problems = [
        f"task {task.name!r} has isolate=True, but this version has no worker processes yet; remove it"
        for task in tasks
        if task.options.isolate
    ]
    problems += [no_hard_limit(task.name) for task in tasks if not task.is_async and task.options.layer.hard_ms]
    if problems:
        raise ConfigError(problems)


def _queues_of(tasks: Sequence[AnyDeclared], queues: Mapping[str, Options]) -> tuple[str, ...]:
    """The queues that the tasks and the app name, and the default one."""
    named = {task.options.layer.queue for task in tasks if isinstance(task.options.layer.queue, str)}
    return tuple(sorted({DEFAULT_QUEUE, *named, *queues}))


def _limit_row(task: AnyDeclared) -> LimitRow | None:
    rate, limit = task.options.rate_limit, task.options.concurrency
    if rate is None and limit is None:
        return None
    return LimitRow(task.name, rate.bucket if rate else None, limit.count if limit else None)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
