"""`Stem`: the composition of engine, tasks and shells; the only place that knows them all."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from datetime import timedelta
from typing import Any, Generic, Self, TypedDict, TypeVar

from typing_extensions import TypeVar as DefaultTypeVar
from typing_extensions import Unpack

from stem.client.dead_letters import DeadLettersView
from stem.client.enqueue import Sender
from stem.client.handle import Handle
from stem.client.jobs import JobsView
from stem.client.queues import QueuesView
from stem.clock import Clock, MovedClock, SystemClock
from stem.config import DEFAULT_NAMESPACE, DEFAULT_URL, load
from stem.contracts.engine import Engine
from stem.core.call import TaskEnqueueBuilder
from stem.core.context import JobHandle
from stem.core.duration import Duration, milliseconds
from stem.core.options import Options
from stem.core.queue import Queue
from stem.core.registry import Registry, Workflows
from stem.core.run import Event, Message
from stem.core.sizes import MAX_PAYLOAD, MAX_RESULT, limit_of_bytes
from stem.core.task import AnyTask, DeclaredTask
from stem.core.unknown import UNKNOWN_FOR_MS
from stem.core.workflow import AnyWorkflow, DeclaredWorkflow, WorkflowCall
from stem.durable.client import RunClient
from stem.durable.execution import Means
from stem.durable.handle import DurableHandle
from stem.durable.lane import RunLane
from stem.durable.runs import WorkflowsView
from stem.durable.sync import SyncApp
from stem.engines import make_engine, redacted
from stem.errors import AppNotFoundError, ConfigError, UnknownWorkflowError
from stem.memory import MemoryEngine, MemoryStore
from stem.observe.middleware import Middleware
from stem.observe.signals import Signals
from stem.worker.lane import Lane
from stem.worker.worker import Worker, WorkerConfig

R = TypeVar("R")
N_contra = DefaultTypeVar("N_contra", bound=str, default=str, contravariant=True)


class AppOptions(TypedDict, total=False):
    """The options of a `Stem` beside its URL."""

    tasks: Iterable[AnyTask]
    workflows: Iterable[AnyWorkflow]
    include: Sequence[str]
    namespace: str
    results: str
    queues: Iterable[Queue]
    middleware: Sequence[Middleware]
    max_payload: int
    max_result: int


class Stem(Generic[N_contra]):
    """An app: tasks and workflows on one engine in one namespace.

    `include` names modules; they are imported when the app is first used by name, as a worker or by the command
    line, and the tasks and workflows found as their attributes are collected. A producer that enqueues through definitions imports
    none of them. `results` is the URL of another engine for what jobs return. `Stem[TaskName]` accepts only those names in `enqueue`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        tasks: Iterable[AnyTask] = (),
        workflows: Iterable[AnyWorkflow] = (),
        include: Sequence[str] = (),
        namespace: str = DEFAULT_NAMESPACE,
        results: str = "",
        queues: Iterable[Queue] = (),
        middleware: Sequence[Middleware] = (),
        max_payload: int = MAX_PAYLOAD,
        max_result: int = MAX_RESULT,
    ) -> None:
        if not namespace:
            raise ConfigError("a namespace must have a name; leave it out for 'stem'")
        self.url, self.namespace = url, namespace
        self.results_url = results
        self._include = (include,) if isinstance(include, str) else tuple(include)
        self._loaded = False
        self._registry = Registry(tasks)
        self._workflows = Workflows(workflows)
        self._queues: dict[str, Options] = {queue.name: queue.options for queue in map(_queue, queues)}
        self._middleware = tuple(middleware)
        self._max_payload = limit_of_bytes(max_payload, "max_payload")
        self._max_result = limit_of_bytes(max_result, "max_result")
        self._clock: Clock = SystemClock()
        self._store: MemoryStore | None = MemoryStore() if url.startswith("memory:") else None
        self._engine: Engine | None = None
        self._sender: Sender | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._users = 0
        self._opening: asyncio.Lock | None = None
        self.signals = Signals()
        self.jobs = JobsView(lambda: self.engine, self._clock)
        self.queues = QueuesView(lambda: self.engine)
        self.dead_letters = DeadLettersView(lambda: self.engine)
        self.workflows = WorkflowsView(lambda: self.engine, self._run_client, self.load_workflows)

    @classmethod
    def in_memory(
        cls,
        *,
        tasks: Iterable[AnyTask] = (),
        workflows: Iterable[AnyWorkflow] = (),
        include: Sequence[str] = (),
        namespace: str = DEFAULT_NAMESPACE,
        queues: Iterable[Queue] = (),
        middleware: Sequence[Middleware] = (),
        max_payload: int = MAX_PAYLOAD,
        max_result: int = MAX_RESULT,
        clock: Clock | None = None,
    ) -> Self:
        """An app in this process's memory, for tests; `clock` drives its leases, delays and limits."""
        app = cls(
            "memory://",
            tasks=tasks,
            workflows=workflows,
            include=include,
            namespace=namespace,
            queues=queues,
            middleware=middleware,
            max_payload=max_payload,
            max_result=max_result,
        )
        if clock is not None:
            app._clock, app._store = clock, MemoryStore(clock)
        return app

    @classmethod
    def from_env(cls, **options: Unpack[AppOptions]) -> Self:
        """An app on what stem.toml, STEM_URL, STEM_NAMESPACE and STEM_RESULTS say; options as for `Stem`."""
        said = load()
        where: AppOptions = {"namespace": said.namespace or DEFAULT_NAMESPACE, "results": said.results}
        where.update(options)
        return cls(said.url or DEFAULT_URL, **where)

    def __repr__(self) -> str:
        return f"<Stem on {redacted(self.url)}, namespace {self.namespace}>"

    # ---------------------------------------------------------------- life

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect. An open app may be opened again (a worker does); it closes with the last `close`."""
        loop = asyncio.get_running_loop()
        if self._users and self._loop is not loop:
            raise ConfigError("this app is open in another event loop; make a Stem for each loop, or use app.sync")
        if not self._users:
            self._loop, self._opening = loop, None
        self._opening = opening = self._opening or asyncio.Lock()
        self._users += 1
        try:
            async with opening:
                if self._engine is None:
                    engine = self.make_engine()
                    await engine.open()
                    self._engine, self._sender = engine, self._make_sender(engine)
        except BaseException:
            self._users -= 1
            raise

    async def close(self) -> None:
        """Let go; twice is fine."""
        self._users = max(0, self._users - 1)
        engine = self._engine
        if self._users == 0 and engine is not None:
            self._engine = self._sender = self._loop = None
            await engine.close()

    def make_engine(self) -> Engine:
        """A new engine on this app's URL, not yet opened: one for each event loop."""
        if self._store is not None:
            return MemoryEngine(self._store, namespace=self.namespace)
        return make_engine(self.url, self.namespace, results=self.results_url)

    @property
    def engine(self) -> Engine:
        """The open engine; ConfigError before `async with app`."""
        if self._engine is None:
            raise ConfigError("the app is not open: use it inside `async with app:`, or `with app.sync`")
        return self._engine

    # ---------------------------------------------------------------- tasks

    def load(self) -> Registry:
        """Import what `include` names and collect its tasks and workflows; once. Returns all tasks known."""
        if not self._loaded:
            for name in self._include:
                for value in vars(_module(name)).values():
                    if isinstance(value, DeclaredTask):
                        self._registry.add(value)
                    elif isinstance(value, DeclaredWorkflow):
                        self._workflows.add(value)
            self._loaded = True
        return self._registry

    def load_workflows(self) -> Workflows:
        """The same; returns all workflows known."""
        self.load()
        return self._workflows

    # ---------------------------------------------------------------- producing

    async def submit(self, call: TaskEnqueueBuilder[R], /) -> Handle[R]:
        """Enqueue one call; what `call.enqueue(app)` does."""
        return await self._open_sender().send(call)

    async def enqueue_many(self, calls: Iterable[TaskEnqueueBuilder[R]], /) -> list[JobHandle[R]]:
        """Enqueue many calls in as few round trips as the engine needs; handles in the same order."""
        return [*await self._open_sender().send_many(calls)]

    async def enqueue(self, name: N_contra, args: Mapping[str, object] | None = None) -> JobHandle[Any]:
        """Enqueue by name, for scripts. UnknownTaskError names the nearest; InvalidArgumentsError the faults."""
        return await self.submit(self.call(name, args))

    def call(self, name: N_contra, args: Mapping[str, object] | None = None) -> TaskEnqueueBuilder[Any]:
        """A call by name with its arguments as a mapping, not yet sent."""
        return self.load().call(name, args)

    async def start_run(self, call: WorkflowCall[R], /) -> DurableHandle[R]:
        """Start one run of a workflow; what `call.start(app)` does."""
        return await self._run_client().start(call)

    async def emit_event(self, event: Event, /) -> bool:
        """Emit; what `topic.emit(app, ...)` does."""
        return await self._run_client().emit(event)

    async def send_message(self, message: Message, start: WorkflowCall[Any] | None = None, /) -> bool:
        """Send; what `mailbox.send(app, ...)` does."""
        return await self._run_client().send(message, start)

    def handle(self, job_id: str) -> JobHandle[Any]:
        """A handle on a job enqueued elsewhere; its result comes as plain JSON values."""
        return self._open_sender().handle(job_id)

    @property
    def sync(self) -> SyncApp:
        """The app for code without an event loop: `with app.sync as sync: sync.enqueue(call).result()`."""
        return SyncApp(
            self.make_engine,
            self._make_sender,
            clock=self._clock,
            make_client=self._make_client,
            known=self.load_workflows,
        )

    # ---------------------------------------------------------------- consuming

    def worker(
        self,
        *,
        concurrency: int = 100,
        queues: Sequence[str] | AbstractSet[str] = (),
        workflows: Sequence[str] | None = None,
        name: str = "",
        strict: bool = False,
        burst: bool = False,
        unknown_for: Duration = timedelta(milliseconds=UNKNOWN_FOR_MS),
        owns_process: bool = False,
    ) -> Worker:
        """A worker for this app in this event loop, in an app that is open.

        It runs jobs and workflow runs side by side. `queues`: all that its tasks name when empty. `workflows`: only these,
        by name; none of them when empty. `strict`: priorities without the guard against starvation.
        `unknown_for`: how long a job of a task, schema or wire version that this worker does not know waits for a worker that does; then it is buried.
        `burst`: `run()` returns when no job is ready or running; delayed ones, retries among them, stay.
        """
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
            raise ConfigError(f"concurrency must be a whole number of at least 1, found {concurrency!r}")
        config = WorkerConfig(
            concurrency=concurrency,
            queues=(queues,) if isinstance(queues, str) else tuple(queues),
            name=name,
            strict=strict,
            burst=burst,
            owns_process=owns_process,
            unknown_for_ms=milliseconds(unknown_for, what="unknown_for"),
            max_result=self._max_result,
        )
        registry, lanes = self.load(), self._lanes(workflows)
        return Worker(
            self.engine,
            registry,
            config,
            app=self,
            clock=self._clock,
            queues=self._queues,
            middleware=self._middleware,
            signals=self.signals,
            lanes=lanes,
        )

    def _lanes(self, wanted: Sequence[str] | None) -> list[Lane]:
        """The workflow runs of a worker; nothing when it has none."""
        known = self.load_workflows().declared()
        names = {one.name for one in known}
        asked = names if wanted is None else {wanted} if isinstance(wanted, str) else set(wanted)
        for name in asked - names:
            raise UnknownWorkflowError(name, names)
        chosen = [one for one in known if one.name in asked]
        if not chosen:
            return []
        return [RunLane(chosen, self.engine.workflows, self._means, self.signals)]

    def _means(self, worker: str, threads: Executor | None) -> Means:
        sender, client = self._open_sender(), self._run_client()
        return Means(
            store=self.engine.workflows,
            submission=sender.submission_for_run,
            new_run=client.new_run,
            worker=worker,
            threads=threads,
            max_payload=self._max_payload,
            real=not isinstance(self._clock, MovedClock),
        )

    # ---------------------------------------------------------------- inside

    def _run_client(self) -> RunClient:
        return self._make_client(self.engine)

    def _make_client(self, engine: Engine) -> RunClient:
        return RunClient(engine, clock=self._clock, max_payload=self._max_payload)

    def _make_sender(self, engine: Engine) -> Sender:
        return Sender(
            engine,
            clock=self._clock,
            queues=self._queues,
            middleware=self._middleware,
            signals=self.signals,
            max_payload=self._max_payload,
        )

    def _open_sender(self) -> Sender:
        if self._sender is None:
            raise ConfigError("the app is not open: use it inside `async with app:`, or `with app.sync`")
        return self._sender


def _queue(value: Queue) -> Queue:
    if not isinstance(value, Queue):
        raise ConfigError(f"queues are given with their options, as Stem(queues=[Queue('mail')]), found {value!r}")
    return value


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as fault:
        if fault.name is not None and (name == fault.name or name.startswith(f"{fault.name}.")):
            raise AppNotFoundError(
                f"include names the module {name!r}, but there is no module {fault.name!r}"
            ) from None
        raise
