"""The StepContext: what a function called by `ctx.step_in` can ask for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from stem.core.call import TaskEnqueueBuilder
from stem.core.duration import Duration, instant_ms, milliseconds
from stem.core.events import TIMED_OUT, Mailbox, Topic
from stem.core.run import Call, Step, Wait
from stem.core.step import StepMeta, encode_meta
from stem.durable.answers import event_value, wait_names
from stem.durable.leaving import StepAgain
from stem.durable.pending import Pending
from stem.errors import ConfigError, WorkflowError

if TYPE_CHECKING:
    from stem.durable.execution import Execution
    from stem.durable.stepping import Doing


class Inside:
    """One step of one run, as its function sees it."""

    def __init__(self, execution: Execution, doing: Doing, *, branch: bool) -> None:
        self._x, self._doing, self._branch = execution, doing, branch
        self._count = {"sleep": 0, "wait": 0}
        self._parts = execution.replay.parts(doing.key)

    @property
    def run_id(self) -> str:
        return self._x.claimed.id

    @property
    def workflow(self) -> str:
        return self._x.claimed.workflow

    @property
    def step(self) -> str:
        return self._doing.key.partition("#")[0]

    @property
    def step_index(self) -> int:
        return self._doing.pos

    @property
    def iteration(self) -> int:
        return self._doing.iteration

    @property
    def attempt(self) -> int:
        return self._doing.attempt

    @property
    def params(self) -> Any:
        return self._x.params

    @property
    def previous_result(self) -> Any:
        return self._doing.previous

    def idempotency_key(self, scope: str = "") -> str:
        return f"{self.workflow}/{self.run_id}/{scope or self._doing.key}"

    def enqueue(self, call: TaskEnqueueBuilder[Any], /) -> str:
        if not isinstance(call, TaskEnqueueBuilder):
            raise ConfigError(f"expected a call of a task, as step.enqueue(charge.build(order)), found {call!r}")
        number = len(self._doing.effects)
        made_id = call.request.id or f"{self.run_id}~{self._x.claimed.generation}/{self._doing.key}/job#{number}"
        made = self._x.means.submission(call, made_id, "", "")
        self._doing.effects.append(Call("", made))
        return made.id

    # ---------------------------------------------------------------- leaving the step

    def take_resume_data(self) -> Any:
        """See StepContext: what has been taken is behind, and the next sleep is a new one."""
        if not self._parts:
            return None
        parts, self._parts = self._parts, []
        self._count = {
            kind: sum(one.key.startswith(f"{self._doing.key}/{kind}#") for one in parts) for kind in self._count
        }
        data = TIMED_OUT if parts[-1].outcome == "timeout" else msgspec.json.decode(parts[-1].value)
        if data is None:
            raise WorkflowError(
                f"what {parts[-1].key!r} waited for has no payload, and None is what take_resume_data() gives before any "
                "wait: use the value of wait_event instead"
            )
        return data

    async def sleep(self, duration: Duration, *, data: object = True) -> None:
        ms = milliseconds(duration, what="sleep")
        if data is None:
            raise ConfigError("the data of a sleep must not be None: that is what take_resume_data() gives before it")
        await self._leave("sleep", StepMeta("sleep"), after_ms=ms, late=msgspec.json.encode(data))

    async def wait_event(
        self, topic: Topic[Any] | Mailbox[Any], *, key: str = "", deadline: datetime | Duration | None = None
    ) -> Any:
        name, _ = wait_names(topic, key)
        step = await self._leave(
            "wait", StepMeta("wait", inputs=name), topic=name, after_ms=self._after(deadline), on_time="timeout"
        )
        return event_value(topic, step)

    def _after(self, deadline: datetime | Duration | None) -> int | None:
        if isinstance(deadline, datetime):
            return max(0, instant_ms(deadline, what="deadline") - self._x.journal.now)
        return None if deadline is None else milliseconds(deadline, what="deadline")

    async def _leave(self, kind: str, meta: StepMeta, **terms: Any) -> Step:
        """Found in the record and passed, or waited for: the step begins at its top after that, wherever it waited."""
        x, number = self._x, self._count[kind]
        self._count[kind] += 1
        key = f"{self._doing.key}/{kind}#{number}"
        reached = x.replay.part(key, self._doing.pos, meta)
        if reached.step is not None:
            return reached.step
        if reached.wait is not None:
            pending = Pending(key, None)
            pending.deadline = reached.wait.deadline
        else:
            pending = Pending(key, Wait(key=key, pos=self._doing.pos, meta=encode_meta(meta), **terms))
        x.waiting.add(pending)
        park = x.waiting.park_branch if self._branch else x.waiting.park
        await park(lambda: pending.is_over)
        assert pending.step is not None
        x.replay.note(pending.step)
        raise StepAgain
