"""Options of tasks, queues and calls, and which of them wins: call > task > queue > default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from keyword import iskeyword
from typing import Any, Final, TypeAlias, TypedDict, TypeVar

import msgspec
from typing_extensions import Unpack

from stem.core.duration import Duration, milliseconds
from stem.core.lease import DEFAULT_LEASE_MS, DEFAULT_MAX_LOSSES, SHORTEST_LEASE_MS
from stem.core.limit import Limit, limit
from stem.core.priority import HIGHEST, LOWEST
from stem.core.rate import Rate, rate
from stem.core.retry import DEFAULT_POLICY, RetryPolicy
from stem.core.unique import Unique
from stem.errors import ConfigError
from stem.values import UNSET, Unset, is_text

#: What an attribute of a task may be.
Attribute: TypeAlias = str | int | float | bool
T = TypeVar("T")
F = TypeVar("F")

#: Results live one day unless told otherwise. As Celery.
DEFAULT_RESULT_TTL_MS: Final = 86_400_000
#: Dead letters live 30 days.
DEAD_LETTER_TTL_MS: Final = 30 * 86_400_000
#: Shortest life of a result: below it a waiting caller could miss the value between the ring and the read.
SHORTEST_RESULT_TTL_MS: Final = 1_000
DEFAULT_QUEUE: Final = "default"
#: Attributes of one task.
MAX_ATTRIBUTES: Final = 64
#: Characters of a tag, and of an attribute's name and text.
LABEL: Final = 200
#: The largest number that an attribute may be: beyond it JSON's readers disagree.
LARGEST: Final = 2**53
NO_ATTRIBUTES: Final[Mapping[str, Attribute]] = {}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of options. UNSET: this layer says nothing. None, where it is allowed, says 'none'."""

    queue: str | Unset = UNSET
    priority: int | Unset = UNSET
    max_retries: int | Unset = UNSET
    retry: RetryPolicy | Unset = UNSET
    soft_ms: int | Unset | None = UNSET
    hard_ms: int | Unset | None = UNSET
    lease_ms: int | Unset = UNSET
    expires_ms: int | Unset | None = UNSET
    result_ttl_ms: int | Unset = UNSET


