"""Workflows: a name, a version, a parameter model, a result type, options, and for the worker the function itself."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeAlias, TypedDict, TypeVar, overload

import msgspec
from pydantic import BaseModel
from typing_extensions import ParamSpec, TypeForm, Unpack
from typing_extensions import TypeVar as DefaultTypeVar

from stem.core.codec import ArgumentsCodec, NoArgs, ResultCodec
from stem.core.duration import Duration, instant_ms, milliseconds
from stem.core.exactly import Exactly
from stem.core.lease import DEFAULT_LEASE_MS, SHORTEST_LEASE_MS
from stem.core.options import checked, stub_name
from stem.core.replay import OnChange
from stem.core.run import KEEP_MS, SHORTEST_KEEP_MS, IfExists
from stem.core.run_context import RunHandle, WorkflowClient, WorkflowContext
from stem.core.schema import arguments_schema, digest
from stem.core.task import args_problems, is_model, known_options, name_problems, no_option, result_problems, type_name
from stem.errors import ConfigError, InvalidArgumentsError

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", bound=BaseModel)
A_contra = TypeVar("A_contra", bound=BaseModel, contravariant=True)
R_co = TypeVar("R_co", covariant=True)
#: What a clean-up takes; where there is none, it would take anything.
W = DefaultTypeVar("W", bound=BaseModel, default=BaseModel)

#: How long the clean-up of a cancelled run may take.
CLEANUP_MS: Final = 300_000
_WHEN_EXISTS: Final = ("return", "raise", "restart")


class WorkflowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `@workflow(...)` says beside the name. Spans in ms; None: no limit."""

    version: int = 1
    cancel_after_ms: int | None = None
    max_suspend_ms: int | None = None
    cleanup_ms: int = CLEANUP_MS
    keep_ms: int = KEEP_MS
    lease_ms: int = DEFAULT_LEASE_MS
    on_change: OnChange = "block"
    cleans_up: bool = False
    stub: str = ""
    description: str = ""


class DefinitionWords(TypedDict, total=False):
    """What travels with a run, and so must be known where it is started: as the worker's declaration says it."""

    version: int
    cancel_after: Duration | None
    max_suspend: Duration | None
    visibility_timeout: Duration
    keep: Duration
    cleans_up: bool


def refuse_unknown(what: str, words: Mapping[str, object], known: Mapping[str, object]) -> None:
    """ConfigError names every word that is no option."""
    unknown = sorted(set(words) - set(known))
    if unknown:
        raise ConfigError([no_option(what, word, list(known)) for word in unknown])


