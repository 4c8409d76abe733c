"""Tasks: a name, an argument model, a result type, options, and for the worker the function itself."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import typing
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeAlias, TypedDict, TypeVar, overload

from pydantic import BaseModel
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from typing_extensions import ParamSpec, TypeForm, TypeIs, Unpack

from stem.core.accept import Arguments, Upgradable
from stem.core.call import Request, TaskEnqueueBuilder
from stem.core.canvas import Composable
from stem.core.carried import uncarried
from stem.core.codec import ArgumentsCodec, NoArgs, ResultCodec
from stem.core.context import Enqueuer, JobHandle, TaskContext
from stem.core.duration import Duration
from stem.core.exactly import Exactly
from stem.core.limit import Limit
from stem.core.options import Attribute, TaskOptions, checked, task_options
from stem.core.paths import check_path, check_unique_path
from stem.core.rate import Rate
from stem.core.retry import RetryPolicy
from stem.core.schema import arguments_schema, digest
from stem.core.unique import Unique
from stem.errors import ConfigError, InvalidArgumentsError, hint, nearest
from stem.values import UNSET, Unset

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", bound=BaseModel)
A_contra = TypeVar("A_contra", bound=BaseModel, contravariant=True)
R_co = TypeVar("R_co", covariant=True)

#: Characters of the name of a task, a workflow, a topic or a mailbox.
MAX_NAME: Final = 200
_NAME: Final = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")


class DefinitionOptions(TypedDict, total=False):
    """What travels with a job and so must be known where it is enqueued, and what people want to know of the task: as the
    worker's declaration says it.
    """

    queue: str
    priority: int
    expires: Duration | None
    visibility_timeout: Duration
    result_ttl: Duration
    rate_limit: Rate | str | None
    concurrency: Limit | int | None
    unique: Unique | None
    at_most_once: bool
    tags: Sequence[str]
    description: str
    attributes: Mapping[str, Attribute] | None
    idempotent: bool | None


class TaskDefinition(Composable[A_contra, R_co]):
    """A task as a producer knows it: name, argument model, result type and what travels with its jobs.

    `TaskDefinition("mail.send", args=Mail, returns=str)` is enough to enqueue; the handler may live elsewhere.
    """

    name: str
    args_model: type[BaseModel]
    returns: object
    options: TaskOptions
    if TYPE_CHECKING:

        @property
        def exact_args(self) -> Exactly[A_contra]:
            """The same as `args`, for a checker that must not widen it."""
            ...

        @property
        def exact_result(self) -> Exactly[R_co]:
            """As above, of the result."""
            ...

    @overload
    def __init__(
        self: TaskDefinition[NoArgs, R], name: str, *, returns: TypeForm[R], **options: Unpack[DefinitionOptions]
    ) -> None: ...
    @overload
    def __init__(
        self: TaskDefinition[A, R],
        name: str,
        *,
        args: type[A],
        returns: TypeForm[R],
        **options: Unpack[DefinitionOptions],
    ) -> None: ...
    def __init__(self, name: str, *, args: Any = NoArgs, returns: Any, **options: Unpack[DefinitionOptions]) -> None:
        """ConfigError says what is wrong with the name or an option."""
        problems = name_problems(name, "a task")
        known = list(DefinitionOptions.__annotations__)
        for word in options.keys() - set(known):
            problems.append(no_option("TaskDefinition", word, known))
            del options[word]  # type: ignore[misc]
        travelling = checked(problems, TaskOptions(), lambda: task_options(**options))
        problems += _problems(name, args, returns, travelling)
        if problems:
            raise ConfigError(problems)
        self.name, self.args_model, self.returns, self.options = name, args, returns, travelling

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    @overload
    def build(self: TaskDefinition[NoArgs, R], /) -> TaskEnqueueBuilder[R]: ...
    @overload
    def build(self, args: A_contra, /) -> TaskEnqueueBuilder[R_co]: ...
    def build(self, args: BaseModel | None = None, /) -> TaskEnqueueBuilder[Any]:
        """A call of this task with these arguments, not yet sent."""
        given = NoArgs() if args is None else args
        if not isinstance(given, self.args_model):
            found = "nothing" if args is None else f"{type(args).__name__}: {args!r:.80}"
            raise InvalidArgumentsError(self.name, [f"expected {self.args_model.__name__}, found {found}"])
        return TaskEnqueueBuilder(Request(task=self, args=given))

    @overload
    def enqueue(self: TaskDefinition[NoArgs, R], app: Enqueuer, /) -> Coroutine[object, None, JobHandle[R]]: ...
    @overload
    def enqueue(self, app: Enqueuer, args: A_contra, /) -> Coroutine[object, None, JobHandle[R_co]]: ...
    def enqueue(self, app: Enqueuer, args: Any = None, /) -> Coroutine[object, None, JobHandle[Any]]:
        """Send a call with these arguments and no other options."""
        call: TaskEnqueueBuilder[Any] = self.build(args)
        return app.submit(call)

    @functools.cached_property
    def arguments(self) -> ArgumentsCodec[Any]:
        """How arguments become bytes."""
        return ArgumentsCodec(self.args_model, sparse=self.sparse)

    @functools.cached_property
    def schema(self) -> str:
        """The digest of what the arguments look like, which travels with every job; "" when they have no schema."""
        try:
            return digest(arguments_schema(self.args_model))
        except ValueError:
            return ""

    @property
    def sparse(self) -> bool:
        """Whether arguments that were not given stay away, so that the worker's defaults hold."""
        return False

    @functools.cached_property
    def results(self) -> ResultCodec:
        """How results become bytes."""
        return ResultCodec(self.returns)

    @property
    def is_plain(self) -> bool:
        """Whether the handler is known to be a plain def, which runs in a thread."""
        return False

    @property
    def signature(self) -> str:
        """For people: 'Order -> Receipt'; '()' for a task without arguments."""
        taken = "()" if self.args_model is NoArgs else self.args_model.__name__
        return f"{taken} -> {type_name(self.returns)}"