class LayerWords(TypedDict, total=False):
    """The words of `layer`."""

    queue: str | Unset
    priority: int | Unset
    max_retries: int | Unset
    retry: RetryPolicy | Unset
    soft_time_limit: Duration | Unset | None
    time_limit: Duration | Unset | None
    visibility_timeout: Duration | Unset
    expires: Duration | Unset | None
    result_ttl: Duration | Unset


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one call after all layers were asked."""

    queue: str
    priority: int
    max_retries: int
    retry: RetryPolicy
    soft_ms: int | None
    hard_ms: int | None
    lease_ms: int
    expires_ms: int | None
    result_ttl_ms: int


DEFAULTS: Final = Resolved(
    queue=DEFAULT_QUEUE,
    priority=LOWEST,
    max_retries=3,
    retry=DEFAULT_POLICY,
    soft_ms=None,
    hard_ms=None,
    lease_ms=DEFAULT_LEASE_MS,
    expires_ms=None,
    result_ttl_ms=DEFAULT_RESULT_TTL_MS,
)
NOTHING_SAID: Final = Options()


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """All that `@task(...)` says: the layer that calls and queues compete with, and what only a task can say."""

    layer: Options = NOTHING_SAID
    rate_limit: Rate | None = None
    concurrency: Limit | None = None
    unique: Unique | None = None
    ignore_result: bool = False
    at_most_once: bool = False
    isolate: bool = False
    stub: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    attributes: Mapping[str, Attribute] = NO_ATTRIBUTES
    idempotent: bool | None = None

    @property
    def max_losses(self) -> int:
        """Leases the job may lose before it is buried; 1 means that it never runs twice."""
        return 1 if self.at_most_once else DEFAULT_MAX_LOSSES


@lru_cache(maxsize=4096)
def resolve(call: Options, task: Options, queue: Options = NOTHING_SAID) -> Resolved:
    """The first layer that says something wins, field by field; then the defaults. Equal layers are resolved once.

    A call can set a value back to its default by naming it: only UNSET means 'not said'.
    """
    said = {name: _first(name, call, task, queue) for name in Resolved.__struct_fields__}
    return Resolved(**said)  # type: ignore[arg-type]  # each field comes from the field of the same name


def _first(name: str, *layers: Options) -> object:
    for layer in layers:
        value = getattr(layer, name)
        if value is not UNSET:
            return value
    return getattr(DEFAULTS, name)


def layer(
    *,
    queue: str | Unset = UNSET,
    priority: int | Unset = UNSET,
    max_retries: int | Unset = UNSET,
    retry: RetryPolicy | Unset = UNSET,
    soft_time_limit: Duration | Unset | None = UNSET,
    time_limit: Duration | Unset | None = UNSET,
    visibility_timeout: Duration | Unset = UNSET,
    expires: Duration | Unset | None = UNSET,
    result_ttl: Duration | Unset = UNSET,
) -> Options:
    """A layer from the words users write; ConfigError lists every fault at once."""
    problems: list[str] = []
    made = Options(
        queue=_said(problems, queue, queue_name),
        priority=_said(problems, priority, priority_level),
        max_retries=_said(problems, max_retries, retries),
        retry=_said(problems, retry, _policy),
        soft_ms=_span(problems, soft_time_limit, "soft_time_limit", 1),
        hard_ms=_span(problems, time_limit, "time_limit", 1),
        lease_ms=_needed(problems, visibility_timeout, "visibility_timeout", SHORTEST_LEASE_MS),
        expires_ms=_span(problems, expires, "expires", 1),
        result_ttl_ms=_needed(problems, result_ttl, "result_ttl", SHORTEST_RESULT_TTL_MS),
    )
    soft, hard = made.soft_ms, made.hard_ms
    if isinstance(soft, int) and isinstance(hard, int) and soft >= hard:
        problems.append(f"soft_time_limit ({soft} ms) must be shorter than time_limit ({hard} ms)")
    if problems:
        raise ConfigError(problems)
    return made


def task_options(
    *,
    rate_limit: Rate | str | None = None,
    concurrency: Limit | int | None = None,
    unique: Unique | None = None,
    ignore_result: bool = False,
    at_most_once: bool = False,
    isolate: bool = False,
    stub: str = "",
    tags: Sequence[str] = (),
    description: str = "",
    attributes: Mapping[str, Attribute] | None = None,
    idempotent: bool | None = None,
    **said: Unpack[LayerWords],
) -> TaskOptions:
    """All that a declaration says, from the words users write; ConfigError lists every fault at once."""
    problems: list[str] = []
    once = checked(problems, False, _flag, at_most_once, "at_most_once")
    if once and isinstance(said.get("max_retries", UNSET), Unset):
        said["max_retries"] = 0
    made = TaskOptions(
        layer=checked(problems, NOTHING_SAID, lambda: layer(**said)),
        rate_limit=checked(problems, None, rate, rate_limit),
        concurrency=checked(problems, None, limit, concurrency),
        unique=checked(problems, None, unique_rule, unique),
        ignore_result=checked(problems, False, _flag, ignore_result, "ignore_result"),
        at_most_once=once,
        isolate=checked(problems, False, _flag, isolate, "isolate"),
        stub=checked(problems, "", stub_name, stub),
        tags=checked(problems, (), _tags, tags),
        description=checked(problems, "", _description, description),
        attributes=checked(problems, NO_ATTRIBUTES, _attributes, attributes),
        idempotent=checked(problems, None, _idempotent, idempotent),
    )
    most = made.layer.max_retries
    if once and isinstance(most, int) and most > 0:
        problems.append(f"at_most_once never runs a job twice, so max_retries must be 0, found {most}")
    if problems:
        raise ConfigError(problems)
    return made


def checked(problems: list[str], fallback: F, check: Callable[..., T], *args: object) -> T | F:
    """What `check(*args)` makes, or `fallback` with the faults of its ConfigError added to `problems`."""
    try:
        return check(*args)
    except ConfigError as fault:
        problems.extend(fault.problems)
        return fallback


def unique_rule(value: Unique | None) -> Unique | None:
    """The option as a rule; a bare True is refused, for it says neither until when nor over what."""
    if value is not None and not isinstance(value, Unique):
        raise ConfigError(f"unique must be a rule, as Unique() or Unique(key='order'), or None, found {value!r}")
    return value


def queue_name(name: str) -> str:
    """A queue's name: 1 to 200 printable characters without white space at its ends."""
    if not isinstance(name, str) or not 0 < len(name) <= 200 or name != name.strip() or not name.isprintable():
        raise ConfigError(f"a queue's name must be 1 to 200 printable characters, found {name!r}")
    return name