def workflow_options(
    *,
    version: int = 1,
    cancel_after: Duration | None = None,
    max_suspend: Duration | None = None,
    visibility_timeout: Duration = DEFAULT_LEASE_MS / 1000,
    keep: Duration = KEEP_MS / 1000,
    cancel_budget: Duration = CLEANUP_MS / 1000,
    on_change: OnChange = "block",
    cleans_up: bool = False,
    stub: str = "",
    description: str = "",
) -> WorkflowOptions:
    """From the words users write; ConfigError lists every fault at once."""
    problems: list[str] = []
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= 1_000_000:
        problems.append(f"version must be a whole number from 1 to 1,000,000, found {version!r}")
        version = 1
    if on_change not in typing.get_args(OnChange):
        problems.append(f"on_change must be 'block', 'warn' or 'rerun', found {on_change!r}")

    def ms(value: Duration, what: str, minimum: int) -> int:
        return checked(problems, minimum, lambda: milliseconds(value, what=what, minimum=minimum))

    made = WorkflowOptions(
        version=version,
        cancel_after_ms=None if cancel_after is None else ms(cancel_after, "cancel_after", 1),
        max_suspend_ms=None if max_suspend is None else ms(max_suspend, "max_suspend", 1),
        lease_ms=ms(visibility_timeout, "visibility_timeout", SHORTEST_LEASE_MS),
        keep_ms=ms(keep, "keep", SHORTEST_KEEP_MS),
        cleanup_ms=ms(cancel_budget, "cancel_budget", 1),
        on_change=on_change,
        cleans_up=cleans_up,
        stub=checked(problems, "", stub_name, stub),
        description=description,
    )
    if problems:
        raise ConfigError(problems)
    return made


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a call of a workflow holds; a new one is made for every change."""

    workflow: AnyWorkflow
    params: BaseModel
    id: str = ""
    if_exists: IfExists = "return"
    delay_ms: int = 0
    at_ms: int | None = None
    cancel_after_ms: int | None = None
    max_suspend_ms: int | None = None
    keep_ms: int | None = None


class WorkflowCall(Generic[R_co]):
    """A run that is not started yet: every method gives a new one. `.start(app)` is a coroutine."""

    __slots__ = ("request",)

    def __init__(self, request: RunRequest) -> None:
        self.request = request

    def __repr__(self) -> str:
        return f"<run of {self.request.workflow.name} with {self.request.params!r}>"

    def start(self, app: WorkflowClient) -> Coroutine[object, None, RunHandle[R_co]]:
        """Start it; the handle gives the result."""
        return app.start_run(self)

    def id(self, value: str) -> Self:
        """Use this id: a second start with the same id makes no second run (see `if_exists`)."""
        return self._with(id=run_id(value))

    def if_exists(self, what: IfExists) -> Self:
        """When there is a run of this id: give that one ("return"), RunExistsError ("raise"), or begin anew when it has
        ended ("restart").
        """
        if what not in _WHEN_EXISTS:
            raise ConfigError(f"if_exists must be 'return', 'raise' or 'restart', found {what!r}")
        return self._with(if_exists=what)

    def delay(self, by: Duration) -> Self:
        """Not before `by` from the start; the last of `delay` and `at` wins."""
        return self._with(delay_ms=milliseconds(by, what="delay"), at_ms=None)

    def at(self, when: datetime) -> Self:
        """Not before this instant (aware)."""
        return self._with(at_ms=instant_ms(when, what="at"), delay_ms=0)

    def cancel_after(self, after: Duration) -> Self:
        """Cancel it when it has not ended so long after its start, whatever the workflow says."""
        return self._with(cancel_after_ms=milliseconds(after, what="cancel_after", minimum=1))

    def max_suspend(self, most: Duration) -> Self:
        """Cancel it when it waits longer than this at one place, whatever the workflow says."""
        return self._with(max_suspend_ms=milliseconds(most, what="max_suspend", minimum=1))

    def keep(self, for_: Duration) -> Self:
        """Keep it so long after its end, whatever the workflow says; at least a second."""
        return self._with(keep_ms=milliseconds(for_, what="keep", minimum=SHORTEST_KEEP_MS))

    def _with(self, **changes: object) -> Self:
        return type(self)(msgspec.structs.replace(self.request, **changes))


def run_id(value: str) -> str:
    """The id of a run: 1 to 200 printable characters."""
    if not (isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable() and value == value.strip()):
        raise ConfigError(f"a run's id must be 1 to 200 printable characters, blanks not at its ends, found {value!r}")
    return value


class StartWords(TypedDict, total=False):
    """What `start` takes beside the parameters: as the methods of WorkflowCall."""

    id: str
    if_exists: IfExists
    delay: Duration
    at: datetime


class WorkflowDefinition(Generic[A_contra, R_co]):
    """A workflow as a producer knows it: name, version, parameters, result and what travels with its runs.

    `WorkflowDefinition("orders.fulfil", params=Order, returns=Receipt)` is enough to start runs.
    """

    name: str
    params_model: type[BaseModel]
    returns: object
    options: WorkflowOptions
    if TYPE_CHECKING:

        @property
        def exact_params(self) -> Exactly[A_contra]:
            """The same as `params`, for a checker that must not widen it."""
            ...

        @property
        def exact_result(self) -> Exactly[R_co]:
            """As above, of the result."""
            ...

    @overload
    def __init__(
        self: WorkflowDefinition[NoArgs, R], name: str, *, returns: TypeForm[R], **options: Unpack[DefinitionWords]
    ) -> None: ...
    @overload
    def __init__(
        self: WorkflowDefinition[A, R],
        name: str,
        *,
        params: type[A],
        returns: TypeForm[R],
        **options: Unpack[DefinitionWords],
    ) -> None: ...
    def __init__(self, name: str, *, params: Any = NoArgs, returns: Any, **options: Unpack[DefinitionWords]) -> None:
        """ConfigError says what is wrong with the name or an option."""
        refuse_unknown(type(self).__name__, options, DefinitionWords.__annotations__)
        self._declare(name, params, returns, workflow_options(**options))

    def _declare(self, name: str, params: Any, returns: Any, options: WorkflowOptions) -> None:
        problems = [
            *name_problems(name, "a workflow"),
            *args_problems(name, params, None, what="workflow"),
            *result_problems(name, returns, what="workflow"),
        ]
        if problems:
            raise ConfigError(problems)
        self.name, self.params_model, self.returns, self.options = name, params, returns, options

    def __repr__(self) -> str:
        return f"<workflow {self.name} version {self.version}>"

    @property
    def version(self) -> int:
        """The version that is started."""
        return self.options.version

    @overload
    def build(self: WorkflowDefinition[NoArgs, R], /) -> WorkflowCall[R]: ...
    @overload
    def build(self, params: A_contra, /) -> WorkflowCall[R_co]: ...
    def build(self, params: BaseModel | None = None, /) -> WorkflowCall[Any]:
        """A run with these parameters, not yet started."""
        given = NoArgs() if params is None else params
        if not isinstance(given, self.params_model):
            found = "nothing" if params is None else f"{type(params).__name__}: {params!r:.80}"
            wanted = f"expected {self.params_model.__name__}, found {found}"
            raise InvalidArgumentsError(self.name, [wanted], what="parameters of workflow")
        return WorkflowCall(RunRequest(workflow=self, params=given))

    @overload
    def start(
        self: WorkflowDefinition[NoArgs, R], app: WorkflowClient, /, **said: Unpack[StartWords]
    ) -> Coroutine[object, None, RunHandle[R]]: ...
    @overload
    def start(
        self, app: WorkflowClient, params: A_contra, /, **said: Unpack[StartWords]
    ) -> Coroutine[object, None, RunHandle[R_co]]: ...
    def start(
        self, app: WorkflowClient, params: Any = None, /, **said: Unpack[StartWords]
    ) -> Coroutine[object, None, RunHandle[Any]]:
        """Start a run. `id` makes it happen once; see WorkflowCall for `if_exists`, `delay` and `at`."""
        call: WorkflowCall[Any] = self.build(params)
        if "id" in said:
            call = call.id(said["id"])
        if "if_exists" in said:
            call = call.if_exists(said["if_exists"])
        if "delay" in said:
            call = call.delay(said["delay"])
        if "at" in said:
            call = call.at(said["at"])
        return app.start_run(call)

    @functools.cached_property
    def arguments(self) -> ArgumentsCodec[Any]:
        """How parameters become bytes."""
        return ArgumentsCodec(self.params_model, sparse=self.sparse)

    @property
    def sparse(self) -> bool:
        """Whether parameters that were not given stay away, so that the worker's defaults hold."""
        return False

    @functools.cached_property
    def results(self) -> ResultCodec:
        """How results become bytes."""
        return ResultCodec(self.returns)

    @functools.cached_property
    def schema(self) -> str:
        """The digest of what the parameters look like; "" when they have no schema."""
        try:
            return digest(arguments_schema(self.params_model))
        except ValueError:
            return ""

    @property
    def signature(self) -> str:
        """For people: 'Order -> Receipt'."""
        taken = "()" if self.params_model is NoArgs else self.params_model.__name__
        return f"{taken} -> {type_name(self.returns)}"

    @property
    def description(self) -> str:
        """What `description=` says."""
        return self.options.description