class DeclaredTask(TaskDefinition[A_contra, R_co]):
    """A task with its handler: what `@task` makes and a worker runs."""

    fn: Callable[..., Any]
    is_async: bool
    takes: tuple[Literal["ctx", "args"], ...]
    accepts: tuple[type[BaseModel], ...]

    @functools.cached_property
    def reads(self) -> Arguments:
        """How a worker reads arguments, earlier ones included."""
        return Arguments(self.arguments, self.schema, self.accepts)

    @property
    def is_plain(self) -> bool:
        return not self.is_async

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any],
        shape: Shape,
        options: TaskOptions,
        accepts: tuple[type[Any], ...] = (),
    ) -> None:
        problems = [*name_problems(name, "a task"), *_problems(name, shape.args, shape.returns, options)]
        problems += [text for one in accepts for text in _accepts_problems(name, one, shape.args)]
        if problems:
            raise ConfigError(problems)
        self.name, self.args_model, self.returns, self.options = name, shape.args, shape.returns, options
        self.fn, self.is_async, self.takes, self.accepts = fn, shape.is_async, shape.takes, accepts
        self.__doc__ = fn.__doc__
        self.__module__ = fn.__module__
        self.__name__, self.__qualname__, self.__wrapped__ = fn.__name__, fn.__qualname__, fn

    @property
    def where(self) -> str:
        """The handler's place, for messages: 'shop.tasks.charge'."""
        return f"{self.fn.__module__}.{self.fn.__qualname__}"


class AsyncTask(DeclaredTask[A_contra, R_co], Generic[P, A_contra, R_co]):
    """What `@task` gives for an `async def` handler: still callable as it was, for tests."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, None, R_co]:
        made: Coroutine[Any, Any, R_co] = self.fn(*args, **kwargs)
        return made


class SyncTask(DeclaredTask[A_contra, R_co], Generic[P, A_contra, R_co]):
    """What `@task` gives for a plain `def` handler, which runs in a thread: still callable as it was."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        made: R_co = self.fn(*args, **kwargs)
        return made


#: Any task; what registries and workers hold.
AnyTask: TypeAlias = TaskDefinition[Any, Any]
AnyDeclared: TypeAlias = DeclaredTask[Any, Any]


