"""The app for code without an event loop, with its workflows."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, TypeVar

from stem.client.enqueue import Sender
from stem.client.sync import SyncClient
from stem.clock import Clock
from stem.contracts.engine import Engine
from stem.core.duration import Duration
from stem.core.registry import Workflows
from stem.core.run import Event, Message
from stem.core.run_context import RunHandle
from stem.core.run_view import Run
from stem.core.workflow import WorkflowCall
from stem.durable.client import RunClient
from stem.durable.runs import WorkflowsView

R = TypeVar("R")


class SyncApp(SyncClient):
    """A SyncClient that also starts runs and tells them things."""

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        make_sender: Callable[[Engine], Sender],
        *,
        clock: Clock,
        make_client: Callable[[Engine], RunClient],
        known: Callable[[], Workflows],
    ) -> None:
        super().__init__(make_engine, make_sender, clock=clock)
        self._make_client, self._known = make_client, known

    def start(self, call: WorkflowCall[R], /) -> SyncRun[R]:
        """Start one run: `sync.start(fulfil.build(order).id("order-42")).result()`."""
        return SyncRun(self.run(self._client().start(call)), self.run)

    def emit(self, event: Event, /) -> bool:
        """Emit: `sync.emit(order_shipped.event(Shipment(...), key="42"))`. False: it was emitted before."""
        return self.run(self._client().emit(event))

    def send(self, message: Message, /, *, start: WorkflowCall[Any] | None = None) -> bool:
        """Send: `sync.send(approval.message(run_id, True, id="click-1"))`. False: it came before."""
        return self.run(self._client().send(message, start))

    @property
    def workflows(self) -> WorkflowsView:
        """As `app.workflows`; its methods are coroutines for `run`: `sync.run(sync.workflows.list())`."""
        return WorkflowsView(self._opened, self._client, self._known)

    def _client(self) -> RunClient:
        return self._make_client(self._opened())


class SyncRun(Generic[R]):
    """A RunHandle whose methods block."""

    def __init__(self, handle: RunHandle[R], run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._handle, self._run = handle, run

    def __repr__(self) -> str:
        return repr(self._handle)

    @property
    def id(self) -> str:
        return self._handle.id

    @property
    def started(self) -> Literal["new", "exists", "restarted"]:
        return self._handle.started

    def result(self, timeout: Duration | None = None) -> R:
        """What the workflow returned; raises as RunHandle.result does."""
        value: R = self._run(self._handle.result(timeout))
        return value

    def status(self) -> Run:
        """The run as it stands."""
        seen: Run = self._run(self._handle.status())
        return seen

    def cancel(self, reason: str = "cancelled by the caller", *, terminate: bool = False) -> bool:
        """Ask for the run to end."""
        done: bool = self._run(self._handle.cancel(reason, terminate=terminate))
        return done
