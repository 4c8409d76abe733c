"""`app.workflows`: starting, steering and looking at runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar, overload

from pydantic import ValidationError
from typing_extensions import Unpack

from stem.contracts.engine import Engine
from stem.contracts.workflows import RunDetail, RunFilter
from stem.core.codec import faults
from stem.core.cursor import page_size
from stem.core.duration import Duration
from stem.core.events import Mailbox, Topic
from stem.core.registry import Workflows
from stem.core.run import CLEANUP, RunState, box_topic, event_topic
from stem.core.run_view import MessageView, Run
from stem.core.step import undo_key
from stem.core.workflow import StartWords, WorkflowCall
from stem.durable.check import check_run
from stem.durable.client import RunClient
from stem.durable.explain import Finding, doctor, explain
from stem.durable.handle import DurableHandle, cancel_run, settle_down
from stem.durable.views import WaiterView, message_view, run_view, waiter_view
from stem.errors import ConfigError, InvalidArgumentsError, RunError, UnknownRunError

E = TypeVar("E")

#: As of jobs: a tuple, too, is named, because mypy reads one against its own type alone.
RunStates: TypeAlias = tuple[RunState, ...] | list[RunState] | set[RunState] | frozenset[RunState]


class StartOptions(StartWords, total=False):
    """What a start by name may say, as the methods of a call do."""

    cancel_after: Duration | None
    max_suspend: Duration | None


_START_OPTIONS: Final = (*StartWords.__annotations__, *StartOptions.__annotations__)


class WorkflowsView:
    """Runs by id and by list; workflows by name."""

    def __init__(
        self, engine: Callable[[], Engine], client: Callable[[], RunClient], known: Callable[[], Workflows]
    ) -> None:
        self._engine, self._client, self._known = engine, client, known

    # ---------------------------------------------------------------- starting

    async def start(
        self, workflow: str, params: Mapping[str, object] | None = None, **options: Unpack[StartOptions]
    ) -> DurableHandle[Any]:
        """Start by name, for scripts; options as of `workflow.start`. UnknownWorkflowError, InvalidArgumentsError."""
        call = self.call(workflow, params)
        for word, value in options.items():
            if word not in _START_OPTIONS:
                raise ConfigError(f"a start has no option {word!r}: {', '.join(_START_OPTIONS)}")
            call = getattr(call, word)(value)
        return await self._client().start(call)

    def call(self, workflow: str, params: Mapping[str, object] | None = None) -> WorkflowCall[Any]:
        """A call by name, not yet started; `name@2` is version 2, `name` the newest."""
        found = self._known().get(workflow)
        try:
            return found.build(found.arguments.from_mapping(params or {}))
        except ValidationError as fault:
            raise InvalidArgumentsError(
                found.name, faults(fault, found.params_model), what="parameters of workflow"
            ) from None

    def handle(self, run: str) -> DurableHandle[Any]:
        """A handle on a run that was started elsewhere; its result comes as plain JSON values."""
        return DurableHandle(self._engine(), run, None)

    async def wait(self, run: str, timeout: Duration | None = None) -> Any:  # noqa: ASYNC109 - as of handles
        """The result of a run, as plain JSON values; errors as of `RunHandle.result`."""
        return await self.handle(run).result(timeout)

    # ---------------------------------------------------------------- telling

    async def emit(self, topic: Topic[E], value: E, *, key: str = "", id: str = "") -> bool:  # noqa: A002
        """As `topic.emit(app, ...)`."""
        return await self._client().emit(topic.event(value, key=key, id=id))

    async def emit_or_start(
        self,
        mailbox: Mailbox[E],
        run: str,
        value: E,
        start: WorkflowCall[Any],
        *,
        id: str = "",  # noqa: A002
    ) -> bool:
        """Send to a run, which is started in the same step when it is not there, or has ended and may begin anew."""
        return await self._client().send(mailbox.message(run, value, id=id), start)

    # ---------------------------------------------------------------- steering

    async def cancel(
        self, run: str, reason: str = "cancelled by an operator", *, by: str = "", terminate: bool = False
    ) -> bool:
        """Ask it to end: False when it had ended, or has failed and cleans up. UnknownRunError. `terminate`: at once, without its clean-up."""
        return await cancel_run(self._engine(), run, reason, by=by, terminate=terminate)

    async def resume(self, run: str) -> bool:
        """Let a quarantined or blocked run go on now; False when it is neither. UnknownRunError."""
        if await self._engine().workflows.resume(run):
            return True
        await self._row(run)
        return False

    async def rewind(self, run: str, step: str) -> None:
        """Back to before `step`, whatever the run's state; it goes on from there. What was stored is kept aside, and
        messages that were read lie in the mailbox again. UnknownRunError; RunError when it has no such step, cleans up,
        or has undone a step before it.
        """
        answer = await self._engine().workflows.rewind(run, step)
        if answer == "unknown_run":
            raise UnknownRunError(run)
        if answer == "unknown_step":
            seen = await self.get(run)
            known = [one.key for one in seen.steps if not one.aside and one.pos < CLEANUP] + [
                one.key for one in seen.waits
            ]
            raise RunError(run, f"run {run} has no step {step!r}; it has {', '.join(known) or 'none'}")
        if answer == "undoing":
            raise RunError(
                run,
                f"run {run} is being cancelled or undone: rewind it when it has ended; `stem wf cancel {run} --terminate` "
                "ends it at once",
            )
        if answer == "undone":
            seen = await self.get(run)
            keys = {one.key for one in seen.steps if not one.aside}
            undone = [one.key for one in seen.steps if not one.aside and undo_key(one.key) in keys]
            raise RunError(
                run,
                f"run {run} has undone {', '.join(undone)}: rewind it to {undone[0]!r} or before, so that it is done again",
            )
        await settle_down(self._engine())

    # ---------------------------------------------------------------- looking

    async def get(self, run: str) -> Run:
        """One run, whole; UnknownRunError."""
        detail = await self._detail(run)
        return run_view(detail.row, detail)

    async def list(
        self,
        *,
        states: RunStates = (),
        workflow: str = "",
        parent: str = "",
        limit: int = 50,
        cursor: str = "",
    ) -> tuple[list[Run], str]:
        """A page of runs, the newest first, and the cursor of the next page ("" at the end)."""
        page_size(limit)
        which = RunFilter(states=tuple(states), workflow=workflow, parent=parent)
        rows, more = await self._engine().workflows.page(which, limit=limit, cursor=cursor)
        return [run_view(row) for row in rows], more

    async def all(self, *, states: RunStates = (), workflow: str = "", parent: str = "") -> AsyncIterator[Run]:
        """Every such run, page by page."""
        cursor = ""
        while True:
            page, cursor = await self.list(states=states, workflow=workflow, parent=parent, limit=500, cursor=cursor)
            for one in page:
                yield one
            if not cursor:
                return

    @overload
    async def watchers(self, event: Topic[Any] | str, *, key: str | None = None) -> Sequence[WaiterView]: ...
    @overload
    async def watchers(self, event: Mailbox[Any]) -> Sequence[WaiterView]: ...
    async def watchers(self, event: Topic[Any] | Mailbox[Any] | str, *, key: str | None = None) -> Sequence[WaiterView]:
        """Runs that wait for this event, of one key or of all; the longest first, at most 1,000. A mailbox has no keys."""
        if isinstance(event, Mailbox):
            if key is not None:
                raise ConfigError(f"the mailbox {event.name!r} has no keys: leave key={key!r} away")
            topic = box_topic(event.name)
        else:
            topic = event_topic(event.name if isinstance(event, Topic) else event, key or "")
        return [waiter_view(one) for one in await self._engine().workflows.waiters(topic, limit=1_000)]

    @overload
    async def runs_waiting_on(self, event: Topic[Any] | str, *, key: str | None = None) -> Sequence[str]: ...
    @overload
    async def runs_waiting_on(self, event: Mailbox[Any]) -> Sequence[str]: ...
    async def runs_waiting_on(self, event: Any, *, key: str | None = None) -> Sequence[str]:
        """The ids of those runs."""
        return [one.run for one in await self.watchers(event, key=key)]

    async def events(self, *, limit: int = 100) -> Sequence[MessageView]:
        """Events that are kept and messages nobody has read, the newest first."""
        return [message_view(one) for one in await self._engine().workflows.events(limit=limit)]

    # ---------------------------------------------------------------- what is wrong

    async def explain(self, run: str) -> Sequence[str]:
        """Why a run does not move, or how it ended: a sentence each, the most important first. UnknownRunError."""
        return await explain(self._engine(), await self._detail(run))

    async def doctor(self) -> AsyncIterator[Finding]:
        """Runs that will not go on by themselves: what is wrong with each, and the cure."""
        async for one in doctor(self._engine()):
            yield one

    async def check(self, *, workflow: str = "", limit: int = 1_000) -> AsyncIterator[tuple[Run, str]]:
        """Replay runs that have not ended against the code of today, writing nothing: each, and how they differ ("": they
        fit). Runs of versions that are not here are told so. The newest `limit` of them. UnknownWorkflowError.
        """
        if workflow:
            self._known().get(workflow)
        known = {(one.name, one.version): one for one in self._known().declared()}
        async for seen in self._unfinished(workflow, limit):
            declared = known.get((seen.workflow, seen.version))
            if declared is None:
                yield seen, f"this app does not have version {seen.version} of {seen.workflow!r}"
                continue
            detail = await self._engine().workflows.get(seen.id)
            if detail is not None:
                yield seen, await check_run(declared, detail)

    async def _unfinished(self, workflow: str, limit: int) -> AsyncIterator[Run]:
        states: tuple[RunState, ...] = ("queued", "running", "suspended", "blocked", "quarantined")
        left = limit
        async for seen in self.all(states=states, workflow=workflow):
            if not left:
                return
            left -= 1
            yield seen

    async def _detail(self, run: str) -> RunDetail:
        detail = await self._engine().workflows.get(run)
        if detail is None:
            raise UnknownRunError(run)
        return detail

    async def _row(self, run: str) -> None:
        if await self._engine().workflows.get(run, whole=False) is None:
            raise UnknownRunError(run)