class NotATask:
    """What a checker sees where `@task` decorates what no worker could run: it has nothing of a task. There are none."""


class TaskDecorator(Protocol):
    """What is no handler, and the eight shapes of one. The order is semantics: a handler whose argument has a default also
    matches the shorter shape, so longer shapes come first. The sync `(args)` comes once more at the end: when no shape
    fits, checkers explain the last one.
    """

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, fn: AsyncTask[..., Any, Any] | SyncTask[..., Any, Any] | type[Any], /
    ) -> NotATask: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # the overlap with the sync twin is intended
        self, fn: Callable[[TaskContext, A], Coroutine[Any, Any, R]], /
    ) -> AsyncTask[[TaskContext, A], A, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, fn: Callable[[TaskContext], Coroutine[Any, Any, R]], /
    ) -> AsyncTask[[TaskContext], NoArgs, R]: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, fn: Callable[[A], Coroutine[Any, Any, R]], /
    ) -> AsyncTask[[A], A, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, fn: Callable[[], Coroutine[Any, Any, R]], /
    ) -> AsyncTask[[], NoArgs, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, fn: Callable[..., Iterator[Any] | AsyncIterator[Any]], /
    ) -> NotATask: ...
    @overload
    def __call__(self, fn: Callable[[TaskContext, A], R], /) -> SyncTask[[TaskContext, A], A, R]: ...
    @overload
    def __call__(self, fn: Callable[[TaskContext], R], /) -> SyncTask[[TaskContext], NoArgs, R]: ...
    @overload
    def __call__(self, fn: Callable[[A], R], /) -> SyncTask[[A], A, R]: ...
    @overload
    def __call__(self, fn: Callable[[], R], /) -> SyncTask[[], NoArgs, R]: ...
    @overload  # never chosen, only explained: "expected a function of one model" helps most people
    def __call__(self, fn: Callable[[A], R], /) -> SyncTask[[A], A, R]: ...  # pyright: ignore[reportOverlappingOverload]


