"""Undoing what a run has done, the last first, each as a durable step; and ending its children."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from stem.core.run import CancelRequest, Stop, Wait
from stem.core.step import DEFAULT_OPTIONS, StepMeta, decode_meta, encode_meta, undo_key
from stem.durable.pending import Pending
from stem.durable.stepping import do_step
from stem.errors import StepFailed

if TYPE_CHECKING:
    from stem.durable.execution import Execution

log = logging.getLogger("stem.durable")


class Undo:
    """What can be undone of one run, as its code went along."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._done: dict[str, tuple[int, Callable[..., Any], Any]] = {}
        self.children: dict[str, tuple[str, int]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._done

    @property
    def is_needed(self) -> bool:
        """Whether anything was done that can be undone."""
        return bool(self._done)

    def note(self, key: str, pos: int, fn: Callable[..., Any], value: Any) -> None:
        """This step, at this place, was done, and `fn` undoes it."""
        self._done[key] = (pos, fn, value)

    def note_child(self, key: str, child: str, pos: int) -> None:
        """This child is to be ended and waited for."""
        self.children[key] = (child, pos)

    def note_recorded_children(self, waits: Sequence[Wait]) -> None:
        """The same of all children that the record waits for, whether today's code comes to them or not."""
        for wait in waits:
            meta = decode_meta(wait.meta)
            if meta.kind == "child" and meta.policy == "wait":
                self.note_child(wait.key, wait.source, wait.pos)

    async def all(self) -> None:
        """Undo, the last first by their places, which every replay gives alike. One that fails is logged, and the others
        are undone all the same.
        """
        for key, (_, fn, value) in sorted(self._done.items(), key=lambda one: -one[1][0]):
            try:
                await do_step(
                    self._execution, undo_key(key), DEFAULT_OPTIONS, fn, (value,), {}, kind="undo", plain_name=True
                )
            except StepFailed:
                log.exception("run %s: %s could not be undone", self._execution.claimed.id, key)

    async def end_children(self, reason: str) -> None:
        """Ask children to end, and wait until they have."""
        execution = self._execution
        for key, (child, pos) in self.children.items():
            pending = Pending(
                key,
                Wait(key=key, pos=pos, source=child, meta=encode_meta(StepMeta("child", policy="wait"))),
                Stop(child, CancelRequest(reason, f"parent {execution.claimed.id}")),
            )
            execution.waiting.add(pending)
            await execution.waiting.park(lambda pending=pending: pending.is_over)  # type: ignore[misc]
