"""Renewing all leases of a worker from a thread of its own, and watching the event loop from there."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Final

from stem.contracts.broker import Renewal
from stem.contracts.engine import RenewalLine
from stem.core.lease import renew_every_ms, stop_by
from stem.errors import StemError
from stem.worker.lane import Leased
from stem.worker.process import leave

log = logging.getLogger("stem.worker")

#: Renewals in one call.
BATCH: Final = 500
#: Longest the thread sleeps, seconds.
TICK: Final = 0.5
#: A handler that keeps the event loop for so long is named in the log, seconds. asyncio's debug mode: 0.1.
BLOCKED: Final = 1.0


class Renewer:
    """Keeps leases alive even while a handler blocks the event loop; only C code that holds the GIL can starve it."""

    def __init__(
        self, line: Callable[[], RenewalLine], held: Callable[[], Iterable[Leased]], *, owns_process: bool
    ) -> None:
        self._open, self._held, self._owns_process = line, held, owns_process
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._wake = threading.Event()
        self._stopping = False
        self._tick = TICK
        self._shortest_ms = 1 << 62
        self.loop_seen = time.monotonic()
        self._named_block = False
        self._quiet_until = 0.0
        self._thread = threading.Thread(target=self._run, name="stem-renewals", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def expect(self, lease_ms: int) -> None:
        """Leases of this length are held from now on."""
        if lease_ms < self._shortest_ms:
            self._shortest_ms = lease_ms
            self._tick = min(TICK, renew_every_ms(lease_ms) / 2000)
            self._wake.set()

    def now(self) -> None:
        """Renew everything at once."""
        for one in list(self._held()):
            one.renew_at = 0.0
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        line: RenewalLine | None = None
        now = time.monotonic()
        while not self._stopping:
            self._wake.wait(self._tick)
            self._wake.clear()
            before, now = now, time.monotonic()
            due = [one for one in list(self._held()) if one.renew_at <= now and not one.lost]
            try:
                if due:
                    line = line or self._open()
                    for kind in (False, True):
                        same = [one for one in due if one.is_run is kind]
                        for start in range(0, len(same), BATCH):
                            self._renew(line, same[start : start + BATCH])
            except Exception as fault:
                self._failed(fault)
            if now - before < self._tick + BLOCKED:  # else the whole process stood still, and no code is to blame
                self._watch(now)
        if line is not None:
            line.close()

    def _renew(self, line: RenewalLine, due: list[Leased]) -> None:
        asked = time.monotonic()
        wanted = [one.lease_ms(asked) for one in due]
        batch = [Renewal(one.receipt, ms) for one, ms in zip(due, wanted, strict=True)]
        answers = line.renew_runs(batch) if due[0].is_run else line.renew(batch)
        for one, lease_ms, answer in zip(due, wanted, answers, strict=True):
            if answer.status == "unknown":
                continue  # asked again at the next tick, and given up when its lease must have ended
            if answer.status == "lost":
                one.renew_at = asked + lease_ms / 1000
                self._tell(one.lose)
                continue
            one.stop_by = max(one.stop_by, stop_by(asked, lease_ms))
            one.renew_at = asked + renew_every_ms(one.usual_lease_ms) / 1000
            if answer.status == "cancel":
                self._tell(one.cancel, answer.reason)

    def _tell(self, what: Callable[..., None], *args: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, *args)

    def _failed(self, fault: Exception) -> None:
        """One line a minute: leases that cannot be renewed end by themselves."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + 60
            known = isinstance(fault, StemError)
            log.warning("cannot renew leases, trying again: %s", fault, exc_info=None if known else fault)

    def _watch(self, now: float) -> None:
        """Name a handler that blocks the event loop; past its hard limit, end the process if it is ours to end."""
        blocked = now - self.loop_seen
        if blocked < BLOCKED:
            self._named_block = False
            return
        if not self._named_block:
            self._named_block = True
            log.warning("the event loop has been blocked for %.1f s by this code:\n%s", blocked, self._stack())
        over = [one for one in list(self._held()) if one.blocks_the_loop(now)]
        if over and self._owns_process:
            log.critical("job %s blocks the event loop past its time limit: ending the process", over[0].receipt.job_id)
            leave(70)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - the only way to see another thread's stack
        return "".join(traceback.format_stack(frame)[-6:]) if frame is not None else "(no stack)"
