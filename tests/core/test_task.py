"""Declarations: every shape of a handler, and every misuse with the sentence it earns."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import BaseModel, Field

from stem.core.codec import NoArgs
from stem.core.context import TaskContext
from stem.core.limit import Limit
from stem.core.options import no_hard_limit
from stem.core.rate import Rate
from stem.core.registry import Registry
from stem.core.retry import RetryPolicy
from stem.core.task import AsyncTask, SyncTask, TaskDefinition, task, type_name
from stem.core.unique import Unique
from stem.errors import ConfigError, InvalidArgumentsError, UnknownTaskError

if TYPE_CHECKING:
    from elsewhere import Unseen  # type: ignore[import-not-found]


class Order(BaseModel):
    """The argument model of most tasks here."""

    number: int = 0
    tenant: str = "acme"
    other_name: str = Field(default="", alias="otherName")


class Rush(Order):
    """A subclass, which a task of Order takes too."""


class Letter(BaseModel):
    """Another model."""

    text: str = ""


class Raw(BaseModel):
    """What JSON cannot carry."""

    data: bytes


CTX = cast("TaskContext", None)
#: The decorator and the class without their types: misuse is what is tested.
untyped: Any = task
define: Any = TaskDefinition


def refused(make: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make()
    return caught.value.problems


# ---------------------------------------------------------------- shapes


async def async_both(ctx: TaskContext, args: Order) -> int:
    """Both."""
    return args.number


async def async_ctx(ctx: TaskContext) -> str:
    return "ctx"


async def async_args(args: Order) -> list[int]:
    return [args.number]


async def async_nothing() -> None: ...
def sync_both(ctx: TaskContext, args: Order) -> int:
    return args.number


def sync_ctx(ctx: TaskContext, /) -> str:
    return "ctx"


def sync_args(args: Order = Order(), /) -> int | None:  # noqa: B008 - models are values
    return args.number


def sync_nothing() -> dict[str, int]:
    return {}


@pytest.mark.parametrize(
    ("fn", "takes", "model", "signature"),
    [
        (async_both, ("ctx", "args"), Order, "Order -> int"),
        (async_ctx, ("ctx",), NoArgs, "() -> str"),
        (async_args, ("args",), Order, "Order -> list[int]"),
        (async_nothing, (), NoArgs, "() -> None"),
        (sync_both, ("ctx", "args"), Order, "Order -> int"),
        (sync_ctx, ("ctx",), NoArgs, "() -> str"),
        (sync_args, ("args",), Order, "Order -> int | None"),
        (sync_nothing, (), NoArgs, "() -> dict[str, int]"),
    ],
)
def test_a_handler_takes_ctx_and_args_one_of_them_or_nothing(
    fn: Any, takes: tuple[str, ...], model: type[BaseModel], signature: str
) -> None:
    made: Any = untyped("shop.it")(fn)
    is_async = fn.__name__.startswith("async")
    assert isinstance(made, AsyncTask if is_async else SyncTask)
    assert (made.takes, made.args_model, made.signature, made.is_async) == (takes, model, signature, is_async)
    assert (made.__name__, made.__doc__, made.where) == (fn.__name__, fn.__doc__, f"{__name__}.{fn.__qualname__}")


def test_a_task_can_be_called_like_the_function_it_was() -> None:
    made = task("shop.sync")(sync_both)
    assert made(CTX, Order(number=5)) == 5
    started = task("shop.async")(async_both)(CTX, Order(number=5))
    with pytest.raises(StopIteration) as ended:
        started.send(None)
    assert ended.value.value == 5


def test_models_of_the_function_that_declares_the_task_are_found() -> None:
    class Local(BaseModel):
        n: int

    @task("shop.local")
    def handler(args: Local) -> Local:
        return args

    assert handler.args_model is Local
    assert handler.returns is Local


def test_a_bound_method_can_be_a_handler() -> None:
    class Service:
        def charge(self, args: Order) -> int:
            return args.number

    made = task("shop.method")(Service().charge)
    assert made.takes == ("args",)
    assert made(Order(number=3)) == 3


def test_a_wrapper_that_says_what_it_wraps_keeps_the_shape() -> None:
    def timed(fn: Callable[..., Awaitable[int]]) -> Any:
        @functools.wraps(fn)
        async def wrapper(*args: Any, **kwargs: Any) -> int:
            return await fn(*args, **kwargs)

        return wrapper

    made: Any = untyped("shop.wrapped")(timed(async_both))
    assert (made.is_async, made.takes, made.args_model) == (True, ("ctx", "args"), Order)


# ---------------------------------------------------------------- misshapen handlers


def keyword_only(*, args: Order) -> None: ...
def keyword_only_ctx(args: Order, *, ctx: TaskContext) -> None: ...
def var_args(*args: Order) -> None: ...
def var_kwargs(**kwargs: Order) -> None: ...
def both_and_rest(ctx: TaskContext, args: Order, *rest: Any) -> None: ...
def swapped(args: Order, ctx: TaskContext) -> None: ...
def two_models(one: Order, other: Letter) -> None: ...
def extra_default(args: Order, verbose: bool = False) -> None: ...
def extra_model(ctx: TaskContext, args: Order, other: Letter = Letter()) -> None: ...  # noqa: B008
def any_model(args: BaseModel) -> None: ...
def optional(args: Order | None) -> None: ...
def plain(number: int) -> None: ...
def unannotated(args) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def two_contexts(ctx: TaskContext, again: TaskContext) -> None: ...


@pytest.mark.parametrize(
    ("fn", "found"),
    [
        (keyword_only, "(*, args: 'Order')"),
        (keyword_only_ctx, "(args: 'Order', *, ctx: 'TaskContext')"),
        (var_args, "(*args: 'Order')"),
        (var_kwargs, "(**kwargs: 'Order')"),
        (both_and_rest, "(ctx: 'TaskContext', args: 'Order', *rest: 'Any')"),
        (swapped, "(args: 'Order', ctx: 'TaskContext')"),
        (two_models, "(one: 'Order', other: 'Letter')"),
        (extra_default, "(args: 'Order', verbose: 'bool' = False)"),
        (extra_model, "(ctx: 'TaskContext', args: 'Order', other: 'Letter' = Letter(text=''))"),
        (any_model, "(args: 'BaseModel')"),
        (optional, "(args: 'Order | None')"),
        (plain, "(number: 'int')"),
        (unannotated, "(args)"),
        (two_contexts, "(ctx: 'TaskContext', again: 'TaskContext')"),
    ],
)
def test_any_other_shape_is_refused_and_shown(fn: Any, found: str) -> None:
    assert refused(lambda: untyped("shop.it")(fn)) == (
        (
            f"handler {fn.__name__!r} must take (ctx: TaskContext, args: <your pydantic model>), either of them, "
            f"or nothing, by position and nothing else; found {found}"
        ),
    )


class Handler:
    """A class and a callable object: neither is a function."""

    def __call__(self, args: Order) -> None: ...
    def __repr__(self) -> str:
        return "<it>"


@pytest.mark.parametrize(
    ("thing", "found"),
    [
        (Order, "the class Order"),
        (Handler, "the class Handler"),
        (Handler(), "Handler <it>"),
        (functools.partial(sync_both, CTX), "a functools.partial of sync_both"),
        (functools.partial(Handler()), "a functools.partial of <it>"),
        (task("shop.once")(sync_both), "<task shop.once>, which is a task already"),
        (None, "NoneType None"),
        (staticmethod(sync_nothing), "staticmethod "),
    ],
)
def test_what_is_no_function_is_no_handler(thing: Any, found: str) -> None:
    (problem,) = refused(lambda: untyped("shop.it")(thing))
    assert problem.startswith(f"a handler must be a function made with def or async def, found {found}")


def test_generators_are_refused_with_the_cure() -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    for fn in (generator, async_generator):
        (problem,) = refused(functools.partial(untyped("shop.it"), fn))
        assert problem.endswith("is a generator; return a list instead of yielding")


def test_a_plain_wrapper_around_an_async_handler_is_refused() -> None:
    @functools.wraps(async_both)
    def wrapper(*args: Any) -> Any:
        return async_both(*args)

    (problem,) = refused(lambda: untyped("shop.it")(wrapper))
    assert problem.endswith("is a plain def wrapped around an async def; make the wrapper an async def too")


def test_an_annotation_that_cannot_be_read_is_named() -> None:
    def handler(args: Unseen) -> None: ...
    def broken(args: "Order.nothing") -> None: ...  # type: ignore[name-defined]  # noqa: UP037

    (problem,) = refused(lambda: untyped("shop.it")(handler))
    assert "name 'Unseen' is not defined; define it above the task" in problem
    assert "nothing" in refused(lambda: untyped("shop.it")(broken))[0]


# ---------------------------------------------------------------- wrong options


WRONG: list[tuple[str, Any, str]] = [
    ("unique", True, "unique must be a rule"),
    ("concurrency", "2", "a concurrency limit must be a whole number"),
    ("concurrency", True, "a concurrency limit must be a whole number"),
    ("rate_limit", 100, "rate_limit must be text like '100/m'"),
    ("at_most_once", "no", "at_most_once must be True or False"),
    ("ignore_result", "no", "ignore_result must be True or False"),
    ("isolate", "no", "isolate must be True or False"),
    ("description", None, "description must be text"),
    ("tags", "mail", "tags must be a list of words"),
    ("tags", ["mail", 3], "tags must be a list of words"),
    ("attributes", ["mail"], "attributes must map names"),
    ("attributes", {"team": ["a"]}, "attributes must map names"),
    ("attributes", {"cost": float("nan")}, "attributes must map names to short text, finite numbers"),
    ("attributes", {"cost": -(2**53) - 1}, "attributes must map names to short text, finite numbers"),
    ("attributes", {"team": "a" * 201}, "attributes must map names to short text"),
    ("attributes", {"a\nb": 1}, "attributes must map names"),
    ("tags", ["a\nb"], "tags must be a list of words"),
    ("attributes", {str(n): n for n in range(65)}, "attributes may be 64 at most, found 65"),
    ("idempotent", "yes", "idempotent must be True or False"),
    ("retry", "fixed", "retry must be a RetryPolicy"),
    ("max_retries", True, "max_retries must be a whole number"),
    ("priority", 10, "priority must be a whole number"),
    ("queue", "", "a queue's name must be"),
    ("time_limit", -1, "time_limit must be between"),
    ("expires", float("nan"), "expires must be a finite number"),
    ("result_ttl", "500ms", "result_ttl must be between 1s"),
    ("visibility_timeout", None, "visibility_timeout cannot be None"),
]
TRAVELLING = {
    *("tags", "description", "attributes", "idempotent"),
    *("unique", "concurrency", "rate_limit", "at_most_once", "priority", "queue", "expires", "result_ttl"),
}


@pytest.mark.parametrize(("option", "value", "said"), WRONG)
def test_a_wrong_option_is_refused_before_anything_is_decorated(option: str, value: Any, said: str) -> None:
    (problem,) = refused(lambda: untyped("shop.it", **{option: value}))
    assert problem.startswith(said)
    if option in TRAVELLING:
        assert refused(lambda: define("shop.it", returns=int, **{option: value})) == (problem,)


@pytest.mark.parametrize("name", ["", " ", "a b", "a..b", ".a", "a.", "1a", "a/b", "a\n", None, 3])
def test_a_bad_name_is_refused_at_once(name: Any) -> None:
    problems = (f"a task's name must be a word or dotted words, as 'hello' or 'orders.charge', found {name!r}",)
    assert refused(lambda: untyped(name)) == problems
    assert refused(lambda: define(name, returns=int)) == problems


def test_a_name_that_is_too_long_says_how_long_it_is() -> None:
    (problem,) = refused(lambda: untyped("a" * 300))
    assert problem == f"a task's name may have 200 characters at most, found 300: '{'a' * 40}'..."


def test_a_task_without_parentheses_says_how_to_name_it() -> None:
    def hello() -> None: ...

    (problem,) = refused(lambda: untyped(hello))
    assert problem.startswith("@task takes the name of the task, as @task('hello'), found <function ")


def test_a_call_of_a_plain_def_takes_no_hard_limit() -> None:
    @task("plain")
    def plain() -> None: ...

    assert refused(lambda: plain.build().time_limit("1s")) == (no_hard_limit("plain"),)
    assert plain.build().time_limit(soft="1s").request.options.soft_ms == 1_000


@pytest.mark.parametrize("name", ["a", "orders.charge", "orders.re-charge", "_x.y_1", "Größe", "a" * 200])
def test_dotted_words_are_good_names(name: str) -> None:
    assert TaskDefinition(name, returns=int).name == name


def test_all_faults_of_a_declaration_are_told_at_once() -> None:
    assert len(refused(lambda: untyped("a b", unique=True, tags="mail", priority=11, time_limit=0))) == 5
    problems = refused(lambda: define("a b", args=int, returns="Order", unique=True, prioritty=1, queue=""))
    assert len(problems) == 6


def test_all_faults_of_a_decoration_are_told_at_once() -> None:
    def handler(args: Raw) -> bytes:
        return args.data

    problems = refused(lambda: task("shop.it", rate_limit=Rate("1/s", key="nope"))(handler))
    assert [problem.partition(":")[0] for problem in problems] == [
        "Raw.data",
        "rate_limit of task 'shop.it' names the field 'nope', but Raw has no field 'nope'; fields",
        "the result",
    ]


def test_a_misspelt_keyword_is_refused_with_the_nearest() -> None:
    (problem,) = refused(lambda: define("shop.it", returns=int, prioritty=3))
    assert problem.startswith("TaskDefinition has no option 'prioritty'; did you mean 'priority'? (13 known: queue, ")
    (problem,) = refused(lambda: define("shop.it", returns=int, zzz=3))
    assert problem.startswith("TaskDefinition has no option 'zzz'; 13 known: ")


def test_at_most_once_allows_no_retries() -> None:
    (problem,) = refused(lambda: task("shop.it", at_most_once=True, max_retries=2))
    assert problem == "at_most_once never runs a job twice, so max_retries must be 0, found 2"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate_limit": Rate("1/s", key="nope")}, "rate_limit of task 'shop.it' names the field 'nope'"),
        ({"concurrency": Limit(1, key="nope")}, "concurrency of task 'shop.it' names the field 'nope'"),
        ({"unique": Unique(key="nope")}, "unique of task 'shop.it' names the field 'nope'"),
        ({"unique": Unique(key="other_name")}, "unique of task 'shop.it' names the field 'other_name', but"),
    ],
)
def test_a_key_must_be_a_field_of_the_model(options: Any, said: str) -> None:
    (problem,) = refused(lambda: define("shop.it", args=Order, returns=int, **options))
    assert problem.startswith(said)
    (problem,) = refused(lambda: untyped("shop.it", **options)(sync_both))
    assert problem.startswith(said)


@pytest.mark.parametrize("args", [int, dict, BaseModel, Order(), None, "Order"])
def test_the_arguments_of_a_definition_are_a_model_of_ones_own(args: Any) -> None:
    (problem,) = refused(lambda: define("shop.it", args=args, returns=int))
    assert problem == f"task 'shop.it': args must be a pydantic model of your own, found {args!r}"


class Later(BaseModel):
    """A model with a field of a type that nobody has written."""

    field: NeverWritten  # type: ignore[name-defined]  # noqa: F821


def test_an_incomplete_model_is_refused() -> None:
    (problem,) = refused(lambda: define("shop.it", args=Later, returns=int))
    assert problem.startswith("task 'shop.it': the model Later is not complete: ")


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        ("Order", "task 'shop.it': returns must be a type, found the text 'Order'; write it without quotes"),
        (Handler, "task 'shop.it': the result Handler cannot be carried by JSON: "),
        (Later, "task 'shop.it': the result Later cannot be carried by JSON: "),
        (list[Raw], "the result.data: bytes have no JSON form"),
        (bytes, "the result: bytes have no JSON form"),
        (3, "task 'shop.it': the result 3 cannot be carried by JSON: "),
    ],
)
def test_a_result_that_json_cannot_carry_is_refused(returns: Any, said: str) -> None:
    (problem,) = refused(lambda: define("shop.it", returns=returns))
    assert problem.startswith(said)
    assert "\n" not in problem


def test_right_options_are_kept() -> None:
    made = task(
        "shop.it",
        queue="orders",
        retry=RetryPolicy.fixed("1s"),
        rate_limit="10/s",
        concurrency=2,
        unique=Unique(key="tenant"),
        tags=["mail", "slow"],
        description="Charges.",
        attributes={"team": "billing", "cost": 3, "new": True},
        idempotent=False,
        isolate=True,
        ignore_result=True,
    )(sync_both)
    options = made.options
    assert (options.layer.queue, options.rate_limit, options.concurrency) == ("orders", Rate("10/s"), Limit(2))
    assert (options.tags, options.description) == (("mail", "slow"), "Charges.")
    assert (options.attributes, options.idempotent) == ({"team": "billing", "cost": 3, "new": True}, False)
    assert (options.isolate, options.ignore_result, options.unique) == (True, True, Unique(key="tenant"))


# ---------------------------------------------------------------- building


def test_a_call_takes_the_model_or_a_subclass_of_it() -> None:
    charge = TaskDefinition("shop.charge", args=Order, returns=int)
    assert charge.build(Rush(number=1)).request.args == Rush(number=1)
    assert TaskDefinition("shop.sweep", returns=int).build().request.args == NoArgs()


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ((Letter(text="hi"),), "Letter: Letter(text='hi')"),
        (({"number": 1},), "dict: {'number': 1}"),
        ((Order,), "ModelMetaclass: <class "),
        ((), "nothing"),
        ((None,), "nothing"),
    ],
)
def test_an_instance_of_another_model_is_refused_when_the_call_is_built(args: Any, found: str) -> None:
    charge: Any = TaskDefinition("shop.charge", args=Order, returns=int)
    for make in (charge.build, functools.partial(charge.enqueue, None)):
        with pytest.raises(InvalidArgumentsError) as caught:
            make(*args)
        assert caught.value.task == "shop.charge"
        assert caught.value.details[0].startswith(f"expected Order, found {found}")


def test_a_task_without_arguments_takes_none() -> None:
    sweep: Any = TaskDefinition("shop.sweep", returns=int)
    with pytest.raises(InvalidArgumentsError, match=r"task 'shop.sweep' were refused: expected NoArgs, found Order"):
        sweep.build(Order())


@pytest.mark.parametrize(
    ("returns", "words"),
    [(None, "None"), (type(None), "None"), (int, "int"), (Order, "Order"), (list[int], "list[int]"), (Any, "Any")],
)
def test_a_result_type_has_a_name_for_people(returns: object, words: str) -> None:
    assert type_name(returns) == words


# ---------------------------------------------------------------- registry


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    known = Registry([TaskDefinition("mail.send", returns=int), TaskDefinition("shop.charge", returns=int)])
    with pytest.raises(UnknownTaskError) as caught:
        known.get("mail.sned")
    assert caught.value.nearest == "mail.send"
    assert str(caught.value) == (
        "no task named 'mail.sned' is registered; did you mean 'mail.send'? (2 known: mail.send, shop.charge)"
    )


def test_two_tasks_of_one_name_are_refused_with_both_places() -> None:
    here, there = task("shop.it")(sync_both), task("shop.it")(sync_ctx)
    (problem,) = refused(lambda: Registry([here, there]))
    assert problem == f"two tasks are named 'shop.it': {__name__}.sync_both and {__name__}.sync_ctx"
    (problem,) = refused(lambda: Registry([here, TaskDefinition("shop.it", returns=int)]))
    assert problem == f"two tasks are named 'shop.it': {__name__}.sync_both and a TaskDefinition"


def test_the_same_task_twice_is_one_task() -> None:
    made = task("shop.it")(sync_both)
    assert len(Registry([made, made])) == 1


def test_only_tasks_can_be_registered() -> None:
    wrong: Any = [sync_both]
    (problem,) = refused(lambda: Registry(wrong))
    assert problem.startswith("expected a task made by @task(...) or TaskDefinition(...), found <function sync_both")


def test_only_declared_tasks_can_run_here() -> None:
    b, a = task("shop.b")(sync_both), task("shop.a")(sync_ctx)
    known = Registry([b, a, TaskDefinition("shop.c", returns=int)])
    assert known.handlers() == [a, b]
    assert known.handler("shop.a") is a
    assert known.handler("shop.c") is None
    assert known.handler("shop.d") is None
    assert list(known) == [b, a, known.get("shop.c")]