def priority_level(value: int) -> int:
    """A priority from 0 (lowest, the default) to 9."""
    if isinstance(value, bool) or not isinstance(value, int) or not LOWEST <= value <= HIGHEST:
        raise ConfigError(f"priority must be a whole number from {LOWEST} to {HIGHEST}, found {value!r}")
    return value


def text(value: str, what: str) -> str:
    """Text that UTF-8 can carry: lone surrogates cannot travel."""
    if not is_text(value):
        raise ConfigError(f"{what} must be text that UTF-8 can carry, found {value!r}")
    return value


def retries(value: int) -> int:
    """A number of retries from 0 to a million."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
        raise ConfigError(f"max_retries must be a whole number from 0 to 1,000,000, found {value!r}")
    return value


def _policy(value: RetryPolicy) -> RetryPolicy:
    if not isinstance(value, RetryPolicy):
        raise ConfigError(f"retry must be a RetryPolicy, as RetryPolicy.fixed('5s'), found {value!r}")
    return value


def _flag(value: bool, what: str) -> bool:  # noqa: FBT001 - the value under test
    if not isinstance(value, bool):
        raise ConfigError(f"{what} must be True or False, found {value!r}")
    return value


def stub_name(value: str) -> str:
    if value and (not isinstance(value, str) or not value.isidentifier() or iskeyword(value) or value[0] == "_"):
        raise ConfigError(
            f"stub must be a name that Python code can use, without an underscore in front, found {value!r}"
        )
    return value


def _tags(value: Iterable[str]) -> tuple[str, ...]:
    found = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else None
    if found is None or not all(_label(tag) for tag in found):
        raise ConfigError(f"tags must be a list of words, as ['mail'], found {value!r:.{LABEL}}")
    return found


def _attributes(value: Mapping[str, Attribute] | None) -> Mapping[str, Attribute]:
    found: object = {} if value is None else value
    if not isinstance(found, Mapping) or not all(_label(name) and _attribute(one) for name, one in _pairs(found)):
        raise ConfigError(
            "attributes must map names to short text, finite numbers, True or False, as {'team': 'billing'}, "
            f"found {str(value)[:LABEL]}"
        )
    if len(found) > MAX_ATTRIBUTES:
        raise ConfigError(f"attributes may be {MAX_ATTRIBUTES} at most, found {len(found)}")
    return dict(value or {})


def _label(value: object) -> bool:
    """A word or a line for people: printable, so that it keeps to its cell in a table."""
    return isinstance(value, str) and 0 < len(value) <= LABEL and value.isprintable()


def _attribute(value: object) -> bool:
    if isinstance(value, str):
        return not value or _label(value)
    return isinstance(value, int | float) and abs(value) <= LARGEST


def _pairs(found: Mapping[Any, Any]) -> Iterable[tuple[object, object]]:
    return found.items()


def _idempotent(value: bool | None) -> bool | None:  # noqa: FBT001 - the value under test
    return None if value is None else _flag(value, "idempotent")


def _description(value: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"description must be text, found {value!r}")
    return value


def _said(problems: list[str], value: object, check: Callable[[Any], T]) -> T | Unset:
    return UNSET if isinstance(value, Unset) else checked(problems, UNSET, check, value)


def _span(problems: list[str], value: Duration | Unset | None, what: str, minimum: int) -> int | Unset | None:
    if value is None or isinstance(value, Unset):
        return value
    return checked(problems, UNSET, lambda: milliseconds(value, what=what, minimum=minimum))


def _needed(problems: list[str], value: Duration | Unset, what: str, minimum: int) -> int | Unset:
    made = _span(problems, value, what, minimum)
    if made is None:
        problems.append(f"{what} cannot be None")
        return UNSET
    return made


def no_hard_limit(task: str) -> str:
    """Why a thread's hard limit is refused."""
    return (
        f"task {task!r} has a time_limit but is a plain def: a thread cannot be killed; "
        "make it async def, use soft_time_limit, or wait for isolate=True"
    )
