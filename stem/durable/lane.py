"""Workflow runs as a worker's second kind of work: claimed in the same slots, renewed by the same thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, Final

from stem.contracts.workflows import Workflows
from stem.core.lease import look_every_ms, renew_every_ms, stop_by
from stem.core.run import CancelRequest, ClaimedRun, line_name
from stem.core.workflow import AnyDeclaredWorkflow
from stem.durable.ending import Left
from stem.durable.execution import Execution, Means
from stem.errors import EngineError
from stem.observe.signals import RunEvent, Signals
from stem.values import Receipt
from stem.worker.claim import Claimer, Slots
from stem.worker.suspects import Suspects

log = logging.getLogger("stem.durable")

#: How often what nobody claims is looked after: the rest of who waits for an event, policies, old runs; seconds.
SWEEP: Final = 60.0


class RunSource:
    """Runs of these lines, claimed under this worker's name."""

    def __init__(self, store: Workflows, lines: Sequence[str], worker: str) -> None:
        self._store, self._lines, self._worker = store, tuple(lines), f"{worker}/runs"

    async def claim(self, limit: int) -> tuple[tuple[ClaimedRun, ...], int | None]:
        claimed = await self._store.claim(self._lines, limit, self._worker, renews=True)
        return claimed.runs, claimed.next_due_ms

    async def wait(self, timeout_ms: int) -> bool:
        return await self._store.wait(self._worker, timeout_ms)

    async def put_back(self, batch: Sequence[Receipt], *, again_in_ms: int) -> list[bool]:
        return await self._store.release(batch, again_in_ms=again_in_ms)


class HeldRun:
    """A claimed run until it has left. Times are monotonic seconds."""

    is_run = True

    def __init__(self, execution: Execution, asked: float) -> None:
        self._execution, lease_ms = execution, execution.claimed.lease_ms
        self.renew_at = asked + renew_every_ms(lease_ms) / 1000
        self.lost = False
        self.task: asyncio.Task[None] | None = None

    @property
    def stop_by(self) -> float:
        return self._execution.journal.stop_by

    @stop_by.setter
    def stop_by(self, at: float) -> None:
        self._execution.journal.stop_by = at

    @property
    def receipt(self) -> Receipt:
        return self._execution.claimed.receipt

    @property
    def usual_lease_ms(self) -> int:
        return self._execution.claimed.lease_ms

    def lease_ms(self, now: float) -> int:  # noqa: ARG002 - as Leased has it
        return self._execution.claimed.lease_ms

    def lose(self) -> None:
        """The lease is gone; what the run still does cannot be stored."""
        if not self.lost:
            self.lost = True
            self._execution.lose()

    def cancel(self, reason: str) -> None:
        """Somebody wants it to end."""
        self._execution.cancel(CancelRequest(reason))

    def hand_back(self, *, now: bool) -> None:
        """Let another worker go on."""
        self._execution.hand_back(now=now)

    def blocks_the_loop(self, now: float) -> bool:  # noqa: ARG002 - as Leased has it
        """Runs have no hard limit of their own."""
        return False


class RunLane:
    """The runs of one worker."""

    def __init__(
        self,
        workflows: Sequence[AnyDeclaredWorkflow],
        store: Workflows,
        means: Callable[[str, Executor | None], Means],
        signals: Signals,
    ) -> None:
        self._known = {line_name(one.name, one.version): one for one in workflows}
        self._store, self._make_means, self._signals = store, means, signals
        self._held: dict[str, HeldRun] = {}
        self._counts: Counter[str] = Counter()
        self._claimer: Claimer[ClaimedRun] | None = None
        self._slots: Slots | None = None
        self._background: list[asyncio.Task[None]] = []

    def start(
        self,
        *,
        worker: str,
        slots: Slots,
        suspects: Suspects,
        threads: Executor,
        expect: Callable[[int], None],
        idle: Callable[[int], None],
        mark: Callable[[], int],
        active: Callable[[], None],
    ) -> list[asyncio.Task[None]]:
        """See Lane."""
        self._means, self._slots, self._expect, self._active = self._make_means(worker, threads), slots, expect, active
        self._suspects = suspects
        source = RunSource(self._store, list(self._known), worker)
        look_ms = look_every_ms(one.options.lease_ms for one in self._known.values())
        self._claimer = Claimer(source, slots, self._take, idle, mark, screen=suspects, name="runs", look_ms=look_ms)
        self._background = [asyncio.create_task(self._sweep(), name="stem-run-sweep")]
        return [*self._claimer.start(), *self._background]

    def held(self) -> Iterable[HeldRun]:
        return list(self._held.values())

    @property
    def running(self) -> int:
        return len(self._held)

    @property
    def lines(self) -> list[str]:
        return [line[1:] for line in self._known]

    def look_again(self) -> None:
        if self._claimer is not None:
            self._claimer.look_again()

    def hand_back(self, *, now: bool) -> None:
        for one in self.held():
            one.hand_back(now=now)

    async def stop(self) -> None:
        """Claim nothing more; what is held is handed back at its next step."""
        if self._claimer is not None:
            await self._claimer.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self.hand_back(now=False)

    async def wait_for_end(self, seconds: float) -> None:
        tasks = [one.task for one in self._held.values() if one.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        self.hand_back(now=True)
        left = [task for task in tasks if not task.done()]
        if left:
            _, left_behind = await asyncio.wait(left, timeout=1.0)
            for task in left_behind:
                task.cancel()

    def counts(self) -> dict[str, Any]:
        return {f"runs_{name}": count for name, count in self._counts.items()}

    # ---------------------------------------------------------------- one run

    def _take(self, runs: Sequence[ClaimedRun], asked: float) -> None:
        """Start each in a task of its own with a fresh context, under its lease from now on."""
        for claimed in runs:
            workflow = self._known[line_name(claimed.workflow, claimed.version)]
            execution = Execution(claimed, workflow, self._means, stop_by=stop_by(asked, claimed.lease_ms))
            held = HeldRun(execution, asked)
            before = self._held.get(claimed.id)
            if before is not None:
                before.lose()
            self._held[claimed.id] = held
            self._expect(claimed.lease_ms)
            held.task = asyncio.get_running_loop().create_task(self._carry(held, execution))
        self._counts["claimed"] += len(runs)
        self._active()

    async def _carry(self, held: HeldRun, execution: Execution) -> None:
        left: Left = "lost"
        try:
            left = await execution.run()
        except asyncio.CancelledError:
            left = "released"
        except BaseException:
            log.exception("run %s: the worker broke over it; its lease will end", execution.claimed.id)
        finally:
            if self._held.get(execution.claimed.id) is held:
                del self._held[execution.claimed.id]
            assert self._slots is not None
            self._slots.give()
            self._suspects.ended(held)
            self._counts[left] += 1
            self._active()
            self._told(execution, left)

    def _told(self, execution: Execution, left: Left) -> None:
        claimed = execution.claimed
        if left == "lost":
            text = "run %s (%s) is not in this worker's hands any more: its lease was over, or somebody ended or rewound it"
            log.warning(text, claimed.id, claimed.workflow)
        source = self._signals.runs.get(f"run_{left}")
        if source:
            source.emit(RunEvent(run_id=claimed.id, task=claimed.workflow, version=claimed.version))

    async def _sweep(self) -> None:
        while True:
            try:
                while await self._store.sweep():
                    pass
            except EngineError as fault:
                log.debug("no sweep of runs: %s", fault)
            await asyncio.sleep(SWEEP * (0.8 + 0.4 * (time.monotonic() % 1)))