AnyWorkflow: TypeAlias = WorkflowDefinition[Any, Any]
Cleanup: TypeAlias = Callable[[WorkflowContext, Any], Coroutine[Any, Any, object]]


class DeclaredWorkflow(WorkflowDefinition[A_contra, R_co]):
    """A workflow with its code: what `@workflow` and `Flow` make, and a worker runs."""

    on_cancel: Cleanup | None = None

    @property
    def where(self) -> str:
        """Where it is declared, for messages."""
        return f"{self.__module__}"


class ScriptWorkflow(DeclaredWorkflow[A_contra, R_co], Generic[P, A_contra, R_co]):
    """What `@workflow` gives for an async function: still callable as it was, for tests."""

    fn: Callable[..., Coroutine[Any, Any, Any]]
    takes_params: bool

    def __init__(
        self,
        name: str,
        fn: Callable[..., Coroutine[Any, Any, Any]],
        shape: RunShape,
        options: WorkflowOptions,
        on_cancel: Cleanup | None = None,
    ) -> None:
        self._declare(name, shape.params, shape.returns, options)
        self.fn, self.takes_params, self.on_cancel = fn, shape.takes_params, on_cancel
        self.__doc__ = fn.__doc__
        self.__module__ = fn.__module__
        self.__name__, self.__qualname__, self.__wrapped__ = fn.__name__, fn.__qualname__, fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, None, R_co]:
        return self.fn(*args, **kwargs)

    @property
    def where(self) -> str:
        """The function's place, for messages: 'shop.flows.fulfil'."""
        return f"{self.fn.__module__}.{self.fn.__qualname__}"

    @property
    def description(self) -> str:
        """What `description=` says, else the first line of the function's docstring."""
        return self.options.description or (self.fn.__doc__ or "").strip().partition("\n")[0]