def known_options(what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a decorator: a misspelt option is a ConfigError with the nearest name, not a bare TypeError."""

    def checking(declare: Callable[P, R]) -> Callable[P, R]:
        known = [word for word in inspect.signature(declare).parameters if word != "name"]

        @functools.wraps(declare)
        def checked_call(*args: P.args, **options: P.kwargs) -> R:
            unknown = options.keys() - {*known, "name"}
            if unknown:
                raise ConfigError([no_option(what, word, known) for word in sorted(unknown)])
            return declare(*args, **options)

        return checked_call

    return checking


def no_option(what: str, word: str, known: Sequence[str]) -> str:
    return f"{what} has no option {word!r}; {hint(nearest(word, known), known, len(known))}"


@known_options("@task")
def task(
    name: str,
    *,
    queue: str | Unset = UNSET,
    priority: int | Unset = UNSET,
    max_retries: int | Unset = UNSET,
    retry: RetryPolicy | Unset = UNSET,
    soft_time_limit: Duration | Unset | None = UNSET,
    time_limit: Duration | Unset | None = UNSET,
    visibility_timeout: Duration | Unset = UNSET,
    rate_limit: Rate | str | None = None,
    concurrency: Limit | int | None = None,
    unique: Unique | None = None,
    expires: Duration | Unset | None = UNSET,
    result_ttl: Duration | Unset = UNSET,
    ignore_result: bool = False,
    at_most_once: bool = False,
    isolate: bool = False,
    accepts: Sequence[type[Upgradable]] = (),
    stub: str = "",
    tags: Sequence[str] = (),
    description: str = "",
    attributes: Mapping[str, Attribute] | None = None,
    idempotent: bool | None = None,
) -> TaskDecorator:
    """Declare a task. Only declares: nothing is registered until an app collects it.

    The handler is `async def` (runs in the event loop) or `def` (runs in a thread), and takes `(ctx, args)`,
    `(args)`, `(ctx)` or nothing: `ctx` annotated as TaskContext, `args` as a pydantic model. ConfigError says what
    is wrong with the name, an option or the handler's shape.

    `max_retries` counts the attempts after the first. `visibility_timeout` is the lease: how long the job is held
    without a renewal. `at_most_once` never runs the job twice, and so allows no retries. `accepts` are earlier argument
    models, the latest first, each with an `upgrade()` to the model of today: jobs that were enqueued with them still run.
    `stub` is the task's name in a generated package, when its own would clash there. `tags`, `description`, `attributes`
    and `idempotent` (running it twice does no harm: True, False, or None when nobody has said) are for people and
    change nothing that runs.
    """
    problems = name_problems(name, "a task")
    options = checked(
        problems,
        TaskOptions(),
        lambda: task_options(
            queue=queue,
            priority=priority,
            max_retries=max_retries,
            retry=retry,
            soft_time_limit=soft_time_limit,
            time_limit=time_limit,
            visibility_timeout=visibility_timeout,
            rate_limit=rate_limit,
            concurrency=concurrency,
            unique=unique,
            expires=expires,
            result_ttl=result_ttl,
            ignore_result=ignore_result,
            at_most_once=at_most_once,
            isolate=isolate,
            stub=stub,
            tags=tags,
            description=description,
            attributes=attributes,
            idempotent=idempotent,
        ),
    )
    if problems:
        raise ConfigError(problems)

    def declare(fn: Callable[..., Any]) -> AnyDeclared:
        # models declared inside the function that declares the task are not among fn's globals
        shape = read_shape(fn, sys._getframe(1).f_locals)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        kind: type[AnyDeclared] = AsyncTask if shape.is_async else SyncTask
        return kind(name, fn, shape, options, tuple(accepts))  # pyright: ignore[reportUnknownVariableType]

    return typing.cast("TaskDecorator", declare)


class Shape(typing.NamedTuple):
    """How a handler is called: which of ctx and args it takes, its model, its result type."""

    is_async: bool
    takes: tuple[Literal["ctx", "args"], ...]
    args: type[BaseModel]
    returns: object


def read_shape(fn: Callable[..., Any], names: Mapping[str, object]) -> Shape:
    """The shape of a handler, or ConfigError that shows what was found."""
    if not inspect.isfunction(fn) and not inspect.ismethod(fn):
        raise ConfigError(f"a handler must be a function made with def or async def, found {_kind(fn)}")
    whose = f"handler {fn.__qualname__!r}"
    if inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn):
        raise ConfigError(f"{whose} is a generator; return a list instead of yielding")
    is_async = inspect.iscoroutinefunction(fn)
    if not is_async and inspect.iscoroutinefunction(inspect.unwrap(fn)):
        raise ConfigError(f"{whose} is a plain def wrapped around an async def; make the wrapper an async def too")
    try:
        hints = typing.get_type_hints(fn, localns=dict(names), include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as fault:
        raise ConfigError(f"{whose} has an annotation that cannot be read: {fault}; define it above the task") from None
    takes: list[Literal["ctx", "args"]] = []
    model: type[BaseModel] = NoArgs
    for parameter in inspect.signature(fn).parameters.values():
        expected = hints.get(parameter.name)
        if parameter.kind not in _POSITIONAL:
            raise _misshapen(fn)
        if expected is TaskContext and not takes:
            takes.append("ctx")
        elif is_model(expected) and "args" not in takes:
            takes.append("args")
            model = expected
        else:
            raise _misshapen(fn)
    return Shape(is_async, tuple(takes), model, hints.get("return", Any))


_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _misshapen(fn: Callable[..., Any]) -> ConfigError:
    shown = inspect.signature(fn).replace(return_annotation=inspect.Signature.empty)
    return ConfigError(
        f"handler {fn.__qualname__!r} must take (ctx: TaskContext, args: <your pydantic model>), either of them, "
        f"or nothing, by position and nothing else; found {shown}"
    )


def is_model(found: object) -> TypeIs[type[BaseModel]]:
    """Whether it is a model of its own; BaseModel itself has no fields to carry."""
    return isinstance(found, type) and issubclass(found, BaseModel) and found is not BaseModel


def _kind(found: object) -> str:
    """What was decorated instead of a function, in words."""
    if isinstance(found, TaskDefinition):
        return f"{found!r}, which is a task already"
    if isinstance(found, functools.partial):
        return f"a functools.partial of {getattr(found.func, '__qualname__', found.func)!s}"
    if isinstance(found, type):
        return f"the class {found.__qualname__}"
    return f"{type(found).__name__} {found!r}"


def type_name(returns: object) -> str:
    """A result type for people: 'Receipt', 'list[int]', 'None'."""
    if returns is None or returns is type(None):
        return "None"
    if isinstance(returns, type) and not typing.get_args(returns):
        return returns.__name__
    return str(returns).replace("typing.", "")


def name_problems(name: object, what: str) -> list[str]:
    """What is wrong with a name of words and dots; `what` it is the name of, as 'a task'."""
    if isinstance(name, str) and _NAME.fullmatch(name) and len(name) <= MAX_NAME:
        return []
    if isinstance(name, str) and len(name) > MAX_NAME:
        return [f"{what}'s name may have {MAX_NAME} characters at most, found {len(name)}: {name[:40]!r}..."]
    if callable(name):
        word = what.rpartition(" ")[2]
        return [f"@{word} takes the name of the {word}, as @{word}('hello'), found {name!r} in its place"]
    return [f"{what}'s name must be a word or dotted words, as 'hello' or 'orders.charge', found {name!r}"]


def _problems(name: str, args: object, returns: object, options: TaskOptions) -> list[str]:
    """All faults of a declaration but those of its name and of single options."""
    return [*args_problems(name, args, options), *result_problems(name, returns)]


def _accepts_problems(name: str, found: object, args: type[BaseModel]) -> list[str]:
    if not is_model(found) or found is args or not callable(getattr(found, "upgrade", None)):
        wanted = f"earlier argument models, each with a method upgrade() that gives {args.__name__}"
        return [f"task {name!r}: accepts is of {wanted}; found {found!r}"]
    gives = _said_result(found)
    if is_model(gives) and not issubclass(gives, args):
        where = f"{found.__name__}.upgrade()"
        return [
            f"task {name!r}: {where} must give {args.__name__}, the model of the handler; it gives {gives.__name__}"
        ]
    return []


def _said_result(model: type[BaseModel]) -> object:
    """What `upgrade()` says that it gives; None when it does not say, or names what is not there yet."""
    try:
        return typing.get_type_hints(model.upgrade).get("return")  # type: ignore[attr-defined]
    except (NameError, AttributeError, TypeError):
        return None


def args_problems(name: str, args: object, options: TaskOptions | None, *, what: str = "task") -> list[str]:
    """What is wrong with an argument model, and with the keys of its fields that options name."""
    if not is_model(args):
        word = "args" if what == "task" else "params"
        return [f"{what} {name!r}: {word} must be a pydantic model of your own, found {args!r}"]
    try:
        args.model_rebuild()
    except (NameError, PydanticUserError) as fault:
        return [f"{what} {name!r}: the model {args.__name__} is not complete: {_first_line(fault)}"]
    problems = uncarried(args.__pydantic_core_schema__, args.__name__)
    if options is None:
        return problems
    keys = (
        ("rate_limit", options.rate_limit, check_path),
        ("concurrency", options.concurrency, check_path),
        ("unique", options.unique, check_unique_path),
    )
    for option, rule, check in keys:
        if rule is not None and rule.key is not None:
            checked(problems, None, check, args, rule.key, f"{option} of task {name!r}")
    return problems


def result_problems(name: str, returns: object, *, what: str = "task") -> list[str]:
    """What is wrong with a result type."""
    if isinstance(returns, str):
        return [f"{what} {name!r}: returns must be a type, found the text {returns!r}; write it without quotes"]
    try:
        adapter = ResultCodec(returns)
    except (NameError, PydanticSchemaGenerationError, PydanticUserError) as fault:
        return [f"{what} {name!r}: the result {type_name(returns)} cannot be carried by JSON: {_first_line(fault)}"]
    return uncarried(adapter.schema, "the result")


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0]
