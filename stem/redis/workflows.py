"""Workflow runs, on Redis: each call is one script."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from stem.contracts.broker import Held, Renewal
from stem.contracts.workflows import (
    Cancelled,
    ClaimedRuns,
    Emitted,
    KeptEvent,
    Rewound,
    RunDetail,
    RunFilter,
    Sent,
    Started,
    Waiter,
)
from stem.core import cursor as cursors
from stem.core.priority import queue_order
from stem.core.run import (
    CancelRequest,
    Change,
    ClaimedRun,
    Committed,
    Event,
    Message,
    NewRun,
    RunRow,
    Step,
    cancel_of,
    is_plain,
)
from stem.redis.line import Word
from stem.redis.names import safe
from stem.redis.rows import Outgoing
from stem.redis.run_rows import (
    aside_of,
    change_words,
    claimed_run,
    committed,
    decode,
    encode,
    event_of,
    mail_of,
    new_run_words,
    run_row,
    steps_of,
    wait_of,
    waits_of,
)
from stem.redis.store import Store
from stem.values import Receipt

#: Runs in one script.
_SLICE = 200


class RedisWorkflows:
    """The Workflows of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns: Counter[str] = Counter()

    async def start(self, batch: Sequence[NewRun]) -> list[Started]:
        answers: list[Started] = []
        for start in range(0, len(batch), _SLICE):
            words = encode([new_run_words(new) for new in batch[start : start + _SLICE]])
            said = decode(await self._store.run("start_runs", words, durable="yes"))
            answers += [Started(*one) for one in said]
        return answers

    async def claim(self, lines: Sequence[str], limit: int, worker: str, *, renews: bool = False) -> ClaimedRuns:
        self._turns[worker] += 1
        order, naps = queue_order(lines, self._turns[worker]), self._store.bells.naps

        def noted(reply: Any) -> None:
            """Before the claimer goes on."""
            if isinstance(reply, list) and reply[1:]:
                naps.get_up(worker)
            elif isinstance(reply, list):
                naps.lie_down(worker, tuple(lines), rings)

        words: tuple[Word, ...] = (limit, safe(worker), self._store.me, "1" if renews else "", *map(safe, order))
        rings = naps.ask(worker)
        asked = asyncio.ensure_future(self._store.run("claim_runs", *words, again=False, noted=noted))
        try:
            timer, *found = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(self._give_back)
            raise
        return ClaimedRuns(tuple(_claimed(one) for one in found), None if timer < 0 else timer)

    def _give_back(self, asked: asyncio.Future[Any]) -> None:
        """Whoever asked is gone: what was handed out must not wait for its lease to end."""
        if not asked.cancelled() and asked.exception() is None:
            receipts = [_claimed(one).receipt for one in asked.result()[1:]]
            if receipts:
                self._store.run_later("release_runs", 0, *(word for receipt in receipts for word in receipt))

    async def wait(self, worker: str, timeout_ms: int) -> bool:
        return await self._store.bells.naps.sleep(worker, timeout_ms)

    async def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        words: list[Word] = []
        for one in batch:
            words += (*one.receipt, "" if one.lease_ms is None else one.lease_ms)
        return [_held(said) for said in await self._store.run("renew_runs", *words)] if words else []

    async def release(self, batch: Sequence[Receipt], *, again_in_ms: int = 0) -> list[bool]:
        words = [word for receipt in batch for word in receipt]
        return [said == 1 for said in await self._store.run("release_runs", again_in_ms, *words)] if words else []

    async def commit(self, receipt: Receipt, change: Change) -> Committed:
        if is_plain(change):
            (step,) = change.steps
            words = (step.key, step.pos, step.outcome, step.value, step.meta, step.started_at, step.attempts)
            done = await self._store.run("commit_step", *receipt, change.number, *words, durable="try")
            if done is not None:
                cancel, now = done
                return Committed(status="done", cancel=cancel_of(cancel), now=int(now))
        return await self.commit_with(receipt, change, [None] * len(change.effects))

    async def commit_with(self, receipt: Receipt, change: Change, away: Sequence[Outgoing | None]) -> Committed:
        """Commit, with some effects put out instead of brought about here."""
        return committed(await self._store.run("commit_run", *receipt, *change_words(change, away), durable="try"))

    async def complete(self, run: str, key: str, step: Step, *, source: str = "") -> bool:
        return bool(await self._store.run("complete_run", run, key, source, step.outcome, step.value))

    async def emit(self, event: Event) -> Emitted:
        words = (event.topic, event.id, event.payload, event.ttl_ms)
        new, woken, more = await self._store.run("emit", *words, again=False, durable="yes")
        return Emitted(bool(new), woken, bool(more))

    async def send(self, message: Message, start: NewRun | None = None) -> Sent:
        new = b"" if start is None else encode(new_run_words(start))
        words = (message.run, message.box, message.id, message.payload, new)
        said: bytes = await self._store.run("tell_run", *words, again=bool(message.id), durable="yes")
        return said.decode()  # type: ignore[return-value]  # the script's words are the contract's

    async def cancel(self, run: str, request: CancelRequest, *, terminate: bool = False) -> Cancelled:
        words = (run, request.reason, request.by, "1" if terminate else "")
        said: bytes = await self._store.run("cancel_run", *words, again=False, durable="yes")
        return said.decode()  # type: ignore[return-value]

    async def resume(self, run: str) -> bool:
        return bool(await self._store.run("resume_run", run, again=False, durable="yes"))

    async def rewind(self, run: str, key: str) -> Rewound:
        said: bytes = await self._store.run("rewind_run", run, key, again=False, durable="yes")
        return said.decode()  # type: ignore[return-value]

    async def sweep(self, limit: int = 500) -> int:
        return int(await self._store.run("sweep_runs", limit))

    # ---------------------------------------------------------------- looking

    async def get(self, run: str, *, whole: bool = True) -> RunDetail | None:
        now, *said = await self._store.run("run", run, "1" if whole else "")
        if not said:
            return None
        row = run_row(run, said[0], params=said[1], outcome=said[2])
        if not whole:
            return RunDetail(row=row, now=int(now))
        steps, waits, mails, aside, children = said[3:]
        messages = sorted((int(mails[i]), mails[i + 1]) for i in range(0, len(mails), 2))
        return RunDetail(
            row=row,
            steps=steps_of(steps),
            waits=waits_of(waits),
            messages=tuple(mail_of(run, value) for _, value in messages),
            branches=tuple(map(aside_of, aside)),
            children=tuple(
                run_row(children[i].decode(), children[i + 1], notes=False) for i in range(0, len(children), 2)
            ),
            now=int(now),
        )

    async def page(self, which: RunFilter, *, limit: int = 50, cursor: str = "") -> tuple[list[RunRow], str]:
        below: int | None = cursors.number(cursor)
        found: list[RunRow] = []
        while len(found) <= limit:
            rows = await self._slice(which, below)
            found += [row for row in rows if _fits(row, which)]
            if not rows:
                break
            below = rows[-1].seq
        page = found[:limit]
        return page, str(page[-1].seq) if len(found) > limit else ""

    async def _slice(self, which: RunFilter, below: int | None) -> list[RunRow]:
        """The next rows of the index that fits best, the newest first."""
        index = "all"
        if which.parent:
            index = f"ch:{which.parent}"
        elif len(which.states) == 1:
            index = f"st:{which.states[0]}"
        elif which.workflow:
            index = f"wf:{which.workflow}"
        said = await self._store.run("page_runs", index, "" if below is None else below, _SLICE)
        return [run_row(said[i].decode(), said[i + 1], notes=False) for i in range(0, len(said), 2)]

    async def waiters(self, topic: str, *, limit: int = 100) -> list[Waiter]:
        said = await self._store.run("run_waiters", topic, "1" if topic.endswith("\0") else "", limit)
        found = [
            Waiter(said[i].decode(), said[i + 1].decode(), wait_of(said[i + 2].decode(), said[i + 3]))
            for i in range(0, len(said), 4)
        ]
        return sorted(found, key=lambda one: one.wait.since)[:limit]

    async def events(self, *, limit: int = 100) -> list[KeptEvent]:
        events, mails = await self._store.run("run_events", limit)
        found = [event_of(events[i].decode(), events[i + 1]) for i in range(0, len(events), 2)]
        found += [(int(mails[i + 1]), mail_of(mails[i].decode(), mails[i + 2])) for i in range(0, len(mails), 3)]
        return [one for _, one in sorted(found, key=lambda pair: -pair[0])[:limit]]

    async def ended(self, run: str, timeout_ms: int | None) -> RunRow | None:
        async def look(me: str) -> list[bytes] | None:
            found: list[bytes] | None = await self._store.run("await_run", run, me, "E", "")
            return found

        found = await self._store.until(f"E:{run}", look, timeout_ms)
        return run_row(run, found[0], outcome=found[1]) if found else None

    async def changed(self, run: str, version: int, timeout_ms: int | None) -> int:
        async def look(me: str) -> int | None:
            found: int | None = await self._store.run("await_run", run, me, "R", version)
            return found

        found = await self._store.until(f"R:{run}", look, timeout_ms)
        return version if found is None else found


def _claimed(one: Sequence[Any]) -> ClaimedRun:
    run, value, params, steps, waits, last, now = one
    return claimed_run(run.decode(), value, params, steps, waits, last, now)


def _held(said: int | bytes) -> Held:
    if isinstance(said, bytes):
        return Held("cancel", said.decode())
    return Held("held" if said else "lost")


def _fits(row: RunRow, which: RunFilter) -> bool:
    return (
        (not which.states or row.state in which.states)
        and which.workflow in {"", row.workflow}
        and which.parent in {"", row.parent_run}
    )