AnyDeclaredWorkflow: TypeAlias = DeclaredWorkflow[Any, Any]


class RunShape(typing.NamedTuple):
    """How a workflow's function is called, and what it gives."""

    takes_params: bool
    params: type[BaseModel]
    returns: object


class NotAWorkflow:
    """What a checker sees where `@workflow` decorates what no worker could run. There are none."""


class WorkflowDecorator(Generic[A_contra]):
    """A workflow twice, which is none, and the two shapes of a workflow's function; `A_contra` are the parameters that its
    `on_cancel` takes.
    """

    @overload
    def __call__(self, fn: ScriptWorkflow[..., Any, Any], /) -> NotAWorkflow: ...
    @overload
    def __call__(
        self: WorkflowDecorator[BaseModel], fn: Callable[[WorkflowContext, A], Coroutine[Any, Any, R]], /
    ) -> ScriptWorkflow[[WorkflowContext, A], A, R]: ...
    @overload
    def __call__(
        self: WorkflowDecorator[A], fn: Callable[[WorkflowContext, A], Coroutine[Any, Any, R]], /
    ) -> ScriptWorkflow[[WorkflowContext, A], A, R]: ...
    @overload
    def __call__(
        self: WorkflowDecorator[NoArgs], fn: Callable[[WorkflowContext], Coroutine[Any, Any, R]], /
    ) -> ScriptWorkflow[[WorkflowContext], NoArgs, R]: ...
    def __call__(self, fn: Callable[..., Any], /) -> Any:
        """Never called: what `workflow(...)` gives is a function of this type."""
        raise NotImplementedError


@known_options("@workflow")
def workflow(
    name: str,
    *,
    version: int = 1,
    cancel_after: Duration | None = None,
    max_suspend: Duration | None = None,
    on_cancel: Callable[[WorkflowContext, W], Coroutine[Any, Any, object]] | None = None,
    cancel_budget: Duration = CLEANUP_MS / 1000,
    on_change: OnChange = "block",
    visibility_timeout: Duration = DEFAULT_LEASE_MS / 1000,
    keep: Duration = KEEP_MS / 1000,
    stub: str = "",
    description: str = "",
) -> WorkflowDecorator[W]:
    """Declare a workflow: an `async def` that takes `(ctx: WorkflowContext, params: <your pydantic model>)` or `(ctx)`.

    Only declares: nothing is registered until an app collects it. ConfigError says what is wrong.

    `cancel_after`: a run that has not ended by then is cancelled. `max_suspend`: so is one that waits longer at one place.
    `on_cancel(ctx, params)` runs when a run is cancelled, after what was done has been undone; both together may take
    `cancel_budget`, in which a time without a worker does not count. `on_change`: what to do when the code
    does not fit what is recorded of a run ("block": the run stands still until the code does; "warn": log it and use what
    is recorded; "rerun": do the step again). `visibility_timeout` is the lease: how soon another worker takes over.
    `keep`: how long a run is kept after its end. `stub` is its name in a generated package.
    """
    problems = name_problems(name, "a workflow")
    if on_cancel is not None and not (inspect.iscoroutinefunction(on_cancel) and _takes_two(on_cancel)):
        problems.append(f"on_cancel must be an async def that takes (ctx, params), found {_shown(on_cancel)}")
    options = checked(
        problems,
        WorkflowOptions(),
        lambda: workflow_options(
            version=version,
            cancel_after=cancel_after,
            max_suspend=max_suspend,
            visibility_timeout=visibility_timeout,
            keep=keep,
            cancel_budget=cancel_budget,
            on_change=on_change,
            cleans_up=on_cancel is not None,
            stub=stub,
            description=description,
        ),
    )
    if problems:
        raise ConfigError(problems)

    def declare(fn: Callable[..., Any]) -> AnyDeclaredWorkflow:
        shape = read_run_shape(fn, sys._getframe(1).f_locals)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return ScriptWorkflow(name, fn, shape, options, on_cancel)

    return typing.cast("WorkflowDecorator[W]", declare)


def _shown(fn: object) -> str:
    """A function with its parameters, as its author wrote it."""
    if not callable(fn):
        return repr(fn)
    word = "async def" if inspect.iscoroutinefunction(fn) else "def"
    try:
        return f"{word} {getattr(fn, '__qualname__', repr(fn))}{inspect.signature(fn)}"
    except (TypeError, ValueError):
        return repr(fn)


def _takes_two(fn: Callable[..., Any]) -> bool:
    try:
        inspect.signature(fn).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def read_run_shape(fn: Callable[..., Any], names: Mapping[str, object]) -> RunShape:
    """How a workflow's function is to be called, or ConfigError that shows what was found."""
    if not inspect.iscoroutinefunction(fn):
        shown = getattr(fn, "__qualname__", repr(fn))
        raise ConfigError(f"a workflow must be an async def, found {shown}: its waits are awaited")
    try:
        hints = typing.get_type_hints(fn, localns=dict(names), include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as fault:
        raise ConfigError(
            f"workflow {fn.__qualname__!r} has an annotation that cannot be read: {fault}; define it above the workflow"
        ) from None
    parameters = list(inspect.signature(fn).parameters.values())
    wanted = [hints.get(one.name) for one in parameters]
    plain = all(one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD} for one in parameters)
    if not plain or not wanted or wanted[0] is not WorkflowContext or len(wanted) > 2:
        raise _misshapen(fn)
    model = wanted[1] if len(wanted) == 2 else NoArgs
    if not is_model(model):
        raise _misshapen(fn)
    return RunShape(len(wanted) == 2, model, hints.get("return", Any))


def _misshapen(fn: Callable[..., Any]) -> ConfigError:
    shown = inspect.signature(fn).replace(return_annotation=inspect.Signature.empty)
    return ConfigError(
        f"workflow {fn.__qualname__!r} must take (ctx: WorkflowContext, params: <your pydantic model>) or (ctx: "
        f"WorkflowContext), by position and nothing else; found {shown}"
    )
